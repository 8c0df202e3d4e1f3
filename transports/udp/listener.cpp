// SPDX-License-Identifier: Apache-2.0
// See listener.hpp.
#include <harness/transports/udp/listener.hpp>

#include <algorithm>
#include <cerrno>
#include <new>

#include <unistd.h>

#include <harness/transports/udp.hpp>

namespace harness::transports::udp {

Listener::Listener(Udp& udp, int descriptor, const Address& local, Acceptor& acceptor) noexcept
    : udp_(udp), descriptor_(descriptor), local_(local), acceptor_(acceptor) {}

Listener::~Listener() {
  udp_.engine().unwatch(descriptor_, *this);
  ::close(descriptor_);
}

bool Listener::watch() noexcept {
  return udp_.engine().watch(descriptor_, Watcher::readable, *this).has_value();
}

// Watched by level: what is left is told again in the next turn.
unsigned Listener::receive() {
  if (!std::exchange(waiting_, false)) return 0;
  ReceiveBatch& batch = udp_.batch();
  unsigned done = 0;
  while (done < strangers_max) {
    const int got = batch.receive(descriptor_, ReceiveBatch::arrivals_max, true);
    if (got <= 0) break;
    for (unsigned i = 0; i < static_cast<unsigned>(got); ++i)
      take(batch.from(i), batch.to(i), {batch.bytes(i), batch[i].bytes});
    done += static_cast<unsigned>(got);
    if (static_cast<unsigned>(got) < ReceiveBatch::arrivals_max) break;
  }
  return done;
}

void Listener::take(const Address& from, const Address& to, Bytes datagram) {
  if (datagram.size() < outer_bytes) {
    ++udp_.drops().malformed;
    return;
  }
  const auto header = wire::decode<wire::Datagram>(datagram.data());
  if (header.cookie == 0) return open(from, to, datagram);
  Channel* const channel = udp_.find(header.cookie);
  if (channel == nullptr || channel->peer() != from) {
    ++udp_.drops().unknown_cookie;
    return;
  }
  channel->take_elsewhere({}, datagram);
}

void Listener::open(const Address& from, const Address& to, Bytes datagram) {
  constexpr std::size_t headers_bytes = outer_bytes + setup_bytes + token_bytes;
  const auto header = wire::decode<wire::Datagram>(datagram.data());
  if (header.kind != wire::DatagramKind::open || datagram.size() < headers_bytes) {
    ++udp_.drops().malformed;
    return;
  }
  const auto setup = wire::decode<wire::DatagramSetup>(datagram.data() + outer_bytes);
  const auto token = wire::decode<wire::DatagramToken>(datagram.data() + outer_bytes + setup_bytes).token;
  const Bytes piece = datagram.subspan(headers_bytes);
  const std::uint64_t now_ns = udp_.engine().now_ns();
  if (!udp_.tokens().good(token, from, setup.sender, now_ns)) return retry(from, to, setup.sender);
  if (setup.sender == 0 || !SetupPieces::possible(setup, piece)) {
    ++udp_.drops().malformed;
    return;
  }
  const std::uint64_t origin = udp_.tokens().origin(from, setup.sender);
  Channel* channel = udp_.find_origin(origin);
  if (channel == nullptr) {
    if (is_late(origin, header.counter)) {
      ++udp_.drops().late;
      return;
    }
    if (setup.pieces == 1 && !acceptor_.expects(piece)) {
      ++udp_.drops().unexpected;
      return;
    }
    channel = accept(from, to, setup.sender, origin);
    if (channel == nullptr) return;
  }
  channel->note_counter(header.counter);
  channel->take_piece(setup, piece);
}

void Listener::retry(const Address& from, const Address& to, std::uint32_t cookie) {
  std::array<std::byte, outer_bytes + token_bytes> answer;
  wire::encode(wire::Datagram{cookie, wire::DatagramKind::retry, 0}, answer.data());
  wire::encode(wire::DatagramToken{udp_.tokens().make(from, cookie, udp_.engine().now_ns())},
               answer.data() + outer_bytes);
  ++udp_.drops().retries;
  if (send_to(descriptor_, from, to, answer.data(), answer.size()) != 0) ++udp_.drops().unanswered;
}

// An endpoint with a socket of its own on our port. The acceptor has it before its first frame is handed up.
Channel* Listener::accept(const Address& from, const Address& to, std::uint32_t cookie,
                          std::uint64_t origin) {
  if (udp_.channel_count() >= Udp::channels_max) {
    ++udp_.drops().table_full;
    return nullptr;
  }
  const int descriptor = open_socket(from);
  auto* channel = descriptor >= 0 ? new (std::nothrow) Channel(udp_, udp_.draw_cookie()) : nullptr;
  if (channel == nullptr || !set_options(descriptor, is_six(from), udp_.options().socket) ||
      connect_socket(descriptor, to.bytes != 0 ? with_port_of(to, local_) : local_, from) != 0) {
    ++udp_.drops().no_socket;
    if (descriptor >= 0) ::close(descriptor);
    delete channel;
    return nullptr;
  }
  udp_.own(*channel);
  auto endpoint = std::make_unique<Handle>(*channel, udp_.facts());
  if (!channel->adopt(descriptor, from, cookie, origin, *this)) {
    ++udp_.drops().no_socket;
    return nullptr;  // the endpoint goes, and buries the channel
  }
  udp_.know_origin(*channel);
  acceptor_.accepted(std::move(endpoint));
  return channel;
}

bool Listener::is_late(std::uint64_t origin, std::uint64_t counter) const noexcept {
  return std::any_of(departed_.begin(), departed_.end(), [&](const Departed& old) {
    return old.origin == origin && counter <= old.last_counter;
  });
}

void Listener::departed(const Channel& channel) noexcept {
  const Departed gone{channel.origin(), channel.last_counter()};
  if (departed_.size() < departed_max) return departed_.push_back(gone);
  departed_[departed_next_] = gone;
  departed_next_ = (departed_next_ + 1) % departed_max;
}

}  // namespace harness::transports::udp
