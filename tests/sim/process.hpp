// SPDX-License-Identifier: Apache-2.0
// One process of two that talk over a simulated network: sends numbered messages on a few channels as fast as
// its link takes them, and judges that the peer's arrive once each and in order.
#pragma once

#include <array>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <harness/stack/node.hpp>
#include <harness/tests/support/vouch.hpp>
#include <harness/transports/sim.hpp>

namespace harness::tests {

using transports::Sim;
using transports::SimEngine;
using transports::SimWorld;

constexpr std::uint64_t ms = 1'000'000;
constexpr unsigned channels = 3;

struct Process {
  Process(SimWorld& world, const Catalogue& catalogue, const std::string& name, const StackSpec& stack)
      : engine(world.add(name)), authority(name, "lab"),
        node(engine, catalogue, NodeOptions{name, "lab", {}, {}, &authority}), stack_(stack) {
    node.add(std::make_shared<Sim>(engine, stack.transport_options));
    node.on_link([this](const std::shared_ptr<Link>& opened) { watch(opened); });
    EXPECT_TRUE(node.listen("sim::7").has_value());
  }
  void dial(const std::string& peer, std::uint64_t resume_ns) {
    LinkOptions options;
    options.offers = {{stack_, peer + ":7"}};
    options.resume_ns = resume_ns;
    auto opened = node.connect(peer, std::move(options));
    ASSERT_TRUE(opened.has_value()) << opened.error().text();
    watch(*opened);
  }
  void watch(const std::shared_ptr<Link>& opened) {
    link = opened;
    link->on_message([this](Message&& message) { take(message); });
    link->on_event([this](const Event& event) {
      events[static_cast<std::size_t>(event.kind)]++;
      engine.world().note(engine.name(), to_string(event.kind), static_cast<std::uint64_t>(event.code));
      if (event.kind == EventKind::up || event.kind == EventKind::resumed ||
          event.kind == EventKind::swapped || event.kind == EventKind::writable)
        send();
    });
  }
  void take(const Message& message) {
    const unsigned channel = message.note().channel;
    ASSERT_LT(channel, channels);
    ASSERT_EQ(message.text().substr(0, 8), fmt::format("{:08}", received[channel]))
        << "on channel " << channel;
    ++received[channel];
  }
  // As much as the link takes now.
  void send() {
    for (unsigned channel = 0; channel < channels; ++channel)
      while (sent[channel] < wanted) {
        Message message = Message::copy_of(
            engine.pool(), fmt::format("{:08}", sent[channel]) + std::string(sent[channel] * 37 % 4000, 'x'));
        message.note().channel = static_cast<std::uint16_t>(channel);
        if (link->send(std::move(message)) != Errc::ok) break;
        ++sent[channel];
      }
  }
  [[nodiscard]] bool has(const Process& peer) const {
    for (unsigned channel = 0; channel < channels; ++channel)
      if (received[channel] != peer.wanted || peer.sent[channel] != peer.wanted) return false;
    return true;
  }
  [[nodiscard]] unsigned heard(EventKind kind) const { return events[static_cast<std::size_t>(kind)]; }

  SimEngine& engine;
  VouchAuthority authority;
  Node node;
  StackSpec stack_;
  std::shared_ptr<Link> link;
  unsigned wanted = 0;
  std::array<unsigned, channels> sent{};
  std::array<unsigned, channels> received{};
  std::array<unsigned, 32> events{};
};

}  // namespace harness::tests
