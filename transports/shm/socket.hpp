// SPDX-License-Identifier: Apache-2.0
// The unix socket of a link: how the two processes meet, who the other is, its memory, bells and its end.
//
// Addresses are names: "main" is the abstract socket "harness-shm/<uid>/main" of whoever asks, "1001/main"
// that of user 1001. An abstract name is not a file: it ends with its socket, also when the process is
// killed, and nothing is left to be found or removed. Anyone may bind any abstract name, so both sides ask
// the kernel who the other is (SO_PEERCRED) and a listener of another user than the address says is refused.
// Rejected: a socket file (it stays behind when its process is killed). Abstract names belong to a network
// namespace: containers with networks of their own meet over tcp. Source: unix(7).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <harness/stack/result.hpp>
#include <harness/transports/shm/memory.hpp>
#include <harness/transports/wire/shm.hpp>

namespace harness::transports::shm {

/// "name" or "uid/name".
struct Address {
  std::uint32_t uid = 0;
  std::string name;
};

/// Who the kernel says the other side is.
struct Peer {
  std::uint32_t uid = 0;
  std::int32_t pid = 0;
};

std::uint32_t own_uid() noexcept;
/// Splits an address; without a user it is one of our own. Errors: invalid.
Result<Address> parse(std::string_view address);
/// "name" for our own user's, else "uid/name".
std::string print(const Address& address);

/// A listening socket. Errors: exists, denied (another user's name), io.
Result<Descriptor> listen_on(const Address& address);
/// A waiting connection; empty, with errno set, when there is none.
Descriptor accept_from(const Descriptor& listening) noexcept;
/// A connection; empty, with errno set: ECONNREFUSED when nobody listens, EAGAIN when too many wait.
Descriptor connect_to(const Address& address) noexcept;
std::optional<Peer> peer_of(const Descriptor& socket) noexcept;

/// Sends a packet with a descriptor; false, with errno set, when the socket does not take it.
bool send_packet(const Descriptor& socket, const wire::ShmPacket& packet, const Descriptor& file) noexcept;
/// Rings once; a bell that finds the socket full is not missed: others wait there already.
void send_bell(const Descriptor& socket) noexcept;

/// What one receive found.
struct Received {
  enum class What : std::uint8_t { nothing, end, bell, packet, wrong } what = What::nothing;
  wire::ShmPacket packet;
  Descriptor file;
};
/// Takes one packet off the socket; descriptors that do not belong there are closed.
Received receive_packet(const Descriptor& socket) noexcept;

}  // namespace harness::transports::shm
