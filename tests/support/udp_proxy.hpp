// SPDX-License-Identifier: Apache-2.0
// Stands between diallers and a udp listener, on real sockets of this process, and loses, doubles and swaps
// datagrams by a seed. Nothing moves but in pump().
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <harness/stack/random.hpp>
#include <harness/transports/address.hpp>

namespace harness::tests {

class UdpProxy {
 public:
  struct Faults {
    std::uint64_t seed = 1;
    unsigned lost_percent = 0;
    unsigned doubled_percent = 0;
    unsigned swapped_percent = 0;  // held back until the next one has passed
  };

  /// For the listener at `target`, "127.0.0.1:7001".
  UdpProxy(const std::string& target, Faults faults);
  ~UdpProxy();
  UdpProxy(const UdpProxy&) = delete;
  UdpProxy& operator=(const UdpProxy&) = delete;

  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  /// Carries what has arrived.
  void pump();
  [[nodiscard]] std::uint64_t carried() const noexcept { return carried_; }
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

 private:
  struct Client {
    int to_listener = -1;
    transports::Address address;
  };
  struct Held {
    int descriptor = -1;
    transports::Address to;  // empty: where it is connected
    std::string bytes;
  };
  [[nodiscard]] Client& client_of(const transports::Address& address);
  void carry(Held datagram);
  static void send(const Held& datagram);

  Faults faults_;
  Random random_;
  transports::Address target_;
  std::string address_;
  int front_ = -1;
  std::map<std::string, Client> clients_;
  std::vector<Held> held_;
  std::uint64_t carried_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace harness::tests
