// SPDX-License-Identifier: Apache-2.0
// See raw.hpp.
#include <harness/bench/ofi/raw.hpp>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>

namespace harness::bench {

namespace {

void check(const char* call, long code) {
  if (code < 0)
    give_up({Errc::io, fmt::format("libfabric: {} failed", call), fi_strerror(static_cast<int>(-code)),
             "FI_LOG_LEVEL=warn"});
}

fi_info* ask(const std::string& provider, bool many) {
  fi_info* hints = fi_allocinfo();
  hints->caps = FI_MSG | (many ? FI_MULTI_RECV : 0);
  hints->mode = FI_CONTEXT | FI_CONTEXT2;
  hints->ep_attr->type = FI_EP_RDM;
  hints->domain_attr->threading = FI_THREAD_DOMAIN;
  hints->domain_attr->data_progress = hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->av_type = FI_AV_TABLE;
  hints->tx_attr->msg_order = hints->rx_attr->msg_order = FI_ORDER_SAS;
  hints->fabric_attr->prov_name = strdup(provider.c_str());
  fi_info* info = nullptr;
  const bool numbered = provider != "shm";
  check("fi_getinfo",
        fi_getinfo(FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION), numbered ? "127.0.0.1" : nullptr, nullptr,
                   numbered ? FI_SOURCE : 0, hints, &info));
  fi_freeinfo(hints);
  return info;
}

}  // namespace

RawEnd::RawEnd(const std::string& provider, std::uint32_t bytes)
    : bytes_(bytes), many_(bytes < large), info_(ask(provider, many_)),
      out_(std::size_t{window(bytes)} * bytes, std::byte{'x'}) {
  open(info_);
  const std::size_t each = many_ ? many_bytes : bytes;
  receives_.resize(many_ ? many_buffers : single_buffers);
  in_.resize(each * receives_.size());
  for (std::size_t i = 0; i < receives_.size(); ++i) {
    receives_[i].memory = in_.data() + i * each;
    post(receives_[i]);
  }
}

RawEnd::~RawEnd() {
  for (fid* object : {&endpoint_->fid, &completions_->fid, &addresses_->fid, &domain_->fid, &fabric_->fid})
    fi_close(object);
  fi_freeinfo(info_);
}

void RawEnd::open(fi_info* info) {
  check("fi_fabric", fi_fabric(info->fabric_attr, &fabric_, nullptr));
  check("fi_domain", fi_domain(fabric_, info, &domain_, nullptr));
  fi_av_attr table{};
  table.type = FI_AV_TABLE;
  check("fi_av_open", fi_av_open(domain_, &table, &addresses_, nullptr));
  fi_cq_attr queue{};
  queue.size = info->tx_attr->size + info->rx_attr->size;
  queue.format = FI_CQ_FORMAT_DATA;
  check("fi_cq_open", fi_cq_open(domain_, &queue, &completions_, nullptr));
  check("fi_endpoint", fi_endpoint(domain_, info, &endpoint_, nullptr));
  check("fi_ep_bind", fi_ep_bind(endpoint_, &addresses_->fid, 0));
  check("fi_ep_bind", fi_ep_bind(endpoint_, &completions_->fid, FI_TRANSMIT | FI_RECV));
  check("fi_enable", fi_enable(endpoint_));
  inject_bytes_ = std::min<std::size_t>(info->tx_attr->inject_size, 4096);
  std::size_t least = bytes_;
  if (many_) fi_setopt(&endpoint_->fid, FI_OPT_ENDPOINT, FI_OPT_MIN_MULTI_RECV, &least, sizeof least);
}

std::string RawEnd::name() const {
  std::array<unsigned char, 256> name{};
  std::size_t bytes = name.size();
  check("fi_getname", fi_getname(&endpoint_->fid, name.data(), &bytes));
  std::string digits;
  for (std::size_t i = 0; i < bytes; ++i) digits += fmt::format("{:02x}", name[i]);
  return digits;
}

void RawEnd::meet(const std::string& name) {
  std::vector<unsigned char> bytes;
  for (std::size_t i = 0; i + 1 < name.size(); i += 2)
    bytes.push_back(static_cast<unsigned char>(std::stoul(name.substr(i, 2), nullptr, 16)));
  if (fi_av_insert(addresses_, bytes.data(), 1, &peer_, 0, nullptr) != 1) check("fi_av_insert", -FI_EINVAL);
}

