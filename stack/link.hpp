// SPDX-License-Identifier: Apache-2.0
// A link: one peer, one agreed stack, opened by HELLO / ACCEPT and closed by FIN in both directions.
//
//   dialing ──ACCEPT──▶ up ──close / FIN──▶ closing ──both FINs──▶ closed
//   accepted ──READY or data──▶ up              │
//   any ──peer gone, refused, timed out──▶ lost ◀┘
//
// When an offer encrypts, the three frames carry a handshake (stack/handshake.hpp) and nothing counts before
// it has ended: the initiator builds its stack on ACCEPT, the responder has no link before READY
// (node_accept.cpp). What the peer says of itself must be what it proves.
//
// With `resume` in its stack a link that loses contact does not end: up ──▶ resuming ──▶ up, on the same or
// another offer (link_resume.cpp). Its initiator dials, the other side waits, both for `resume_ns`.
//
// A link that is up may change its stack, and stays up: stack/link_swap.hpp.
//
// The same table serves every transport: on lossy media HELLO, ACCEPT and FIN are repeated by timer, on the
// others they are sent once. Nothing that `send` took is lost in between: until the stack is up send returns
// would_block. A link is owned by its node and by whoever keeps the shared_ptr; it belongs to the engine's
// thread. Next in reading order: stack/node.hpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <harness/stack/compose.hpp>
#include <harness/stack/epoch.hpp>

namespace harness {

class Node;

/// One stack that the initiator offers, and where to dial for it.
struct Offer {
  StackSpec stack;
  std::string address;  // without the transport's name: "10.0.0.2:7001"
};

struct LinkOptions {
  std::string name = "main";                  // equal at both ends; one link of a name per pair of nodes
  std::vector<Offer> offers;                  // most preferred first; falls through only to what stands here
  Needs needs;                                // what check demands of the agreed stack at this end
  std::uint32_t max_message = 0;              // 0: half the quota
  std::uint64_t quota_bytes = 16u << 20;      // bytes that received messages may keep alive at this end
  std::uint64_t timeout_ns = 10'000'000'000;  // to open, retries included; to answer, while resuming
  std::uint64_t linger_ns = 5'000'000'000;    // to close in order
  std::uint64_t resume_ns = 60'000'000'000;   // to find the peer again, when the stack has `resume`
};

/// The largest message that a link of these options takes. [any-thread]
std::uint32_t largest_message(const LinkOptions& options) noexcept;

class Link : public std::enable_shared_from_this<Link> {
 public:
  enum class State : std::uint8_t { dialing, accepted, up, resuming, closing, closed, lost };
  using OnMessage = std::function<void(Message&&)>;
  using OnEvent = std::function<void(const Event&)>;

  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // ---- traffic [stack-thread] ----

  /// Sends one message. ok: consumed. would_block: still the caller's, one `writable` event follows. closed,
  /// too_large, invalid: still the caller's.
  Errc send(Message&& message) noexcept {
    if (epoch_.stack == nullptr) [[unlikely]]
      return blocked();
    const Errc code = epoch_.stack->send(std::move(message));
    return code == Errc::would_block ? blocked() : code;
  }
  /// A writable message of this link's engine; empty when the pool's limit is reached. A large one lies where
  /// the transport can send it without a copy, if it can.
  [[nodiscard]] Message make(std::uint32_t bytes) noexcept;
  /// Who gets the messages: owns each one, and destroying it returns its credit. Nothing is received before
  /// this is set.
  void on_message(OnMessage handler);
  /// Who hears up, writable, resuming, resumed, swapped, not_swapped, peer_lost, corrupt, closed, violated.
  void on_event(OnEvent handler) { on_event_ = std::move(handler); }
  /// Stops the flow towards on_message: what the peer sends then waits at the peer, and here as far as a
  /// layer gave credit for it. The other direction goes on.
  void pause() noexcept { set_paused(true); }
  void resume() noexcept { set_paused(false); }
  /// Replaces the stack, its transport too if the offers say so, while traffic flows: nothing is lost,
  /// doubled or reordered as far as both stacks promise it, and until the new one stands the old one carries
  /// on. `offers`: most preferred first, each allowed by the needs and the floor of the link; an address may
  /// be empty where the link, or this node, knows one for that transport. Either end may ask; the one that
  /// opened the link dials. The event `swapped` tells the end, or `not_swapped`, with why: the link then
  /// stands as before. Asked while another is under way it waits for that, the last asked wins. Errors:
  /// closed (the link is not up), invalid (no offers, no address), unsupported and denied (of check, for
  /// every offer).
  Result<> swap(std::vector<Offer> offers);
  /// What swap() would say: leaves in `offers` those that it would offer, each with its address. Errors:
  /// those of swap().
  Result<> may_swap(std::vector<Offer>& offers) const;
  /// What a link that is resuming dials from now on instead, beginning at once: its stacks alike down to
  /// `resume`. Errors: closed (the link is not resuming, or the peer dials), those of swap().
  Result<> offer(std::vector<Offer> offers);
  /// Closes in order: what was sent before is delivered, then both sides hear `closed`; gives up after
  /// linger.
  void close();

