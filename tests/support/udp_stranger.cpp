// SPDX-License-Identifier: Apache-2.0
// See udp_stranger.hpp.
#include <harness/tests/support/udp_stranger.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <harness/stack/message.hpp>
#include <harness/transports/udp/setup_pieces.hpp>

namespace harness::tests {

using transports::udp::outer_bytes;
using transports::udp::setup_bytes;
using transports::udp::token_bytes;

UdpStranger::UdpStranger(const std::string& address) {
  const auto to = *transports::numeric(*transports::split("udp", address), false);
  descriptor_ = socket(as_sockaddr(to)->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connect(descriptor_, as_sockaddr(to), to.bytes) != 0) std::abort();
}

UdpStranger::~UdpStranger() { close(descriptor_); }

bool UdpStranger::send(Bytes datagram) const {
  return ::send(descriptor_, datagram.data(), datagram.size(), MSG_NOSIGNAL) >= 0;
}

std::optional<UdpStranger::Datagram> UdpStranger::receive() const {
  Datagram datagram(65536);
  const ssize_t got = recv(descriptor_, datagram.data(), datagram.size(), 0);
  if (got < 0) return std::nullopt;
  datagram.resize(static_cast<std::size_t>(got));
  return datagram;
}

transports::Address UdpStranger::local() const { return transports::local_address(descriptor_); }

void UdpStranger::mark_congested() const {
  const int ce = 3;
  setsockopt(descriptor_, IPPROTO_IP, IP_TOS, &ce, sizeof ce);
}

UdpStranger::Datagram UdpStranger::data(std::uint32_t to, std::string_view frame) {
  Datagram bytes(outer_bytes);
  wire::encode(wire::Datagram{to, wire::DatagramKind::data, 0}, bytes.data());
  const Bytes body = as_bytes(frame);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

UdpStranger::Datagram UdpStranger::setup(std::uint32_t to, std::uint64_t token, std::string_view frame,
                                         std::uint32_t from, std::uint64_t counter) {
  Pool pool;
  const auto name = transports::udp::SetupPieces::name_of(from, Message::copy_of(pool, frame));
  const bool opens = to == 0;
  Datagram bytes(outer_bytes + setup_bytes + (opens ? token_bytes : 0));
  wire::encode(wire::Datagram{to, opens ? wire::DatagramKind::open : wire::DatagramKind::setup, counter},
               bytes.data());
  wire::encode(wire::DatagramSetup{from, name, 0, 1}, bytes.data() + outer_bytes);
  if (opens) wire::encode(wire::DatagramToken{token}, bytes.data() + outer_bytes + setup_bytes);
  const Bytes body = as_bytes(frame);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

UdpStranger::Datagram UdpStranger::ask(std::uint32_t from) {
  Datagram bytes(outer_bytes + setup_bytes + token_bytes);
  wire::encode(wire::Datagram{0, wire::DatagramKind::open, 0}, bytes.data());
  wire::encode(wire::DatagramSetup{from, 0, 0, 0}, bytes.data() + outer_bytes);
  wire::encode(wire::DatagramToken{}, bytes.data() + outer_bytes + setup_bytes);
  return bytes;
}

std::optional<std::uint64_t> UdpStranger::token_of(const Datagram& datagram) {
  if (datagram.size() != outer_bytes + token_bytes) return std::nullopt;
  if (wire::decode<wire::Datagram>(datagram.data()).kind != wire::DatagramKind::retry) return std::nullopt;
  return wire::decode<wire::DatagramToken>(datagram.data() + outer_bytes).token;
}

}  // namespace harness::tests
