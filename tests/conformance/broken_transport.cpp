// SPDX-License-Identifier: Apache-2.0
// The defects, each a line or two where it bites.
#include <harness/tests/conformance/broken_transport.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace harness::tests {

class BrokenEndpoint final : public Endpoint {
 public:
  BrokenEndpoint(BrokenTransport& owner, std::unique_ptr<Endpoint> inner, bool dialled);
  ~BrokenEndpoint() override;

  MutableBytes reserve(std::uint32_t bytes) noexcept override;
  void commit() noexcept override;
  Errc send_setup(Message&& frame) noexcept override;
  Errc configure(const OptionValues& options) noexcept override;
  [[nodiscard]] std::uint64_t frames_sent() const noexcept override {
    return inner_->frames_sent() + (is(Defect::counts_everything) ? setups_sent_ : 0);
  }
  [[nodiscard]] std::uint64_t frames_received() const noexcept override { return inner_->frames_received(); }
  void pause_receive(bool paused) noexcept override;
  void close(std::uint64_t linger_ns) noexcept override;
  [[nodiscard]] bool drained() const noexcept override {
    return is(Defect::always_drained) || (!is(Defect::never_drained) && inner_->drained());
  }
  [[nodiscard]] const Facts& facts() const noexcept override { return facts_; }
  [[nodiscard]] std::string peer_address() const override {
    return is(Defect::misnames_its_peer) ? "somewhere" : inner_->peer_address();
  }
  void describe(Describer& describer) const override {
    if (!is(Defect::describes_nothing)) inner_->describe(describer);
  }

  void turn();
  [[nodiscard]] bool late_work() const noexcept { return !late_.empty(); }

 private:
  [[nodiscard]] bool is(Defect defect) const noexcept { return owner_.is(defect); }
  Pool& pool() noexcept { return owner_.engine_.pool(); }
  void send(Message& message);
  bool spoils(Message& message);
  void pass(Message& message);
  void shorten(Message& message, std::uint32_t bytes);
  void mirror_gate();
  void received(Message& message);
  void hand_up(Message& message);
  void heard(const Event& event);
  void tell(Event event);
  void refresh();

  BrokenTransport& owner_;
  std::unique_ptr<Endpoint> inner_;
  Facts facts_;
  Gate inner_gate_;
  bool dialled_;
  bool paused_ = false;
  bool closed_ = false;
  bool ended_ = false;
  bool asleep_ = false;
  bool pass_large_ = true;
  unsigned down_count_ = 0;
  unsigned up_count_ = 0;
  unsigned holds_ = 0;
  unsigned setups_sent_ = 0;
  unsigned after_hold_ = 0;
  Message room_;
  std::vector<Message> late_;  // frames that a defect keeps back
  std::vector<Message> kept_up_;
  std::byte* last_up_ = nullptr;
  std::size_t last_up_bytes_ = 0;
};

// ---- the transport ----

BrokenTransport::BrokenTransport(Engine& engine, Transport& inner, Defect defect)
    : engine_(engine), inner_(inner), defect_(defect) {
  engine.add(*this);
}

BrokenTransport::~BrokenTransport() = default;

Result<std::string> BrokenTransport::listen(std::string_view address, Acceptor& acceptor) {
  acceptor_ = &acceptor;
  auto bound = inner_.listen(address, *this);
  if (!bound && is(Defect::listens_twice)) return std::string(address);
  if (!bound && is(Defect::gives_no_advice))
    return fail(bound.error().code, bound.error().what, bound.error().because);
  if (bound && is(Defect::returns_another_address)) *bound += "0";
  return bound;
}

Result<std::unique_ptr<Endpoint>> BrokenTransport::dial(std::string_view address) {
  ++dials_;
  if (is(Defect::dials_once) && dials_ > 1)
    return fail(Errc::exhausted, "dialled once already", "this transport is broken", "another");
  auto dialled = inner_.dial(address.empty() && is(Defect::dials_anything) ? "anything" : address);
  if (!dialled) return dialled;
  if (is(Defect::polls_in_dial)) inner_.poll(1);
  return std::make_unique<BrokenEndpoint>(*this, std::move(*dialled), true);
}

void BrokenTransport::accepted(std::unique_ptr<Endpoint> endpoint) {
  if (is(Defect::forgets_a_dial) && dials_ > 1 && std::exchange(failed_once_, true) == false) return;
  acceptor_->accepted(std::make_unique<BrokenEndpoint>(*this, std::move(endpoint), false));
}

