// SPDX-License-Identifier: Apache-2.0
// The event queue, the paths and what they do to frames, and the trace. Engines are in sim_engine.cpp.
#include <harness/transports/sim_world.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace harness::transports {

namespace {
// What a reliable medium takes to notice and repair one loss: a few round trips, as a resend would.
constexpr std::uint64_t resend_ns(const SimPath& path) {
  return 4 * (path.delay_ns + path.jitter_ns) + 200'000;
}
constexpr unsigned resends_max = 16;
}  // namespace

SimWorld::SimWorld(std::uint64_t seed) : seed_(seed), random_(seed) {}
SimWorld::~SimWorld() = default;

SimEngine& SimWorld::add(std::string name, const SimEngineOptions& options) {
  const auto index = static_cast<std::uint32_t>(engines_.size());
  names_.push_back(name);
  engines_.emplace_back(new SimEngine(*this, index, std::move(name), options, random_.next()));
  return *engines_.back();
}

void SimWorld::remove(SimEngine& engine) {
  engine.crash();
  engines_[engine.index()].reset();
}

SimEngine* SimWorld::engine(std::uint32_t index) const noexcept {
  return index < engines_.size() ? engines_[index].get() : nullptr;
}

SimEngine* SimWorld::find(std::string_view name) const noexcept {
  for (const auto& each : engines_)
    if (each != nullptr && each->alive() && each->name() == name) return each.get();
  return nullptr;
}

// ---- the queue ----

void SimWorld::push(std::uint64_t at_ns, Event event) {
  event.at_ns = std::max(at_ns, now_ns_);
  event.sequence = sequence_++;
  queue_.push_back(std::move(event));
  std::push_heap(queue_.begin(), queue_.end(), Later{});
}

void SimWorld::push_arrival(std::uint64_t at_ns, SimPacketPtr packet) {
  ++under_way_;
  Event event{What::arrive};
  event.packet = std::move(packet);
  push(at_ns, std::move(event));
}

void SimWorld::at(std::uint64_t time_ns, std::function<void()> work) {
  Event event{What::call};
  event.call = std::move(work);
  push(time_ns, std::move(event));
}

bool SimWorld::step(std::uint64_t until_ns) {
  if (queue_.empty()) schedule_all_timers();
  if (queue_.empty() || queue_.front().at_ns > until_ns) return false;
  std::pop_heap(queue_.begin(), queue_.end(), Later{});
  Event event = std::move(queue_.back());
  queue_.pop_back();
  now_ns_ = event.at_ns;
  ++events_;
  run(event);
  return true;
}

void SimWorld::run(Event& event) {
  SimEngine* const at = engine(event.address.engine);
  switch (event.what) {
    case What::turn:
      if (at != nullptr && at->alive() && at->turn_at_ns_ == event.at_ns) at->poll();
      return;
    case What::arrive: --under_way_; return arrive(std::move(event.packet));
    case What::departed:
      if (SimPort* port = at != nullptr ? at->port(event.address.port) : nullptr)
        port->departed(event.cookie, event.setup);
      return;
    case What::call:
      event.call();
      schedule_all_timers();  // work outside a turn may have armed timers
      return;
  }
}

void SimWorld::run_for(std::uint64_t ns) {
  const std::uint64_t until_ns = now_ns_ + ns;
  schedule_all_timers();
  while (step(until_ns)) {
  }
  now_ns_ = until_ns;
}

bool SimWorld::run_until(const std::function<bool()>& done, std::uint64_t limit_ns) {
  const std::uint64_t until_ns = now_ns_ + limit_ns;
  schedule_all_timers();
  while (!done())
    if (!step(until_ns)) return false;
  return true;
}

void SimWorld::schedule_all_timers() {
  for (const auto& each : engines_)
    if (each != nullptr && each->alive()) each->schedule_timers();
}

// ---- paths ----

SimWorld::PathState& SimWorld::path_state(std::uint32_t from, std::uint32_t to) {
  return paths_.try_emplace({from, to}, PathState{default_path_, 0, {}}).first->second;
}

SimPath& SimWorld::path(const SimEngine& from, const SimEngine& to) {
  return path_state(from.index(), to.index()).model;
}

void SimWorld::cut(const SimEngine& from, const SimEngine& to, bool is_cut) {
  PathState& path = path_state(from.index(), to.index());
  path.model.cut = is_cut;
  trace_engine(SimMark::path, from, to.name(), is_cut ? 0 : 1);
  if (is_cut) return;
  std::vector<SimPacketPtr> waiting = std::move(path.waiting);
  path.waiting.clear();
  under_way_ -= waiting.size();
  for (SimPacketPtr& packet : waiting) travel(path, std::move(packet), now_ns_);
}

void SimWorld::partition(const SimEngine& one, const SimEngine& other, bool is_cut) {
  cut(one, other, is_cut);
  cut(other, one, is_cut);
}

