// SPDX-License-Identifier: Apache-2.0
// The receiving half of a connection: frames in their order, offers that are read, what may not be handed up
// yet.
#include <harness/transports/ofi/connection.hpp>

#include <cstring>

#include <harness/transports/ofi/transport.hpp>

namespace harness::transports::ofi {

using wire::OfiFrame;
using wire::OfiKind;
using wire::OfiOffer;

// A frame that waits, at the front of its own slab; its bytes, or its offer, lie behind.
struct Connection::Waiting {
  enum class Step : std::uint8_t { ready, offered, reading };
  Slab* next = nullptr;
  Slab* body = nullptr;  // of an offered frame that was read
  std::uint32_t bytes = 0;
  std::uint32_t units = 0;
  OfiKind kind = OfiKind::data;
  Step step = Step::ready;
  std::uint8_t slot = 0;
  std::uint8_t key_bytes = 0;

  static Waiting& in(Slab* slab) noexcept { return *reinterpret_cast<Waiting*>(slab->bytes()); }
  [[nodiscard]] std::byte* behind() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
};

namespace {
constexpr std::uint32_t offer_bytes = wire::bytes_of<OfiOffer>;
constexpr unsigned looked_ahead = 16;
constexpr bool is_offer(OfiKind kind) noexcept {
  return kind == OfiKind::offer || kind == OfiKind::setup_offer;
}
}  // namespace

unsigned Connection::take(const OfiFrame& header, const std::byte* bytes, std::size_t size) {
  counts_.bytes_in += header_bytes + size;
  if (is_plain(header, size)) [[likely]]
    return take_plain(header, bytes);
  if (state_ == State::ended || state_ == State::dead) return 0;
  if (is_early(header)) {
    keep_early(header, bytes, size);
    return 1;
  }
  const unsigned done = take_next(header, bytes, size);
  return early_ == nullptr ? done : done + take_early();
}

// What nearly every frame is: the next one, data, nothing waits before it and nothing ends. Such a frame
// needs none of the tests in `check`.
inline bool Connection::is_plain(const OfiFrame& header, std::size_t size) const noexcept {
  return header.kind == OfiKind::data && state_ == State::open && ahead(header.sequence) == 0 &&
         header.length == size && size <= frame_bytes_max_ && header.epoch == 0 && first_ == nullptr &&
         early_ == nullptr && !bye_received_ && !closing_;
}

inline unsigned Connection::take_plain(const OfiFrame& header, const std::byte* bytes) {
  if (header.credit != acked_units_ && !take_credit(header.credit)) return 1;
  ++received_frames_;
  if (!take_window(header)) [[unlikely]]
    return 1;
  return may_hand_up(OfiKind::data) ? hand_up_now(header, bytes) : keep_back(header, bytes);
}

unsigned Connection::take_next(const OfiFrame& header, const std::byte* bytes, std::size_t size) {
  if (!check(header, size) || !take_credit(header.credit)) return 1;
  ++received_frames_;
  unsigned done = 0;
  switch (header.kind) {
    case OfiKind::credit: break;
    case OfiKind::taken:
      take_taken({bytes, size});
      wake();
      break;
    default: done = take_window(header) ? take_frame(header, bytes) : 1;
  }
  if (bye_received_ || state_ == State::lingering) wake();
  return done;
}

void Connection::take_taken(Bytes slots) noexcept {
  bool right = offers_ != nullptr && !slots.empty();
  for (std::size_t i = 0; right && i < slots.size(); ++i)
    right = offers_->taken(std::to_integer<unsigned>(slots[i]));
  if (!right) end(EventKind::corrupt, Errc::corrupt, "a frame was taken that was not offered");
}

// Everything that is checked before a byte is allocated for a frame.
bool Connection::check(const OfiFrame& header, std::size_t size) noexcept {
  const char* wrong = nullptr;
  if (header.kind < OfiKind::data || header.kind > OfiKind::taken) {
    wrong = "a frame of a kind that does not exist";
  } else if (header.length != size) {
    wrong = "a frame of another length than its message";
  } else if (header.epoch != 0) {
    wrong = "a frame of an epoch that was never opened";
  } else if (header.kind == OfiKind::data && size > frame_bytes_max_) {
    wrong = "a frame longer than the largest that was agreed";
  } else if (header.sequence != (static_cast<std::uint32_t>(received_frames_) & OfiFrame::sequence_mask)) {
    wrong = "a frame out of sequence: the provider lost or reordered some";
  }
  if (wrong == nullptr) [[likely]]
    return true;
  end(EventKind::corrupt, Errc::corrupt, wrong);
  return false;
}

bool Connection::take_credit(std::uint32_t credit) noexcept {
  if (credit == acked_units_) return true;
  if (credit - acked_units_ > sent_units_ - acked_units_) {
    end(EventKind::corrupt, Errc::corrupt, "credit for more than was sent");
    return false;
  }
  acked_units_ = credit;
  if (queue_ != nullptr) wake();
  return true;
}

inline bool Connection::take_window(const OfiFrame& header) noexcept {
  received_units_ += units_of(header_bytes + header.length);
  if (received_units_ - taken_units_ <= ofi_.window_units()) [[likely]]
    return true;
  end(EventKind::corrupt, Errc::corrupt, "more was sent than there was credit for");
  return false;
}

void Connection::consumed(std::uint32_t units) noexcept {
  taken_units_ += units;
  if (taken_units_ - told_units_ >= ofi_.window_units() / 2) wake();
}

unsigned Connection::take_frame(const OfiFrame& header, const std::byte* bytes) {
  if (state_ == State::lingering || closing_) return 0;  // nobody is there to take it
  const bool at_once = first_ == nullptr && state_ == State::open && !is_offer(header.kind);
  return at_once && may_hand_up(header.kind) ? hand_up_now(header, bytes) : keep_back(header, bytes);
}

unsigned Connection::keep_back(const OfiFrame& header, const std::byte* bytes) noexcept {
  if (keep(header, bytes)) wake();
  return 0;
}

inline unsigned Connection::hand_up_now(const OfiFrame& header, const std::byte* bytes) {
  Slab* slab = allocate(header.length);
  if (slab == nullptr) return 1;
  if (header.length != 0) std::memcpy(slab->bytes(), bytes, header.length);
  consumed(units_of(header_bytes + header.length));
  deliver(slab, 0, header.length, header.kind);
  return 1;
}

// Puts a frame at the end of those that wait.
bool Connection::keep(const OfiFrame& header, const std::byte* bytes) noexcept {
  Slab* slab = allocate(static_cast<std::uint32_t>(sizeof(Waiting)) + header.length);
  if (slab == nullptr) return false;
  Waiting& waiting = *new (slab->bytes()) Waiting;
  waiting.bytes = header.length;
  waiting.units = units_of(header_bytes + header.length);
  waiting.kind = header.kind;
  if (header.length != 0) std::memcpy(waiting.behind(), bytes, header.length);
  (last_ != nullptr ? Waiting::in(last_).next : first_) = slab;
  last_ = slab;
  if (!is_offer(header.kind)) return true;

  waiting.step = Waiting::Step::offered;
  const OfiOffer offer = header.length >= offer_bytes ? wire::decode<OfiOffer>(waiting.behind()) : OfiOffer{};
  const bool setup = header.kind == OfiKind::setup_offer;
  if (header.length < offer_bytes || header.length != offer_bytes + offer.key_bytes ||
      offer.key_bytes > OfiOffer::key_bytes_max || offer.slot >= OfiOffer::slots ||
      (peer_offers_ >> offer.slot & 1) != 0 || offer.bytes > (setup ? setup_bytes_max : frame_bytes_max_)) {
    end(EventKind::corrupt, Errc::corrupt, "an offer of a frame that cannot be");
    return false;
  }
  peer_offers_ |= std::uint64_t{1} << offer.slot;
  waiting.kind = setup ? OfiKind::setup : OfiKind::data;
  waiting.bytes = offer.bytes;
  waiting.slot = offer.slot;
  waiting.key_bytes = offer.key_bytes;
  return true;
}

// The pool is at its limit, but what the window lets in must be taken.
Slab* Connection::allocate_outside(std::uint32_t bytes) noexcept {
  Slab* const slab = Pool::allocate_detached(bytes);
  if (slab == nullptr) end(EventKind::peer_lost, Errc::exhausted, "no memory for received bytes");
  return slab;
}

inline bool Connection::may_hand_up(OfiKind kind) noexcept {
  if (kind != OfiKind::data || handle_ == nullptr) return true;
  const Quota* quota = handle_->receiver().quota;
  if (!paused_ && (quota == nullptr || !quota->exhausted())) [[likely]]
    return true;
  wait_for_receiver();
  return false;
}

// Until it goes on, or its quota has room again.
void Connection::wait_for_receiver() noexcept {
  block();
  if (paused_ || waiting_quota_ != nullptr) return;
  waiting_quota_ = handle_->receiver().quota;
  waiting_quota_->when_below([](void* self) noexcept { static_cast<Connection*>(self)->unblock(); }, this);
}

// What waits, as far as it may go. A frame whose slab is charged already passes an exhausted quota.
unsigned Connection::hand_up(unsigned budget) {
  unsigned done = 0;
  while (first_ != nullptr && done < budget && state_ == State::open && !blocked_) {
    Waiting& waiting = Waiting::in(first_);
    const bool charged = waiting.body != nullptr;
    if (charged && paused_) block();
    if (blocked_ || (!charged && !may_hand_up(waiting.kind))) break;
    if (waiting.step != Waiting::Step::ready) break;
    Slab* slab = first_;
    first_ = waiting.next;
    if (first_ == nullptr) last_ = nullptr;
    ++done;
    consumed(waiting.units);
    const std::uint32_t bytes = waiting.bytes;
    const OfiKind kind = waiting.kind;
    if (Slab* body = waiting.body; body != nullptr) {
      Pool::release(slab);
      deliver(body, 0, bytes, kind);
    } else {
      deliver(slab, sizeof(Waiting), bytes, kind);
    }
  }
  if (state_ == State::open) read_ahead();
  if (first_ != nullptr && done == budget) wake();
  return done;
}

void Connection::deliver(Slab* slab, std::uint32_t offset, std::uint32_t bytes, OfiKind kind) {
  Message message = Message::received(slab, offset, bytes);
  if (handle_ == nullptr) return;
  Receiver& receiver = handle_->receiver();
  if (kind == OfiKind::data) [[likely]] {
    ++counts_.frames_in;
    if (receiver.quota != nullptr) message.charge(*receiver.quota);
    receiver.up.fn(receiver.up.self, receiver.up.next, message.c());
  } else {
    receiver.setup(receiver.self, message);
  }
}

// ---- offers ----

// Reads the next offered frames into their slabs: the one at the front always, those behind while the
// receiver takes what comes.
void Connection::read_ahead() noexcept {
  unsigned looked = 0;
  for (Slab* slab = first_; slab != nullptr && looked < looked_ahead && reading_ < reads_ahead; ++looked) {
    Waiting& waiting = Waiting::in(slab);
    slab = waiting.next;
    if (waiting.step != Waiting::Step::offered) continue;
    if (reading_ != 0 && reading_bytes_ + waiting.bytes > fabric_.policy().reads_bytes) return;
    const Quota* quota = handle_ != nullptr ? handle_->receiver().quota : nullptr;
    if (waiting.kind == OfiKind::data && (paused_ || (quota != nullptr && quota->exhausted()))) return;
    if (!start_read(waiting)) return;
  }
}

bool Connection::start_read(Waiting& waiting) noexcept {
  const OfiOffer offer = wire::decode<OfiOffer>(waiting.behind());
  if (!peer_key_.set(fabric_, {waiting.behind() + offer_bytes, offer.key_bytes})) {
    end(EventKind::corrupt, Errc::corrupt, "an offer whose key is none of this provider's");
    return false;
  }
  Operation* read = ofi_.reads().take();
  if (read == nullptr) {
    ofi_.blocked(*this);
    return false;
  }
  read->slab = allocate(waiting.bytes);
  if (read->slab == nullptr) {
    ofi_.reads().give(*read);
    return false;
  }
  const long code =
      fi_read(fabric_.endpoint(), ofi_.reads().target(*read), waiting.bytes, ofi_.reads().descriptor(), peer_,
              offer.address, peer_key_.value(), &read->context);
  wake_peer();
  if (code != 0) {
    ofi_.reads().give(*read);
    if (code != -FI_EAGAIN) {
      end(EventKind::peer_lost, Errc::peer_lost, provider_says(static_cast<int>(-code)));
    } else {
      ++counts_.again;
      ofi_.blocked(*this);
    }
    return false;
  }
  if (waiting.kind == OfiKind::data && handle_ != nullptr && handle_->receiver().quota != nullptr)
    read->slab->charge(*handle_->receiver().quota);
  read->link = this;
  read->bytes = waiting.bytes;
  read->waiting = reinterpret_cast<Slab*>(reinterpret_cast<std::byte*>(&waiting) - sizeof(Slab));
  waiting.step = Waiting::Step::reading;
  ++reading_;
  reading_bytes_ += waiting.bytes;
  return true;
}

void Connection::was_read(Operation& read, int error) noexcept {
  --reading_;
  reading_bytes_ -= read.bytes;
  if (error != 0) return end(EventKind::peer_lost, Errc::peer_lost, provider_says(error));
  ofi_.reads().land(read);
  Waiting& waiting = Waiting::in(read.waiting);
  waiting.body = std::exchange(read.slab, nullptr);
  waiting.step = Waiting::Step::ready;
  const std::uint64_t bit = std::uint64_t{1} << waiting.slot;
  peer_offers_ &= ~bit;
  taken_due_ |= bit;
  ++counts_.read;
  counts_.bytes_in += waiting.bytes;
  wake();  // which says so for all that were read in this turn
}

// ---- blocking ----

void Connection::block() noexcept {
  blocked_ = true;
  ++counts_.blocks;
}

void Connection::unblock() noexcept {
  waiting_quota_ = nullptr;
  if (!blocked_) return;
  blocked_ = false;
  wake();
}

void Connection::drop_waiting() noexcept {
  drop_early();
  while (first_ != nullptr) {
    Slab* slab = first_;
    first_ = Waiting::in(slab).next;
    if (Waiting::in(slab).body != nullptr) Pool::release(Waiting::in(slab).body);
    Pool::release(slab);
  }
  last_ = nullptr;
  reading_ = 0;
  reading_bytes_ = 0;
  ofi_.reads().orphan(*this);
  if (waiting_quota_ != nullptr) waiting_quota_->when_below(nullptr, nullptr);
  waiting_quota_ = nullptr;
  blocked_ = false;
}

}  // namespace harness::transports::ofi
