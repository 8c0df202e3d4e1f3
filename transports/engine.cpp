// SPDX-License-Identifier: Apache-2.0
// Turns, sleeping and waking on Linux.
#include <harness/transports/engine.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <harness/transports/workers.hpp>

namespace harness::transports {

namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};
constexpr std::uint64_t spin_ns_min = 1'000;
constexpr std::uint64_t second_ns = 1'000'000'000;

std::uint64_t clock_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * second_ns + static_cast<std::uint64_t>(now.tv_nsec);
}

// A counter that runs at about the processor's speed and is read in a third of the time of a clock; 0: none.
inline std::uint64_t counter() noexcept {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return 0;
#endif
}
// As long as it has moved by less, the time read last still holds: a quarter to half a microsecond. A counter
// that jumps is one that moved by more.
constexpr std::uint64_t same_time_counts = 1000;

std::uint64_t drawn_seed() noexcept {
  std::uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
    seed = clock_ns() ^ static_cast<std::uint64_t>(getpid()) << 32;
  return seed | 1;
}

auto io_error(const char* what) {
  return fail(Errc::io, what, std::strerror(errno), "raise the limit of open files: ulimit -n");
}

unsigned to_epoll(unsigned interest, bool edge) noexcept {
  return ((interest & Watcher::readable) != 0 ? unsigned{EPOLLIN} | unsigned{EPOLLRDHUP} : 0u) |
         ((interest & Watcher::writable) != 0 ? unsigned{EPOLLOUT} : 0u) | (edge ? unsigned{EPOLLET} : 0u);
}

unsigned from_epoll(unsigned events) noexcept {
  return ((events & EPOLLIN) != 0 ? Watcher::readable : 0u) |
         ((events & EPOLLOUT) != 0 ? Watcher::writable : 0u) |
         ((events & EPOLLRDHUP) != 0 ? Watcher::peer_ended : 0u) |
         ((events & (unsigned{EPOLLERR} | unsigned{EPOLLHUP})) != 0 ? Watcher::failed : 0u);
}

}  // namespace