  // ---- one-sided [stack-thread] ----

  /// Operations on the memory that the peer exposes; null while the link is not up, or without `put` in its
  /// stack. Another one after a swap to other layers.
  [[nodiscard]] OneSided* one_sided() noexcept {
    return epoch_.stack == nullptr ? nullptr : epoch_.stack->one_sided();
  }
  /// The memory of this end that the peer may reach, whatever stack the link has: exposed once, it holds
  /// through swaps.
  [[nodiscard]] Regions& regions() noexcept { return regions_; }

  // ---- looking [stack-thread] ----

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] bool is_up() const noexcept { return state_ == State::up; }
  [[nodiscard]] const std::string& name() const noexcept { return options_.name; }
  [[nodiscard]] const setup::Identity& peer() const noexcept { return peer_; }
  /// Who the peer has proved to be; null without a handshake.
  [[nodiscard]] const Principal* proven() const noexcept {
    return epoch_.handshake == nullptr ? nullptr : epoch_.handshake->peer();
  }
  [[nodiscard]] Role role() const noexcept { return role_; }
  [[nodiscard]] std::uint64_t opened_ns() const noexcept { return opened_ns_; }  // dial to up
  /// Null until the link is up for the first time, and after it is closed.
  [[nodiscard]] Stack* stack() noexcept { return epoch_.stack.get(); }
  [[nodiscard]] Endpoint* endpoint() noexcept { return epoch_.endpoint.get(); }
  [[nodiscard]] const Facts& facts() const noexcept { return epoch_.facts; }
  [[nodiscard]] const Quota& quota() const noexcept { return *epoch_.quota; }
  /// Whether another stack is about to replace this one, or the one before still ends.
  [[nodiscard]] bool is_swapping() const noexcept { return swap_ != nullptr; }
  /// How far: "proposing", "dialing", "confirming", "answered", "draining", "lingering"; empty without a
  /// swap.
  [[nodiscard]] std::string_view swap_stage() const noexcept;
  /// Swaps done since the link opened.
  [[nodiscard]] std::uint64_t swaps() const noexcept { return swaps_; }
  /// Why the link is not up (any more); code ok while nothing went wrong.
  [[nodiscard]] const Error& error() const noexcept { return error_; }
  [[nodiscard]] const Needs& needs() const noexcept { return options_.needs; }
  [[nodiscard]] const std::vector<Offer>& offers() const noexcept { return options_.offers; }
  /// The offer that the stack is of. Requires: the initiator, and a stack.
  [[nodiscard]] std::size_t chosen() const noexcept { return group_ + choice_; }
  /// Why an offer failed when its address was dialled last; null when nothing is known against it.
  [[nodiscard]] const Error* failure(std::size_t offer) const noexcept {
    return offer < failures_.size() && failures_[offer].code != Errc::ok ? &failures_[offer] : nullptr;
  }
  /// Per layer why it is there. Errors: closed when there is no stack.
  [[nodiscard]] Result<Explanation> explain() const;
  /// Watches a boundary (0: above the top layer … layers: above the transport) until removed; the tap
  /// outlives its stay.
  /// Errors: closed, not_found.
  Result<> add_tap(std::size_t boundary, Tap& tap);
  void remove_tap(Tap& tap) noexcept;

 private:
  friend class Node;
  Link(Node& node, LinkOptions options, Role role);

  struct Opening;
  struct Swap;
  using OnFrame = void (Link::*)(const setup::Frame& frame);

