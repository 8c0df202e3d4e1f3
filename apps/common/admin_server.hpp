// SPDX-License-Identifier: Apache-2.0
// The admin socket of a node: reads requests, calls handlers on the engine's thread, writes replies.
//
// A handler gets a Call, which it may answer at once or keep: progress any number of times, then one result
// or error. A client that goes away cancels its calls. Some requests are followed by data frames (32-bit
// length, bytes; length 0 ends) on the same connection; a handler that has enough pauses them. Only the
// node's own user, and root, are served.
// Bounds: clients_max connections, calls_max running calls each, request_bytes_max a line; progress is
// refused while more than progress_bytes_max wait for the client, and a client that lets backlog_bytes_max
// collect is cut off.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <harness/apps/common/admin_values.hpp>
#include <harness/apps/common/admin_wire.hpp>
#include <harness/kernel/file_handle.hpp>
#include <harness/transports/engine.hpp>

namespace harness::apps::admin {

class Connection;

/// One request on its way. Handlers share it with the connection; all of it on the engine's thread.
class Call {
 public:
  Call(Connection& connection, Request request) : connection_(&connection), request_(std::move(request)) {}

  [[nodiscard]] const std::string& params() const noexcept { return request_.params; }
  /// Ends the call; further words are ignored.
  void reply(const std::string& json);
  void fail(Error error);
  /// False, and nothing is said, while the client is behind.
  bool progress(const std::string& json);
  /// Answered, or its client is gone.
  [[nodiscard]] bool ended() const noexcept { return connection_ == nullptr; }
  /// What to do when the client cancels or goes away; the call still ends by reply or fail.
  void on_cancel(std::function<void()> handler) { cancel_ = std::move(handler); }
  /// Hears data frames, `end` with the last (empty) one. Requires: inside the handler.
  void on_data(std::function<void(Bytes bytes, bool end)> handler);
  void pause_data(bool paused);

  template <class T>
  void reply_with(const T& value) {
    reply(write_json(value));
  }

 private:
  friend class Connection;
  void say(Reply::Kind kind, std::string value, Error error);

  Connection* connection_;  // null once it is gone or the call has ended
  Request request_;
  std::function<void()> cancel_;
  std::function<void(Bytes, bool)> data_;
};

using CallPointer = std::shared_ptr<Call>;

class Server final : private transports::Watcher {
 public:
  using Handler = std::function<void(const CallPointer&)>;
  static constexpr std::size_t clients_max = 64;
  static constexpr std::size_t calls_max = 64;
  static constexpr std::size_t progress_bytes_max = 1u << 20;
  static constexpr std::size_t backlog_bytes_max = 32u << 20;
  static constexpr std::uint64_t accept_pause_ns = 100'000'000;  // when there are no descriptors

  /// Serves `listener`; the engine outlives the server. Errors: io.
  static Result<std::unique_ptr<Server>> make(transports::OsEngine& engine, FileHandle listener);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void on(const std::string& method, Handler handler) { handlers_[method] = std::move(handler); }
  /// The same with parameters read as T; a request that does not fit is answered with the error.
  template <class T>
  void on(const std::string& method, std::function<void(T, const CallPointer&)> handler) {
    on(method, [handler = std::move(handler)](const CallPointer& call) {
      auto value = read_json<T>(call->params(), true);
      if (!value) return call->fail(value.error());
      handler(std::move(*value), call);
    });
  }
  [[nodiscard]] std::size_t client_count() const noexcept { return connections_.size(); }
  /// Nothing that was said still waits for a client.
  [[nodiscard]] bool drained() const noexcept;

 private:
  friend class Connection;
  Server(transports::OsEngine& engine, FileHandle listener);
  void ready(unsigned what) override;
  void accept_one();
  void pause_accepting();
  void handle(const CallPointer& call, const std::string& method);
  void forget(Connection& connection);

  transports::OsEngine& engine_;
  FileHandle listener_;
  Timer accept_again_;
  std::map<std::string, Handler> handlers_;
  std::map<Connection*, std::unique_ptr<Connection>> connections_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace harness::apps::admin