unsigned BrokenTransport::poll(unsigned) {
  for (BrokenEndpoint* endpoint : endpoints_) endpoint->turn();  // which calls nobody
  unsigned done = is(Defect::always_busy) ? 1 : 0;
  for (const BrokenEndpoint* endpoint : endpoints_) done += endpoint->late_work() ? 1u : 0u;
  return done;
}

// ---- down ----

BrokenEndpoint::BrokenEndpoint(BrokenTransport& owner, std::unique_ptr<Endpoint> inner, bool dialled)
    : owner_(owner), inner_(std::move(inner)), facts_(inner_->facts()), dialled_(dialled) {
  if (is(Defect::states_weak_facts)) facts_.word = property::none;
  down_ = {[](void* self, const Entry*, harness_message* m) {
             static_cast<BrokenEndpoint*>(self)->send(Message::from_c(m));
           },
           this, nullptr};
  owner_.endpoints_.push_back(this);
  refresh();
}

BrokenEndpoint::~BrokenEndpoint() {
  std::erase(owner_.endpoints_, this);
  if (is(Defect::keeps_dead_letters)) owner_.leaked_.push_back(Message::make(pool(), 1));
}

// The inner receiver: everything comes through here. The quota is the receiver's, as far as there is one yet.
void BrokenEndpoint::refresh() {
  Receiver receiver;
  receiver.up = {[](void* self, const Entry*, harness_message* m) {
                   static_cast<BrokenEndpoint*>(self)->received(Message::from_c(m));
                 },
                 this, nullptr};
  receiver.self = this;
  receiver.setup = [](void* self, Message& frame) {
    auto* at = static_cast<BrokenEndpoint*>(self);
    if (at->is(Defect::drops_setup)) return;
    if (at->closed_ && !at->is(Defect::talks_after_close)) return;
    if (at->is(Defect::hands_setup_up_as_data)) return at->hand_up(frame);
    at->receiver_.setup(at->receiver_.self, frame);
  };
  receiver.event = [](void* self, const Event& event) { static_cast<BrokenEndpoint*>(self)->heard(event); };
  receiver.gate = &inner_gate_;
  const bool uncharged = is(Defect::charges_nothing) || is(Defect::ignores_the_quota);
  receiver.quota = uncharged ? nullptr : receiver_.quota;
  inner_->attach(receiver);
}

void BrokenEndpoint::turn() {
  refresh();
  if (is(Defect::pauses_late)) inner_->pause_receive(paused_);
  if (is(Defect::sleeps_on_the_quota) && receiver_.quota != nullptr && receiver_.quota->exhausted()) {
    asleep_ = true;
    inner_->close(0);
  }
  if ((is(Defect::pauses_sending_too) && paused_) || is(Defect::drops_on_close)) return;
  std::vector<Message> late = std::move(late_);
  late_.clear();
  for (Message& message : late) pass(message);
}

void BrokenEndpoint::pass(Message& message) {
  const Entry entry = inner_->down();
  entry.fn(entry.self, entry.next, message.c());
  mirror_gate();
}

void BrokenEndpoint::mirror_gate() {
  if (!inner_gate_.held(Gate::transport_bit) || receiver_.gate == nullptr) return;
  if (is(Defect::never_holds) || is(Defect::queues_without_bound)) return;
  if (!receiver_.gate->held(Gate::transport_bit)) ++holds_;
  if (is(Defect::holds_once) && holds_ > 1) return;
  receiver_.gate->hold(Gate::transport_bit);
}

void BrokenEndpoint::shorten(Message& message, std::uint32_t bytes) {
  message.as_received(pool());
  message.truncate(bytes);
}