  // setting up: link_setup.cpp
  void dial();
  void dial_next(Error error);
  [[nodiscard]] std::size_t group_end(const std::vector<Offer>& offers, std::size_t group) const noexcept;
  void accept(std::unique_ptr<Endpoint> endpoint, const setup::Hello& hello, StackSpec spec,
              std::uint8_t choice, std::uint32_t max_message, std::unique_ptr<Handshake> handshake);
  void adopt(std::unique_ptr<Endpoint> endpoint);
  void attach();
  template <auto on_frame, auto on_event>
  void attach(Epoch& epoch, harness_hook instead = nullptr);
  Result<std::unique_ptr<Opening>> make_hello(std::uint64_t attempt, const std::vector<Offer>& offers,
                                              std::size_t group, std::uint64_t swaps) const;
  Result<> say_hello();
  void send_hello();
  void send_accept();
  void send_ready();
  void yield();
  void stand_back();
  void on_hello(const setup::Hello& hello);
  void on_accept(const setup::Accept& accept);
  void on_cookie(Epoch& epoch, Opening& opening, const setup::Cookie& cookie);
  void on_refuse(const setup::Refuse& refuse);
  void on_ready();
  Result<setup::Proof> finish_handshake(Opening& opening, const setup::Accept& accept) const;
  Result<std::unique_ptr<Stack>> make_stack(Epoch& epoch, const StackSpec& spec, Handshake* handshake,
                                            Stack::Deliver deliver, Stack::Notify notify);
  Result<> build(const StackSpec& spec, std::unique_ptr<Handshake> handshake);
  void become_up();
  void retry_later(std::uint64_t delay_ns);
  [[nodiscard]] Error no_answer() const;

  // going on after lost contact: link_resume.cpp
  void lose_contact(const Event& event);
  void look_for_peer(std::uint64_t delay_ns);
  void go_on_with(Swap& swap);
  void await_swap(const Swap& swap);
  void tell_swap();
  bool session_is(const setup::Hello& hello) const noexcept;
  bool needs_proof() const noexcept;
  bool ends_with_session();
  void fall_below(Error error);

  // closing: link.cpp
  bool try_fin(Epoch& epoch, std::uint64_t successor);
  void on_fin(const setup::Fin& fin);
  bool is_through(const Epoch& epoch) const noexcept;
  void maybe_closed();
  void finish(State state, Error error, EventKind kind);
  void cut_off(Error error);
  void drop_endpoint(std::uint64_t linger_ns);
  void drop_endpoint(Epoch& epoch, std::uint64_t linger_ns);

  // another stack while traffic flows: link_swap.cpp, link_cut.cpp
  Result<> keep_fitting(std::vector<Offer>& offers) const;
  [[nodiscard]] std::string known_address(const TransportType& transport) const;
  void ask_swap(std::vector<Offer> offers, std::uint64_t proposal);
  void send_proposal();
  void on_propose(const setup::Propose& propose);
  void dial_swap();
  void on_next_accept(const setup::Accept& accept);
  void carry_session_over(const setup::Accept& accept);
  void swap_failed(Error error);
  [[nodiscard]] bool swap_is(const setup::Hello& hello) const noexcept;
  void accept_swap(std::unique_ptr<Endpoint> endpoint, const setup::Hello& hello, const StackSpec& spec,
                   std::uint8_t choice, std::unique_ptr<Handshake> handshake);
  Result<> build_next(const StackSpec& spec, std::unique_ptr<Handshake> handshake);
  void on_next_frame(const setup::Frame& frame);
  void on_next_event(const Event& event);
  void abort_swap(const Error& error);
  void drop_swap();
  [[nodiscard]] bool is_draining() const noexcept;
  [[nodiscard]] std::vector<const Epoch*> epochs() const;
  void arm_swap(std::uint64_t delay_ns) noexcept;
  void on_swap_timer();
  static std::uint64_t settle_after(std::uint64_t round_trip_ns) noexcept;
  void cut();
  void run_new();
  void send_cut();
  void on_cut(const setup::Cut& cut);
  void try_open();
  void flush_held();
  void on_old_frame(const setup::Frame& frame);
  void on_old_event(const Event& event);
  void drain_old();
  void on_cut_timer();
  void repeat_fin();
  void end_old();
  void end_swap();
  void go_on_after_swap(std::vector<Offer> queued, std::uint64_t proposal);
  void end_old_path();
  [[nodiscard]] bool has_settled();
  static void receive_first(void* self, const Entry* next, harness_message* message);
  static void deliver_next(void* self, Message& message);
  static void deliver_held(void* self, Message& message);
  static void deliver_old(void* self, Message& message);
  static void notify_next(void* self, const Event& event);
  static void notify_old(void* self, const Event& event);

