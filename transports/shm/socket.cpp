// SPDX-License-Identifier: Apache-2.0
// The system calls behind socket.hpp.
#include <harness/transports/shm/socket.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace harness::transports::shm {

namespace {

constexpr int backlog = 4096;
constexpr std::size_t name_bytes_max = 64;
constexpr std::size_t files_max = 4;  // taken off one packet, to be closed when they are too many

struct Name {
  sockaddr_un raw{};
  socklen_t bytes = 0;
};

// The leading zero makes the name abstract.
Name socket_name(const Address& address) noexcept {
  const std::string text = "harness-shm/" + std::to_string(address.uid) + "/" + address.name;
  Name name;
  name.raw.sun_family = AF_UNIX;
  std::memcpy(name.raw.sun_path + 1, text.data(), text.size());
  name.bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return name;
}

const sockaddr* as_sockaddr(const Name& name) noexcept {
  return reinterpret_cast<const sockaddr*>(&name.raw);
}

Descriptor open_socket() noexcept {
  return Descriptor(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

bool valid_name(std::string_view name) noexcept {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= name_bytes_max && std::all_of(name.begin(), name.end(), fits);
}

// Takes the descriptors of a message; keeps the first when it is the only one that may be there.
void take_files(msghdr& message, bool wanted, Descriptor& file) noexcept {
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(at) + i * sizeof number, sizeof number);
      Descriptor taken(number);
      if (wanted && !file) file = std::move(taken);
    }
  }
}

// What a packet of a kind must be.
struct Form {
  std::size_t bytes = 0;  // 0: no such kind
  bool has_file = false;
};
Form form_of(wire::ShmPacket::Kind kind) noexcept {
  using Kind = wire::ShmPacket::Kind;
  switch (kind) {
    case Kind::hello:
    case Kind::arena: return {wire::bytes_of<wire::ShmPacket>, true};
    case Kind::memory: return {wire::bytes_of<wire::ShmMemory>, true};
    case Kind::drop: return {wire::bytes_of<wire::ShmMemory>, false};
    case Kind::region: return {sizeof(Received::raw), false};
  }
  return {};
}

}  // namespace

std::uint32_t own_uid() noexcept { return geteuid(); }

Result<Address> parse(std::string_view address) {
  Address parsed{own_uid(), {}};
  std::string_view name = address;
  const std::size_t slash = address.find('/');
  bool ok = true;
  if (slash != std::string_view::npos) {
    const auto [end, error] = std::from_chars(address.data(), address.data() + slash, parsed.uid);
    ok = slash != 0 && error == std::errc() && end == address.data() + slash;
    name = address.substr(slash + 1);
  }
  if (!ok || !valid_name(name))
    return fail(
        Errc::invalid, "not an address: shm:" + std::string(address),
        "a name has 1 to 64 letters, digits, '.', '_' and '-'; another user's has its number before it",
        "shm:main, or shm:1001/main");
  parsed.name = name;
  return parsed;
}

std::string print(const Address& address) {
  return address.uid == own_uid() ? address.name : std::to_string(address.uid) + "/" + address.name;
}

Result<Descriptor> listen_on(const Address& address) {
  const std::string what = "cannot listen on shm:" + print(address);
  if (address.uid != own_uid())
    return fail(Errc::denied, what, "it is a name of user " + std::to_string(address.uid),
                "shm:" + address.name);
  Descriptor socket = open_socket();
  const Name name = socket_name(address);
  if (socket && bind(socket.get(), as_sockaddr(name), name.bytes) == 0 && listen(socket.get(), backlog) == 0)
    return socket;
  if (errno == EADDRINUSE)
    return fail(Errc::exists, what, "another process listens by that name",
                "another name, or find its owner: ss -xlp | grep harness-shm/");
  return fail(Errc::io, what, std::strerror(errno), "raise the limit of open files: ulimit -n");
}

Descriptor accept_from(const Descriptor& listening) noexcept {
  return Descriptor(accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

Descriptor connect_to(const Address& address) noexcept {
  Descriptor socket = open_socket();
  const Name name = socket_name(address);
  if (!socket || connect(socket.get(), as_sockaddr(name), name.bytes) != 0) {
    const int error = errno;
    socket = Descriptor();
    errno = error;
  }
  return socket;
}

std::optional<Peer> peer_of(const Descriptor& socket) noexcept {
  ucred who{};
  socklen_t bytes = sizeof who;
  if (getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &who, &bytes) != 0) return std::nullopt;
  return Peer{who.uid, who.pid};
}

bool send_bytes(const Descriptor& socket, Bytes packet, int file) noexcept {
  iovec vector{const_cast<std::byte*>(packet.data()), packet.size()};
  alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (file >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &file, sizeof file);
  }
  return sendmsg(socket.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(packet.size());
}

bool send_region(const Descriptor& socket, const wire::ShmRegion& region,
                 const wire::ShmPlace& place) noexcept {
  decltype(Received::raw) bytes{};
  wire::encode(region, bytes.data());
  wire::encode(place, bytes.data() + wire::bytes_of<wire::ShmRegion>);
  return send_bytes(socket, bytes, -1);
}

void send_bell(const Descriptor& socket) noexcept {
  const char bell = 1;
  while (send(socket.get(), &bell, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR) {
  }
}

bool has_hung_up(const Descriptor& socket) noexcept {
  pollfd set{socket.get(), POLLRDHUP, 0};
  return poll(&set, 1, 0) == 1;
}

Received receive_packet(const Descriptor& socket) noexcept {
  using What = Received::What;
  std::array<std::byte, sizeof(Received::raw) + 1> bytes{};
  iovec vector{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(sizeof(int) * files_max)> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = 0;
  do got = recvmsg(socket.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  Received received;
  if (got < 0) {
    received.what = errno == EAGAIN ? What::nothing : What::end;
    return received;
  }
  constexpr auto head_bytes = static_cast<ssize_t>(wire::bytes_of<wire::ShmPacket>);
  take_files(message, got >= head_bytes, received.file);
  if (got == 0 || got == 1) {
    received.what = got == 0 ? What::end : What::bell;
    return received;
  }
  std::copy_n(bytes.begin(), received.raw.size(), received.raw.begin());
  received.packet = received.as<wire::ShmPacket>();
  const Form form = form_of(received.packet.kind);
  const bool whole = got >= head_bytes && static_cast<std::size_t>(got) == form.bytes &&
                     (message.msg_flags & MSG_CTRUNC) == 0;
  const bool ours = whole && received.packet.magic == wire::ShmPacket::magic_word &&
                    static_cast<bool>(received.file) == form.has_file;
  received.what = ours ? What::packet : What::wrong;
  return received;
}

}  // namespace harness::transports::shm
