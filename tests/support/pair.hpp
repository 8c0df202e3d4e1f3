// SPDX-License-Identifier: Apache-2.0
// Two stacks over a medium in memory: layers are tested without any transport.
//
//   ends[0]: stack ── wires[0] ──▶ stack :ends[1]        a wire is a queue of frames with knobs:
//                  ◀── wires[1] ──                       capacity (hold and writable), loss, duplication,
//                  reordering
//
// Nothing moves by itself: `step` carries what is on the wires now, `run` goes on until nothing moves. The
// medium keeps the contract of an endpoint (stack/transport.hpp) and counts what the stack does against it.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <harness/stack/stack.hpp>
#include <harness/stack/transport.hpp>
#include <harness/tests/support/manual_engine.hpp>

namespace harness::tests {

using OptionList = std::vector<std::pair<std::size_t, std::int64_t>>;  // index in the layer's table, value

/// Layer L with these options set, for a stack built by hand.
template <Layer L>
BoundLayer layer(const OptionList& set = {}) {
  static const LayerType type = layer_type<L>();
  BoundLayer bound{&type, OptionValues(L::descriptor.options)};
  for (const auto& [index, value] : set) bound.options.set(index, value);
  return bound;
}

struct Medium {
  Properties word = property::message | property::reliable | property::fifo | property::no_duplicates;
  std::uint32_t max_message = 1024;
  std::uint64_t quota_bytes = 4u << 20;
  std::uint32_t max_link_message = 0;  // 0: all that the stack gives, at most half the quota
  std::size_t capacity_frames = 64;    // data frames on a wire; then the gate is held
  bool copies = true;                  // false: the receiver gets the sender's slabs, as over loop
  std::uint64_t drop_ppm = 0;
  std::uint64_t duplicate_ppm = 0;
  std::uint64_t reorder_ppm = 0;  // a frame is put before an earlier one
  std::uint64_t seed = 1;
  std::uint32_t place_bytes_min = 0;  // of frames so large the stack is asked where they belong; 0: never
  std::array<Direct*, 2> directs{};   // each end's own way to the memory of the other
};

struct Delivered {
  std::string body;
  unsigned channel;
  friend bool operator==(const Delivered&, const Delivered&) = default;
};

class Pair {
 public:
  /// One direction of the medium.
  struct Wire {
    std::vector<Message> frames;
    std::uint64_t carried = 0;
    std::uint64_t data_bytes = 0;
    std::uint64_t sent_while_held = 0;  // must stay 0
    std::uint64_t too_large = 0;        // must stay 0
    std::uint64_t controls = 0;
    std::uint64_t placed = 0;              // frames whose body was received where it belongs …
    std::function<void()> amid;            // … called when half of one is there
    bool stuck = false;                    // carries nothing until the test lets it
    bool held = false;                     // the test holds the sender
    std::function<bool(Message&)> filter;  // false: the frame is lost
  };
  struct End {
    Pair* pair = nullptr;
    unsigned index = 0;
    Gate gate;
    Quota::Owner quota;
    std::unique_ptr<Regions> regions;
    std::unique_ptr<Stack> stack;
    std::vector<Delivered> delivered;
    std::vector<Message> kept;  // the messages themselves, when keep_messages
    std::vector<std::pair<EventKind, Errc>> events;
    std::vector<std::string> details;
    std::function<void(Message&)> on_message;  // instead of `delivered`
    std::function<void(const Event&)> on_event;
    bool keep_messages = false;

    Errc send(std::string_view body, unsigned channel = 0, unsigned priority = 0);
    [[nodiscard]] unsigned count(EventKind kind) const;
    [[nodiscard]] std::uint64_t value(std::string_view layer, std::string_view name) const;
    [[nodiscard]] std::string body(std::size_t index_of) const { return delivered.at(index_of).body; }
  };

  explicit Pair(std::vector<BoundLayer> layers, Medium medium = {});
  ~Pair();
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  /// Carries the frames that are on the wires now; returns how many.
  unsigned step();
  /// Steps and polls the engine until nothing moves (or `most` times).
  void run(unsigned most = 100'000);
  /// Moves time from one due timer to the next and runs after each.
  void advance(std::uint64_t by_ns);
  /// Hands `bytes` to end `to` as a frame from its peer.
  void inject(unsigned to, Bytes bytes);
  void hold(unsigned from, bool held);
  /// Sends all of `count` messages made by `body`, running whenever the link would block.
  void send_all(unsigned from, unsigned count, const std::function<std::string(unsigned)>& body,
                unsigned channel = 0);

  ManualEngine engine;
  std::array<Wire, 2> wires;
  std::array<End, 2> ends;

 private:
  static void down(void* self, const Entry*, harness_message* message);
  static void deliver(void* self, Message& message);
  static void notify(void* self, const Event& event);
  void carry(Wire& wire, End& to, Message& frame);
  Message received(Wire& wire, End& to, const Message& frame);
  Message received_placed(Wire& wire, End& to, const Message& frame);
  void put(Wire& wire, Message&& frame);
  void release_if_room(unsigned from);
  Foundation foundation(End& end);

  Medium medium_;
  Random random_;
  std::array<std::unique_ptr<Handshake>, 2> hands_;  // of the layer that shakes hands, if there is one
};

}  // namespace harness::tests
