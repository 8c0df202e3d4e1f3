// SPDX-License-Identifier: Apache-2.0
// libfabric by itself, between two processes; prints ns. What our transport `ofi` is held against.
//
//   fabric PROVIDER TEST BYTES TIMES PORT           the server, on 127.0.0.1, ended by its parent
//   fabric PROVIDER TEST BYTES TIMES PORT client    measures and prints
//
// PROVIDER: shm, tcp;ofi_rxm. TEST: put (each writes 8 bytes and looks into its own memory: half of it),
// delivered (fi_write and fi_read of 8 bytes behind it: ofi_rxm does not honour completion of delivery),
// put_flood (64 under way, fi_read at the end), get, fetch_add, add_flood.
// One endpoint (FI_EP_RDM), one completion queue, polled at both ends; words and additions are injected.
// Names and keys go by a tcp connection, which then only tells the server the end.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <rdma/fabric.h>
#include <rdma/fi_atomic.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_rma.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr int batches = 20;
constexpr std::uint64_t window = 64;
constexpr std::size_t page = 4096;

void must(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "error: %s\nbecause: the call failed\ntry: fi_info -l\n", what);
  std::exit(1);
}

double now_ns() {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The tcp connection by which the two find each other.
class Control {
 public:
  Control(std::uint16_t port, bool client) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socket_ = socket(AF_INET, SOCK_STREAM, 0);
    auto* address = reinterpret_cast<sockaddr*>(&at);
    if (client) {
      must(connect(socket_, address, sizeof at) == 0, "no server yet");
      return;
    }
    const int on = 1;
    setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    must(bind(socket_, address, sizeof at) == 0 && listen(socket_, 1) == 0, "cannot listen");
    socket_ = accept(socket_, nullptr, nullptr);
    must(socket_ >= 0, "nobody came");
  }
  template <class T>
  T swap(const T& mine) const {
    T theirs{};
    must(send(socket_, &mine, sizeof mine, 0) == sizeof mine, "cannot tell");
    must(recv(socket_, &theirs, sizeof theirs, MSG_WAITALL) == sizeof theirs, "not told");
    return theirs;
  }
  [[nodiscard]] bool over() const {
    char byte = 0;
    return recv(socket_, &byte, 1, MSG_DONTWAIT) >= 0;
  }

 private:
  int socket_ = -1;
};

struct Hello {
  std::array<char, 256> name{};
  std::uint64_t name_bytes = 0, key = 0, base = 0;
};

class Fabric {
 public:
  Fabric(const std::string& provider, bool atomics, std::size_t bytes) : memory_(bytes + page) {
    find(provider, atomics);
    must(fi_fabric(info_->fabric_attr, &fabric_, nullptr) == 0, "fi_fabric");
    must(fi_domain(fabric_, info_, &domain_, nullptr) == 0, "fi_domain");
    fi_av_attr table{};
    table.type = FI_AV_TABLE;
    must(fi_av_open(domain_, &table, &peers_, nullptr) == 0, "fi_av_open");
    fi_cq_attr queue{};
    queue.size = 4096;
    queue.format = FI_CQ_FORMAT_CONTEXT;
    must(fi_cq_open(domain_, &queue, &completions_, nullptr) == 0, "fi_cq_open");
    must(fi_endpoint(domain_, info_, &endpoint_, nullptr) == 0, "fi_endpoint");
    must(fi_ep_bind(endpoint_, &peers_->fid, 0) == 0, "fi_ep_bind");
    must(fi_ep_bind(endpoint_, &completions_->fid, FI_TRANSMIT | FI_RECV) == 0, "fi_ep_bind");
    must(fi_enable(endpoint_) == 0, "fi_enable");
    const std::uint64_t access = FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
    must(fi_mr_reg(domain_, memory_.data(), memory_.size(), access, 0, 1, 0, &region_, nullptr) == 0,
         "fi_mr_reg");
  }

