// SPDX-License-Identifier: Apache-2.0
// Set-up frames of a channel: asking for a token, cutting, sending at once, taking pieces.
//
// Until the peer has answered, pieces carry the token that its listener gave and cookie 0; afterwards the
// peer's cookie. Nothing is sent again here: link set-up repeats what is not answered, and each repetition
// asks again for a token that did not come.
#include <harness/transports/udp/channel.hpp>

#include <cerrno>

#include <sys/socket.h>

#include <harness/transports/udp.hpp>

namespace harness::transports::udp {

Errc Channel::send_setup(Message&& frame) noexcept {
  if (state_ > State::open) return Errc::closed;
  if (frame.size() > SetupPieces::frame_bytes_max) return Errc::too_large;
  const std::uint32_t name = SetupPieces::name_of(cookie_, frame);
  if (state_ != State::open && token_ == 0) {
    ask_due_ = true;
    udp_.soil(*this);
    for (unsigned i = 0; i < setup_count_; ++i)
      if (setups_[i].name == name) {  // a repetition; the first one has not left yet
        frame.reset();
        return Errc::ok;
      }
  }
  if (setup_count_ == setup_reserve) return Errc::exhausted;
  setups_[setup_count_++] = {std::move(frame), name, 0};
  udp_.soil(*this);
  return Errc::ok;
}

void Channel::ask_for_token() noexcept {
  ask_due_ = false;
  if (state_ != State::opening || token_ != 0) return;
  if (asked_ >= opens_a_candidate && dialling_->next < dialling_->candidates.size()) {
    try_next(ETIMEDOUT);
    if (state_ != State::opening) return;
    ask_due_ = false;
  }
  ++asked_;
  std::array<std::byte, outer_bytes + setup_bytes + token_bytes> bytes;
  next_header(wire::DatagramKind::open, bytes.data());
  wire::encode(wire::DatagramSetup{cookie_, 0, 0, 0}, bytes.data() + outer_bytes);
  wire::encode(wire::DatagramToken{}, bytes.data() + outer_bytes + setup_bytes);
  write_datagram(bytes.data(), bytes.size());
}

void Channel::write_setups() noexcept {
  while (setup_count_ != 0 && descriptor_ >= 0 && (state_ != State::opening || token_ != 0)) {
    Outgoing& first = setups_[0];
    const unsigned pieces = SetupPieces::pieces_of(first.frame.size());
    while (first.next_piece < pieces)
      if (!write_piece(first)) return;
    first.frame.reset();
    std::move(setups_.begin() + 1, setups_.begin() + setup_count_, setups_.begin());
    --setup_count_;
  }
}

// False: the kernel takes no more now, or the dial has failed.
bool Channel::write_piece(Outgoing& outgoing) noexcept {
  std::array<std::byte, SetupPieces::datagram_bytes_max> bytes;  // NOLINT: written as far as used
  const bool opens = state_ == State::opening;
  const auto piece = static_cast<std::uint8_t>(outgoing.next_piece);
  const auto pieces = static_cast<std::uint8_t>(SetupPieces::pieces_of(outgoing.frame.size()));
  next_header(opens ? wire::DatagramKind::open : wire::DatagramKind::setup, bytes.data());
  wire::encode(wire::DatagramSetup{cookie_, outgoing.name, piece, pieces}, bytes.data() + outer_bytes);
  std::uint32_t at = outer_bytes + setup_bytes;
  if (opens) {
    wire::encode(wire::DatagramToken{token_}, bytes.data() + at);
    at += token_bytes;
  }
  at += SetupPieces::cut(outgoing.frame, piece, bytes.data() + at);
  if (!write_datagram(bytes.data(), at)) return false;
  ++outgoing.next_piece;
  return true;
}

// Tells of an error that was pending before it gives a datagram up: another one follows if it mattered.
bool Channel::write_datagram(const std::byte* bytes, std::size_t count) noexcept {
  for (unsigned attempts = 0; attempts < attempts_max;) {
    ++counts_.send_calls;
    if (::send(descriptor_, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN || error == ENOBUFS || error == ENOMEM) {
      writable_ = false;
      if (error != EAGAIN) arm(retry_ns);
      return false;
    }
    if (state_ == State::opening) {
      failed_to_open(error);
      return false;
    }
    ++counts_.errors;
    ++attempts;
  }
  ++counts_.dropped_unsent;
  return true;
}

void Channel::take_piece(const wire::DatagramSetup& header, Bytes piece) {
  const bool known = peer_cookie_ == 0 ? header.sender != 0 : header.sender == peer_cookie_;
  Message frame;
  const auto taken = known ? pieces_.take(pool_, header, piece, frame) : SetupPieces::Taken::wrong;
  if (taken == SetupPieces::Taken::wrong) ++counts_.dropped_malformed;
  if (taken == SetupPieces::Taken::no_memory) ++counts_.dropped_no_memory;
  if (taken != SetupPieces::Taken::complete) return;
  if (state_ == State::opening) answered(header.sender);
  if (handle_ == nullptr) return;
  Receiver& receiver = handle_->receiver();
  receiver.setup(receiver.self, frame);
}

}  // namespace harness::transports::udp