  // both
  Errc blocked() noexcept;
  void set_paused(bool paused) noexcept;
  void apply_pause(bool anew) noexcept;
  [[nodiscard]] bool repeats() const noexcept { return epoch_.repeats(); }
  bool send_frame(const setup::Frame& frame) noexcept;
  bool send_fin(Epoch& epoch, std::uint64_t successor);
  void read_frame(Message& frame, OnFrame handler);
  void on_frame(const setup::Frame& frame);
  void on_endpoint_event(const Event& event);
  void on_timer();
  void arm(std::uint64_t delay_ns) noexcept;
  void tell(const Event& event);
  static void deliver(void* self, Message& message);
  static void notify(void* self, const Event& event);

  // While it opens: what repeated frames repeat, and the handshake under way.
  struct Opening {
    setup::Hello hello;
    std::unique_ptr<Handshake> handshake;
    std::uint8_t cookies = 0;  // that the peer has given out for this attempt
  };

  Regions regions_;  // outlives the stacks
  Epoch epoch_;      // the message path first
  OnMessage on_message_;
  State state_;
  Role role_;
  bool paused_ = false;
  bool deaf_ = false;                // … or without a handler, as the stack was told
  bool awaits_first_ = false;        // the stack stands; READY or the first data makes the link up
  bool stale_ = false;               // the stack is an earlier connection's, kept for its session
  bool close_asked_ = false;         // while resuming or swapping: close as soon as that is over
  bool all_got_ = false;             // … and the peer had everything of ours
  EventKind up_as_ = EventKind::up;  // how the application hears that the stack is up
  std::uint8_t yields_asked_ = 0;    // times the peer's attempt was asked to yield to ours
  std::uint8_t stood_back_ = 0;      // times ours waited for the peer's
  std::uint8_t choice_ = 0;

  Node& node_;
  LinkOptions options_;
  std::unique_ptr<Opening> opening_;
  std::unique_ptr<Swap> swap_;
  std::vector<std::uint64_t> awaited_;  // hashes of stacks asked for, while resuming
  setup::Identity peer_;
  setup::Limits agreed_;
  OnEvent on_event_;
  Timer timer_;
  Timer swap_timer_;
  Error error_{Errc::ok, {}, {}, {}};
  std::vector<Error> failures_;  // an offer each, as far as one has failed
  std::uint64_t swaps_ = 0;
  std::uint64_t session_ = 0;  // the attempt that opened the link first; 0: not resumable
  std::uint64_t up_since_ns_ = 0;
  std::uint64_t resume_deadline_ns_ = 0;  // 0: in contact
  std::uint64_t hash_ = 0;
  std::size_t group_ = 0;  // first offer of the address that is being dialled
  std::uint64_t back_off_ns_ = 0;
  std::uint64_t started_ns_ = 0;
  std::uint64_t opened_ns_ = 0;
  std::uint64_t deadline_ns_ = 0;
  std::uint64_t answer_by_ns_ = 0;  // to this dial, while resuming
};

/// Where the endpoint of an epoch hands what it receives: data to its stack, once there is one that runs, or
/// to `instead`.
template <auto on_frame, auto on_event>
void Link::attach(Epoch& epoch, harness_hook instead) {
  Receiver receiver;
  if (instead != nullptr)
    receiver.up = {instead, this, nullptr};
  else if (epoch.stack != nullptr && !(stale_ && &epoch == &epoch_)) {
    receiver.up = epoch.stack->up();
    receiver.place = epoch.stack->placer();
  }
  receiver.self = this;
  receiver.setup = [](void* self, Message& frame) { static_cast<Link*>(self)->read_frame(frame, on_frame); };
  receiver.event = [](void* self, const Event& event) { (static_cast<Link*>(self)->*on_event)(event); };
  receiver.gate = epoch.gate.get();
  receiver.quota = epoch.quota.get();
  epoch.endpoint->attach(receiver);
}

std::string_view to_string(Link::State state) noexcept;

/// That a peer is who it claims to be. Errors: denied (another name or domain, or nothing proved).
/// [any-thread]
Result<> proves(const Principal* principal, const setup::Identity& claimed);

}  // namespace harness
