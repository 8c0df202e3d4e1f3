// SPDX-License-Identifier: Apache-2.0
// Datagram sockets in the abstract namespace.
#include <harness/transports/ofi/mock/wire.hpp>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace harness::transports::ofi::mock {

namespace {

constexpr std::size_t name_begin = offsetof(sockaddr_un, sun_path) + 1;  // behind the zero of abstract names

int open_socket() { return socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

const sockaddr* face(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

socklen_t address_of(const std::string& name, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::min(name.size(), sizeof address.sun_path - 1);
  memcpy(address.sun_path + 1, name.data(), length);
  return static_cast<socklen_t>(name_begin + length);
}

std::string name_of(const sockaddr_un& address, socklen_t length) {
  return length <= name_begin ? std::string() : std::string(address.sun_path + 1, length - name_begin);
}

std::string bind_anywhere(int descriptor) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t length = sizeof address;
  if (bind(descriptor, face(address), sizeof address.sun_family) != 0) return {};
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return name_of(address, length);
}

}  // namespace

Wire::Wire() : descriptor_(open_socket()), probe_(open_socket()), name_(bind_anywhere(descriptor_)) {}

Wire::~Wire() {
  for (const int descriptor : {descriptor_, probe_})
    if (descriptor >= 0) close(descriptor);
}

Sent Wire::send(const std::string& to, const Packet& packet, std::span<const std::byte> piece) {
  if (const auto queue = waiting_.find(to); queue != waiting_.end() && !queue->second.empty())
    return Sent::full;
  sockaddr_un address;
  const socklen_t length = address_of(to, address);
  iovec parts[2] = {{const_cast<Packet*>(&packet), sizeof packet},
                    {const_cast<std::byte*>(piece.data()), piece.size()}};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = length;
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (sendmsg(descriptor_, &message, MSG_NOSIGNAL) >= 0) return Sent::yes;
  return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM || errno == EINTR ? Sent::full : Sent::gone;
}

void Wire::say(const std::string& to, const Packet& packet) {
  if (send(to, packet, {}) == Sent::full) waiting_[to].push_back(packet);
}

bool Wire::flush() {
  for (auto peer = waiting_.begin(); peer != waiting_.end();) {
    std::deque<Packet> queue = std::exchange(peer->second, {});
    while (!queue.empty()) {
      const Sent sent = send(peer->first, queue.front(), {});
      if (sent == Sent::full) break;
      queue.pop_front();
      if (sent == Sent::gone) queue.clear();
    }
    peer->second = std::move(queue);
    peer = peer->second.empty() ? waiting_.erase(peer) : std::next(peer);
  }
  return !waiting_.empty();
}

bool Wire::receive(std::string& from, Packet& packet, std::span<const std::byte>& piece) {
  for (;;) {
    sockaddr_un address;
    socklen_t length = sizeof address;
    const ssize_t count = recvfrom(descriptor_, buffer_.data(), buffer_.size(), MSG_TRUNC,
                                   reinterpret_cast<sockaddr*>(&address), &length);
    if (count < 0) return false;
    const auto bytes = static_cast<std::size_t>(count);
    if (bytes < sizeof packet || bytes > buffer_.size()) continue;  // a stranger's
    memcpy(&packet, buffer_.data(), sizeof packet);
    if (packet.magic != Packet::magic_word) continue;
    from = name_of(address, length);
    piece = std::span<const std::byte>(buffer_).subspan(sizeof packet, bytes - sizeof packet);
    return true;
  }
}

bool Wire::alive(const std::string& name) {
  sockaddr_un address;
  const socklen_t length = address_of(name, address);
  return connect(probe_, face(address), length) == 0 || errno != ECONNREFUSED;
}

}  // namespace harness::transports::ofi::mock
