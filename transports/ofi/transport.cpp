// SPDX-License-Identifier: Apache-2.0
// Opening, listening and dialling; turns and sleep; what the completion queue says.
#include <harness/transports/ofi/transport.hpp>

#include <algorithm>

#include <harness/transports/address.hpp>
#include <harness/transports/ofi/stale.hpp>
#include <harness/transports/ofi_guard.hpp>

namespace harness::transports::ofi {

using wire::OfiFrame;

namespace {

constexpr unsigned place_bits = 16;
constexpr std::uint32_t place_mask = (1u << place_bits) - 1;
constexpr std::uint32_t arena_bytes_min = 2 * Connection::setup_bytes_max;

OptionValues tcp_options(const OptionValues& options) {
  OptionValues values(Tcp::type().options);
  values.set(Tcp::option_connect_timeout, options[option_connect_timeout]);
  return values;
}

std::uint32_t eager_of(const OptionValues& options) {
  const auto bytes = static_cast<std::uint32_t>(options[option_eager]);
  return bytes == 0 ? 0 : std::max(bytes, eager_bytes_min);
}

// What tcp says of addresses is true of ours.
Error renamed(Error error) {
  for (std::string* part : {&error.what, &error.because, &error.advice})
    for (std::size_t at = 0; (at = part->find("tcp:", at)) != std::string::npos;)
      part->replace(at, 4, "ofi:");
  return error;
}

}  // namespace

// ---- opening ----

Result<std::unique_ptr<Transport>> Ofi::make(OsEngine& engine, const OptionValues& options,
                                             const Library& library) {
  const Guard guard;
  const auto word = provider_words()[static_cast<std::size_t>(options[option_provider])];
  if (auto found = choose(library, word); !found) return tl::unexpected<Error>(found.error());
  return std::unique_ptr<Transport>(new Ofi(engine, options, library));
}

Ofi::Ofi(OsEngine& engine, const OptionValues& options, const Library& library)
    : engine_(engine), library_(library),
      provider_(provider_words()[static_cast<std::size_t>(options[option_provider])]),
      facts_(facts_of(options, {})),
      connect_timeout_ns_(static_cast<std::uint64_t>(options[option_connect_timeout]) * 1000),
      window_units_(static_cast<std::uint32_t>(options[option_window]) / OfiFrame::unit_bytes),
      arena_bytes_(std::max(
          {static_cast<std::uint32_t>(options[option_arena]), 2 * facts_.max_message, arena_bytes_min})),
      receive_bytes_(static_cast<std::uint32_t>(options[option_receive])), eager_option_(eager_of(options)),
      tcp_(engine, tcp_options(options)), retry_([](void*) {}, nullptr),
      overdue_([](void* self) { static_cast<Ofi*>(self)->look_for_overdue(); }, this) {
  tcp_.hot().close();
  engine_.add(*this);
}

Ofi::~Ofi() {
  if (fabric_ == nullptr) return;
  for (unsigned turn = 0; turn < last_turns && say_last_words(); ++turn) progress(completions_max);
  unwatch();
  const auto free = [](Connection* connection) { delete connection; };
  connections_.clear_and_dispose(free);
  graveyard_.clear_and_dispose(free);
  if (fabric_->wants(FI_MR_ENDPOINT)) {  // what is bound to the endpoint goes before it
    if (probe_ != nullptr) probe_->retire();
    slots_.retire();
    buffers_.retire();
    reads_.retire();
    direct_slots_.retire();
    for (const auto& region : parked_) region->retire();
  }
  fabric_->shut();
  reads_.release_all();
}

// What lingers sends on; false: nothing does.
bool Ofi::say_last_words() {
  bool any = false;
  for (auto at = connections_.begin(); at != connections_.end();) {
    Connection& connection = *at++;  // it may be done with this
    if (!connection.is_lingering()) continue;
    any = true;
    connection.work(0);
  }
  return any;
}

Result<> Ofi::open(std::string_view address, bool towards) {
  if (fabric_ != nullptr) return opened_;
  const auto at = split("ofi", address);
  if (!at) return tl::unexpected<Error>(at.error());
  const bool numbered = at->host != "*" && at->host != "localhost" && numeric(*at, false).has_value();
  const std::string host = at->host == "localhost" ? "127.0.0.1" : numbered ? at->host : std::string();
  {
    const Guard guard;
    remove_stale_segments();
    auto choice = choose(library_, provider_, host, towards);
    if (!choice) return tl::unexpected<Error>(choice.error());
    auto fabric = Fabric::open(library_, std::move(*choice));
    if (!fabric) return tl::unexpected<Error>(fabric.error());
    fabric_ = std::move(*fabric);
  }
  looks_ = fabric_->descriptor() >= 0 ? looks_watched : looks_alone;
  return opened_ = open_buffers();
}

Result<> Ofi::open_buffers() {
  // Where a receive takes one message, all 256 have the largest size: then the table's is enough.
  const std::uint32_t single_bytes = eager_option_ != 0 ? eager_option_ : fabric_->policy().eager_bytes;
  const std::size_t most = fabric_->receives_many() ? eager_bytes_max : single_bytes;
  receive_bytes_max_ = static_cast<std::uint32_t>(std::min(most, fabric_->info().ep_attr->max_msg_size));
  if (auto opened = buffers_.open(*fabric_, receive_bytes_, receive_bytes_max_); !opened) return opened;
  crossover_ = find_crossover();
  crossover_.bytes = std::min(crossover_.bytes, receive_bytes_max_);
  inject_bytes_ = fabric_->inject_bytes(crossover_.bytes);
  inject_ = std::make_unique<std::byte[]>(std::max(inject_bytes_, 64u));
  if (!slots_.open(*fabric_, crossover_.bytes) || !reads_.open(*fabric_, arena_bytes_ / 2))
    return fail(Errc::exhausted, "no memory for ofi to send from", "the provider registers no more",
                "raise the limit of locked memory: ulimit -l unlimited");
  return {};
}

// As the option says; else what this process has learnt of the provider; else it is measured.
Crossover Ofi::find_crossover() {
  if (eager_option_ != 0) return {eager_option_, Crossover::How::option};
  const auto known = remembered_crossover(fabric_->provider());
  if (known && known->how == Crossover::How::learnt) return *known;
  auto probe = std::make_unique<Probe>(*fabric_, buffers_, engine_.pool(), receive_bytes_max_);
  const Crossover found = probe->run();
  if (!probe->is_idle()) probe_ = std::move(probe);
  remember_crossover(fabric_->provider(), found);
  return found;
}

// ---- listening and dialling ----

struct Ofi::Ear final : harness::Acceptor {
  Ear(Ofi& owner, harness::Acceptor& above) : ofi(owner), acceptor(above) {}
  void accepted(std::unique_ptr<Endpoint> endpoint) override { ofi.welcome(std::move(endpoint), acceptor); }
  Ofi& ofi;
  harness::Acceptor& acceptor;
};

Result<std::string> Ofi::listen(std::string_view address, harness::Acceptor& acceptor) {
  if (auto opened = open(address, false); !opened) return tl::unexpected<Error>(opened.error());
  auto ear = std::make_unique<Ear>(*this, acceptor);
  auto bound = tcp_.listen(address, *ear);
  if (!bound) return tl::unexpected<Error>(renamed(std::move(bound.error())));
  ears_.push_back(std::move(ear));
  return bound;
}

Result<std::unique_ptr<Endpoint>> Ofi::dial(std::string_view address) {
  if (auto opened = open(address, true); !opened) return tl::unexpected<Error>(opened.error());
  auto control = tcp_.dial(address);
  if (!control) return tl::unexpected<Error>(renamed(std::move(control.error())));
  Connection& connection = add(std::move(*control), true);
  auto endpoint = std::make_unique<Handle>(connection, facts_);
  connection.greet();
  return endpoint;
}

void Ofi::welcome(std::unique_ptr<Endpoint> control, harness::Acceptor& acceptor) {
  auto endpoint = std::make_unique<Handle>(add(std::move(control), false), facts_);
  acceptor.accepted(std::move(endpoint));
}

Connection& Ofi::add(std::unique_ptr<Endpoint> control, bool dialled) {
  if (free_places_.empty()) {
    free_places_.push_back(static_cast<std::uint32_t>(places_.size()));
    places_.push_back({nullptr, static_cast<std::uint32_t>(engine_.random().below(1u << place_bits))});
  }
  const std::uint32_t index = free_places_.back();
  free_places_.pop_back();
  Place& place = places_[index];
  const std::uint32_t cookie = index | (++place.generation << place_bits);
  auto* connection = new Connection(*this, std::move(control), cookie, dialled);
  place.connection = connection;
  connections_.push_back(*connection);
  return *connection;
}

void Ofi::bury(Connection& connection) noexcept {
  const std::uint32_t index = connection.cookie() & place_mask;
  places_[index].connection = nullptr;
  free_places_.push_back(index);
  connection.Hook<OwnedTag>::unlink();
  graveyard_.push_back(connection);
}

void Ofi::park(std::unique_ptr<Region> region) {
  parked_.push_back(std::move(region));
  if (parked_.size() > parked_max) parked_.pop_front();
}

std::unique_ptr<SendQueue> Ofi::take_queue() noexcept {
  if (queues_.empty()) return std::unique_ptr<SendQueue>(new (std::nothrow) SendQueue);
  auto queue = std::move(queues_.back());
  queues_.pop_back();
  return queue;
}

// ---- turns ----

// A hint: the queue is read in every poll.
void Ofi::ready(unsigned) {}

unsigned Ofi::poll(unsigned budget) {
  if (!graveyard_.empty()) graveyard_.clear_and_dispose([](Connection* connection) { delete connection; });
  if (fabric_ == nullptr) return 0;
  unsigned done = look(budget);
  if (!waiting_.empty()) serve_blocked();
  if (!ready_.empty() && done < budget) done += serve_ready(budget - done);
  if (done == 0) {
    ++misses_;
    if (!overdue_.armed() && has_under_way())
      engine_.timers().arm(overdue_, engine_.now_ns() + Overdue::look_ns);
  } else {
    misses_ = 0;
    retry_ns_ = retry_ns_min;
    if (watched_ && ++busy_turns_ > unwatched_turns) unwatch();
  }
  if (misses_ < hot_turns && !connections_.empty()) engine_.keep_hot();
  return done;
}

// Into the queue, again while it is empty and nothing else waits.
inline unsigned Ofi::look(unsigned budget) {
  const bool again = misses_ < hot_turns && ready_.empty() && waiting_.empty() && !connections_.empty();
  unsigned done = 0;
  for (unsigned looks = again ? looks_ : 1; looks != 0 && done == 0; --looks) done = progress(budget);
  return done;
}

// Who is blocked again waits for the next turn.
void Ofi::serve_blocked() {
  List<Connection, BlockedTag> blocked;
  blocked.swap(waiting_);
  while (!blocked.empty()) {
    wake(blocked.front());
    blocked.pop_front();
  }
}

unsigned Ofi::serve_ready(unsigned budget) {
  unsigned done = 0;
  List<Connection, ReadyTag> round;
  round.swap(ready_);
  while (!round.empty() && done < budget) {
    Connection& connection = round.front();
    round.pop_front();
    done += connection.work(budget - done);
  }
  ready_.splice(ready_.begin(), round);
  return done;
}

void Ofi::flush() {
  if (!ready_.empty()) engine_.again();
}

bool Ofi::rest() {
  if (fabric_ == nullptr) return true;
  const bool has_descriptor = fabric_->descriptor() >= 0;
  if (has_descriptor) watch();
  if (has_descriptor && !fabric_->may_sleep()) return false;
  if (!unrung_.empty()) {
    while (!unrung_.empty() && unrung_.front().ask_for_bell()) unrung_.pop_front();
    tcp_.flush();
  }
  const bool soon = !waiting_.empty() || !unrung_.empty() || (has_under_way() && !has_descriptor);
  if (soon || (fabric_->policy().keeps_injected && !connections_.empty())) {
    const std::uint64_t longest = soon ? retry_ns_max : look_ns_max;
    retry_ns_ = std::min(retry_ns_, longest);
    engine_.timers().arm(retry_, engine_.now_ns() + retry_ns_);
    retry_ns_ = std::min(2 * retry_ns_, longest);
  }
  return true;
}

// The descriptor may stay readable after the queue was read, so it is watched by edge; one that is readable
// now tells at once.
void Ofi::watch() {
  busy_turns_ = 0;
  if (watched_) return;
  watched_ = engine_.watch(fabric_->descriptor(), readable, *this, true).has_value();
}

void Ofi::unwatch() noexcept {
  if (watched_) engine_.unwatch(fabric_->descriptor(), *this);
  watched_ = false;
}

// ---- completions ----

unsigned Ofi::progress(unsigned budget) {
  unsigned done = 0;
  std::array<fi_cq_data_entry, completions_max> entries;  // NOLINT: written by the provider
  buffers_.repost();
  while (done < budget) {
    const long count = fi_cq_read(fabric_->completions(), entries.data(), entries.size());
    if (count == -FI_EAVAIL && failed()) {
      ++done;
      continue;
    }
    if (count <= 0) break;
    for (long i = 0; i < count; ++i) done += completed(entries[static_cast<std::size_t>(i)]);
    if (count < static_cast<long>(entries.size())) break;
  }
  return done;
}

unsigned Ofi::completed(const fi_cq_data_entry& entry) {
  if (entry.op_context == nullptr) return 0;
  auto& operation = *static_cast<Operation*>(entry.op_context);
  if (operation.kind == Operation::Kind::receive) return arrived(operation, entry);
  finish(operation, 0);
  return 1;
}

unsigned Ofi::arrived(Operation& buffer, const fi_cq_data_entry& entry) {
  unsigned done = 0;
  if ((entry.flags & FI_RECV) != 0 && entry.len >= Connection::header_bytes) {
    const std::byte* at = buffers_.message(buffer, entry);
    const auto header = wire::decode<OfiFrame>(at);
    const std::uint32_t index = header.cookie & place_mask;
    Connection* link = index < places_.size() ? places_[index].connection : nullptr;
    if (link != nullptr && link->cookie() == header.cookie) {
      done = link->take(header, at + Connection::header_bytes, entry.len - Connection::header_bytes);
    } else {
      ++strays_;
    }
  } else if ((entry.flags & FI_RECV) != 0 && entry.len != 0) {
    ++strays_;
  }
  buffers_.done(buffer, entry.flags);
  return std::max(done, 1u);
}

// The queue has an error at its front.
bool Ofi::failed() {
  fi_cq_err_entry error{};
  if (fi_cq_readerr(fabric_->completions(), &error, 0) <= 0) return false;
  if (error.op_context == nullptr) {  // an injected frame, which has no name
    ++lost_injections_;
    engine_.log(LogLevel::warning,
                std::string("ofi: a small frame was lost: ") + library_.strerror(error.err));
    for (Connection& connection : connections_) connection.doubt();
    return true;
  }
  auto& operation = *static_cast<Operation*>(error.op_context);
  if (operation.kind != Operation::Kind::receive) {
    finish(operation, error.err != 0 ? error.err : FI_EIO);
  } else if (error.err != FI_ECANCELED) {
    engine_.log(LogLevel::warning, std::string("ofi: a receive failed: ") + library_.strerror(error.err));
    buffers_.done(operation, error.flags);
  }
  return true;
}

void Ofi::finish(Operation& operation, int error) {
  if (operation.kind == Operation::Kind::probe) return;  // it came too late
  Connection* link = operation.link;
  if (operation.kind == Operation::Kind::send) {
    if (link != nullptr) link->sent(error);
    slots_.give(operation);
  } else if (operation.kind == Operation::Kind::read) {
    if (link != nullptr) link->was_read(operation, error);
    reads_.give(operation);
  } else if (link != nullptr) {
    link->was_direct(operation, error);
  } else {
    direct_slots_.give(operation);
  }
}

}  // namespace harness::transports::ofi
