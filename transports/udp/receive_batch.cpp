// SPDX-License-Identifier: Apache-2.0
// See receive_batch.hpp.
#include <harness/transports/udp/receive_batch.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace harness::transports::udp {

namespace {
// TOS or class, segment size, drops, and for listeners the address written to.
constexpr std::size_t control_bytes =
    CMSG_SPACE(sizeof(int)) * 2 + CMSG_SPACE(sizeof(std::uint32_t)) + CMSG_SPACE(sizeof(in6_pktinfo));
constexpr int ce = 3;  // RFC 3168 §5

template <class T>
T value_of(cmsghdr* header) noexcept {
  T value{};
  std::memcpy(&value, CMSG_DATA(header), sizeof value);
  return value;
}
}  // namespace

struct ReceiveBatch::System {
  std::array<mmsghdr, arrivals_max> headers{};
  std::array<iovec, arrivals_max> runs{};
  std::array<sockaddr_in6, arrivals_max> names{};
  struct alignas(cmsghdr) Control {
    std::array<char, control_bytes> bytes;
  };
  std::array<Control, arrivals_max> controls{};
};

ReceiveBatch::ReceiveBatch(Pool& pool) : pool_(pool), system_(std::make_unique<System>()) {}

ReceiveBatch::~ReceiveBatch() { rest(); }

bool ReceiveBatch::supply(unsigned count, bool named) noexcept {
  for (unsigned i = 0; i < count; ++i) {
    if (slabs_[i] == nullptr) slabs_[i] = pool_.allocate(buffer_bytes);
    if (slabs_[i] == nullptr) return false;
    msghdr& header = system_->headers[i].msg_hdr;
    system_->runs[i] = {slabs_[i]->bytes(), buffer_bytes};
    header.msg_name = named ? &system_->names[i] : nullptr;
    header.msg_namelen = named ? sizeof system_->names[i] : 0;
    header.msg_iov = &system_->runs[i];
    header.msg_iovlen = 1;
    header.msg_control = system_->controls[i].bytes.data();
    header.msg_controllen = control_bytes;
    header.msg_flags = 0;
  }
  return true;
}

int ReceiveBatch::receive(int descriptor, unsigned most, bool named) noexcept {
  if (!supply(most, named)) {
    errno = ENOBUFS;
    return -1;
  }
  int got = 0;
  if (most == 1) {
    const ssize_t bytes = recvmsg(descriptor, &system_->headers[0].msg_hdr, MSG_DONTWAIT);
    got = bytes < 0 ? -1 : 1;
    system_->headers[0].msg_len = static_cast<unsigned>(bytes);
  } else {
    got = recvmmsg(descriptor, system_->headers.data(), most, MSG_DONTWAIT, nullptr);
  }
  for (int i = 0; i < got; ++i) read(static_cast<unsigned>(i));
  return got;
}

void ReceiveBatch::read(unsigned i) noexcept {
  msghdr& header = system_->headers[i].msg_hdr;
  Arrival& arrival = arrivals_[i];
  arrival = {system_->headers[i].msg_len, system_->headers[i].msg_len, false, false, 0};
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
    if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS)
      arrival.congested = (value_of<std::uint8_t>(at) & ce) == ce;
    else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_TCLASS)
      arrival.congested = (value_of<int>(at) & ce) == ce;
    else if (at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_GRO)
      arrival.segment = static_cast<std::uint32_t>(std::max(value_of<int>(at), 1));
    else if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_RXQ_OVFL) {
      arrival.overflowed = true;
      arrival.dropped = value_of<std::uint32_t>(at);
    }
  }
}

Address ReceiveBatch::from(unsigned i) const noexcept {
  return from_sockaddr(reinterpret_cast<const sockaddr*>(&system_->names[i]),
                       system_->headers[i].msg_hdr.msg_namelen);
}

Address ReceiveBatch::to(unsigned i) const noexcept {
  msghdr& header = system_->headers[i].msg_hdr;
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
    if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
      sockaddr_in four{};
      four.sin_family = AF_INET;
      four.sin_addr = value_of<in_pktinfo>(at).ipi_addr;
      return from_sockaddr(reinterpret_cast<const sockaddr*>(&four), sizeof four);
    }
    if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
      const auto info = value_of<in6_pktinfo>(at);
      sockaddr_in6 six{};
      six.sin6_family = AF_INET6;
      six.sin6_addr = info.ipi6_addr;
      if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) six.sin6_scope_id = info.ipi6_ifindex;
      return from_sockaddr(reinterpret_cast<const sockaddr*>(&six), sizeof six);
    }
  }
  return {};
}

void ReceiveBatch::rest() noexcept {
  for (Slab*& slab : slabs_)
    if (slab != nullptr) Pool::release(std::exchange(slab, nullptr));
}

}  // namespace harness::transports::udp