  ~Fabric() {
    for (fid* one :
         {&endpoint_->fid, &region_->fid, &completions_->fid, &peers_->fid, &domain_->fid, &fabric_->fid})
      fi_close(one);
    fi_freeinfo(info_);
  }
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;

  /// The server: every wait ends when the client has gone.
  void end_with(const Control& control) { client_ = &control; }
  [[nodiscard]] bool over() const noexcept { return over_; }

  void meet(const Control& control) {
    Hello hello;
    std::size_t bytes = hello.name.size();
    must(fi_getname(&endpoint_->fid, hello.name.data(), &bytes) == 0, "fi_getname");
    hello.name_bytes = bytes;
    hello.key = fi_mr_key(region_);
    const bool by_address = (info_->domain_attr->mr_mode & FI_MR_VIRT_ADDR) != 0;
    hello.base = by_address ? reinterpret_cast<std::uint64_t>(memory_.data()) : 0;
    const Hello theirs = control.swap(hello);
    must(fi_av_insert(peers_, theirs.name.data(), 1, &peer_, 0, nullptr) == 1, "fi_av_insert");
    key_ = theirs.key;
    base_ = theirs.base;
  }

  void write_word(std::uint64_t value) {
    again([&] { return fi_inject_write(endpoint_, &value, sizeof value, peer_, base_, key_); });
  }
  void wait_for_word(std::uint64_t value) {
    const std::atomic_ref word(*reinterpret_cast<std::uint64_t*>(memory_.data()));
    while (word.load(std::memory_order_acquire) != value && !over_) turn();
  }
  void write(std::size_t bytes) {
    again([&] { return fi_write(endpoint_, body(), bytes, described(), peer_, base_, key_, nullptr); });
  }
  void read(std::size_t bytes) {
    again([&] { return fi_read(endpoint_, body(), bytes, described(), peer_, base_, key_, nullptr); });
  }
  void fetch_add() {
    again([&] {
      return fi_fetch_atomic(endpoint_, &one_, 1, nullptr, &former_, nullptr, peer_, base_, key_, FI_UINT64,
                             FI_SUM, nullptr);
    });
  }
  void add() {
    again([&] { return fi_inject_atomic(endpoint_, &one_, 1, peer_, base_, key_, FI_UINT64, FI_SUM); });
  }
  /// Until `count` more operations have completed.
  void wait_sent(std::uint64_t count) {
    while (sent_ < count && !over_) turn();
    sent_ -= count;
  }
  void turn() {
    if (client_ != nullptr && ++turns_ % 1024 == 0 && client_->over()) over_ = true;
    std::array<fi_cq_entry, 16> entries{};
    const ssize_t got = fi_cq_read(completions_, entries.data(), entries.size());
    must(got >= 0 || got == -FI_EAGAIN, "fi_cq_read");
    if (got > 0) sent_ += static_cast<std::uint64_t>(got);
  }

 private:
  // As our transport asks: registration as the provider likes it; of shm addresses alone, which keeps order.
  void find(const std::string& provider, bool atomics) {
    fi_info* hints = fi_allocinfo();
    hints->caps = FI_MSG | FI_RMA | (atomics ? FI_ATOMIC : 0);
    hints->ep_attr->type = FI_EP_RDM;
    hints->domain_attr->threading = FI_THREAD_DOMAIN;
    hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
    hints->domain_attr->mr_mode = provider == "shm"
                                      ? FI_MR_VIRT_ADDR
                                      : FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
    hints->tx_attr->msg_order = FI_ORDER_SAS | (atomics ? 0 : FI_ORDER_RAW);
    hints->fabric_attr->prov_name = strdup(provider.c_str());
    const char* host = provider == "shm" ? nullptr : "127.0.0.1";
    must(fi_getinfo(FI_VERSION(1, 17), host, nullptr, host != nullptr ? FI_SOURCE : 0, hints, &info_) == 0,
         "no such provider");
    fi_freeinfo(hints);
  }
  template <class Call>
  void again(Call call) {
    ssize_t code = 0;
    while ((code = call()) == -FI_EAGAIN && !over_) turn();
    must(code == 0 || over_, "the provider refuses");
  }
  [[nodiscard]] char* body() noexcept { return memory_.data() + page; }
  [[nodiscard]] void* described() const { return fi_mr_desc(region_); }