void SimWorld::transmit(SimPacketPtr packet) {
  const SimEngine* from = engine(packet->from.engine);
  if (from == nullptr || !from->alive()) return;
  trace_packet(packet->gone ? SimMark::gone : SimMark::sent, *packet);
  PathState& path = path_state(packet->from.engine, packet->to.engine);
  std::uint64_t at_ns = now_ns_;
  if (leave(path, *packet, at_ns)) travel(path, std::move(packet), at_ns);
}

// Serialises a frame on to the path: at_ns becomes the time its last byte leaves. False: dropped by a full
// router.
bool SimWorld::leave(PathState& path, const SimPacket& packet, std::uint64_t& at_ns) {
  const SimPath& model = path.model;
  const bool local = model.rate_bytes_per_s != 0 && model.queue_bytes == 0 && !packet.gone;
  if (model.rate_bytes_per_s != 0) {
    const std::uint64_t start_ns = std::max(now_ns_, path.busy_until_ns);
    const std::uint64_t backlog_bytes = (start_ns - now_ns_) * model.rate_bytes_per_s / 1'000'000'000;
    const bool may_drop = !packet.reliable || model.break_promises;
    if (model.queue_bytes != 0 && backlog_bytes + packet.bytes.size() > model.queue_bytes && may_drop) {
      lose(SimMark::queue_full, packet);
      if (SimPort* port = engine(packet.from.engine)->port(packet.from.port))
        port->departed(packet.sender_cookie, packet.setup);
      return false;
    }
    path.busy_until_ns = start_ns + packet.bytes.size() * 1'000'000'000 / model.rate_bytes_per_s;
    at_ns = path.busy_until_ns;
  }
  if (local) {
    push(at_ns, Event{What::departed, packet.from, packet.sender_cookie, packet.setup});
  } else if (SimPort* port = packet.gone ? nullptr : engine(packet.from.engine)->port(packet.from.port)) {
    port->departed(packet.sender_cookie, packet.setup);
  }
  return true;
}

// From the sender's wire to an arrival, with everything the path does on the way.
void SimWorld::travel(PathState& path, SimPacketPtr packet, std::uint64_t at_ns) {
  const SimPath& model = path.model;
  if (model.cut) {
    if (!packet->reliable || model.break_promises) return lose(SimMark::cut, *packet);
    trace_packet(SimMark::stalled, *packet);
    ++under_way_;
    path.waiting.push_back(std::move(packet));
    return;
  }
  at_ns += model.delay_ns + random_.below(model.jitter_ns + 1);
  if (!apply_faults(model, *packet, at_ns)) return;
  const bool raw = model.break_promises;
  if (packet->fifo_floor != nullptr && !raw) {
    at_ns = std::max(at_ns, *packet->fifo_floor);
    *packet->fifo_floor = at_ns;
  }
  if (!packet->gone && (!packet->single || raw) && random_.chance_ppm(model.duplicate_ppm)) {
    auto copy = std::make_unique<SimPacket>(*packet);
    copy->uses_credit = false;
    trace_packet(SimMark::duplicated, *copy);
    const std::uint64_t later_ns = at_ns + random_.below(model.delay_ns + model.reorder_ns + 1);
    push_arrival(later_ns, std::move(copy));
  }
  push_arrival(at_ns, std::move(packet));
}

// False: the frame is gone.
bool SimWorld::apply_faults(const SimPath& path, SimPacket& packet, std::uint64_t& at_ns) {
  const bool raw = path.break_promises;
  if (path.mtu_bytes != 0 && packet.bytes.size() > path.mtu_bytes && (!packet.reliable || raw))
    return lose(SimMark::too_big, packet), false;
  for (unsigned attempt = 0; attempt < resends_max && !packet.gone; ++attempt) {
    const bool lost = random_.chance_ppm(path.loss_ppm);
    const bool damaged = random_.chance_ppm(path.corrupt_ppm);
    if (damaged && !lost && (!packet.intact || raw)) corrupt(packet);
    if (!lost && (!damaged || !packet.intact || raw)) break;
    if (!packet.reliable || raw) return lose(lost ? SimMark::lost : SimMark::corrupted, packet), false;
    at_ns += resend_ns(path);
  }
  if (random_.chance_ppm(path.reorder_ppm)) {
    at_ns += random_.below(path.reorder_ns + 1);
    trace_packet(SimMark::held_back, packet);
  }
  return true;
}

void SimWorld::lose(SimMark mark, const SimPacket& packet) {
  trace_packet(mark, packet);
  give_credit(packet);
}

// A lossy medium may damage any byte; a reliable one has repaired its own header, so only what follows it.
void SimWorld::corrupt(SimPacket& packet) {
  const std::size_t first = packet.reliable ? std::min<std::size_t>(16, packet.bytes.size()) : 0;
  const std::uint64_t bits = (packet.bytes.size() - first) * 8;
  if (bits == 0) return;
  for (std::uint64_t flips = random_.between(1, 4); flips > 0; --flips) {
    const std::uint64_t bit = first * 8 + random_.below(bits);
    packet.bytes[bit / 8] ^= std::byte{static_cast<unsigned char>(1u << bit % 8)};
  }
  trace_packet(SimMark::corrupted, packet);
}