// True when the defect makes an end of the message, or changed its way.
bool BrokenEndpoint::spoils(Message& message) {
  const std::uint32_t bytes = message.size();
  const bool held = receiver_.gate != nullptr && receiver_.gate->held(Gate::transport_bit);
  ++down_count_;
  switch (owner_.defect_) {
    case Defect::drops_empty_frames: return bytes == 0;
    case Defect::pads_tiny_frames:
      if (bytes == 1) static_cast<void>(message.append(pool(), Message::copy_of(pool(), "x")));
      return false;
    case Defect::cuts_full_slabs:
      if (bytes == Pool::capacity_of(3)) shorten(message, bytes - 1);
      return false;
    case Defect::cuts_at_8_kib:
      if (bytes == 8192) shorten(message, bytes - 1);
      return false;
    case Defect::cuts_the_largest:
      if (bytes == facts_.max_message) shorten(message, bytes - 1);
      return false;
    case Defect::flips_a_bit:
      if (down_count_ % 20 == 0 && message.body_size() > 50) message.writable()[50] ^= std::byte{1};
      return false;
    case Defect::drops_headers:
      if (message.header_size() != 0) message = message.slice(pool(), 0, message.body_size());
      return false;
    case Defect::drops_headers_apart:
      if (!message.contiguous() && message.header_size() != 0)
        message = message.slice(pool(), 0, message.body_size());
      return false;
    case Defect::sends_the_first_piece:
      if (message.body_size() != message.front().size())
        shorten(message, message.header_size() + static_cast<std::uint32_t>(message.front().size()));
      return false;
    case Defect::scribbles_on_bodies:
      if (!message.writable().empty()) message.writable()[0] ^= std::byte{0xff};
      return false;
    case Defect::duplicates:
      if (down_count_ % 7 == 0) {
        Message copy = message.share(pool());
        pass(copy);
      }
      return false;
    case Defect::loses_one_in_a_thousand: return down_count_ % 1009 == 0;
    case Defect::drops_without_headroom: return message.head_room() == 0 && message.header_size() == 0;
    case Defect::drops_large_while_held: return held && bytes > 1000;
    case Defect::drops_control_while_held: return held && message.is_control();
    case Defect::loses_after_writable: return after_hold_ != 0 && after_hold_-- == 1;
    case Defect::keeps_dead_letters:
      if (ended_) owner_.leaked_.push_back(std::move(message));
      return ended_;
    case Defect::allocates: owner_.wasted_.push_back(std::make_unique<char>()); return false;
    default: return false;
  }
}

