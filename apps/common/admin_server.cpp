// SPDX-License-Identifier: Apache-2.0
// The admin socket of a node.
#include <harness/apps/common/admin_server.hpp>

#include <algorithm>
#include <cerrno>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include <harness/kernel/system_error.hpp>
#include <harness/stack/text.hpp>

namespace harness::apps::admin {

namespace {
constexpr std::size_t read_bytes = 64u << 10;  // a turn, so that a talkative client leaves room for links
}

/// One client: lines in, replies out.
class Connection final : private transports::Watcher {
 public:
  Connection(Server& server, FileHandle socket) : server_(server), socket_(std::move(socket)) {}
  ~Connection() {
    server_.engine_.unwatch(socket_.get(), *this);
    for (auto& [id, call] : calls_) call->connection_ = nullptr;
  }
  Result<> start() { return server_.engine_.watch(socket_.get(), Watcher::readable, *this); }

  void say(const Reply& reply) {
    if (dead_) return;
    out_ += write_reply(reply);
    if (out_.size() > Server::backlog_bytes_max) return die();
    write_out();
  }
  void ended(std::uint64_t id) {
    if (streaming_ != nullptr && streaming_->request_.id == id) skip_data_ = true;
    calls_.erase(id);
  }
  [[nodiscard]] std::size_t waiting() const noexcept { return out_.size(); }
  void stream(Call& call) { streaming_ = &call; }
  void pause(bool paused) {
    if (paused_ == paused) return;
    paused_ = paused;
    rewatch();
    if (!paused && !taking_) take_input();
  }

 private:
  void ready(unsigned what) override {
    if (dead_) return;
    if ((what & writable) != 0) write_out();
    if ((what & (readable | peer_ended | failed)) != 0 && !paused_) read_in();
  }

  void read_in() {
    const std::size_t before = in_.size();
    in_.resize(before + read_bytes);
    const ssize_t got = recv(socket_.get(), in_.data() + before, read_bytes, MSG_DONTWAIT);
    in_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return die();
    take_input();
  }

  void take_input() {
    std::size_t at = 0;
    taking_ = true;
    while (!dead_ && !paused_ && (streaming_ != nullptr ? take_frame(at) : take_line(at))) {
    }
    taking_ = false;
    in_.erase(0, at);
    if (!dead_ && streaming_ == nullptr && in_.size() > request_bytes_max) {
      say({0,
           Reply::Kind::error,
           {},
           {Errc::exhausted,
            "the line is too long",
            fmt::format("at most {} bytes are read", request_bytes_max),
            {}}});
      die();
    }
  }

  bool take_line(std::size_t& at) {
    const std::size_t end = in_.find('\n', at);
    if (end == std::string::npos) return false;
    const std::string line = in_.substr(at, end - at);
    at = end + 1;
    if (!line.empty()) request(line);
    return true;
  }

  bool take_frame(std::size_t& at) {
    if (in_.size() - at < sizeof(std::uint32_t)) return false;
    const auto length = load<std::uint32_t>(reinterpret_cast<const std::byte*>(in_.data() + at));
    if (length > data_frame_bytes_max) {
      die();
      return false;
    }
    if (in_.size() - at - sizeof length < length) return false;
    const std::string bytes = in_.substr(at + sizeof length, length);
    at += sizeof length + length;
    Call* call = streaming_;
    if (length == 0) streaming_ = nullptr;
    const bool skip = skip_data_;
    if (length == 0) skip_data_ = false;
    if (!skip) call->data_(as_bytes(bytes), length == 0);
    return true;
  }

  void request(const std::string& line) {
    std::uint64_t id = 0;
    auto read = read_request(line, id);
    if (!read) return say({id, Reply::Kind::error, {}, read.error()});
    if (read->method == "cancel") return cancel(*read);
    if (calls_.contains(id) || calls_.size() >= Server::calls_max)
      return say({id,
                  Reply::Kind::error,
                  {},
                  {Errc::exhausted, "the request cannot run",
                   calls_.contains(id) ? "its id is that of another" : "too many run on this connection",
                   "wait for the others"}});
    const std::string method = read->method;
    auto call = std::make_shared<Call>(*this, std::move(*read));
    calls_[id] = call;
    server_.handle(call, method);
    if (streaming_ == call.get()) streamed_ = call;  // its frames still come when it has ended
  }

  void cancel(const Request& request) {
    auto id = cancelled_id(request.params);
    if (!id) return say({request.id, Reply::Kind::error, {}, id.error()});
    const auto at = calls_.find(*id);
    if (at != calls_.end()) {
      const CallPointer call = at->second;
      if (call->cancel_) call->cancel_();
    }
    say({request.id, Reply::Kind::result, "{}", {}});
  }

