// SPDX-License-Identifier: Apache-2.0
// A man in the middle of any transport: dials on to the real address whatever dials it, and passes frames.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <harness/stack/engine.hpp>
#include <harness/stack/setup.hpp>
#include <harness/stack/transport.hpp>

namespace harness::tests {

class Middle final : public Acceptor {
 public:
  /// What becomes of a set-up frame; none: it is dropped. `forth`: from whoever dialled.
  using Edit = std::function<std::optional<setup::Frame>(bool forth, setup::Frame frame)>;

  Middle(Engine& engine, Transport& transport, std::string onward)
      : engine_(engine), transport_(transport), onward_(std::move(onward)) {}

  Edit edit = [](bool, setup::Frame frame) { return frame; };
  /// Greets anew in a HELLO that was changed, as whoever knows the root can; null: nobody who knows it.
  const Authority* greeter = nullptr;

  void accepted(std::unique_ptr<Endpoint> endpoint) override {
    auto further = transport_.dial(onward_);
    if (!further) return;
    Relay& relay = relays_.emplace_back();
    relay.ends[0] = {this, &relay, std::move(endpoint), true};
    relay.ends[1] = {this, &relay, std::move(*further), false};
    for (End& end : relay.ends) attach(end);
  }
  /// Says something to the side that was dialled (forth) or dialled, over the newest relay.
  void inject(bool forth, const setup::Frame& frame) { say(relays_.back().ends[forth ? 1 : 0], frame); }

 private:
  struct Relay;
  struct End {
    Middle* middle = nullptr;
    Relay* relay = nullptr;
    std::unique_ptr<Endpoint> endpoint;
    bool dialler = false;
  };
  struct Relay {
    End ends[2];
  };

  static End& other(End& end) { return end.relay->ends[end.dialler ? 1 : 0]; }
  void say(End& to, const setup::Frame& frame) {
    (void)to.endpoint->send_setup(setup::write(engine_.pool(), frame));
  }
  void greet(setup::Hello& hello) const {
    if (greeter != nullptr) hello.greeting = *greeter->greeting(hello.from.domain, setup::greeted(hello));
  }
  static void attach(End& end) {
    Receiver receiver;
    receiver.self = &end;
    receiver.up = {[](void* self, const Entry*, harness_message* message) {
                     const Entry down = other(*static_cast<End*>(self)).endpoint->down();
                     down.fn(down.self, nullptr, message);
                   },
                   &end, nullptr};
    receiver.setup = [](void* self, Message& frame) {
      End& from = *static_cast<End*>(self);
      auto parsed = setup::parse(frame.gathered(from.middle->engine_.pool()));
      if (!parsed) return;
      const setup::Frame before = *parsed;
      auto edited = from.middle->edit(from.dialler, std::move(*parsed));
      if (!edited) return;
      if (auto* hello = std::get_if<setup::Hello>(&*edited); hello != nullptr && !(*edited == before))
        from.middle->greet(*hello);
      from.middle->say(other(from), *edited);
    };
    receiver.event = [](void* self, const Event& event) {
      if (event.kind == EventKind::peer_lost) other(*static_cast<End*>(self)).endpoint->close(0);
    };
    end.endpoint->attach(receiver);
  }

  Engine& engine_;
  Transport& transport_;
  std::string onward_;
  std::list<Relay> relays_;
};

}  // namespace harness::tests
