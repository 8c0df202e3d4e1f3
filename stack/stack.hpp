// SPDX-License-Identifier: Apache-2.0
// A running stack: layers linked by entries, in one block of memory, between an application and an endpoint.
//
//   send ──▶ gate ──▶ order.down ──▶ frag.down ──▶ endpoint         absent hooks are not in the chain
//   deliver ◀── order.up ◀── frag.up ◀── endpoint poll
//
// Built from a StackSpec: contexts, entries and layer states lie in one allocation, state beside the entries
// that call it. `send` tests the gate's word, then runs the chain; nothing below the gate can refuse. Taps
// are entries linked in while they are wanted and cost nothing otherwise. Belongs to one engine's thread.
// Next in reading order: the layers (layers/order.hpp, layers/frag.hpp), then transports/.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <harness/stack/spec.hpp>
#include <harness/stack/tap.hpp>

namespace harness {

/// Where a stack stands: the engine's services, and the endpoint and its facts below it.
struct Foundation {
  Engine& engine;
  Entry bottom;  // Endpoint::down()
  Facts facts;
  Gate& gate;  // shared with the endpoint
  Quota* quota = nullptr;
  Role role = Role::initiator;
  std::uint32_t max_message = 0;       // 0: all that the stack gives
  std::uint64_t peer_quota_bytes = 0;  // 0: as our own limit
  Handshake* handshake = nullptr;      // of the encrypting layer, ended well; outlives the stack
  Regions* regions = nullptr;          // what this end exposes; outlives the stack
  Direct* direct = nullptr;            // the endpoint's
};

class Stack {
 public:
  using Deliver = void (*)(void* self, Message& message);
  using Notify = void (*)(void* self, const Event& event);

  /// Builds every layer of `spec`, links them and runs nothing. `deliver` and `notify` are called on the
  /// stack thread; a delivered message may be moved out, else the stack destroys it. `notify` hears the
  /// events that pass the top, and of those that go down a pause or resume that no layer took. Errors:
  /// unsupported
  /// (a header does not fit below), denied (a layer that shakes hands, without a handshake).
  static Result<std::unique_ptr<Stack>> build(const StackSpec& spec, const Foundation& foundation,
                                              Deliver deliver, Notify notify, void* self);
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  /// Sends one message. ok: consumed. would_block: still the caller's, one `writable` event follows.
  /// too_large (more than max_message()), invalid (no body, channel out of range) and exhausted (a message
  /// without headroom, and no memory for a header block): still the caller's. [stack-thread]
  Errc send(Message&& message) noexcept { return send_by(message, Port{down_first_}); }
  /// The same with another way below the gate: static_stack.hpp's, of the same layers. [stack-thread]
  template <class Way>
  Errc send_by(Message& message, Way way) noexcept {
    if (gate_.refuses(message.note().channel)) [[unlikely]] {
      gate_.note_refusal(message.note().channel);
      return Errc::would_block;
    }
    if (message.body_size() > max_message_ || !message || message.note().channel >= Gate::channels_max)
        [[unlikely]]
      return refuse(message);
    // Room for every header is made here, where a message can still be refused, so that no layer's push can
    // fail.
    if (message.head_room() < head_room_ && !message.make_head_room(head_room_)) [[unlikely]]
      return Errc::exhausted;
    ++sent_messages_;
    sent_bytes_ += message.body_size();
    way(message);
    message.reset();
    return Errc::ok;
  }

  /// Where the endpoint hands received data frames.
  [[nodiscard]] Entry up() const noexcept { return *up_first_; }
  /// Where the endpoint asks for the place of a large frame's body; null when no layer would know.
  [[nodiscard]] Placer placer() noexcept;
  /// Takes an event of the endpoint up the stack, or of the application down it. [stack-thread]
  void event(const Event& event);

  /// Takes over what outlives a connection from the stack of the one before: the state of every layer from
  /// the top through the one that adds `resumable`, counters and taps. `old` is destroyed next. Errors:
  /// unsupported (the two have other layers there, or one cannot take its state). [stack-thread]
  Result<> take_session(Stack& old);
  /// Whether a stack of `next` could take over the session of one of `old`. [any-thread]
  static bool hands_on(const StackSpec& old, const StackSpec& next) noexcept;
  /// Takes over the session layers of `old` with everything they have under way, while its epoch layers and
  /// its endpoint go on: what still arrives by them is handed up into this stack, which outlives `old`.
  /// Counters and taps come along. Errors: unsupported (the two do not share them, see shares_session).
  /// [stack-thread, not inside a hook of a session layer]
  Result<> run_on_from(Stack& old);
  /// The topmost layers that a stack of `next` shares with one of `old` and can run on with: from the top
  /// through `reliable`, the same with the same options, and either both encrypt below or none does, so that
  /// what was sent under a promise leaves and arrives under it. 0: it can not. [any-thread]
  static std::size_t shares_session(const StackSpec& old, const StackSpec& next) noexcept;
  /// What is delivered and told goes there from now on; with `self` of build(). [stack-thread]
  void redirect(Deliver deliver, Notify notify) noexcept {
    deliver_ = deliver;
    notify_ = notify;
  }
  /// Counts on from where `old` stands, another stack of the same link, and takes its taps too; each stays at
  /// `old` as well, until it is removed from both. [stack-thread]
  void count_sent_on(const Stack& old) noexcept;
  void count_delivered_on(const Stack& old) noexcept;
  void take_taps(const Stack& old);
  /// From now on nothing goes further down than the lowest layer: the endpoint is gone, layers have timers.
  void cut_off() noexcept;