void SimWorld::give_credit(const SimPacket& packet) {
  if (!packet.uses_credit) return;
  SimEngine* const from = engine(packet.from.engine);
  if (SimPort* port = from != nullptr ? from->port(packet.from.port) : nullptr)
    port->credit(packet.sender_cookie, packet.counter);
}

void SimWorld::arrive(SimPacketPtr packet) {
  SimEngine* const to = engine(packet->to.engine);
  SimPort* const port = to != nullptr && to->alive() ? to->port(packet->to.port) : nullptr;
  if (port == nullptr) {  // nobody there: no credit comes back
    trace_packet(SimMark::dropped, *packet);
    if (packet->setup && packet->reliable && (packet->answered || (to != nullptr && to->alive())))
      refuse(*packet);
    return;
  }
  trace_packet(SimMark::delivered, *packet);
  port->arrive(std::move(packet));
}

// The host answers for a process that is not there.
void SimWorld::refuse(const SimPacket& packet) {
  auto answer = std::make_unique<SimPacket>();
  answer->from = packet.to;
  answer->to = packet.from;
  answer->reliable = answer->single = answer->gone = true;
  answer->gone_code = Errc::unreachable;
  answer->gone_cookie = packet.sender_cookie;
  trace_packet(SimMark::gone, *answer);
  travel(path_state(packet.to.engine, packet.from.engine), std::move(answer), now_ns_);
}

// ---- trace ----

void SimWorld::hash(std::uint64_t value) noexcept {
  hash_ = (hash_ ^ value) * 0x100000001b3u;
  hash_ ^= hash_ >> 29;
}

void SimWorld::hash(std::string_view text) noexcept {
  for (const char c : text) hash(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
}

std::string_view SimWorld::name_of(std::uint32_t index) const noexcept {
  return index < names_.size() ? std::string_view(names_[index]) : "?";
}

void SimWorld::line(SimMark mark, std::string_view who, std::string_view what, std::uint64_t value) {
  if (trace_.size() >= trace_lines_max) return;
  trace_.push_back(fmt::format("{:>12}.{:03} {} {:<6} {} {}", now_ns_ / 1000, now_ns_ % 1000,
                               static_cast<char>(mark), who, what, value));
}

void SimWorld::trace_engine(SimMark mark, const SimEngine& engine, std::string_view what,
                            std::uint64_t value) {
  hash(now_ns_);
  hash(static_cast<std::uint64_t>(mark) << 32 | engine.index());
  hash(what);
  hash(value);
  if (keeping_) line(mark, engine.name(), what, value);
}

void SimWorld::trace_packet(SimMark mark, const SimPacket& packet) {
  std::uint64_t digest = packet.bytes.size();
  std::size_t at = 0;
  for (; at + 8 <= packet.bytes.size(); at += 8)
    digest = (digest ^ load<std::uint64_t>(packet.bytes.data() + at)) * 0x9e3779b97f4a7c15u;
  for (; at < packet.bytes.size(); ++at)
    digest = (digest ^ static_cast<std::uint64_t>(packet.bytes[at])) * 0x9e3779b97f4a7c15u;
  hash(now_ns_);
  hash(static_cast<std::uint64_t>(mark) << 48 ^ std::uint64_t{packet.from.engine} << 24 ^ packet.to.engine);
  hash(digest);
  if (!keeping_ || trace_.size() >= trace_lines_max) return;
  const std::uint32_t cookie = packet.bytes.size() >= 12 ? load<std::uint32_t>(packet.bytes.data()) : 0;
  const std::uint64_t rest = packet.bytes.size() >= 12 ? load<std::uint64_t>(packet.bytes.data() + 4) : 0;
  const auto kind = rest & 15;
  const std::string_view name = packet.gone ? "gone"
                                : kind == 1 ? "data"
                                : kind == 2 ? "setup"
                                : kind == 3 ? "open"
                                : kind == 4 ? "opened"
                                            : "?";
  trace_.push_back(fmt::format("{:>12}.{:03} {} {:<6} {} {:08x} #{} {}B {:016x}", now_ns_ / 1000,
                               now_ns_ % 1000, static_cast<char>(mark),
                               fmt::format("{}>{}", name_of(packet.from.engine), name_of(packet.to.engine)),
                               name, cookie, rest >> 4, packet.bytes.size(), digest));
}

void SimWorld::note(std::string_view who, std::string_view what, std::uint64_t value) {
  hash(now_ns_);
  hash(who);
  hash(what);
  hash(value);
  if (keeping_) line(SimMark::note, who, what, value);
}

std::string_view SimWorld::legend() noexcept {
  return "legend: time_us mark who what\n"
         "  frames, who = from>to, what = kind cookie #counter bytes digest:\n"
         "    S sent  D delivered  L lost  U duplicated  R held back  C corrupted  P lost in a partition\n"
         "    W waits for the partition to heal  M larger than the path's MTU  Q router queue full\n"
         "    X nobody there, or refused by the transport  G notice that an endpoint is gone\n"
         "  engines: T turn  J clock jump  Z stalled  K crash  N path cut (0) or healed (1)  H hold  V "
         "writable\n"
         "  * note of the test";
}

}  // namespace harness::transports
