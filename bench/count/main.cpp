// SPDX-License-Identifier: Apache-2.0
// What a message asks of the system once everything is warm: allocations and locks by interposition, system
// calls by ptrace in a child. Both ends of each link are in one process, so both are counted.
#include <functional>
#include <memory>

#include <fmt/format.h>

#include <harness/bench/support/counted.hpp>
#include <harness/bench/support/link_end.hpp>
#include <harness/bench/support/loop_pair.hpp>
#include <harness/bench/support/program.hpp>
#include <harness/bench/support/traced.hpp>

namespace {

using namespace harness;
using namespace harness::bench;

constexpr std::string_view help = R"(count                 what messages ask of heap, locks and system
count --only loop     order / frag over loop, without and with reliable, within one engine
count --only tcp      order / frag over tcp, a ping at a time and in a flood

Counts, not times: equal in every run, but for what a busy-polled socket is asked in vain.
)";

// Both ends of a tcp link in this thread.
class TcpPair {
 public:
  explicit TcpPair(const std::string& stack) : far_("far"), near_("near") {
    const std::string address = far_.listen("tcp:127.0.0.1:0");
    link_ = connect(stack, address);
    link_->on_message([this](Message&&) { ++answers_; });
  }
  void ping() {
    const std::uint64_t wanted = answers_ + 1;
    link_->send(filled(*link_, 64));
    while (answers_ < wanted) turn();
  }
  /// `count` messages, each of which is answered.
  void flood(unsigned count) {
    const std::uint64_t wanted = answers_ + count;
    for (unsigned sent = 0; sent < count;) {
      Message message = filled(*link_, 64);
      if (link_->send(std::move(message)) == Errc::ok) {
        ++sent;
      } else {
        turn();
      }
    }
    while (answers_ < wanted) turn();
  }

 private:
  std::shared_ptr<Link> connect(const std::string& stack, const std::string& address) {
    LinkOptions options;
    options.name = "echo";
    auto link = near_.node().connect("far", stack, {address}, std::move(options));
    if (!link) give_up(link.error());
    for (int turns = 0; turns < 100'000 && (*link)->state() == Link::State::dialing; ++turns) turn();
    if (!(*link)->is_up()) give_up((*link)->error());
    return *link;
  }
  void turn() {
    near_.engine().poll();
    far_.engine().poll();
  }
  LinkEnd far_;
  LinkEnd near_;
  std::shared_ptr<Link> link_;
  std::uint64_t answers_ = 0;
};

struct Work {
  std::string name;
  std::uint64_t messages;  // that `run` moves
  std::function<std::function<void()>()> make;
  bool must_be_zero;
};

void count_asked(Program& program, const Work& work) {
  const auto run = work.make();
  for (int i = 0; i < 3; ++i) run();
  const Asked asked = asked_by(run);
  const auto a_message = [&](std::uint64_t count) {
    return static_cast<double>(count) / static_cast<double>(work.messages);
  };
  Figure allocations{.name = work.name + ": allocations a message", .value = a_message(asked.allocations)};
  Figure locks{.name = work.name + ": locks a message", .value = a_message(asked.locks)};
  program.show(allocations.at_most(allocations.value, 0, "0"));
  program.show(locks.at_most(locks.value, 0, "0"));
}

void count_calls(Program& program, const Work& work) {
  const auto traced = trace([&] {
    const auto run = work.make();
    for (int i = 0; i < 3; ++i) run();
    begin_region();
    run();
    end_region();
  });
  const std::string name = work.name + ": system calls a message";
  if (!traced) return program.skip(name, traced.error().because);
  Figure figure{.name = name,
                .value = static_cast<double>(traced->done()) / static_cast<double>(work.messages)};
  figure.note = fmt::format("{} messages: {}", work.messages, traced->text());
  if (work.must_be_zero) figure.at_most(static_cast<double>(traced->done() + traced->again()), 0, "0");
  program.show(figure);
}

std::vector<Work> loop_work(const std::string& stack, unsigned times) {
  const auto exchange = [times](const std::shared_ptr<LoopPair>& pair) {
    return [pair, times] {
      for (unsigned i = 0; i < times; ++i) pair->exchange(16);
    };
  };
  return {{stack, times * 16u, [=] { return exchange(std::make_shared<LoopPair>(stack)); }, true},
          {stack + ", engine of the system", times * 16u,
           [=] {
             struct Both {
               std::unique_ptr<transports::OsEngine> engine;
               std::unique_ptr<LoopPair> pair;
             };
             auto both = std::make_shared<Both>();
             both->engine = std::move(*transports::OsEngine::make());
             both->pair = std::make_unique<LoopPair>(stack, both->engine.get());
             return exchange(std::shared_ptr<LoopPair>(both, both->pair.get()));
           },
           false}};
}

// How often the engine of the system asks epoll while only loop is busy. Not by ptrace, under which every
// turn takes longer than the time for which epoll may be left alone.
void count_epoll(Program& program, unsigned times) {
  const auto engine = std::move(*transports::OsEngine::make());
  LoopPair pair("order / frag @ loop", engine.get());
  for (unsigned i = 0; i < 100; ++i) pair.exchange(16);
  const std::uint64_t before = engine->counters().epoll_calls;
  for (unsigned i = 0; i < times; ++i) pair.exchange(16);
  Figure figure{.name = "order / frag @ loop, engine of the system: epoll a message"};
  figure.value = static_cast<double>(engine->counters().epoll_calls - before) / (16.0 * times);
  figure.note = "once in 50 us";
  program.show(figure);
}

std::vector<Work> tcp_work(unsigned times) {
  const std::string stack = "order / frag @ tcp";
  return {{stack + ", pings", times * 2u,
           [=] {
             auto pair = std::make_shared<TcpPair>(stack);
             return [=] {
               for (unsigned i = 0; i < times; ++i) pair->ping();
             };
           },
           false},
          {stack + ", floods", times * 32u,
           [=] {
             auto pair = std::make_shared<TcpPair>(stack);
             return [=] { pair->flood(times * 16u); };
           },
           false}};
}

}  // namespace

int main(int argc, char** argv) {
  Program program(argc, argv, "count", help);
  const unsigned times = program.quick() ? 50 : 1000;
  std::vector<Work> all;
  if (program.wants("loop"))
    for (const char* stack : {"order / frag @ loop", "order / frag / reliable(cc=static) @ loop"})
      for (Work& work : loop_work(stack, times)) all.push_back(std::move(work));
  if (program.wants("tcp"))
    for (Work& work : tcp_work(times)) all.push_back(std::move(work));
  if (program.wants("loop")) count_epoll(program, times * 10);
  for (const Work& work : all) {
    count_calls(program, work);
    count_asked(program, work);
  }
  return program.finish();
}
