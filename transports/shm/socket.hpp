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

#include <harness/stack/bytes.hpp>
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

/// Sends a packet, with a descriptor unless it is negative; false, with errno set, when the socket does not
/// take it.
bool send_bytes(const Descriptor& socket, Bytes packet, int file) noexcept;
template <class Packet = wire::ShmPacket>
bool send_packet(const Descriptor& socket, const Packet& packet, int file = -1) noexcept {
  std::array<std::byte, wire::bytes_of<Packet>> bytes{};
  wire::encode(packet, bytes.data());
  return send_bytes(socket, bytes, file);
}
bool send_region(const Descriptor& socket, const wire::ShmRegion& region,
                 const wire::ShmPlace& place) noexcept;
/// Rings once; a bell that finds the socket full is not missed: others wait there already.
void send_bell(const Descriptor& socket) noexcept;

/// True when the other end is closed, by its process or with it; what it sent before may still be there.
bool has_hung_up(const Descriptor& socket) noexcept;

/// What one receive found.
struct Received {
  enum class What : std::uint8_t { nothing, end, bell, packet, wrong } what = What::nothing;
  wire::ShmPacket packet;  // as far as all kinds have it: its kind
  std::array<std::byte, wire::bytes_of<wire::ShmRegion> + wire::bytes_of<wire::ShmPlace>> raw{};
  Descriptor file;  // there when the kind has one
  template <class Packet>
  [[nodiscard]] Packet as(std::size_t offset = 0) const noexcept {
    return wire::decode<Packet>(raw.data() + offset);
  }
};
/// Takes one packet off the socket; descriptors that do not belong there are closed.
Received receive_packet(const Descriptor& socket) noexcept;

}  // namespace harness::transports::shm
