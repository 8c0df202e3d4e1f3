// SPDX-License-Identifier: Apache-2.0
// The rings of loop: push in send, hand up in poll.
#include <harness/transports/loop.hpp>

#include <algorithm>
#include <array>

namespace harness::transports {

namespace {

constexpr std::uint32_t setup_reserve = 4;
constexpr std::uint32_t burst = 64;  // frames one endpoint may hand up before the next one's turn

constexpr std::array options_table = {
    OptionSpec{"slots", OptionKind::count, 1, 65536, 64,
               "frames on their way in one direction before the sender is held"},
    OptionSpec{"frame", OptionKind::size, 64, message_bytes_max, 1 << 20, "largest frame in bytes"},
};

// Between two ends in one process there is no medium: nobody else can read, change, repeat or lose a byte.
Facts facts_of(const OptionValues& options, Properties trust) {
  using namespace property;
  Facts facts;
  facts.word = message | reliable | fifo | no_duplicates | authenticated | host_private | principal |
               no_replay | covered | flow_controlled | lossless_fabric | death_immediate | trust |
               same_process;
  facts.max_message = static_cast<std::uint32_t>(options[Loop::option_frame]);
  facts.cost = {0, 15, 0};
  return facts;
}

Properties reach(const OptionValues&) { return property::same_process; }

Result<std::unique_ptr<Transport>> make(Engine& engine, const OptionValues& options) {
  return std::make_unique<Loop>(engine, options);
}

FrameKind kind_of(const Message& frame) { return static_cast<FrameKind>(frame.note().tag); }

}  // namespace

const TransportType& Loop::type() noexcept {
  static constexpr TransportType type{
      "loop", "links between nodes of one process, without a copy", options_table, {}, facts_of, make, reach};
  return type;
}

Loop::Loop(Engine& engine, const OptionValues& options)
    : engine_(engine), facts_(facts_of(options, {})),
      slots_(static_cast<std::uint32_t>(options[option_slots])) {
  engine_.add(*this);
}

Loop::~Loop() = default;

Result<std::string> Loop::listen(std::string_view address, Acceptor& acceptor) {
  std::string name(address);
  if (name.empty()) do
      name = std::to_string(++names_given_);
    while (listeners_.contains(name));
  if (!listeners_.emplace(name, &acceptor).second)
    return fail(Errc::exists, "cannot listen on loop:" + name,
                "another listener of this process has that name", "choose another name");
  return name;
}

Result<std::unique_ptr<Endpoint>> Loop::dial(std::string_view address) {
  if (address.empty())
    return fail(Errc::invalid, "cannot dial loop:", "the address has no name",
                "loop:NAME, as the peer listens");
  if (pending_.size() >= pending_max)
    return fail(Errc::exhausted, "cannot dial loop:" + std::string(address),
                std::to_string(pending_max) + " links wait to be accepted", "poll the engine between dials");
  auto near = std::make_unique<detail::LoopEndpoint>(*this, std::string(address));
  if (const auto listener = listeners_.find(address); listener != listeners_.end()) {
    auto far = std::make_unique<detail::LoopEndpoint>(*this, "dialler");
    near->peer_ = far.get();
    far->peer_ = near.get();
    pending_.push_back({std::move(far), listener->second});
  } else {
    near->end(Errc::unreachable, "nobody in this process listens on that name");
  }
  return near;
}

unsigned Loop::poll(unsigned budget) {
  unsigned done = 0;
  if (!pending_.empty()) {
    std::vector<Pending> accepting;
    accepting.swap(pending_);
    for (Pending& pending : accepting) {
      ++done;
      pending.acceptor->accepted(std::move(pending.endpoint));
    }
  }
  Ready
      round;  // one burst for everyone who is ready now; who becomes ready meanwhile waits for the next turn
  round.swap(ready_);
  while (!round.empty() && done < budget) {
    detail::LoopEndpoint& endpoint = round.front();
    round.pop_front();
    done += endpoint.deliver(std::min(budget - done, burst));
  }
  ready_.splice(ready_.begin(), round);
  if (done != 0) engine_.keep_hot();
  return done;
}

namespace detail {

LoopEndpoint::LoopEndpoint(Loop& loop, std::string peer_name)
    : loop_(loop), facts_(loop.facts_), peer_name_(std::move(peer_name)) {
  resize(loop.slots_);
  down_ = {&down_thunk, this, nullptr};
}

LoopEndpoint::~LoopEndpoint() {
  if (waiting_quota_ != nullptr) waiting_quota_->when_below(nullptr, nullptr);
  if (peer_ == nullptr) return;
  if (!closed_) peer_->end(Errc::peer_lost, "the peer's endpoint was destroyed without close");
  peer_->peer_ = nullptr;
}

void LoopEndpoint::resize(std::uint32_t slots) {
  const std::uint32_t capacity = slots + 1 + control_reserve + setup_reserve;
  auto ring = std::make_unique<Message[]>(std::max(capacity, count_));
  for (std::uint32_t i = 0; i < count_; ++i) ring[i] = std::move(ring_[(head_ + i) % capacity_]);
  ring_ = std::move(ring);
  capacity_ = std::max(capacity, count_);
  slots_ = slots;
  head_ = 0;
}

Errc LoopEndpoint::configure(const OptionValues& options) noexcept {
  facts_ = facts_of(options, facts_.word);
  const auto slots = static_cast<std::uint32_t>(options[Loop::option_slots]);
  if (slots != slots_) resize(slots);
  return Errc::ok;
}

void LoopEndpoint::down_thunk(void* self, const Entry*, harness_message* message) noexcept {
  static_cast<LoopEndpoint*>(self)->send(Message::from_c(message), FrameKind::data);
}

// Requires: room, which the gate and the reserves guarantee for an open link. What is rare stands in
// functions that are jumped to, so that this one keeps nothing on the stack of calls.
inline void LoopEndpoint::send(Message& frame, FrameKind kind) noexcept {
  LoopEndpoint* const peer = peer_;
  if (closed_ || peer == nullptr || peer->closed_ || peer->count_ == peer->capacity_) [[unlikely]] {
    ++dropped_;
    return;
  }
  if (frame.scattered_head()) [[unlikely]]
    return send_scattered(frame, kind);
  put(frame, kind);
}

// Requires: headers that touch the body, or none.
inline void LoopEndpoint::put(Message& frame, FrameKind kind) noexcept {
  LoopEndpoint* const peer = peer_;
  std::uint32_t tail = peer->head_ + peer->count_;
  if (tail >= peer->capacity_) tail -= peer->capacity_;
  frames_out_ += kind == FrameKind::data ? 1 : 0;
  bytes_out_ += frame.size();
  frame.receive_at(&peer->ring_[tail], static_cast<std::uint32_t>(kind));  // empty: nothing to destroy
  const std::uint32_t count = ++peer->count_;
  if (count == 1 || count >= peer->slots_) [[unlikely]]
    sent_first_or_last();
}

void LoopEndpoint::send_scattered(Message& frame, FrameKind kind) noexcept {
  if (frame.as_received(loop_.engine_.pool())) return put(frame, kind);
  peer_->end(Errc::exhausted, "the pool's limit was reached");
  end(Errc::exhausted, "the pool's limit was reached");
}

void LoopEndpoint::sent_first_or_last() noexcept {
  if (peer_->count_ == 1) peer_->wake();
  if (peer_->count_ < peer_->slots_) return;
  holds_ += held_ ? 0 : 1;
  held_ = true;
  if (receiver_.gate != nullptr) receiver_.gate->hold(Gate::transport_bit);
}

MutableBytes LoopEndpoint::reserve(std::uint32_t bytes) noexcept {
  if (held_ || closed_ || bytes > facts_.max_message) return {};
  reserved_ = Message::make(loop_.engine_.pool(), bytes);
  return reserved_ ? reserved_.writable() : MutableBytes{};
}

void LoopEndpoint::commit() noexcept {
  if (!reserved_) return;
  send(reserved_, FrameKind::data);
  reserved_.reset();
}

Errc LoopEndpoint::send_setup(Message&& frame) noexcept {
  if (closed_ || peer_ == nullptr || peer_->closed_) return Errc::closed;
  if (frame.size() > facts_.max_message) return Errc::too_large;
  if (peer_->setup_count_ >= setup_reserve) return Errc::exhausted;
  ++peer_->setup_count_;
  send(frame, FrameKind::setup);
  frame.reset();
  return Errc::ok;
}

// ---- the receiving side ----

void LoopEndpoint::wake() noexcept {
  if (!LoopHook::is_linked()) loop_.ready_.push_back(*this);
}

inline bool LoopEndpoint::may_receive(const Message& front) noexcept {
  const bool full = receiver_.quota != nullptr && receiver_.quota->exhausted();
  if (!closed_ && !paused_ && !full) [[likely]]
    return true;
  return may_receive_still(front);
}

bool LoopEndpoint::may_receive_still(const Message& front) noexcept {
  if (closed_) return false;
  if (kind_of(front) == FrameKind::setup) return true;
  if (paused_) return false;
  waiting_quota_ = receiver_.quota;
  receiver_.quota->when_below(
      [](void* self) noexcept {
        static_cast<LoopEndpoint*>(self)->waiting_quota_ = nullptr;
        static_cast<LoopEndpoint*>(self)->wake();
      },
      this);
  return false;
}

bool LoopEndpoint::has_work() noexcept {
  if (closed_) return false;
  return count_ != 0 ? may_receive(ring_[head_]) : end_code_ != Errc::ok && !end_reported_;
}

unsigned LoopEndpoint::deliver(unsigned budget) {
  unsigned done = 0;
  if (room_due_) {
    ++done;
    room();
  }
  delivering_ = true;
  for (; done < budget && count_ != 0 && may_receive(ring_[head_]); ++done) hand_up(ring_[head_]);
  delivering_ = false;
  if (closed_) discard();
  if (count_ == 0 && !closed_ && end_code_ != Errc::ok && !end_reported_) {
    ++done;
    report_end();
  }
  if (has_work()) wake();
  return done;
}

// Hands the front frame up and takes it off the ring. A data frame stays where it lies: the hook may move it
// out.
inline void LoopEndpoint::hand_up(Message& frame) {
  bytes_in_ += frame.body_size();
  if (receiver_.quota != nullptr) frame.charge(*receiver_.quota);
  const FrameKind kind = kind_of(frame);
  frame.note().tag = 0;
  if (kind == FrameKind::data) [[likely]] {
    ++frames_in_;
    receiver_.up.fn(receiver_.up.self, receiver_.up.next, frame.c());
    return pop();
  }
  Message setup = std::move(frame);  // the callback may configure, which moves the ring
  --setup_count_;
  pop();
  receiver_.setup(receiver_.self, setup);
}

inline void LoopEndpoint::pop() noexcept {
  ring_[head_].reset();
  if (++head_ == capacity_) head_ = 0;
  --count_;
  if (peer_ == nullptr || !peer_->held_ || count_ > slots_ / 2) return;
  peer_->room_due_ = true;
  peer_->wake();
}

// The frames that came after this side closed go to nobody.
void LoopEndpoint::discard() noexcept {
  while (count_ != 0) pop();
}

void LoopEndpoint::room() {
  room_due_ = false;
  if (!held_ || closed_ || end_reported_) return;
  held_ = false;
  if (receiver_.gate != nullptr) receiver_.gate->release(Gate::transport_bit);
  receiver_.event(receiver_.self, Event{EventKind::writable});
}

void LoopEndpoint::pause_receive(bool paused) noexcept {
  paused_ = paused;
  if (!paused && has_work()) wake();
}

void LoopEndpoint::close(std::uint64_t) noexcept {
  if (closed_) return;
  closed_ = true;
  if (waiting_quota_ != nullptr) waiting_quota_->when_below(nullptr, nullptr);
  waiting_quota_ = nullptr;
  if (!delivering_) discard();
  if (peer_ != nullptr) peer_->end(Errc::closed, "the peer closed");
}

// ---- ends ----

void LoopEndpoint::end(Errc code, const char* why) noexcept {
  if (end_code_ != Errc::ok) return;
  end_code_ = code;
  end_why_ = why;
  wake();
}

void LoopEndpoint::report_end() {
  end_reported_ = true;
  if (receiver_.gate != nullptr) receiver_.gate->hold(Gate::transport_bit);
  receiver_.event(receiver_.self, Event{EventKind::peer_lost, end_code_, end_why_});
}

void LoopEndpoint::describe(Describer& describer) const {
  describer.value("frames_out", frames_out_);
  describer.value("bytes_out", bytes_out_);
  describer.value("frames_in", frames_in_);
  describer.value("bytes_in", bytes_in_);
  describer.value("waiting_in", count_);
  describer.value("holds", holds_);
  describer.value("dropped", dropped_);
}

}  // namespace detail
}  // namespace harness::transports
