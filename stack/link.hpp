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
#include <harness/stack/setup.hpp>
#include <harness/stack/stack.hpp>

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
    if (stack_ == nullptr) [[unlikely]]
      return blocked();
    const Errc code = stack_->send(std::move(message));
    return code == Errc::would_block ? blocked() : code;
  }
  /// A writable message of this link's engine; empty when the pool's limit is reached. A large one lies where
  /// the transport can send it without a copy, if it can.
  [[nodiscard]] Message make(std::uint32_t bytes) noexcept;
  /// Who gets the messages: owns each one, and destroying it returns its credit. Nothing is received before
  /// this is set.
  void on_message(OnMessage handler);
  /// Who hears up, writable, resuming, resumed, peer_lost, corrupt, closed, violated.
  void on_event(OnEvent handler) { on_event_ = std::move(handler); }
  /// Stops the flow towards on_message: what the peer sends then waits at the peer, and here as far as a
  /// layer gave credit for it. The other direction goes on.
  void pause() noexcept { set_paused(true); }
  void resume() noexcept { set_paused(false); }
  /// Closes in order: what was sent before is delivered, then both sides hear `closed`; gives up after
  /// linger.
  void close();

  // ---- looking [stack-thread] ----

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] bool is_up() const noexcept { return state_ == State::up; }
  [[nodiscard]] const std::string& name() const noexcept { return options_.name; }
  [[nodiscard]] const setup::Identity& peer() const noexcept { return peer_; }
  /// Who the peer has proved to be; null without a handshake.
  [[nodiscard]] const Principal* proven() const noexcept {
    return handshake_ == nullptr ? nullptr : handshake_->peer();
  }
  [[nodiscard]] Role role() const noexcept { return role_; }
  [[nodiscard]] std::uint64_t opened_ns() const noexcept { return opened_ns_; }  // dial to up
  /// Null until the link is up for the first time, and after it is closed.
  [[nodiscard]] Stack* stack() noexcept { return stack_.get(); }
  [[nodiscard]] Endpoint* endpoint() noexcept { return endpoint_.get(); }
  [[nodiscard]] const Facts& facts() const noexcept { return facts_; }
  [[nodiscard]] const Quota& quota() const noexcept { return *quota_; }
  /// Why the link is not up (any more); code ok while nothing went wrong.
  [[nodiscard]] const Error& error() const noexcept { return error_; }
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

  // setting up: link_setup.cpp
  void dial();
  void dial_next(Error error);
  [[nodiscard]] std::size_t group_end() const noexcept;
  void accept(std::unique_ptr<Endpoint> endpoint, const setup::Hello& hello, StackSpec spec,
              std::uint8_t choice, std::uint32_t max_message, std::unique_ptr<Handshake> handshake);
  void adopt(std::unique_ptr<Endpoint> endpoint);
  void attach();
  Result<> say_hello();
  void send_hello();
  void send_accept();
  void send_ready();
  void yield();
  void stand_back();
  void on_hello(const setup::Hello& hello);
  void on_accept(const setup::Accept& accept);
  void on_cookie(const setup::Cookie& cookie);
  void on_refuse(const setup::Refuse& refuse);
  void on_ready();
  Result<setup::Proof> finish_handshake(const setup::Accept& accept);
  Result<> build(const StackSpec& spec, std::unique_ptr<Handshake> handshake);
  void become_up();
  void retry_later(std::uint64_t delay_ns);
  [[nodiscard]] Error no_answer() const;

  // going on after lost contact: link_resume.cpp
  void lose_contact(const Event& event);
  void look_for_peer(std::uint64_t delay_ns);
  bool session_is(const setup::Hello& hello) const noexcept;
  bool needs_proof() const noexcept;
  bool ends_with_session();

  // closing: link.cpp
  void try_fin();
  void on_fin(const setup::Fin& fin);
  void maybe_closed();
  void finish(State state, Error error, EventKind kind);
  void cut(Error error);
  void drop_endpoint(std::uint64_t linger_ns);

  // both
  Errc blocked() noexcept;
  void set_paused(bool paused) noexcept;
  void apply_pause(bool anew) noexcept;
  bool repeats() const noexcept;  // the medium may lose set-up frames
  bool send_frame(const setup::Frame& frame) noexcept;
  [[nodiscard]] setup::Proof seal(bool sent, const setup::Frame& frame) const;
  bool send_fin();
  void on_frame(Message& frame);
  void on_endpoint_event(const Event& event);
  void on_timer();
  void arm(std::uint64_t delay_ns) noexcept;
  void tell(const Event& event);
  static void deliver(void* self, Message& message);
  static void notify(void* self, const Event& event);

  // The message path first.
  std::unique_ptr<Stack> stack_;
  OnMessage on_message_;
  State state_;
  Role role_;
  bool paused_ = false;
  bool deaf_ = false;          // … or without a handler, as the stack was told
  bool resumable_ = false;     // the stack promises it
  bool awaits_first_ = false;  // the stack stands; READY or the first data makes the link up
  bool stale_ = false;         // stack_ is an earlier connection's, kept for its session
  bool again_ = false;         // up, and not for the first time
  bool close_asked_ = false;   // while resuming: close as soon as it is up
  bool all_got_ = false;       // … and the peer had everything of ours
  bool fin_sent_ = false;
  bool fin_acked_ = false;
  bool fin_received_ = false;
  bool peer_gone_ = false;         // after its FIN
  std::uint8_t yields_asked_ = 0;  // times the peer's attempt was asked to yield to ours
  std::uint8_t stood_back_ = 0;    // times ours waited for the peer's
  std::uint8_t choice_ = 0;

  // While it opens: what repeated frames repeat, and the handshake under way.
  struct Opening {
    setup::Hello hello;
    std::unique_ptr<Handshake> handshake;
    std::uint8_t cookies = 0;  // that the peer has given out for this attempt
  };

  Node& node_;
  LinkOptions options_;
  std::unique_ptr<Opening> opening_;
  std::unique_ptr<Handshake> handshake_;  // of the stack, which it outlives
  setup::Proof ready_proof_;              // on lossy media, to repeat it
  setup::Identity peer_;
  setup::Limits agreed_;
  Facts facts_;
  Gate gate_;
  Quota::Owner quota_;
  std::unique_ptr<Endpoint> endpoint_;
  OnEvent on_event_;
  Timer timer_;
  Error error_{Errc::ok, {}, {}, {}};
  std::vector<Error> failures_;  // an offer each, as far as one has failed
  std::uint64_t attempt_ = 0;
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
  std::uint64_t peer_frames_ = 0;
};

std::string_view to_string(Link::State state) noexcept;

/// That a peer is who it claims to be. Errors: denied (another name or domain, or nothing proved).
/// [any-thread]
Result<> proves(const Principal* principal, const setup::Identity& claimed);

}  // namespace harness