  [[nodiscard]] const StackSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] std::uint32_t max_message() const noexcept { return max_message_; }
  [[nodiscard]] std::uint32_t header_bytes() const noexcept { return header_bytes_; }  // of a small message
  [[nodiscard]] std::uint64_t sent_messages() const noexcept { return sent_messages_; }
  [[nodiscard]] std::uint64_t sent_bytes() const noexcept { return sent_bytes_; }
  [[nodiscard]] std::uint64_t delivered_messages() const noexcept { return delivered_messages_; }
  [[nodiscard]] std::uint64_t delivered_bytes() const noexcept { return delivered_bytes_; }
  /// Bytes of the one allocation that holds this stack's layers.
  [[nodiscard]] std::size_t block_bytes() const noexcept { return block_bytes_; }
  /// The state of the layer at `index`, top first, and where the hooks of both directions end.
  [[nodiscard]] void* layer(std::size_t index) const noexcept;
  [[nodiscard]] Entry bottom() const noexcept { return bottom_; }
  [[nodiscard]] Entry top() noexcept { return {&deliver_thunk, this, nullptr}; }
  /// Hooks on the way down and up: what a message really runs through.
  [[nodiscard]] unsigned active_hooks_down() const noexcept;
  [[nodiscard]] unsigned active_hooks_up() const noexcept;

  /// One-sided access to the peer; null when no layer gives it.
  [[nodiscard]] OneSided* one_sided() const noexcept { return one_sided_; }

  /// Hands each layer's values to `visit(name, describe)`, top first.
  void describe(
      const std::function<void(std::string_view layer, const std::function<void(Describer&)>&)>& visit) const;

  /// Watches what passes the boundary above layer `below_index` (top first; layers count = above the
  /// transport). The tap outlives its stay; remove it before it dies. Errors: not_found. [stack-thread, not
  /// inside a hook]
  Result<> add_tap(std::size_t boundary, Tap& tap);
  void remove_tap(Tap& tap) noexcept;

 private:
  struct Slot {  // one layer
    const LayerType* type;
    LayerContext context;
    void* state = nullptr;
  };
  Stack(const StackSpec& spec, const Foundation& foundation, Deliver deliver, Notify notify, void* self);
  std::byte* reserve_block();
  Result<> construct(const Foundation& foundation);
  void link();
  static std::size_t session_depth(const StackSpec& spec) noexcept;
  Result<> take_states(Stack& old, std::size_t layers);
  static void hand_to_successor(void* self, const Entry* next, harness_message* message);
  void run_event(unsigned position, const Event& event);
  void arrived(const Event& event);
  void fell_through(const Event& event);
  Errc refuse(const Message& message) noexcept;
  static bool place(void* self, Bytes front, std::uint32_t frame_bytes, Placement& to) noexcept;
  static void deliver_thunk(void* self, const Entry* next, harness_message* message);

  // The message path first.
  Gate& gate_;
  const Entry* down_first_ = nullptr;
  std::uint32_t max_message_ = 0;
  std::uint32_t header_bytes_ = 0;
  std::uint32_t head_room_ = 16;  // the layers' largest headers, and a transport's
  // No two neighbours are counted together: GCC would make one vector of them, which is slower than two adds.
  std::uint64_t sent_messages_ = 0;
  std::uint64_t delivered_messages_ = 0;
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t delivered_bytes_ = 0;
  Deliver deliver_;
  Notify notify_;
  void* self_;
  const Entry* up_first_ = nullptr;
  Entry bottom_;
  std::size_t session_layers_ = 0;  // another stack's that this one runs on with, or `successor_` with ours
  Stack* successor_ = nullptr;
  const Entry* session_up_ = nullptr;  // where what comes up enters these layers
  OneSided* one_sided_ = nullptr;      // a layer's
  AckNote ack_note_;
  std::vector<Entry> chain_;  // both directions, one hook behind the other

  StackSpec spec_;
  std::vector<Slot*> slots_;  // top first, inside block_
  std::vector<std::pair<std::size_t, Tap*>> taps_;
  std::unique_ptr<std::byte[]> block_;
  std::size_t block_bytes_ = 0;
};

}  // namespace harness
