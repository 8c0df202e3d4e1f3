// SPDX-License-Identifier: Apache-2.0
// The command line's end of an admin socket.
#include <harness/apps/common/admin_client.hpp>

#include <cerrno>
#include <chrono>

#include <poll.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/state_folder.hpp>

namespace harness::apps::admin {

Result<Client> Client::connect(const std::string& folder) {
  auto socket = connect_admin(folder);
  if (!socket) return tl::unexpected<Error>(socket.error());
  return Client(std::move(*socket), folder);
}

tl::unexpected<Error> Client::gone() const {
  return fail(Errc::unreachable, "the node went away",
              fmt::format("its admin socket in {} was closed", printable(folder_)), "harness node ls");
}

Result<> Client::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return gone();
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<std::uint64_t> Client::start(const std::string& method, const std::string& params) {
  const std::uint64_t id = next_id_++;
  if (auto sent = write_all(write_request({id, method, params})); !sent)
    return tl::unexpected<Error>(sent.error());
  return id;
}

Result<> Client::cancel(std::uint64_t id) {
  return write_all(write_request({next_id_++, "cancel", fmt::format("{{\"id\":{}}}", id)}));
}

Result<> Client::data(Bytes bytes) {
  std::byte head[sizeof(std::uint32_t)];
  store(head, static_cast<std::uint32_t>(bytes.size()));
  if (auto sent = write_all(as_text(head)); !sent) return sent;
  return write_all(as_text(bytes));
}

bool Client::read_some(Error& error) {
  char bytes[1u << 16];
  const ssize_t got = recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  if (got > 0) in_.append(bytes, static_cast<std::size_t>(got));
  if (got > 0 && in_.size() <= reply_bytes_max) return true;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  error = gone().value();
  return false;
}

Result<std::optional<Reply>> Client::next() {
  for (;;) {
    if (const std::size_t end = in_.find('\n'); end != std::string::npos) {
      const std::string line = in_.substr(0, end);
      in_.erase(0, end + 1);
      auto reply = read_reply(line);
      if (!reply) return tl::unexpected<Error>(reply.error());
      return std::optional(std::move(*reply));
    }
    Error error{Errc::ok, {}, {}, {}};
    if (read_some(error)) continue;
    if (error.code != Errc::ok) return tl::unexpected<Error>(error);
    return std::optional<Reply>();
  }
}

Result<std::string> Client::wait(std::uint64_t id, Interrupts* interrupts, const OnProgress& heard) {
  using Time = std::chrono::steady_clock;
  std::optional<Time::time_point> deadline;
  if (interrupts == nullptr) deadline = Time::now() + std::chrono::milliseconds(answer_ms_max);
  for (;;) {
    auto reply = next();
    if (!reply) return tl::unexpected<Error>(reply.error());
    if (*reply) {
      if ((*reply)->id != id) continue;
      if ((*reply)->kind == Reply::Kind::error) return tl::unexpected<Error>((*reply)->error);
      if ((*reply)->kind == Reply::Kind::result) return (*reply)->value;
      if (heard) heard((*reply)->value);
      continue;
    }
    pollfd waited[2] = {{socket_.get(), POLLIN, 0},
                        {interrupts == nullptr ? -1 : interrupts->descriptor(), POLLIN, 0}};
    poll(waited, 2, deadline ? 100 : -1);
    const bool again = deadline.has_value();
    if (interrupts != nullptr && interrupts->take()) {
      if (again) return fail(Errc::cancelled, "interrupted", {}, {});
      if (auto sent = cancel(id); !sent) return tl::unexpected<Error>(sent.error());
      deadline = Time::now() + std::chrono::milliseconds(cancel_ms_max);
    }
    if (!again || Time::now() <= *deadline) continue;
    if (interrupts != nullptr) return fail(Errc::cancelled, "interrupted", {}, {});
    return fail(
        Errc::timed_out, "the node does not answer",
        fmt::format("its process holds {} but was silent for {} ms", printable(folder_), answer_ms_max),
        "harness node ls shows the process: let it go on, or end it");
  }
}

}  // namespace harness::apps::admin
