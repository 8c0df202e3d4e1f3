// SPDX-License-Identifier: Apache-2.0
// A layer of one's own in one file: `age` tells how old messages are when they arrive.
// docs/writing-a-layer.md goes through it part by part.
#include <iostream>

#include <harness/layers/all.hpp>
#include <harness/stack/node.hpp>
#include <harness/transports/all.hpp>
#include <harness/transports/engine.hpp>

namespace {

namespace property = harness::property;

// header
struct AgeHeader {
  std::uint64_t sent_us = 0;
  static constexpr auto fields = std::tuple{
      harness::Field<&AgeHeader::sent_us>{"sent_us", 64, "the sender's monotonic clock in microseconds"}};
};

// descriptor
class Age {
 public:
  static constexpr std::array options{
      harness::OptionSpec{"limit", harness::OptionKind::duration, 1, 60'000'000, 100'000,
                          "a message older than this when it arrives is counted as late"}};
  static constexpr std::array headers{harness::HeaderInfo{"age", harness::wire::info_of<AgeHeader>}};
  static constexpr harness::Descriptor descriptor{
      .name = "age",
      .summary = "tells how old messages are when they arrive",
      .options = options,
      .headers = headers,
      .header_bytes_max = harness::wire::bytes_of<AgeHeader>,
      .contract = {.requires_below = property::message | property::same_host,  // two hosts have two clocks
                   .cost = {.round_trips = 0, .nominal_ns = 2, .header_bytes = 8}},
      .swap = harness::SwapClass::transform};

  // hooks
  Age(const harness::OptionValues& values, harness::LayerContext& context)
      : context_(context), limit_us_(static_cast<std::uint64_t>(values[0])) {}

  template <class Below>
  void down(harness::Message& message, Below below) {
    harness::wire::encode(AgeHeader{now_us()}, message.push(harness::wire::bytes_of<AgeHeader>));
    below(message);
  }

  template <class Above>
  void up(harness::Message& message, Above above) {
    if (!take(message)) return;
    above(message);
  }

  void describe(harness::Describer& describer) const {
    describer.value("late_messages", late_);
    describer.value("oldest_us", oldest_us_);
    describer.value("malformed_frames", malformed_);
  }

 private:
  // state
  [[nodiscard]] std::uint64_t now_us() const noexcept { return context_.env.now_ns() / 1000; }

  bool take(harness::Message& message) noexcept {
    const std::byte* raw = message.pull(harness::wire::bytes_of<AgeHeader>);
    if (raw == nullptr) return ++malformed_, false;  // shorter than our header: dropped, and counted
    const std::uint64_t sent_us = harness::wire::decode<AgeHeader>(raw).sent_us;
    const std::uint64_t age_us = now_us() > sent_us ? now_us() - sent_us : 0;
    late_ += age_us > limit_us_ ? 1 : 0;
    oldest_us_ = std::max(oldest_us_, age_us);
    return true;
  }

  harness::LayerContext& context_;
  std::uint64_t limit_us_;
  std::uint64_t late_ = 0;
  std::uint64_t oldest_us_ = 0;
  std::uint64_t malformed_ = 0;
};

// use
struct Print final : harness::Describer {
  void value(std::string_view name, std::uint64_t value) override {
    if (name != "oldest_us") std::cout << name << ' ' << value << '\n';  // that one differs from run to run
  }
  void text(std::string_view, std::string_view) override {}
};

}  // namespace

int main() {
  auto engine = harness::transports::OsEngine::make().value();
  harness::Catalogue catalogue;
  harness::layers::add_all(catalogue);
  harness::transports::add_all(catalogue);
  catalogue.add<Age>();
  harness::Node a(*engine, catalogue, {"a", "local", "here"}), b(*engine, catalogue, {"b", "local", "here"});
  b.on_link([&](auto& link) {
    link->on_message([&engine, &link = *link](harness::Message&& message) {
      std::cout << message.text() << '\n';
      link.stack()->describe([](std::string_view layer, const auto& describe) {
        Print print;
        if (layer == "age") describe(print);
      });
      engine->stop();
    });
  });
  const std::string address = b.listen("tcp:127.0.0.1:0").value();
  auto link = a.connect("b", "age(limit=10s) / frag @ tcp", {address}).value();
  link->on_event(
      [&](const harness::Event&) { link->send(harness::Message::copy_of(engine->pool(), "hello, b")); });
  engine->run();
}