  std::vector<char> memory_;  // a page that the peer's words go to, and the bytes
  fi_info* info_ = nullptr;
  fid_fabric* fabric_ = nullptr;
  fid_domain* domain_ = nullptr;
  fid_av* peers_ = nullptr;
  fid_cq* completions_ = nullptr;
  fid_ep* endpoint_ = nullptr;
  fid_mr* region_ = nullptr;
  fi_addr_t peer_ = FI_ADDR_UNSPEC;
  const Control* client_ = nullptr;
  bool over_ = false;
  std::uint64_t key_ = 0, base_ = 0, turns_ = 0, sent_ = 0, one_ = 1, former_ = 0;
};

template <class Once>
double median_of(long times, Once once) {
  std::vector<double> found;
  const long each = std::max(1L, times / batches);
  for (int batch = -2; batch < batches; ++batch) {
    const double begin = now_ns();
    for (long i = 0; i < each; ++i) once();
    if (batch >= 0) found.push_back((now_ns() - begin) / static_cast<double>(each));
  }
  std::nth_element(found.begin(), found.begin() + batches / 2, found.end());
  return found[batches / 2];
}

double puts(Fabric& fabric, long times) {
  std::uint64_t number = 0;
  return median_of(times,
                   [&] {
                     fabric.write_word(++number);
                     fabric.wait_for_word(number);
                   }) /
         2;
}

template <class Once>
double flood(Fabric& fabric, long times, bool completes, Once once) {
  const double begin = now_ns();
  for (long done = 0; done < times; ++done) {
    once();
    if (completes && done >= static_cast<long>(window)) fabric.wait_sent(1);
  }
  if (completes) fabric.wait_sent(std::min<std::uint64_t>(window, static_cast<std::uint64_t>(times)));
  fabric.read(8);
  fabric.wait_sent(1);
  return (now_ns() - begin) / static_cast<double>(times);
}

double measure(Fabric& fabric, const std::string& test, std::size_t bytes, long times) {
  if (test == "put") return puts(fabric, times);
  if (test == "put_flood") return flood(fabric, times, true, [&] { fabric.write(bytes); });
  if (test == "add_flood") return flood(fabric, times, false, [&] { fabric.add(); });
  return median_of(times, [&] {
    if (test == "delivered") fabric.write(bytes);
    test == "fetch_add" ? fabric.fetch_add() : fabric.read(test == "delivered" ? 8 : bytes);
    fabric.wait_sent(test == "delivered" ? 2 : 1);
  });
}

void serve(Fabric& fabric, const std::string& test) {
  for (std::uint64_t number = 1; !fabric.over(); ++number) {
    if (test == "put") {
      fabric.wait_for_word(number);
      fabric.write_word(number);
    } else {
      fabric.turn();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6 && argc != 7) return 2;
  const std::string provider = argv[1], test = argv[2];
  const auto bytes = static_cast<std::size_t>(std::strtol(argv[3], nullptr, 10));
  const long times = std::strtol(argv[4], nullptr, 10);
  const bool client = argc == 7;
  const Control control(static_cast<std::uint16_t>(std::strtol(argv[5], nullptr, 10)), client);
  Fabric fabric(provider, test == "fetch_add" || test == "add_flood", std::max<std::size_t>(bytes, 64));
  fabric.meet(control);
  control.swap('g');
  if (client) {
    std::printf("%.1f\n", measure(fabric, test, bytes, times));
  } else {
    fabric.end_with(control);
    serve(fabric, test);
  }
  return 0;
}
