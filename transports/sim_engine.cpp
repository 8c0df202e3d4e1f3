// SPDX-License-Identifier: Apache-2.0
// The engine in virtual time: turns, the local clock, offloaded work, crash.
#include <harness/transports/sim_world.hpp>

#include <algorithm>

#include <harness/stack/bytes.hpp>

namespace harness::transports {

SimEngine::SimEngine(SimWorld& world, std::uint32_t index, std::string name, const SimEngineOptions& options,
                     std::uint64_t seed)
    : Engine(options.clock_offset_ns, seed, options.pool_limit_bytes), world_(world), index_(index),
      name_(std::move(name)), options_(options) {
  read_clock();
}

SimEngine::~SimEngine() = default;

// ---- clock ----

std::int64_t SimEngine::raw_clock_ns() const noexcept {
  const auto now = static_cast<std::int64_t>(world_.now_ns());
  const std::int64_t drift =
      now / 1'000'000 * options_.drift_ppm + now % 1'000'000 * options_.drift_ppm / 1'000'000;
  return static_cast<std::int64_t>(options_.clock_offset_ns) + now + drift + jumped_ns_;
}

void SimEngine::read_clock() noexcept {
  const std::int64_t raw = raw_clock_ns();
  if (raw > 0) now_ns_ = std::max(now_ns_, static_cast<std::uint64_t>(raw));
}

void SimEngine::jump(std::int64_t by_ns) {
  jumped_ns_ += by_ns;
  world_.trace_engine(SimMark::jump, *this, by_ns < 0 ? "back" : "ahead",
                      static_cast<std::uint64_t>(by_ns < 0 ? -by_ns : by_ns));
  wake();
}

// ---- turns ----

void SimEngine::schedule(std::uint64_t at_ns) {
  const std::uint64_t soonest = turns_ == 0 ? 0 : last_turn_ns_ + options_.turn_ns;
  at_ns = std::max({at_ns, soonest, stalled_until_ns_, world_.now_ns()});
  if (at_ns >= turn_at_ns_) return;
  turn_at_ns_ = at_ns;
  world_.push(at_ns, SimWorld::Event{SimWorld::What::turn, {index_, 0}});
}

void SimEngine::wake() {
  if (!alive_) return;
  if (in_turn_) {
    again_ = true;
    return;
  }
  const std::uint64_t late = options_.turn_jitter_ns != 0 ? random().below(options_.turn_jitter_ns + 1) : 0;
  if (turn_at_ns_ == no_turn || turn_at_ns_ > world_.now_ns() + late) schedule(world_.now_ns() + late);
}

void SimEngine::schedule_timers() {
  const std::uint64_t due_ns = timers().next_due_ns();
  if (due_ns == ~std::uint64_t{0}) return;
  const std::int64_t local = static_cast<std::int64_t>(due_ns) - raw_clock_ns();
  if (local <= 0) return schedule(world_.now_ns());
  // Local to world time; a turn that comes too early by a rounding finds nothing due and asks again.
  const std::int64_t rate = 1'000'000 + options_.drift_ppm;
  const std::int64_t wait = local / rate * 1'000'000 + local % rate * 1'000'000 / rate + 1;
  schedule(world_.now_ns() + static_cast<std::uint64_t>(wait));
}

unsigned SimEngine::poll(unsigned budget) {
  if (!alive_ || in_turn_) return 0;
  turn_at_ns_ = no_turn;
  last_turn_ns_ = world_.now_ns();
  ++turns_;
  in_turn_ = true;
  again_ = false;
  read_clock();
  unsigned done = 0;
  for (auto& work : std::exchange(posted_, {})) {
    work();
    ++done;
    if (!alive_) break;
  }
  for (auto each = pollers_.begin(); alive_ && each != pollers_.end();) {
    Poller& poller = *each++;
    done += poller.poll(budget);
  }
  if (alive_) done += timers().advance(now_ns());
  for (auto each = pollers_.begin(); alive_ && each != pollers_.end();) {
    Poller& poller = *each++;
    poller.flush();
  }
  in_turn_ = false;
  if (!alive_) return done;
  if (again_ || !posted_.empty()) wake();
  schedule_timers();
  return done;
}

std::uint64_t SimEngine::arm() {
  schedule_timers();
  if (turn_at_ns_ == no_turn) return ~std::uint64_t{0};
  return turn_at_ns_ > world_.now_ns() ? turn_at_ns_ - world_.now_ns() : 0;
}

bool SimEngine::post(std::function<void()> work) {
  if (!alive_) return false;
  posted_.push_back(std::move(work));
  wake();
  return true;
}

bool SimEngine::offload(std::function<void()> job, std::function<void()> done) {
  if (!alive_ || offloaded_.size() >= offload_max) return false;
  const std::uint64_t number = ++offloads_;
  offloaded_.emplace(number, std::pair(std::move(job), std::move(done)));
  const std::uint64_t at_ns =
      world_.now_ns() + world_.random().between(options_.offload_ns_min,
                                                std::max(options_.offload_ns_min, options_.offload_ns_max));
  world_.at(at_ns, [world = &world_, index = index_, number] {
    SimEngine* const self = world->engine(index);
    if (self == nullptr || !self->alive()) return;
    auto ended = self->offloaded_.extract(number);
    ended.mapped().first();
    self->post(std::move(ended.mapped().second));
  });
  return true;
}

void SimEngine::stall(std::uint64_t for_ns) {
  stalled_until_ns_ = std::max(stalled_until_ns_, world_.now_ns() + for_ns);
  turn_at_ns_ = no_turn;  // what was scheduled comes after the stall
  world_.trace_engine(SimMark::stall, *this, "for", for_ns);
  if (in_turn_) {
    again_ = true;
  } else {
    schedule(world_.now_ns());
  }
}

void SimEngine::crash() {
  if (!alive_) return;
  for (auto& [number, port] : std::map(ports_)) port->crashed();
  world_.trace_engine(SimMark::crash, *this, "crash", 0);
  alive_ = false;
  turn_at_ns_ = no_turn;
  posted_.clear();
  offloaded_.clear();
}

void SimEngine::log(LogLevel level, std::string_view line) {
  if (log_.size() >= log_lines_max) log_.pop_front();
  log_.push_back(LogLine{world_.now_ns(), level, std::string(line)});
}

// ---- ports ----

bool SimEngine::bind(std::uint16_t& port, SimPort& to) {
  constexpr std::uint16_t first_free = 49152;
  if (port == 0) {
    for (port = first_free; port != 0 && ports_.contains(port);) ++port;
    if (port == 0) return false;
  }
  return ports_.emplace(port, &to).second;
}

void SimEngine::unbind(std::uint16_t port) { ports_.erase(port); }

SimPort* SimEngine::port(std::uint16_t number) const {
  const auto found = ports_.find(number);
  return found != ports_.end() ? found->second : nullptr;
}

}  // namespace harness::transports
