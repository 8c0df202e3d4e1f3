// SPDX-License-Identifier: Apache-2.0
// The command line's end of an admin socket: one connection, requests in flight by number, replies as they
// come.
//
// Blocks where its functions say so; several clients are waited for together by their descriptors. Ctrl-C
// cancels the request under way and waits for its result; a second one, or cancel_ms_max, gives up. A request
// without Interrupts is one that a node answers at once: answer_ms_max bounds the wait for a node that hangs.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <harness/apps/common/admin_values.hpp>
#include <harness/apps/common/admin_wire.hpp>
#include <harness/apps/common/interrupts.hpp>
#include <harness/kernel/file_handle.hpp>
#include <harness/stack/bytes.hpp>

namespace harness::apps::admin {

class Client {
 public:
  static constexpr int cancel_ms_max = 5'000;
  static constexpr int answer_ms_max = 3'000;  // where nobody can interrupt the wait
  using OnProgress = std::function<void(const std::string& json)>;

  /// Connects to the node whose state folder this is. Errors: those of connect_admin.
  static Result<Client> connect(const std::string& folder);

  /// Sends a request; replies carry the number returned. Errors: unreachable (the node is gone). Blocks while
  /// it writes.
  Result<std::uint64_t> start(const std::string& method, const std::string& params);
  Result<> cancel(std::uint64_t id);
  /// A data frame of the request just started; empty bytes end the data. Blocks while the node is behind.
  Result<> data(Bytes bytes);
  /// The next reply that is there, or nothing when none is complete. Errors: unreachable, invalid. Never
  /// blocks.
  Result<std::optional<Reply>> next();
  /// Waits for the reply of `id`; progress goes to `heard`. Errors: what the node replied, unreachable,
  /// cancelled, timed_out (without `interrupts`).
  Result<std::string> wait(std::uint64_t id, Interrupts* interrupts, const OnProgress& heard = {});
  [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

  /// A request and its result in one. Blocks.
  template <class Answer, class Request>
  Result<Answer> ask(const std::string& method, const Request& request, Interrupts* interrupts = nullptr,
                     const OnProgress& heard = {}) {
    auto id = start(method, write_json(request));
    if (!id) return tl::unexpected<Error>(id.error());
    auto json = wait(*id, interrupts, heard);
    if (!json) return tl::unexpected<Error>(json.error());
    return read_json<Answer>(*json);
  }

 private:
  explicit Client(FileHandle socket, std::string folder)
      : socket_(std::move(socket)), folder_(std::move(folder)) {}
  Result<> write_all(std::string_view bytes);
  [[nodiscard]] tl::unexpected<Error> gone() const;
  bool read_some(Error& error);

  FileHandle socket_;
  std::string folder_;
  std::string in_;
  std::uint64_t next_id_ = 1;
};

}  // namespace harness::apps::admin
