// SPDX-License-Identifier: Apache-2.0
// The medium: one datagram socket an endpoint, with a name that the kernel gives (unix(7), autobind).
//
// Such sockets lose nothing, keep the order, and refuse to take more when the receiver's queue is full (ten
// datagrams by default) or when the receiver is gone. Headers that did not go wait here in order; pieces of
// data wait where they are. Rejected: a connection a peer (more states than the provider itself).
// Bounds: a waiting header per operation and step of it, so tx size times 4 a peer.
#pragma once

#include <deque>
#include <map>
#include <string>

#include <harness/transports/ofi/mock/packet.hpp>

namespace harness::transports::ofi::mock {

enum class Sent { yes, full, gone };

class Wire {
 public:
  Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire();

  /// The system refused a socket.
  [[nodiscard]] bool broken() const noexcept { return descriptor_ < 0 || probe_ < 0 || name_.empty(); }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  /// Five hexadecimal digits.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// A header, now or as soon as there is room; dropped when the peer is gone.
  void say(const std::string& to, const Packet& packet);
  /// A header and its piece, now or not; behind all that waits for that peer.
  Sent send(const std::string& to, const Packet& packet, std::span<const std::byte> piece);
  /// What came, if anything; `piece` lives until the next call.
  bool receive(std::string& from, Packet& packet, std::span<const std::byte>& piece);
  /// Sends what waits; true when something still does.
  bool flush();
  /// Whether somebody is bound to that name.
  bool alive(const std::string& name);

 private:
  int descriptor_;
  int probe_;  // asks whether a name is bound, by connecting to it
  std::string name_;
  std::map<std::string, std::deque<Packet>> waiting_;
  std::array<std::byte, sizeof(Packet) + piece_bytes> buffer_;
};

}  // namespace harness::transports::ofi::mock