void RawEnd::post(Receive& receive) {
  const iovec where{receive.memory, many_ ? std::size_t{many_bytes} : bytes_};
  fi_msg message{};
  message.msg_iov = &where;
  message.iov_count = 1;
  message.addr = FI_ADDR_UNSPEC;
  message.context = &receive.context;
  check("fi_recvmsg", fi_recvmsg(endpoint_, &message, many_ ? FI_MULTI_RECV : 0));
}

// False: the provider takes nothing now, or as much as may be is under way.
bool RawEnd::send(std::uint32_t bytes) {
  long code = 0;
  if (bytes <= inject_bytes_) {
    code = fi_inject(endpoint_, next(bytes), bytes, peer_);
  } else {
    if (under_way_ == window(bytes)) return false;
    code = fi_send(endpoint_, next(bytes), bytes, nullptr, peer_, &contexts_[next_context_]);
    if (code == 0) {
      next_context_ = (next_context_ + 1) % sends_max;
      ++under_way_;
    }
  }
  if (code != -FI_EAGAIN) check("fi_send", code);
  return code == 0;
}

// Reads what completed; `on` gets each message.
template <class On>
void RawEnd::turn(On&& on) {
  std::array<fi_cq_data_entry, 32> entries;  // NOLINT: written by the provider
  const long count = fi_cq_read(completions_, entries.data(), entries.size());
  if (count == -FI_EAGAIN) return;
  check("fi_cq_read", count);
  for (long i = 0; i < count; ++i) {
    const fi_cq_data_entry& entry = entries[static_cast<std::size_t>(i)];
    if ((entry.flags & FI_RECV) == 0) {
      if ((entry.flags & FI_SEND) != 0) --under_way_;
      if ((entry.flags & FI_MULTI_RECV) == 0) continue;
    }
    auto& receive = *static_cast<Receive*>(entry.op_context);
    if ((entry.flags & FI_RECV) != 0 && entry.len != 0)
      on(static_cast<const std::byte*>(many_ ? entry.buf : receive.memory), entry.len);
    if (!many_ || (entry.flags & FI_MULTI_RECV) != 0) post(receive);
  }
}

void RawEnd::echo(const Duo::Still& still) {
  while (still)
    turn([&](const std::byte* from, std::size_t bytes) {
      std::memcpy(next(static_cast<std::uint32_t>(bytes)), from, bytes);
      while (!send(static_cast<std::uint32_t>(bytes))) turn([](const std::byte*, std::size_t) {});
    });
}

void RawEnd::sink(Board& board, const Duo::Still& still) {
  std::uint64_t told = board.received.get();
  std::uint64_t received = told;
  while (still) {
    turn([&](const std::byte*, std::size_t) { ++received; });
    if (received != told) board.received.set(told = received);
  }
}

double RawEnd::trips(std::uint32_t bytes, std::uint64_t batch, std::uint64_t budget_ns) {
  std::vector<double> times;
  const std::uint64_t end = now_ns() + budget_ns;
  for (std::uint64_t begin = now_ns(); begin < end;) {
    for (std::uint64_t i = 0; i < batch; ++i) {
      std::memset(next(bytes), 'x', std::min(bytes, 64u));
      bool answered = false;
      const auto answer = [&](const std::byte*, std::size_t) { answered = true; };
      while (!send(bytes)) turn(answer);
      while (!answered) turn(answer);
    }
    const std::uint64_t now = now_ns();
    times.push_back(static_cast<double>(now - begin) / static_cast<double>(2 * batch));
    begin = now;
  }
  return median_of(std::move(times));
}

double RawEnd::flood(std::uint32_t bytes, std::uint64_t count, const Board& board) {
  const std::uint64_t wanted = board.received.get() + count;
  const std::uint64_t begin = now_ns();
  const auto ignore = [](const std::byte*, std::size_t) {};
  for (std::uint64_t sent = 0; sent < count; ++sent) {
    while (under_way_ == window(bytes)) turn(ignore);
    std::memset(next(bytes), 'x', std::min(bytes, filled_bytes_max));
    while (!send(bytes)) turn(ignore);
  }
  while (board.received.get() < wanted) turn(ignore);
  return static_cast<double>(now_ns() - begin) / static_cast<double>(count);
}

}  // namespace harness::bench
