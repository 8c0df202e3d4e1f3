// SPDX-License-Identifier: Apache-2.0
// The transport: options, listening, dialling, turns, and which links are hot.
#include <harness/transports/shm.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>

#include <harness/transports/shm/barrier.hpp>

namespace harness::transports {

using shm::Connection;
using shm::Handle;

namespace {

constexpr std::array<std::string_view, 2> peer_words = {"user", "any"};
constexpr std::int64_t hour_us = 3'600'000'000;

constexpr std::array options_table = {
    OptionSpec{"frame", OptionKind::size, 1024, message_bytes_max, message_bytes_max,
               "largest frame in bytes"},
    OptionSpec{
        "ring", OptionKind::size, 64 << 10, 64 << 20, 256 << 10,
        "bytes on their way in one direction, the next power of two; fixed when the transport is made"},
    OptionSpec{"arena", OptionKind::size, 0, 1 << 30, 64 << 20,
               "bytes that may be lent to a peer of the same user, the next power of two; 0: everything is "
               "copied; fixed when the transport is made"},
    OptionSpec{"peers", OptionKind::word, 0, peer_words.size() - 1, 0,
               "who may connect: processes of the same user, or of any; fixed when the transport is made",
               peer_words},
    OptionSpec{"connect_timeout", OptionKind::duration, 1000, hour_us, 5'000'000,
               "how long a listener may take to answer a dial"},
};

constexpr auto record_fields = wire::info_of<wire::ShmRecord>;
constexpr auto part_fields = wire::info_of<wire::ShmPart>;
constexpr auto loan_fields = wire::info_of<wire::ShmLoan>;
constexpr auto packet_fields = wire::info_of<wire::ShmPacket>;
constexpr auto memory_fields = wire::info_of<wire::ShmMemory>;
constexpr auto region_fields = wire::info_of<wire::ShmRegion>;
constexpr auto place_fields = wire::info_of<wire::ShmPlace>;
constexpr std::array headers_table = {
    HeaderInfo{"record", record_fields}, HeaderInfo{"part", part_fields},
    HeaderInfo{"loan", loan_fields},     HeaderInfo{"packet", packet_fields},
    HeaderInfo{"memory", memory_fields}, HeaderInfo{"region", region_fields},
    HeaderInfo{"place", place_fields}};

// The kernel keeps the memory between the two: nobody else can read, change or repeat a byte, nor lose one.
// Who the peer is it says by user and process, which names no node.
Facts facts_of(const OptionValues& options, Properties trust) {
  using namespace property;
  Facts facts;
  facts.word = message | reliable | fifo | no_duplicates | authenticated | host_private | known_address |
               no_replay | covered | flow_controlled | lossless_fabric | death_immediate | trust;
  if (options[Shm::option_arena] != 0 && options[Shm::option_peers] == 0) facts.word = facts.word | loan;
  if (options[Shm::option_peers] == 0) facts.word = facts.word | atomics.without(put_emulated);
  facts.max_message = static_cast<std::uint32_t>(options[Shm::option_frame]);
  facts.cost = {1, 100, 8};
  return facts;
}

// The listener's socket is found on one host alone, and asked by the kernel whose process connects.
Properties reach(const OptionValues& options) {
  return options[Shm::option_peers] == 0 ? property::same_user : property::same_host;
}

std::uint64_t arena_of(const OptionValues& options) noexcept {
  const auto bytes = static_cast<std::uint64_t>(options[Shm::option_arena]);
  return bytes == 0 ? 0 : std::bit_ceil(std::max(bytes, shm::Arena::leaf_bytes));
}

Result<std::unique_ptr<Transport>> make(Engine& engine, const OptionValues& options) {
  auto* system = dynamic_cast<OsEngine*>(&engine);
  if (system == nullptr) return needs_system_engine("shm");
  return std::make_unique<Shm>(*system, options);
}

}  // namespace

const TransportType& Shm::type() noexcept {
  static constexpr TransportType type{
      "shm",         "links between processes of one host, through memory they share",
      options_table, headers_table,
      facts_of,      make,
      reach};
  return type;
}

Shm::Shm(OsEngine& engine, const OptionValues& options)
    : engine_(engine), facts_(facts_of(options, {})),
      ring_bytes_(std::bit_ceil(static_cast<std::uint64_t>(options[option_ring]))),
      whole_bytes_max_(static_cast<std::uint32_t>(shm::payload_bytes_max(ring_bytes_))),
      arena_bytes_(arena_of(options)), any_user_(options[option_peers] != 0),
      connect_timeout_ns_(static_cast<std::uint64_t>(options[option_connect_timeout]) * 1000) {
  static_cast<void>(shm::hear_barriers());
  engine_.add(*this);
}

bool Shm::fits(const OptionValues& options) const noexcept {
  return std::bit_ceil(static_cast<std::uint64_t>(options[option_ring])) == ring_bytes_ &&
         arena_of(options) == arena_bytes_ && (options[option_peers] != 0) == any_user_;
}

// ---- listening ----

struct Shm::Listener final : Watcher {
  Listener(Shm& owner, shm::Descriptor listening, std::string listening_name, Acceptor& acceptor_)
      : shm(owner), socket(std::move(listening)), name(std::move(listening_name)), acceptor(acceptor_) {}
  ~Listener() { shm.engine_.unwatch(socket.get(), *this); }
  void ready(unsigned) override { waiting = true; }

