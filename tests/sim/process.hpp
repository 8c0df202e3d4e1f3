// SPDX-License-Identifier: Apache-2.0
// Processes that talk over a simulated network: each sends numbered messages on a few channels as fast as its
// link takes them, and judges that the peer's arrive once each and in order.
#pragma once

#include <array>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <harness/stack/node.hpp>
#include <harness/tests/support/described.hpp>
#include <harness/transports/sim.hpp>

namespace harness::tests {

using transports::Sim;
using transports::SimEngine;
using transports::SimWorld;

constexpr std::uint64_t ms = 1'000'000;
constexpr unsigned channels = 3;

/// A node on an engine of its own that is dialled as "NAME:7" and lets in whomever its authority believes.
struct Host {
  Host(SimWorld& world, const Catalogue& catalogue, Authority& authority, const OptionValues& medium)
      : engine(world.add(authority.self().name)),
        node(engine, catalogue, NodeOptions{engine.name(), authority.self().domain, {}, {}, &authority}) {
    node.add(std::make_shared<Sim>(engine, medium));
    node.set_admission([](const setup::Identity&, const std::string&) { return Admission{}; });
    EXPECT_TRUE(node.listen("sim::7"));
  }
  std::shared_ptr<Link> connect(const std::string& peer, const StackSpec& stack, LinkOptions options = {}) {
    options.offers = {{stack, peer + ":7"}};
    auto opened = node.connect(peer, std::move(options));
    EXPECT_TRUE(opened) << opened.error().text();
    return *opened;
  }

  SimEngine& engine;
  Node node;
};

/// … whose last link carries numbered messages; what is numbered begins anew with each link.
struct Process : Host {
  Process(SimWorld& world, const Catalogue& catalogue, Authority& authority, const StackSpec& stack)
      : Host(world, catalogue, authority, stack.transport_options), stack_(stack) {
    node.on_link([this](const std::shared_ptr<Link>& opened) { watch(opened); });
  }
  void dial(const std::string& peer, LinkOptions options = {}) {
    watch(connect(peer, stack_, std::move(options)));
  }
  void watch(const std::shared_ptr<Link>& opened) {
    link = opened;
    sent = received = {};
    link->on_message([this](Message&& message) { take(message); });
    link->on_event([this](const Event& event) {
      events[static_cast<std::size_t>(event.kind)]++;
      engine.world().note(engine.name(), to_string(event.kind), static_cast<std::uint64_t>(event.code));
      if (event.kind == EventKind::up || event.kind == EventKind::writable) send();
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
    for (unsigned channel = 0; channel < lanes; ++channel)
      while (sent[channel] < wanted) {
        Message message =
            Message::copy_of(engine.pool(), fmt::format("{:08}", sent[channel]) +
                                                std::string(sent[channel] * 37 % body_bytes, 'x'));
        message.note().channel = static_cast<std::uint16_t>(channel);
        if (link->send(std::move(message)) != Errc::ok) break;
        ++sent[channel];
      }
  }
  [[nodiscard]] bool has(const Process& peer) const {
    for (unsigned channel = 0; channel < peer.lanes; ++channel)
      if (received[channel] != peer.wanted || peer.sent[channel] != peer.wanted) return false;
    return true;
  }
  [[nodiscard]] bool is_up() const { return link != nullptr && link->is_up(); }
  /// What a layer of the link says of itself.
  [[nodiscard]] std::uint64_t value(std::string_view layer, std::string_view name) const {
    return Described(*link->stack(), layer)[name];
  }
  [[nodiscard]] unsigned heard(EventKind kind) const { return events[static_cast<std::size_t>(kind)]; }

  StackSpec stack_;
  std::shared_ptr<Link> link;
  unsigned wanted = 0;         // on each channel
  unsigned lanes = channels;   // 1 over a stack that carries no channel
  unsigned body_bytes = 4000;  // messages are shorter than that and their number
  std::array<unsigned, channels> sent{};
  std::array<unsigned, channels> received{};
  std::array<unsigned, 32> events{};
};

}  // namespace harness::tests
