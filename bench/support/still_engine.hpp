// SPDX-License-Identifier: Apache-2.0
// An engine without an operating system: a turn polls, fires timers and flushes, and its clock moves by one
// microsecond a turn. For what is measured inside one thread: layers, stacks, loop.
#pragma once

#include <harness/stack/engine.hpp>

namespace harness::bench {

class StillEngine final : public Engine {
 public:
  StillEngine() : Engine(1, 1, std::uint64_t{1} << 30) {}
  unsigned poll(unsigned budget = 256) override {
    unsigned done = 0;
    now_ns_ += 1000;
    for (auto at = pollers_.begin(); at != pollers_.end();) done += (at++)->poll(budget);
    done += timers().advance(now_ns_);
    for (auto at = pollers_.begin(); at != pollers_.end();) (at++)->flush();
    return done;
  }
  bool post(std::function<void()>) override { return false; }
  std::uint64_t arm() override { return 0; }
  bool offload(std::function<void()>, std::function<void()>) override { return false; }
  void log(LogLevel, std::string_view) override {}
};

}  // namespace harness::bench
