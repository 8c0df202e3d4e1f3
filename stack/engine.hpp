// SPDX-License-Identifier: Apache-2.0
// An engine runs links: one thread, one clock, one pool, and whatever its transports must poll.
//
// Everything of an engine belongs to the thread that calls `poll`; `post` is the only door from other
// threads. One level-triggered descriptor per engine joins any event loop: wait for it to be readable after
// `arm()` said how long. The engine on epoll is transports/engine.hpp, the one in virtual time
// transports/sim.hpp.
#pragma once

#include <cstdint>
#include <functional>

#include <boost/intrusive/list.hpp>

#include <harness/stack/env.hpp>
#include <harness/stack/pool.hpp>

namespace harness {

/// Something an engine polls each turn: a transport, most often.
class Poller
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual ~Poller() = default;
  /// Handles at most about `budget` messages; returns how many, counting every other callback as one: after 0
  /// there is nothing to do until the engine's descriptor is readable or a timer is due. Never blocks.
  /// [stack-thread]
  virtual unsigned poll(unsigned budget) = 0;
  /// Hands everything written in this turn to the medium: the natural boundary of batching. [stack-thread]
  virtual void flush() {}
  /// Said when the engine is about to sleep on its descriptor: until the next poll only that wakes it, so who
  /// was polled must ask to be rung from now on. False: there is work after all. [stack-thread]
  virtual bool rest() { return true; }
};

class Engine : public Env {
 public:
  [[nodiscard]] Pool& pool() noexcept { return pool_; }

  /// One turn: read the clock, run posted work, poll, fire timers, flush. Returns how much was done.
  /// [stack-thread]
  virtual unsigned poll(unsigned budget = 256) = 0;
  /// Runs `work` in the next turn, waking the engine when it sleeps. Dropped (and false) after stop.
  /// [any-thread]
  virtual bool post(std::function<void()> work) = 0;
  /// A descriptor readable whenever a turn has work; -1 when the engine has none (simulation). [any-thread]
  [[nodiscard]] virtual int descriptor() const noexcept { return -1; }
  /// Prepares to wait on the descriptor; returns the longest time in ns to wait, 0 when there is work now.
  /// [stack-thread]
  virtual std::uint64_t arm() = 0;

  /// Polls `poller` from now on until it is destroyed; adding it again changes nothing. [stack-thread]
  void add(Poller& poller) noexcept {
    if (!poller.is_linked()) pollers_.push_back(poller);
  }
  /// Said in poll by a transport that found work without being told by the system: while one says so in every
  /// turn, the engine may ask the system less often than once a turn. [stack-thread]
  void keep_hot() noexcept { hot_ = true; }

 protected:
  using Pollers = boost::intrusive::list<Poller, boost::intrusive::constant_time_size<false>>;
  Engine(std::uint64_t now_ns, std::uint64_t seed, std::uint64_t pool_limit_bytes) noexcept
      : Env(now_ns, seed), pool_(pool_limit_bytes) {}
  Pollers pollers_;
  bool hot_ = false;

 private:
  Pool pool_;
};

}  // namespace harness
