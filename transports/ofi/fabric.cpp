// SPDX-License-Identifier: Apache-2.0
// Choosing a provider, opening its objects, and the table of peers.
#include <harness/transports/ofi/fabric.hpp>

#include <algorithm>
#include <array>
#include <cstring>

#include <harness/transports/ofi/crossover.hpp>

namespace harness::transports::ofi {

namespace {

constexpr std::uint64_t needed_caps = FI_MSG | FI_RMA;
struct Step {
  std::uint64_t caps;
  fi_resource_mgmt management;
};
// Without resource management nothing but our tables keeps queues from overrunning: their sizes do, as long
// as each message takes a receive of its own.
constexpr std::array ladder = {Step{needed_caps | FI_MULTI_RECV, FI_RM_ENABLED},
                               Step{needed_caps, FI_RM_ENABLED}, Step{needed_caps, FI_RM_UNSPEC}};
constexpr std::size_t queue_entries_min = 1024;

Info hints_for(const Library& library, const Policy& policy, const Step& step) {
  Info hints(library.dupinfo(nullptr), {&library});
  if (hints == nullptr) return hints;
  hints->caps = step.caps;
  hints->mode = FI_CONTEXT | FI_CONTEXT2 | FI_RX_CQ_DATA;
  hints->ep_attr->type = FI_EP_RDM;
  hints->domain_attr->threading = FI_THREAD_DOMAIN;
  hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->resource_mgmt = step.management;
  hints->domain_attr->av_type = FI_AV_TABLE;
  hints->domain_attr->mr_mode = static_cast<int>(policy.mr_mode);
  hints->tx_attr->msg_order = hints->rx_attr->msg_order = FI_ORDER_SAS;
  hints->fabric_attr->prov_name = strdup(std::string(policy.provider).c_str());
  return hints;
}

// The first of a row's offers that is one; null: it has none here.
Info ask(const Library& library, const Policy& policy, const std::string& host, bool towards, int& code) {
  code = -FI_ENODATA;
  for (const Step& step : ladder) {
    const Info hints = hints_for(library, policy, step);
    if (hints == nullptr) return Info(nullptr, {&library});
    fi_info* found = nullptr;
    const bool bound = !host.empty() && policy.named_by_host;
    code = library.getinfo(FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION), bound ? host.c_str() : nullptr,
                           nullptr, bound && !towards ? FI_SOURCE : 0, hints.get(), &found);
    Info all(code == 0 ? found : nullptr, {&library});
    for (fi_info* info = all.get(); info != nullptr; info = info->next)
      if (fits(policy, *info, library.version())) return Info(library.dupinfo(info), {&library});
  }
  return Info(nullptr, {&library});
}

std::string version_text(std::uint32_t version) {
  return std::to_string(FI_MAJOR(version)) + "." + std::to_string(FI_MINOR(version));
}

}  // namespace

Result<Choice> choose(const Library& library, std::string_view word, const std::string& host, bool towards) {
  std::string tried;
  for (const Policy& policy : policies()) {
    if (word == "auto" ? !policy.is_auto : policy.word != word) continue;
    int code = 0;
    Info info = ask(library, policy, host, towards, code);
    if (info != nullptr) return Choice{&policy, std::move(info)};
    tried += (tried.empty() ? "" : ", ") + std::string(policy.provider);
  }
  return fail(Errc::unsupported, "no provider of libfabric for ofi",
              "libfabric " + version_text(library.version()) + " has no device for " +
                  (tried.empty() ? std::string(word) : tried),
              "harness doctor lists the providers; fi_info -l those of libfabric");
}

std::vector<ProviderReport> report(const Library& library) {
  std::vector<ProviderReport> all;
  bool chosen = false;
  for (const Policy& policy : policies()) {
    if (policy.word.starts_with("mock")) continue;
    int code = 0;
    const Info info = ask(library, policy, {}, false, code);
    ProviderReport& one = all.emplace_back();
    one.name = policy.provider;
    one.usable = info != nullptr;
    one.chosen = one.usable && policy.is_auto && !chosen;
    chosen = chosen || one.chosen;
    if (info != nullptr && info->domain_attr->name != nullptr) one.device = info->domain_attr->name;
    if (const auto found = remembered_crossover(policy.provider)) one.eager = text_of(*found);
    if (!one.usable) {
      one.why = code == -FI_ENODATA || code == 0 ? "no device" : library.strerror(-code);
    } else if (one.chosen) {
      one.why = "the first by preference";
    } else if (!policy.is_auto) {
      one.why = "only when named: " + std::string(policy.note);
    } else {
      one.why = "another one is preferred";
    }
  }
  return all;
}

