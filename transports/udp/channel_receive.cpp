// SPDX-License-Identifier: Apache-2.0
// The receiving half of a channel: reads, sorts by header, hands up or keeps.
//
// A socket that is asked for the first time in a while is asked for one datagram: an exchange of single
// messages costs one call each way. What comes without a pause is read eight at a time.
#include <harness/transports/udp/channel.hpp>

#include <cerrno>
#include <cstring>

#include <harness/transports/udp.hpp>
#include <harness/transports/udp/listener.hpp>

namespace harness::transports::udp {

namespace {
constexpr std::size_t turn_bytes_max = 512 * 1024;  // of one channel, then the next one's turn
constexpr unsigned single_reads = 1;                // before a stream of datagrams is supposed
}  // namespace

unsigned Channel::receive(unsigned budget) {
  unsigned done = hand_up_inbox(budget);
  const std::uint64_t bytes_before = counts_.bytes_in;
  while (readable_ && reading() && done < budget && counts_.bytes_in - bytes_before < turn_bytes_max) {
    const bool stream = streak_ >= single_reads;
    const unsigned asked = stream ? ReceiveBatch::arrivals_max : 1;
    ++counts_.receive_calls;
    const int got = udp_.batch().receive(descriptor_, asked, false);
    if (got < 0) {
      if (errno == EINTR) continue;
      readable_ = errno != EAGAIN && errno != ENOBUFS;
      streak_ = 0;
      ++misses;
      if (!readable_) break;
      const int error = errno;
      ++counts_.errors;                      // pending on the socket: told once, then it reads on
      if (error == EMSGSIZE) look_at_mtu();  // a router's message (RFC 1191)
      if (state_ == State::opening) failed_to_open(error);
      continue;
    }
    misses = 0;
    ++streak_;
    udp_.hot().warm(*this);
    done += take_arrivals(static_cast<unsigned>(got));
    if (static_cast<unsigned>(got) < asked) readable_ = false;  // a short read emptied it
    if (!stream) break;
  }
  if (readable_ && reading()) wake();
  return done;
}

unsigned Channel::take_arrivals(unsigned count) {
  unsigned done = 0;
  for (unsigned i = 0; i < count; ++i) done += take(i);
  return done;
}

// One arrival: a datagram, or a train of them.
unsigned Channel::take(unsigned index) {
  ReceiveBatch& batch = udp_.batch();
  const Arrival arrival = batch[index];
  const std::byte* at = batch.bytes(index);
  if (arrival.congested) ++counts_.congested;
  if (arrival.overflowed) counts_.dropped_in_socket = arrival.dropped;
  if (arrival.segment >= arrival.bytes) {
    Slab* const whole = arrival.bytes >= ReceiveBatch::hand_over_bytes ? batch.take(index) : nullptr;
    return take_data(whole, at, arrival.bytes, arrival.congested);
  }
  ++counts_.trains_in;
  unsigned done = 0;
  for (std::uint32_t left = arrival.bytes; left != 0;) {
    const std::uint32_t bytes = std::min(left, arrival.segment);
    done += take_data(nullptr, at, bytes, arrival.congested);
    at += bytes;
    left -= bytes;
  }
  return done;
}

// A datagram; in `slab`, which is then ours, or to be copied. The usual case, a data frame for this channel,
// first.
unsigned Channel::take_data(Slab* slab, const std::byte* at, std::uint32_t bytes, bool congested) {
  if (bytes >= outer_bytes && state_ <= State::open) [[likely]] {
    const auto header = wire::decode<wire::Datagram>(at);
    if (header.cookie == cookie_ && header.kind == wire::DatagramKind::data && peer_cookie_ != 0 &&
        bytes - outer_bytes <= frame_bytes_max_) [[likely]] {
      counter_in_ = std::max(counter_in_, header.counter);
      counts_.bytes_in += bytes;
      if (slab == nullptr) {
        slab = pool_.allocate(bytes - outer_bytes);
        if (slab == nullptr) return ++counts_.dropped_no_memory, 0;
        std::memcpy(slab->bytes(), at + outer_bytes, bytes - outer_bytes);
        at = slab->bytes() - outer_bytes;
      }
      Message message = Message::received(slab, static_cast<std::uint32_t>(at + outer_bytes - slab->bytes()),
                                          bytes - outer_bytes);
      if (congested) message.note().flags |= flag_congested;
      deliver(message);
      return 1;
    }
    take_other(header, {at, bytes});
  } else {
    ++(bytes < outer_bytes ? counts_.dropped_malformed : counts_.dropped_after_end);
  }
  if (slab != nullptr) Pool::release(slab);
  return 1;
}

// Set-up, retry, a datagram of another channel, or what does not exist.
void Channel::take_other(const wire::Datagram& header, Bytes datagram) {
  if (header.cookie != cookie_) {
    if (listener_ != nullptr) return listener_->take(peer_, {}, datagram);
    ++udp_.drops().unknown_cookie;
    return;
  }
  if (header.kind == wire::DatagramKind::setup && datagram.size() >= outer_bytes + setup_bytes) {
    counter_in_ = std::max(counter_in_, header.counter);
    const auto setup = wire::decode<wire::DatagramSetup>(datagram.data() + outer_bytes);
    return take_piece(setup, datagram.subspan(outer_bytes + setup_bytes));
  }
  if (header.kind == wire::DatagramKind::retry && datagram.size() == outer_bytes + token_bytes &&
      state_ == State::opening) {
    token_ = wire::decode<wire::DatagramToken>(datagram.data() + outer_bytes).token;
    return udp_.soil(*this);
  }
  ++counts_.dropped_malformed;
}

void Channel::take_elsewhere(const Arrival& arrival, Bytes datagram) {
  if (state_ > State::open) return;
  take_data(nullptr, datagram.data(), static_cast<std::uint32_t>(datagram.size()), arrival.congested);
}

// ---- handing up ----

bool Channel::may_hand_up() noexcept {
  if (paused_) {
    block(nullptr);
    return false;
  }
  Quota* const quota = handle_->receiver().quota;
  if (quota == nullptr || !quota->exhausted()) [[likely]]
    return true;
  block(quota);
  return false;
}

void Channel::deliver(Message& message) {
  if (handle_ == nullptr) return;
  if (inbox_bytes_ != 0 || blocked_ || !may_hand_up()) [[unlikely]]
    return keep(std::move(message));
  Receiver& receiver = handle_->receiver();
  if (receiver.quota != nullptr) message.charge(*receiver.quota);
  ++counts_.frames_in;
  receiver.up.fn(receiver.up.self, receiver.up.next, message.c());
}

void Channel::keep(Message&& message) {
  if (inbox_ == nullptr) inbox_ = std::make_unique<std::deque<Message>>();
  inbox_bytes_ += message.size() + sizeof(Slab);
  inbox_->push_back(std::move(message));
}

unsigned Channel::hand_up_inbox(unsigned budget) {
  unsigned done = 0;
  while (inbox_bytes_ != 0 && !blocked_ && done < budget && state_ == State::open && may_hand_up()) {
    Message message = std::move(inbox_->front());
    inbox_->pop_front();
    inbox_bytes_ -= message.size() + sizeof(Slab);
    Receiver& receiver = handle_->receiver();
    if (receiver.quota != nullptr) message.charge(*receiver.quota);
    ++counts_.frames_in;
    ++done;
    receiver.up.fn(receiver.up.self, receiver.up.next, message.c());
  }
  if (inbox_bytes_ == 0) inbox_.reset();
  if (inbox_bytes_ != 0 && !blocked_) wake();
  return done;
}

void Channel::block(Quota* quota) noexcept {
  blocked_ = true;
  ++counts_.blocks;
  if (quota == nullptr) return;
  waiting_quota_ = quota;
  quota->when_below([](void* self) noexcept { static_cast<Channel*>(self)->unblock(); }, this);
}

void Channel::unblock() noexcept {
  waiting_quota_ = nullptr;
  if (!blocked_) return;
  blocked_ = false;
  wake();
}

void Channel::free_received() noexcept {
  inbox_.reset();
  inbox_bytes_ = 0;
  pieces_.clear();
  if (waiting_quota_ != nullptr) waiting_quota_->when_below(nullptr, nullptr);
  waiting_quota_ = nullptr;
  blocked_ = false;
}

}  // namespace harness::transports::udp
