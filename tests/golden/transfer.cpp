// SPDX-License-Identifier: Apache-2.0
// See transfer.hpp.
#include <harness/tests/golden/transfer.hpp>

#include <algorithm>
#include <map>
#include <stdexcept>

#include <harness/layers/all.hpp>
#include <harness/stack/node.hpp>
#include <harness/tests/support/described.hpp>

namespace harness::tests {

using transports::Sim;
using transports::SimEngine;
using transports::SimWorld;

namespace {

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint32_t message_bytes = 64 << 10;

// Loses every n-th large frame on the way down: the loss that RFC 9438 §5.1 computes with.
class LoseEvery {
 public:
  static constexpr std::array options{OptionSpec{"n", OptionKind::count, 0, 1 << 30, 0, "0: loses nothing"}};
  static constexpr Descriptor descriptor{.name = "lose_every",
                                         .summary = "loses every n-th data packet",
                                         .options = options,
                                         .contract = {},
                                         .swap = SwapClass::none,
                                         .segment = Segment::epoch};
  LoseEvery(const OptionValues& values, LayerContext&) : n_(static_cast<std::uint64_t>(values[0])) {}
  template <class Below>
  void down(Message& message, Below below) {
    if (n_ != 0 && message.size() > 1000 && ++count_ % n_ == 0) return;
    below(message);
  }

 private:
  std::uint64_t n_;
  std::uint64_t count_ = 0;
};

// Two nodes and the link between them, up.
class Path {
 public:
  explicit Path(const Course& course) : world_(course.seed) {
    layers::add_all(catalogue_);
    catalogue_.add<LoseEvery>();
    catalogue_.add(Sim::type());
    const std::string text = "order / frag / reliable(" + course.options +
                             ") / lose_every(n=" + std::to_string(course.lose_every) +
                             ") @ sim(profile=datagram, frame=65000, " + "queue=4096, inbox=4096)";
    const StackSpec stack = stack_from(text, catalogue_).value();
    world_.set_default_path({.delay_ns = course.rtt_ns / 2,
                             .loss_ppm = course.loss_ppm,
                             .rate_bytes_per_s = rate_bytes_per_s,
                             .queue_bytes = course.queue_bytes,
                             .mtu_bytes = course.packet_bytes});
    for (const char* name : {"a", "b"}) {
      engines_.push_back(&world_.add(name));
      nodes_.push_back(std::make_unique<Node>(*engines_.back(), catalogue_, NodeOptions{name, "lab", {}}));
      nodes_.back()->add(std::make_shared<Sim>(*engines_.back(), stack.transport_options));
      nodes_.back()->set_admission([](const setup::Identity&, const std::string&) -> Result<Admission> {
        Admission admission;
        admission.quota_bytes = quota_bytes;
        return admission;
      });
    }
    nodes_[1]->on_link([this](const std::shared_ptr<Link>& link) {
      receiver_ = link;
      link->on_message([this](Message&& message) { received_(message); });
    });
    if (!nodes_[1]->listen("sim::7")) throw std::runtime_error("cannot listen");
    LinkOptions options;
    options.quota_bytes = quota_bytes;
    options.timeout_ns = 600 * second;
    options.offers = {{stack, "b:7"}};
    sender_ = nodes_[0]->connect("b", std::move(options)).value();
    sender_->on_message([](Message&&) {});
    world_.run_until([&] { return sender_->is_up(); }, 600 * second);
  }
  ~Path() {
    for (SimEngine* engine : engines_) engine->crash();
    sender_.reset();
    receiver_.reset();
    nodes_.clear();
    for (SimEngine* engine : engines_) world_.remove(*engine);
  }

  static constexpr std::uint64_t quota_bytes = 128 << 20;
  SimWorld& world() { return world_; }
  SimEngine& engine() { return *engines_[0]; }
  Link& sender() { return *sender_; }
  void on_received(std::function<void(Message&)> handler) { received_ = std::move(handler); }
  [[nodiscard]] std::map<std::string, std::uint64_t, std::less<>> values() {
    return Described(*sender_->stack(), "reliable").values;
  }

 private:
  SimWorld world_;
  Catalogue catalogue_;
  std::vector<SimEngine*> engines_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::shared_ptr<Link> sender_;
  std::shared_ptr<Link> receiver_;
  std::function<void(Message&)> received_ = [](Message&) {};
};

}  // namespace

Figures transfer(const Course& course, std::uint64_t bytes, std::uint64_t lead_bytes) {
  Path path(course);
  std::uint64_t unsent = lead_bytes + bytes;
  std::uint64_t received = 0;
  std::uint64_t begin_ns = 0;
  const auto pump = [&] {
    while (unsent != 0) {
      const auto size = static_cast<std::uint32_t>(std::min<std::uint64_t>(unsent, message_bytes));
      Message message = path.sender().make(size);
      std::fill_n(message.writable().data(), size, std::byte{1});
      if (path.sender().send(std::move(message)) != Errc::ok) return;
      unsent -= size;
    }
  };
  path.sender().on_event([&](const Event& event) {
    if (event.kind == EventKind::writable) pump();
  });
  path.on_received([&](Message& message) {
    if (received < lead_bytes || begin_ns == 0) begin_ns = path.world().now_ns();
    received += message.body_size();
  });
  const std::uint64_t start_ns = path.world().now_ns();
  path.engine().post(pump);
  Figures figures;
  figures.complete = path.world().run_until([&] { return received >= lead_bytes + bytes; }, 3600 * second);
  const std::uint64_t from_ns = lead_bytes == 0 ? start_ns : begin_ns;
  const std::uint64_t took_ns = std::max<std::uint64_t>(path.world().now_ns() - from_ns, 1);
  figures.goodput_bytes_per_s =
      static_cast<std::uint64_t>(static_cast<double>(bytes) * 1e9 / static_cast<double>(took_ns));
  if (path.sender().stack() == nullptr) return figures;
  const auto values = path.values();
  figures.mtu_bytes = values.at("mtu_bytes");
  figures.sent_packets = values.at("sent_packets");
  figures.lost_packets = values.at("lost_packets");
  figures.retransmitted_packets = values.at("retransmitted_packets");
  return figures;
}

std::vector<std::uint64_t> latencies_ns(const Course& course, unsigned count, std::uint32_t bytes,
                                        std::uint64_t interval_ns) {
  Path path(course);
  std::vector<std::uint64_t> latencies;
  path.on_received([&](Message& message) {
    latencies.push_back(path.world().now_ns() - load<std::uint64_t>(message.front().data()));
  });
  path.world().run_for(200 * course.rtt_ns + 200'000'000);  // the search for the packet size is over
  for (unsigned i = 0; i < count; ++i) {
    path.engine().post([&] {
      Message message = path.sender().make(bytes);
      std::fill_n(message.writable().data(), bytes, std::byte{1});
      store<std::uint64_t>(message.writable().data(), path.world().now_ns());
      if (path.sender().send(std::move(message)) != Errc::ok) latencies.push_back(~std::uint64_t{0});
    });
    path.world().run_for(interval_ns);
  }
  path.world().run_until([&] { return latencies.size() >= count; }, 60 * second);
  std::sort(latencies.begin(), latencies.end());
  return latencies;
}

}  // namespace harness::tests
