// SPDX-License-Identifier: Apache-2.0
// See udp_proxy.hpp.
#include <harness/tests/support/udp_proxy.hpp>

#include <array>
#include <cstdlib>

#include <sys/socket.h>
#include <unistd.h>

namespace harness::tests {

using transports::Address;

namespace {

constexpr std::uint64_t percent = 10'000;  // in ppm

Address address_of(const std::string& text) {
  return *transports::numeric(*transports::split("udp", text), false);
}

int bound_socket() {
  const Address any = address_of("127.0.0.1:0");
  const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(descriptor, as_sockaddr(any), any.bytes) != 0) std::abort();
  return descriptor;
}

}  // namespace

UdpProxy::UdpProxy(const std::string& target, Faults faults)
    : faults_(faults), random_(faults.seed), target_(address_of(target)), front_(bound_socket()) {
  address_ = transports::print(transports::local_address(front_));
}

UdpProxy::~UdpProxy() {
  close(front_);
  for (const auto& [name, client] : clients_) close(client.to_listener);
}

UdpProxy::Client& UdpProxy::client_of(const Address& address) {
  Client& client = clients_[transports::print(address)];
  if (client.to_listener < 0) {
    client.to_listener = bound_socket();
    client.address = address;
    if (connect(client.to_listener, as_sockaddr(target_), target_.bytes) != 0) std::abort();
  }
  return client;
}

void UdpProxy::pump() {
  std::array<char, 65536> bytes;
  for (;;) {
    sockaddr_storage name{};
    socklen_t name_bytes = sizeof name;
    const ssize_t got =
        recvfrom(front_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&name), &name_bytes);
    if (got < 0) break;
    const auto from = transports::from_sockaddr(reinterpret_cast<const sockaddr*>(&name), name_bytes);
    carry({client_of(from).to_listener, {}, std::string(bytes.data(), static_cast<std::size_t>(got))});
  }
  for (const auto& [name, client] : clients_)
    for (ssize_t got; (got = recv(client.to_listener, bytes.data(), bytes.size(), 0)) >= 0;)
      carry({front_, client.address, std::string(bytes.data(), static_cast<std::size_t>(got))});
}

void UdpProxy::carry(Held datagram) {
  if (random_.chance_ppm(faults_.lost_percent * percent)) {
    ++lost_;
    return;
  }
  if (random_.chance_ppm(faults_.swapped_percent * percent)) return held_.push_back(std::move(datagram));
  send(datagram);
  if (random_.chance_ppm(faults_.doubled_percent * percent)) send(datagram);
  ++carried_;
  for (const Held& late : std::exchange(held_, {})) send(late);
}

void UdpProxy::send(const Held& datagram) {
  const bool connected = datagram.to.bytes == 0;
  (void)sendto(datagram.descriptor, datagram.bytes.data(), datagram.bytes.size(), 0,
               connected ? nullptr : as_sockaddr(datagram.to), datagram.to.bytes);
}

}  // namespace harness::tests