  Shm& shm;
  shm::Descriptor socket;
  std::string name;
  Acceptor& acceptor;
  bool waiting = false;
};

Shm::~Shm() {
  for (Connection& connection : connections_) connection.write_out();
  const auto free = [](Connection* connection) { delete connection; };
  connections_.clear_and_dispose(free);
  graveyard_.clear_and_dispose(free);
}

Result<std::string> Shm::listen(std::string_view address, Acceptor& acceptor) {
  const auto at = shm::parse(address.empty() ? std::to_string(engine_.random().next()) : address);
  if (!at) return tl::unexpected<Error>(at.error());
  auto socket = shm::listen_on(*at);
  if (!socket) return tl::unexpected<Error>(socket.error());
  auto listener = std::make_unique<Listener>(*this, std::move(*socket), shm::print(*at), acceptor);
  if (auto watched = engine_.watch(listener->socket.get(), Watcher::readable, *listener); !watched)
    return tl::unexpected<Error>(watched.error());
  listeners_.push_back(std::move(listener));
  return shm::print(*at);
}

unsigned Shm::accept_waiting() {
  unsigned done = 0;
  for (std::size_t i = 0; i < listeners_.size(); ++i)  // a callback may listen on more
    if (std::exchange(listeners_[i]->waiting, false)) done += accept_from(*listeners_[i]);
  return done;
}

// The listener is watched by level: what is left now is told again in the next turn; but when too many have
// not greeted yet, not before one of them has. Who is closed instead may have written and gone, content.
unsigned Shm::accept_from(Listener& listener) {
  unsigned done = 0;
  while (done < accepts_max && greeting_count_ < greeting_max) {
    shm::Descriptor socket = shm::accept_from(listener.socket);
    if (!socket && errno == EINTR) continue;
    if (!socket) break;
    ++done;
    auto* connection = new (std::nothrow) Connection(*this, Connection::State::greeting);
    if (connection == nullptr) break;
    ++greeting_count_;
    connections_.push_back(*connection);
    connection->adopt(std::move(socket), listener.name, listener.acceptor);
  }
  if (greeting_count_ == greeting_max) watch_listeners(0);
  return done;
}

void Shm::watch_listeners(unsigned interest) noexcept {
  for (const auto& listener : listeners_)
    static_cast<void>(engine_.rewatch(listener->socket.get(), interest, *listener));
}

Result<std::unique_ptr<Endpoint>> Shm::dial(std::string_view address) {
  const auto at = shm::parse(address);
  if (!at) return tl::unexpected<Error>(at.error());
  auto* connection = new Connection(*this, Connection::State::connecting);
  connections_.push_back(*connection);
  auto endpoint = std::make_unique<Handle>(*connection, facts_);
  connection->dial(*at);
  return endpoint;
}

// ---- turns ----

unsigned Shm::poll(unsigned budget) {
  graveyard_.clear_and_dispose([](Connection* connection) { delete connection; });
  ++polls_;
  looks_first_ = true;
  unsigned done = accept_waiting();
  if (!ready_.empty()) {
    List<Connection, ReadyTag> round;  // who becomes ready meanwhile waits for the next turn
    round.swap(ready_);
    while (!round.empty() && done < budget) {
      Connection& connection = round.front();
      round.pop_front();
      done += connection.work(budget - done);
    }
    ready_.splice(ready_.begin(), round);
  }
  if (hot_count_ == 0) return done;
  engine_.keep_hot();
  if (done < budget) done += look(budget - done);
  looks_first_ = false;
  for (unsigned i = hot_count_; done == 0 && i < looks; i += hot_count_ + 1) done = look(budget);
  if (done == 0) age();
  return done;
}

// Looks into the rings of all hot links.
inline unsigned Shm::look(unsigned budget) {
  unsigned done = 0;
  for (unsigned i = hot_count_; i-- > 0;) {
    if (i >= hot_count_) continue;  // a callback may have cooled some
    Connection& connection = *hot_[i];
    const bool plain = connection.has_plain();
    if (!plain && !connection.stirs()) continue;
    connection.misses = 0;
    const unsigned left = budget > done ? budget - done : 1;
    done += plain ? connection.take_plain(left) : connection.work(left);
  }
  return done;
}

void Shm::flush() {
  ++turn_;
  while (!dirty_.empty()) dirty_.front().write_out();
  if (!ready_.empty()) engine_.again();
}

// From now on only bells wake us; whoever wrote before it could know that is seen here.
bool Shm::rest() {
  while (hot_count_ != 0) cool(*hot_[hot_count_ - 1]);
  return ready_.empty();
}

// ---- hot links ----

void Shm::age() noexcept {
  for (unsigned i = hot_count_; i-- > 0;)
    if (++hot_[i]->misses > hot_misses_max) cool(*hot_[i]);
}

void Shm::warm(Connection& connection) noexcept {
  if (connection.hot) return;
  if (connection.is_open() && hot_count_ == hot_max) {
    const auto idlest = std::max_element(hot_.begin(), hot_.end(), [](const auto* one, const auto* other) {
      return one->misses < other->misses;
    });
    if ((*idlest)->misses != 0) cool(**idlest);
  }
  connection.look_ourselves(true);
  if (!connection.is_open() || hot_count_ == hot_max)
    return connection.sleep();  // it lingers, or all are busy: it is rung for each burst
  connection.hot = true;
  connection.misses = 0;
  hot_[hot_count_++] = &connection;
}

void Shm::cool(Connection& connection) noexcept {
  if (!connection.hot) return;
  connection.hot = false;
  const auto last = hot_.begin() + hot_count_;
  std::iter_swap(std::find(hot_.begin(), last, &connection), last - 1);
  --hot_count_;
  connection.sleep();
}

void Shm::bury(Connection& connection) noexcept {
  cool(connection);
  connection.Hook<OwnedTag>::unlink();
  graveyard_.push_back(connection);
}

}  // namespace harness::transports