void OsEngine::Waker::ready(unsigned) {
  ++rings;
  std::uint64_t count = 0;
  while (read(fd, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

OsEngine::OsEngine(Options options, std::uint64_t seed)
    : Engine(clock_ns(), seed, options.pool_limit_bytes), options_(std::move(options)),
      spin_ns_(options_.spin_ns_max) {}

Result<std::unique_ptr<OsEngine>> OsEngine::make(Options options) {
  const std::uint64_t seed = options.seed != 0 ? options.seed : drawn_seed();
  std::unique_ptr<OsEngine> engine(new OsEngine(std::move(options), seed));
  if (auto opened = engine->open(); !opened) return tl::unexpected<Error>(opened.error());
  return engine;
}

Result<> OsEngine::open() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  timer_.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  event_.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || timer_.fd < 0 || event_.fd < 0) return io_error("cannot make an engine");
  if (auto watched = watch(timer_.fd, Watcher::readable, timer_); !watched) return watched;
  return watch(event_.fd, Watcher::readable, event_);
}

OsEngine::~OsEngine() {
  stop();
  workers_.reset();  // before the queue it posts to
  for (const int fd : {epoll_, timer_.fd, event_.fd})
    if (fd >= 0) close(fd);
}

// ---- a turn ----

void OsEngine::begin_turn() noexcept {
  again_ = false;
  ++counters_.turns;
  const std::uint64_t count = counter();
  if (count - counted_ >= same_time_counts || count == 0 || armed_) read_clock(count);
  if (sleeping_.load(std::memory_order_relaxed)) sleeping_.store(false, std::memory_order_relaxed);
}

void OsEngine::read_clock(std::uint64_t count) noexcept {
  counted_ = count;
  const std::uint64_t now = clock_ns();
  // Due now: at once after the last turn, or, when armed, by its timer.
  const std::uint64_t due = (armed_ ? timer_due_ns_ : now_ns_ + turn_ns_max);
  if (now > due && (!armed_ || now - due > turn_ns_max)) [[unlikely]] {
    ++counters_.late_turns;
    counters_.late_ns_max = std::max(counters_.late_ns_max, now - due);
    late_ns_ += now - due;
  }
  now_ns_ = now;
  armed_ = false;
}

unsigned OsEngine::poll(unsigned budget) {
  begin_turn();
  unsigned done = has_posted_.load(std::memory_order_acquire) ? run_posted() : 0;
  flush();  // what was written since the last turn goes before anything is waited for
  if (!hot_ || now_ns_ - asked_epoll_ns_ >= hot_epoll_ns) done += ask_epoll(0);
  hot_ = false;
  for (auto at = pollers_.begin(); at != pollers_.end();) done += (at++)->poll(budget);
  done += timers().advance(now_ns_);
  flush();
  return done;
}

void OsEngine::flush() {
  for (auto at = pollers_.begin(); at != pollers_.end();) (at++)->flush();
}

// Marks only: whoever is ready does its work when it is polled. Counts nothing but what is left to the
// pollers.
unsigned OsEngine::ask_epoll(int timeout_ms) {
  std::array<epoll_event, events_max> events;  // NOLINT: written by the system
  asked_epoll_ns_ = now_ns_;
  ++counters_.epoll_calls;
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
  if (count <= 0) return 0;
  ready_count_ = static_cast<unsigned>(count);
  for (unsigned i = 0; i < ready_count_; ++i) ready_[i] = static_cast<Watcher*>(events[i].data.ptr);
  for (ready_next_ = 0; ready_next_ < ready_count_; ++ready_next_)
    if (Watcher* watcher = ready_[ready_next_]; watcher != nullptr)
      watcher->ready(from_epoll(events[ready_next_].events));
  ready_count_ = 0;
  return static_cast<unsigned>(count);
}

// ---- waiting ----

std::uint64_t OsEngine::arm() {
  if (poll() != 0 || again_) return 0;
  for (Poller& poller : pollers_)
    if (!poller.rest()) return 0;
  sleeping_.store(true);
  if (has_posted_.load() || stopped_.load()) return 0;
  const std::uint64_t due = timers().next_due_ns();
  set_timer(due);
  armed_ = true;
  if (due == never) return never;
  return due > now_ns_ ? due - now_ns_ : 0;
}

// One that rang already is set anew: what it rang for has not fired when the clock was read just before it
// was due, and it would not ring a second time.
void OsEngine::set_timer(std::uint64_t due_ns) noexcept {
  if (due_ns == timer_due_ns_ && timer_.rings == timer_set_at_rings_) return;
  timer_due_ns_ = due_ns;
  timer_set_at_rings_ = timer_.rings;
  itimerspec when{};  // zero: no timer
  if (due_ns != never) {
    when.it_value.tv_sec = static_cast<time_t>(due_ns / second_ns);
    when.it_value.tv_nsec =
        static_cast<long>(std::max<std::uint64_t>(due_ns % second_ns, due_ns < second_ns ? 1 : 0));
  }
  timerfd_settime(timer_.fd, TFD_TIMER_ABSTIME, &when, nullptr);
}

// Spins for what spinning has earned lately, then sleeps.
void OsEngine::rest() {
  const std::uint64_t start = now_ns_;
  while (now_ns_ - start < spin_ns_)
    if (poll() != 0) return;
  if (arm() == 0) return;
  ++counters_.sleeps;
  const unsigned timer_rings = timer_.rings;
  const unsigned woken_by = ask_epoll(-1) - (timer_.rings - timer_rings);
  // A timer is no reason to spin: when it comes is known.
  const bool would_have_caught = woken_by != 0 && clock_ns() - now_ns_ < options_.spin_ns_max;
  spin_ns_ = would_have_caught ? std::min(options_.spin_ns_max, 2 * spin_ns_ + spin_ns_min) : spin_ns_ / 2;
}

bool OsEngine::run_until(const std::function<bool()>& done, std::uint64_t timeout_ns) {
  bool over = false;
  Timer limit([](void* self) { *static_cast<bool*>(self) = true; }, &over);
  const std::uint64_t now = clock_ns();
  if (timeout_ns < never - now) timers().arm(limit, now + timeout_ns);
  while (!done()) {
    if (over || stopped_.load(std::memory_order_relaxed)) return done();
    if (poll() == 0) rest();
  }
  return true;
}

void OsEngine::run() {
  run_until([] { return false; });
}

void OsEngine::stop() noexcept {
  stopped_.store(true);
  wake();
}

// Whoever sleeps said so before it looked for work a last time, and we look after leaving some: one of us
// sees it.
void OsEngine::wake() noexcept {
  if (!sleeping_.exchange(false)) return;
  const std::uint64_t one = 1;
  while (write(event_.fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

// ---- other threads ----

bool OsEngine::post(std::function<void()> work) {
  if (stopped_.load()) return false;
  enqueue(std::move(work));
  return true;
}

void OsEngine::enqueue(std::function<void()> work) {
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(work));
    has_posted_.store(true);
  }
  wake();
}

unsigned OsEngine::run_posted() {
  {
    const std::lock_guard lock(posted_mutex_);
    has_posted_.store(false);
    running_.swap(posted_);
  }
  for (auto& work : running_) work();
  const auto count = static_cast<unsigned>(running_.size());
  running_.clear();
  counters_.posted += count;
  return count;
}

bool OsEngine::offload(std::function<void()> job, std::function<void()> done) {
  if (jobs_ >= offload_max || stopped_.load()) return false;
  if (workers_ == nullptr) workers_ = std::make_unique<Workers>(std::max(options_.workers, 1u));
  ++jobs_;
  workers_->submit([this, job = std::move(job), done = std::move(done)]() mutable {
    job();
    job = nullptr;
    // Also after a stop: what `done` holds belongs to this engine's thread and is destroyed there.
    enqueue([this, done = std::move(done)] {
      --jobs_;
      done();
    });
  });
  return true;
}

void OsEngine::log(LogLevel level, std::string_view line) {
  if (options_.log) return options_.log(level, line);
  if (level == LogLevel::debug) return;
  std::string text(line);
  text += '\n';
  static_cast<void>(!write(STDERR_FILENO, text.data(), text.size()));
}

// ---- descriptors ----

Result<> OsEngine::control(int operation, int descriptor, unsigned interest, Watcher& watcher, bool edge) {
  epoll_event event{};
  event.events = to_epoll(interest, edge);
  event.data.ptr = &watcher;
  if (epoll_ctl(epoll_, operation, descriptor, &event) != 0) return io_error("cannot watch a descriptor");
  return {};
}

Result<> OsEngine::watch(int descriptor, unsigned interest, Watcher& watcher, bool edge) {
  return control(EPOLL_CTL_ADD, descriptor, interest, watcher, edge);
}

Result<> OsEngine::rewatch(int descriptor, unsigned interest, Watcher& watcher, bool edge) {
  return control(EPOLL_CTL_MOD, descriptor, interest, watcher, edge);
}

void OsEngine::unwatch(int descriptor, Watcher& watcher) noexcept {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
  for (unsigned i = ready_next_; i < ready_count_; ++i)
    if (ready_[i] == &watcher) ready_[i] = nullptr;
}

void OsEngine::describe(Describer& describer) const {
  describer.value("turns", counters_.turns);
  describer.value("sleeps", counters_.sleeps);
  describer.value("epoll_calls", counters_.epoll_calls);
  describer.value("posted", counters_.posted);
  describer.value("late_turns", counters_.late_turns);
  describer.value("late_ns_max", counters_.late_ns_max);
  describer.value("late_ns", late_ns_);
}

}  // namespace harness::transports
