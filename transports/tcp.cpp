// SPDX-License-Identifier: Apache-2.0
// The transport: options, listening, dialling, turns, and which sockets are hot.
#include <harness/transports/tcp.hpp>

#include <array>
#include <cerrno>
#include <new>

#include <unistd.h>

namespace harness::transports {

using tcp::Connection;
using tcp::Handle;

namespace {

constexpr std::array<std::string_view, 4> congestion_words = {"system", "cubic", "bbr", "reno"};
constexpr std::int64_t buffer_max = 1 << 28;
constexpr std::int64_t hour_us = 3'600'000'000;

constexpr std::array options_table = {
    OptionSpec{"frame", OptionKind::size, 1024, 16 << 20, 256 << 10, "largest frame in bytes"},
    OptionSpec{"sndbuf", OptionKind::size, 0, buffer_max, 0,
               "the socket's send buffer; 0: the system adapts it"},
    OptionSpec{"rcvbuf", OptionKind::size, 0, buffer_max, 0,
               "the socket's receive buffer; 0: the system adapts it"},
    OptionSpec{"notsent", OptionKind::size, 0, buffer_max, 128 << 10,
               "bytes the kernel takes beyond what is on its way; 0: as many as its buffer holds"},
    OptionSpec{"congestion", OptionKind::word, 0, congestion_words.size() - 1, 0,
               "congestion control of the kernel", congestion_words},
    OptionSpec{"nodelay", OptionKind::flag, 0, 1, 1,
               "segments leave when a turn ends, not when the last is acknowledged"},
    OptionSpec{"keepalive", OptionKind::duration, 0, hour_us, 20'000'000,
               "silence after which the peer's host is asked whether it lives, in whole seconds; 0: never"},
    OptionSpec{"user_timeout", OptionKind::duration, 0, hour_us, 20'000'000,
               "how long sent bytes may wait for a host that does not answer; 0: the system's 15 minutes"},
    OptionSpec{"connect_timeout", OptionKind::duration, 1000, hour_us, 5'000'000,
               "how long one address may take to answer a dial"},
};

constexpr auto frame_fields = wire::info_of<wire::StreamFrame>;
constexpr std::array headers_table = {HeaderInfo{"frame", frame_fields}};

// The kernel's checksum has 16 bits; on one host bytes do not leave its memory. Death is noticed within a
// stated time only with both timers: keepalive asks while nothing is sent, user_timeout while something is.
Facts facts_of(const OptionValues& options, Properties trust) {
  using namespace property;
  Facts facts;
  facts.word = message | reliable | fifo | no_duplicates | checked16 | known_address | flow_controlled |
               congestion_controlled | place | trust;
  if (options[Tcp::option_keepalive] != 0 && options[Tcp::option_user_timeout] != 0)
    facts.word = facts.word | death_within;
  if (trust.covers(same_host)) facts.word = facts.word | host_private;
  facts.max_message = static_cast<std::uint32_t>(options[Tcp::option_frame]);
  facts.cost = {1, 4000, 8};
  return facts;
}

Result<std::unique_ptr<Transport>> make(Engine& engine, const OptionValues& options) {
  auto* system = dynamic_cast<OsEngine*>(&engine);
  if (system == nullptr) return needs_system_engine("tcp");
  return std::make_unique<Tcp>(*system, options);
}

}  // namespace

tcp::SocketOptions socket_options_of(const OptionValues& options) noexcept {
  const auto number = [&](Tcp::Option option) { return static_cast<std::uint32_t>(options[option]); };
  const auto congestion = static_cast<std::size_t>(options[Tcp::option_congestion]);
  const std::int64_t keepalive_us = options[Tcp::option_keepalive];
  return {.nodelay = options[Tcp::option_nodelay] != 0,
          .send_buffer_bytes = number(Tcp::option_sndbuf),
          .receive_buffer_bytes = number(Tcp::option_rcvbuf),
          .not_sent_bytes = number(Tcp::option_notsent),
          .user_timeout_ms = static_cast<std::uint32_t>(options[Tcp::option_user_timeout] / 1000),
          .keepalive_s = static_cast<std::uint32_t>((keepalive_us + 999'999) / 1'000'000),
          .congestion = congestion == 0 ? std::string_view() : congestion_words[congestion]};
}

const TransportType& Tcp::type() noexcept {
  static constexpr TransportType type{
      "tcp", "links over TCP connections, IPv4 and IPv6", options_table, headers_table, facts_of, make};
  return type;
}

Tcp::Tcp(OsEngine& engine, const OptionValues& options)
    : engine_(engine), facts_(facts_of(options, {})), socket_options_(socket_options_of(options)),
      connect_timeout_ns_(static_cast<std::uint64_t>(options[option_connect_timeout]) * 1000),
      scratch_(std::make_unique<std::byte[]>(scratch_bytes)),
      look_([](void* self) { static_cast<Tcp*>(self)->look(); }, this) {
  engine_.add(*this);
}

// ---- listening ----

struct Tcp::Listener final : Watcher {
  Listener(Tcp& owner, int listening, Acceptor& acceptor_)
      : tcp(owner), descriptor(listening), acceptor(acceptor_),
        resume([](void* self) { static_cast<Listener*>(self)->watch(); }, this) {}
  ~Listener() {
    tcp.engine_.unwatch(descriptor, *this);
    ::close(descriptor);
  }
  void ready(unsigned) override { waiting = true; }
  void watch() { watched = tcp.engine_.watch(descriptor, readable, *this).has_value(); }
  // Accepting failed for want of descriptors: asking again at once would only burn the processor.
  void rest() {
    tcp.engine_.unwatch(descriptor, *this);
    tcp.engine_.timers().arm(resume, tcp.engine_.now_ns() + accept_pause_ns);
  }

  Tcp& tcp;
  int descriptor;
  Acceptor& acceptor;
  Timer resume;
  bool waiting = false;
  bool watched = false;
};

Tcp::~Tcp() {
  for (Connection& connection : connections_) connection.write_out();
  const auto free = [](Connection* connection) { delete connection; };
  connections_.clear_and_dispose(free);
  graveyard_.clear_and_dispose(free);
}

Result<std::string> Tcp::listen(std::string_view address, Acceptor& acceptor) {
  const auto at = split("tcp", address);
  if (!at) return tl::unexpected<Error>(at.error());
  const auto number = numeric(*at, true);
  if (!number)
    return fail(Errc::invalid, "cannot listen on tcp:" + std::string(address),
                "a listener needs a number, and " + at->host + " is a name",
                "tcp:*:" + at->port + ", or the number of one of: ip -br addr");
  const int descriptor = tcp::open_socket(*number);
  if (descriptor < 0)
    return fail(Errc::io, "cannot listen on tcp:" + std::string(address), tcp::cause_of(errno).text);
  auto listener = std::make_unique<Listener>(*this, descriptor, acceptor);
  auto bound = tcp::bind_and_listen(descriptor, *number, socket_options_.receive_buffer_bytes);
  if (!bound) return tl::unexpected<Error>(bound.error());
  listener->watch();
  if (!listener->watched)
    return fail(Errc::io, "cannot listen on tcp:" + std::string(address), "epoll refused the socket");
  listeners_.push_back(std::move(listener));
  return print(*bound);
}

unsigned Tcp::accept_waiting() {
  unsigned done = 0;
  for (std::size_t i = 0; i < listeners_.size(); ++i)  // a callback may listen on more
    if (std::exchange(listeners_[i]->waiting, false)) done += accept_from(*listeners_[i]);
  return done;
}

// The listener is watched by level: what is left now is told again in the next turn.
unsigned Tcp::accept_from(Listener& listener) {
  unsigned done = 0;
  while (done < accepts_max) {
    Address peer;
    const int descriptor = tcp::accept_socket(listener.descriptor, peer);
    if (descriptor < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (descriptor < 0 && errno != EAGAIN) {
      engine_.log(LogLevel::warning,
                  std::string("tcp: cannot accept a connection: ") + tcp::cause_of(errno).text);
      listener.rest();
    }
    if (descriptor < 0) break;
    ++done;
    auto* connection = new (std::nothrow) Connection(*this, descriptor, Connection::State::open);
    if (connection == nullptr) {
      ::close(descriptor);
      break;
    }
    connections_.push_back(*connection);
    tcp::set_options(descriptor, socket_options_);
    auto endpoint = std::make_unique<Handle>(*connection, facts_);
    if (connection->adopt(peer) == Errc::ok) listener.acceptor.accepted(std::move(endpoint));
  }
  return done;
}

// ---- dialling ----

Result<std::unique_ptr<Endpoint>> Tcp::dial(std::string_view address) {
  const auto at = split("tcp", address);
  if (!at) return tl::unexpected<Error>(at.error());
  auto* connection = new Connection(*this, -1, Connection::State::connecting);
  connections_.push_back(*connection);
  auto endpoint = std::make_unique<Handle>(*connection, facts_);
  if (const auto number = numeric(*at, false)) {
    connection->connect({*number});
  } else {
    connection->resolve(*at);
  }
  return endpoint;
}

// ---- turns ----

unsigned Tcp::poll(unsigned budget) {
  graveyard_.clear_and_dispose([](Connection* connection) { delete connection; });
  unsigned done = accept_waiting();
  if (hot_.heat()) engine_.keep_hot();
  if (ready_.empty()) return done;
  List<Connection, ReadyTag> round;  // who becomes ready meanwhile waits for the next turn
  round.swap(ready_);
  while (!round.empty() && done < budget) {
    Connection& connection = round.front();
    round.pop_front();
    done += connection.work(budget - done);
  }
  ready_.splice(ready_.begin(), round);
  return done;
}

void Tcp::flush() {
  while (!dirty_.empty()) dirty_.front().write_out();
  if (!ready_.empty()) engine_.again();
}

// A share of the connections with bytes under way; the rest in the next turns, then all after a while.
void Tcp::look() {
  for (unsigned count = 0; count < looks_max && !sent_.empty(); ++count) {
    Connection& connection = sent_.front();
    sent_.pop_front();
    if (connection.look_at_delivery()) looked_at_.push_back(connection);
  }
  if (!sent_.empty()) return engine_.timers().arm(look_, 0);
  sent_.splice(sent_.end(), looked_at_);
  if (!sent_.empty()) engine_.timers().arm(look_, engine_.now_ns() + look_every_ns_);
}

std::unique_ptr<tcp::SendQueue> Tcp::take_queue() noexcept {
  if (queues_.empty()) return std::unique_ptr<tcp::SendQueue>(new (std::nothrow) tcp::SendQueue);
  auto queue = std::move(queues_.back());
  queues_.pop_back();
  return queue;
}

void Tcp::bury(Connection& connection) noexcept {
  hot_.cool(connection);
  connection.Hook<OwnedTag>::unlink();
  graveyard_.push_back(connection);
}

}  // namespace harness::transports