  void write_out() {
    while (!out_.empty()) {
      const ssize_t sent = send(socket_.get(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno != EAGAIN) return die();
      if (sent < 0) break;
      out_.erase(0, static_cast<std::size_t>(sent));
    }
    rewatch();
  }

  void rewatch() {
    if (dead_) return;
    const unsigned interest = (paused_ ? 0u : unsigned{readable}) | (out_.empty() ? 0u : unsigned{writable});
    if (interest == interest_) return;
    interest_ = interest;
    (void)server_.engine_.rewatch(socket_.get(), interest, *this);
  }

  // Cancels what it asked for; freed in the next turn, never inside a call.
  void die() {
    if (dead_) return;
    dead_ = true;
    server_.engine_.unwatch(socket_.get(), *this);
    auto calls = std::move(calls_);
    calls_.clear();
    for (auto& [id, call] : calls) {
      call->connection_ = nullptr;
      if (const auto cancel = std::move(call->cancel_)) cancel();
    }
    server_.forget(*this);
  }

  Server& server_;
  FileHandle socket_;
  std::string in_;
  std::string out_;
  std::map<std::uint64_t, CallPointer> calls_;
  Call* streaming_ = nullptr;  // whose data frames come now
  CallPointer streamed_;
  unsigned interest_ = readable;
  bool skip_data_ = false;  // it has ended: what still comes is thrown away
  bool paused_ = false;
  bool taking_ = false;
  bool dead_ = false;

  friend class Server;
};

// ---- Call ----

void Call::say(Reply::Kind kind, std::string value, Error error) {
  if (connection_ == nullptr) return;
  Connection& connection = *connection_;
  if (kind != Reply::Kind::progress) connection_ = nullptr;
  const std::uint64_t id = request_.id;
  connection.say({id, kind, std::move(value), std::move(error)});
  if (kind != Reply::Kind::progress) connection.ended(id);  // may free us
}

void Call::reply(const std::string& json) { say(Reply::Kind::result, json, {}); }
void Call::fail(Error error) { say(Reply::Kind::error, {}, std::move(error)); }

bool Call::progress(const std::string& json) {
  if (connection_ == nullptr || connection_->waiting() > Server::progress_bytes_max) return false;
  say(Reply::Kind::progress, json, {});
  return true;
}

void Call::on_data(std::function<void(Bytes, bool)> handler) {
  if (connection_ == nullptr) return;
  data_ = std::move(handler);
  connection_->stream(*this);
}

void Call::pause_data(bool paused) {
  if (connection_ != nullptr) connection_->pause(paused);
}

// ---- Server ----

Server::Server(transports::OsEngine& engine, FileHandle listener)
    : engine_(engine), listener_(std::move(listener)),
      accept_again_(
          [](void* self) {
            auto* server = static_cast<Server*>(self);
            (void)server->engine_.watch(server->listener_.get(), Watcher::readable, *server);
          },
          this) {}

Server::~Server() {
  *alive_ = false;
  engine_.unwatch(listener_.get(), *this);
}

Result<std::unique_ptr<Server>> Server::make(transports::OsEngine& engine, FileHandle listener) {
  std::unique_ptr<Server> server(new Server(engine, std::move(listener)));
  if (auto watched = engine.watch(server->listener_.get(), Watcher::readable, *server); !watched)
    return tl::unexpected<Error>(watched.error());
  return server;
}

void Server::ready(unsigned) { accept_one(); }

// One a turn: the listener stays readable while there are more.
void Server::accept_one() {
  FileHandle socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) return pause_accepting();
  if (!socket) return;
  if (connections_.size() >= clients_max) {
    const std::string busy = write_reply({0,
                                          Reply::Kind::error,
                                          {},
                                          {Errc::exhausted, "the node has too many admin clients",
                                           fmt::format("{} are connected", clients_max), "close some"}});
    (void)send(socket.get(), busy.data(), busy.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  ucred who{};
  socklen_t size = sizeof who;
  const bool known = getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0;
  if (!known || (who.uid != geteuid() && who.uid != 0)) return;
  auto connection = std::make_unique<Connection>(*this, std::move(socket));
  if (!connection->start()) return;
  Connection* raw = connection.get();
  connections_[raw] = std::move(connection);
}

// Out of descriptors: the listener would stay readable and the engine never sleep.
void Server::pause_accepting() {
  engine_.unwatch(listener_.get(), *this);
  engine_.timers().arm(accept_again_, engine_.now_ns() + accept_pause_ns);
}

void Server::handle(const CallPointer& call, const std::string& method) {
  const auto at = handlers_.find(method);
  if (at != handlers_.end()) return at->second(call);
  std::vector<std::string_view> known;
  for (const auto& [name, handler] : handlers_) known.push_back(name);
  const std::string_view meant = text::closest(method, known);
  call->fail({Errc::not_found, "no method " + text::quoted(method),
              "known are " + text::list(std::span(std::as_const(known))),
              meant.empty() ? "docs/admin.md lists them" : fmt::format("did you mean {}?", meant)});
}

void Server::forget(Connection& connection) {
  engine_.post([this, alive = alive_, raw = &connection] {
    if (*alive) connections_.erase(raw);
  });
}

bool Server::drained() const noexcept {
  return std::all_of(connections_.begin(), connections_.end(),
                     [](const auto& entry) { return entry.second->waiting() == 0; });
}

}  // namespace harness::apps::admin
