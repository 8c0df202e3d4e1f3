// SPDX-License-Identifier: Apache-2.0
// Nodes that meet over loop in one process, in virtual time, and what their applications hear.
#pragma once

#include <deque>

#include <gtest/gtest.h>

#include <harness/stack/node.hpp>
#include <harness/tests/support/manual_engine.hpp>
#include <harness/transports/loop.hpp>

namespace harness::tests {

inline constexpr std::uint64_t ms = 1'000'000;

/// What the application at one end of a link hears.
struct Ear {
  void listen_to(const std::shared_ptr<Link>& heard) {
    link = heard;
    link->on_message([this](Message&& message) {
      texts.emplace_back(message.text());
      if (keep) kept.push_back(std::move(message));
    });
    link->on_event([this](const Event& event) { events.push_back(event.kind); });
  }
  [[nodiscard]] int count(EventKind kind) const {
    return static_cast<int>(std::count(events.begin(), events.end(), kind));
  }

  std::shared_ptr<Link> link;
  std::vector<std::string> texts;
  std::vector<EventKind> events;
  std::deque<Message> kept;
  bool keep = false;
};

class NodeTest : public testing::Test {
 protected:
  NodeTest() { catalogue_.add(transports::Loop::type()); }

  struct Host {
    std::unique_ptr<Node> node;
    Ear ear;  // of links that others opened
  };

  std::unique_ptr<Host> start(const std::string& name, const std::string& domain = "lab") {
    auto host = std::make_unique<Host>();
    host->node = std::make_unique<Node>(engine_, catalogue_, NodeOptions{name, domain, "host"});
    host->node->add(loop_);
    host->node->on_link([raw = host.get()](const std::shared_ptr<Link>& link) { raw->ear.listen_to(link); });
    return host;
  }
  std::unique_ptr<Host> serve(const std::string& name, const std::string& domain = "lab") {
    auto host = start(name, domain);
    auto address = host->node->listen("loop:" + name);
    EXPECT_TRUE(address) << address.error().text();
    return host;
  }
  LinkOptions to(const std::string& address, const std::string& stack = "@ loop",
                 const std::string& name = "main") {
    LinkOptions options;
    options.name = name;
    auto spec = stack_from(stack, catalogue_);
    EXPECT_TRUE(spec) << spec.error().text();
    options.offers = {{*spec, address}};
    return options;
  }
  Errc send(Link& link, std::string_view text) {
    Message message = Message::copy_of(engine_.pool(), text);
    return link.send(std::move(message));
  }
  void settle() { engine_.settle(); }

  ManualEngine engine_;
  Catalogue catalogue_;
  std::shared_ptr<transports::Loop> loop_ = [this] {
    auto loop = std::make_shared<transports::Loop>(engine_);
    engine_.add(*loop);
    return loop;
  }();
};

}  // namespace harness::tests