tl::unexpected<Error> Fabric::failed(const char* call, long code) const {
  return fail(Errc::io, "the provider " + std::string(provider()) + " gives no endpoint",
              std::string(call) + ": " + library_.strerror(static_cast<int>(-code)),
              "another one: ofi(provider=tcp); FI_LOG_LEVEL=warn lets libfabric say more");
}

Result<std::unique_ptr<Fabric>> Fabric::open(const Library& library, Choice choice) {
  std::unique_ptr<Fabric> fabric(new Fabric(library, std::move(choice)));
  if (auto opened = fabric->open_all(); !opened) return tl::unexpected<Error>(opened.error());
  return fabric;
}

Result<> Fabric::open_all() {
  fi_info& info = *choice_.info;
  fid_fabric* fabric = nullptr;
  if (const int code = library_.fabric(info.fabric_attr, &fabric, nullptr); code != 0)
    return failed("fi_fabric", code);
  fabric_.reset(fabric);
  fid_domain* domain = nullptr;
  if (const int code = fi_domain(fabric, &info, &domain, nullptr); code != 0)
    return failed("fi_domain", code);
  domain_.reset(domain);
  fi_av_attr table{};
  table.type = FI_AV_TABLE;
  fid_av* addresses = nullptr;
  if (const int code = fi_av_open(domain, &table, &addresses, nullptr); code != 0)
    return failed("fi_av_open", code);
  addresses_.reset(addresses);
  if (auto opened = open_queue(); !opened) return opened;
  return enable();
}

Result<> Fabric::open_queue() {
  fi_cq_attr queue{};
  queue.size = std::max(queue_entries_min, info().tx_attr->size + info().rx_attr->size);
  queue.format = FI_CQ_FORMAT_DATA;
  queue.wait_obj = policy().has_descriptor ? FI_WAIT_FD : FI_WAIT_NONE;
  fid_cq* completions = nullptr;
  int code = fi_cq_open(domain_.get(), &queue, &completions, nullptr);
  if (code != 0 && queue.wait_obj != FI_WAIT_NONE) {
    queue.wait_obj = FI_WAIT_NONE;
    code = fi_cq_open(domain_.get(), &queue, &completions, nullptr);
  }
  if (code != 0) return failed("fi_cq_open", code);
  completions_.reset(completions);
  if (queue.wait_obj == FI_WAIT_FD && fi_control(&completions->fid, FI_GETWAIT, &descriptor_) != 0)
    descriptor_ = -1;
  return {};
}

Result<> Fabric::enable() {
  fid_ep* endpoint = nullptr;
  if (const int code = fi_endpoint(domain_.get(), choice_.info.get(), &endpoint, nullptr); code != 0)
    return failed("fi_endpoint", code);
  endpoint_.reset(endpoint);
  if (const int code = fi_ep_bind(endpoint, &addresses_->fid, 0); code != 0)
    return failed("fi_ep_bind", code);
  if (const int code = fi_ep_bind(endpoint, &completions_->fid, FI_TRANSMIT | FI_RECV); code != 0)
    return failed("fi_ep_bind", code);
  if (const int code = fi_enable(endpoint); code != 0) return failed("fi_enable", code);
  name_.resize(name_bytes_max);
  std::size_t bytes = name_.size();
  if (const int code = fi_getname(&endpoint->fid, name_.data(), &bytes); code != 0)
    return failed("fi_getname", code);
  name_.resize(bytes);
  return {};
}

std::uint32_t Fabric::inject_bytes(std::uint32_t bytes) const noexcept {
  const std::size_t most = std::min<std::size_t>(info().tx_attr->inject_size, policy().inject_bytes_max);
  return static_cast<std::uint32_t>(std::min<std::size_t>(most, bytes));
}

bool Fabric::may_sleep() noexcept {
  fid* waited = &completions_->fid;
  return fi_trywait(fabric_.get(), &waited, 1) == FI_SUCCESS;
}

fi_addr_t Fabric::insert(std::span<const std::byte> name) {
  for (Peer& peer : peers_) {
    if (!std::equal(peer.name.begin(), peer.name.end(), name.begin(), name.end())) continue;
    ++peer.links;
    return peer.address;
  }
  fi_addr_t address = FI_ADDR_NOTAVAIL;
  if (fi_av_insert(addresses_.get(), name.data(), 1, &address, 0, nullptr) != 1) return FI_ADDR_NOTAVAIL;
  peers_.push_back({{name.begin(), name.end()}, address, 1});
  return address;
}

void Fabric::leave(fi_addr_t address, bool idle) noexcept {
  const auto found =
      std::find_if(peers_.begin(), peers_.end(), [&](const Peer& peer) { return peer.address == address; });
  if (found == peers_.end() || --found->links != 0 || !idle) return;
  fi_av_remove(addresses_.get(), &address, 1, 0);
  peers_.erase(found);
}

}  // namespace harness::transports::ofi
