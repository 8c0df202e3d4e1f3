// SPDX-License-Identifier: Apache-2.0
// A plain UDP socket that speaks the datagram carrier by hand: a dialler, or a stranger with any bytes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <harness/stack/bytes.hpp>
#include <harness/transports/address.hpp>
#include <harness/transports/wire/datagram.hpp>

namespace harness::tests {

class UdpStranger {
 public:
  using Datagram = std::vector<std::byte>;
  static constexpr std::uint32_t cookie = 0x5eed5eed;  // that it calls itself

  /// Connected to "127.0.0.1:7001".
  explicit UdpStranger(const std::string& address);
  ~UdpStranger();
  UdpStranger(const UdpStranger&) = delete;
  UdpStranger& operator=(const UdpStranger&) = delete;

  bool send(Bytes datagram) const;
  /// The next datagram that has arrived, if any.
  [[nodiscard]] std::optional<Datagram> receive() const;
  [[nodiscard]] transports::Address local() const;
  void mark_congested() const;  // every datagram from now on carries CE

  static Datagram data(std::uint32_t to, std::string_view frame);
  /// One piece of a set-up frame that opens (to == 0) or belongs to an endpoint.
  static Datagram setup(std::uint32_t to, std::uint64_t token, std::string_view frame,
                        std::uint32_t from = cookie, std::uint64_t counter = 0);
  static Datagram ask(std::uint32_t from = cookie);
  /// The token of a retry; nothing when it is none.
  static std::optional<std::uint64_t> token_of(const Datagram& datagram);

 private:
  int descriptor_;
};

}  // namespace harness::tests