void BrokenEndpoint::send(Message& message) {
  if (spoils(message) || !message) return;
  const bool keep = is(Defect::joins_frames) || is(Defect::swaps_neighbours) ||
                    is(Defect::sends_setup_first) || is(Defect::drops_on_close) ||
                    (is(Defect::pauses_sending_too) && paused_) || is(Defect::queues_without_bound) ||
                    (is(Defect::delays_large_frames) && message.size() > 10'000);
  if (is(Defect::joins_frames) && !late_.empty()) {
    message.as_received(pool());
    static_cast<void>(late_.back().append(pool(), std::move(message)));
  } else if (is(Defect::swaps_neighbours) && !late_.empty()) {
    pass(message);
    pass(late_.back());
    late_.clear();
  } else if (keep) {
    late_.push_back(std::move(message));
  } else {
    pass(message);
  }
  if (is(Defect::drops_on_close)) {  // a short queue of its own, as a real transport has
    while (late_.size() > 2) {
      pass(late_.front());
      late_.erase(late_.begin());
    }
  }
  if (is(Defect::polls_in_send)) owner_.inner_.poll(256);
  if (is(Defect::writable_at_random) && down_count_ % 10 == 0) tell(Event{EventKind::writable});
}

MutableBytes BrokenEndpoint::reserve(std::uint32_t bytes) noexcept {
  room_.reset();
  const bool held = receiver_.gate != nullptr && receiver_.gate->held(Gate::transport_bit);
  const bool refused = held || closed_ || bytes > facts_.max_message;
  if (is(Defect::reserves_small_rooms) && bytes > 100'000) return {};
  if (refused && !is(Defect::reserves_always)) return {};
  room_ = Message::make(pool(), bytes);
  if (is(Defect::sends_reserved_rooms)) {
    Message early = room_.share(pool());
    pass(early);
  }
  return room_.writable();
}

void BrokenEndpoint::commit() noexcept {
  if (room_ && !is(Defect::commits_nothing)) send(room_);
  room_.reset();
}

Errc BrokenEndpoint::send_setup(Message&& frame) noexcept {
  const bool held = receiver_.gate != nullptr && receiver_.gate->held(Gate::transport_bit);
  ++setups_sent_;
  if (is(Defect::drops_early_setup) && dialled_ && owner_.endpoints_.size() == 1)
    return frame.reset(), Errc::ok;
  if (is(Defect::refuses_setup_while_held) && held) return Errc::exhausted;
  if (is(Defect::never_frees_setup) && setups_sent_ > 4) return Errc::exhausted;
  if (is(Defect::cuts_long_setup) && frame.size() > 65'536) frame.truncate(65'536);
  const Errc code = inner_->send_setup(std::move(frame));
  if (code == Errc::ok) return code;
  if (is(Defect::takes_any_setup)) return frame.reset(), Errc::ok;
  if (is(Defect::eats_refused_setup)) frame.reset();
  return code;
}

Errc BrokenEndpoint::configure(const OptionValues& options) noexcept {
  if (is(Defect::ignores_configure)) return Errc::ok;
  const Errc code = inner_->configure(options);
  facts_ = inner_->facts();
  return code;
}

// ---- up ----

void BrokenEndpoint::received(Message& message) {
  ++up_count_;
  if (closed_ && !is(Defect::talks_after_close)) return;
  if (is(Defect::deaf_dialler) && dialled_) return;
  if (is(Defect::drops_while_paused) && paused_) return;
  if (is(Defect::carries_annotations)) message.note().channel = 2;
  if (is(Defect::ignores_the_quota) && receiver_.quota != nullptr) message.charge(*receiver_.quota);
  if (is(Defect::leaks_received)) owner_.leaked_.push_back(message.share(pool()));
  if (is(Defect::reuses_slabs)) {
    if (last_up_ != nullptr) std::memset(last_up_, 'x', last_up_bytes_);
    last_up_ = message.writable().data();
    last_up_bytes_ = message.writable().size();
  }
  if (is(Defect::mixes_links) && up_count_ == 1) {
    BrokenEndpoint* other = owner_.endpoints_[(dialled_ ? 0u : owner_.endpoints_.size() - 1)];
    if (other != this && other->dialled_ == dialled_) return other->hand_up(message);
  }
  if (is(Defect::tells_the_end_early)) {
    kept_up_.push_back(std::move(message));
    if (kept_up_.size() < 2) return;
    hand_up(kept_up_.front());
    kept_up_.erase(kept_up_.begin());
    return;
  }
  hand_up(message);
}

void BrokenEndpoint::hand_up(Message& message) {
  receiver_.up.fn(receiver_.up.self, receiver_.up.next, message.c());
}

void BrokenEndpoint::tell(Event event) {
  if (closed_ && !is(Defect::talks_after_close) && !is(Defect::ends_twice)) return;
  if (is(Defect::drops_details)) event.detail = {};
  receiver_.event(receiver_.self, event);
}

void BrokenEndpoint::heard(const Event& event) {
  Event told = event;
  Gate* const gate = receiver_.gate;
  if (event.kind == EventKind::writable) {
    if (is(Defect::never_writable)) return;
    after_hold_ = 1;
    if (gate != nullptr && !is(Defect::opens_the_gate_late)) gate->release(Gate::transport_bit);
    tell(told);
    if (gate != nullptr) gate->release(Gate::transport_bit);
    if (is(Defect::writable_twice)) tell(told);
    return;
  }
  ended_ = true;
  if (gate != nullptr && !is(Defect::opens_the_gate_at_the_end)) gate->hold(Gate::transport_bit);
  if (is(Defect::swallows_losses) && event.code != Errc::closed) return;
  if (is(Defect::changes_codes)) told.code = Errc::io;
  if (is(Defect::calls_deaths_orderly)) told.code = Errc::closed;
  tell(told);
  if (is(Defect::ends_twice)) tell(told);
  for (Message& message : kept_up_) hand_up(message);
  kept_up_.clear();
}

void BrokenEndpoint::pause_receive(bool paused) noexcept {
  paused_ = paused;
  if (is(Defect::ignores_pause) || is(Defect::drops_while_paused) || is(Defect::pauses_late)) return;
  if (is(Defect::sleeps_on_the_quota) && asleep_) return;
  if (is(Defect::pauses_setup_too) && paused) return inner_->close(0);
  inner_->pause_receive(paused);
}

void BrokenEndpoint::close(std::uint64_t linger_ns) noexcept {
  if (is(Defect::talks_after_close)) return receiver_.event(receiver_.self, Event{EventKind::writable});
  if (closed_ && is(Defect::dies_of_a_second_close)) inner_ = owner_.inner_.dial("nobody").value();
  closed_ = true;
  if (is(Defect::drops_on_close)) late_.clear();
  for (Message& message : late_) pass(message);
  late_.clear();
  if (is(Defect::dies_of_a_second_close)) return;  // closes with the second call only
  inner_->close(linger_ns);
}

}  // namespace harness::tests
