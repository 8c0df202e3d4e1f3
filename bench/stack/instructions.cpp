// SPDX-License-Identifier: Apache-2.0
// Instructions a message, exact and equal in every run: what must cost the same is compared by them.
#include <fmt/format.h>

#include <harness/bench/stack/parts.hpp>
#include <harness/bench/support/loop_pair.hpp>
#include <harness/bench/support/traced.hpp>
#include <harness/bench/support/trivial.hpp>

namespace harness::bench {

namespace {

// What one more operation costs: a count of three less a count of one, after a warm-up.
template <class Operation>
double instructions_of(Operation operation) {
  const auto count = [&](unsigned times) {
    return count_instructions([&] {
      for (unsigned i = 0; i < 3; ++i) operation();
      begin_region();
      for (unsigned i = 0; i < times; ++i) operation();
      end_region();
    });
  };
  const auto one = count(1);
  const auto three = count(3);
  if (!one || !three) return not_measured;
  return static_cast<double>(*three - *one) / 2;
}

void show(Program& program, std::string name, double count) {
  program.show({.name = std::move(name), .value = count, .unit = "instructions"});
}

}  // namespace

void instructions(Program& program) {
  Stacked<5, 5> five;
  Stacked<16, 5> sixteen;
  Stacked<16, 10> ten;
  const double down_five = instructions_of([&] { five.send_linked_shared(); });
  const double down_sixteen = instructions_of([&] { sixteen.send_linked_shared(); });
  if (std::isnan(down_five)) return program.skip("instructions a message", "ptrace is not allowed here");
  Figure absent{.name = "11 absent hooks more, instructions", .value = down_sixteen - down_five};
  absent.unit = "instructions";
  program.show(absent.at_most(std::abs(absent.value), 0, "0"));
  show(program, "5 active hooks down, linked", instructions_of([&] { sixteen.send_linked(); }));
  show(program, "5 active hooks down, fused", instructions_of([&] { sixteen.send_fused(); }));
  show(program, "5 active hooks up, linked", instructions_of([&] { sixteen.receive_linked(); }));
  show(program, "5 active hooks up, fused", instructions_of([&] { sixteen.receive_fused(); }));
  show(program, "a further hook down",
       (instructions_of([&] { ten.send_linked_shared(); }) - down_sixteen) / 5);
  LoopPair pair("order / frag @ loop");
  LoopPair bare("@ loop");
  LoopPair with_put("order / put / frag @ loop");
  show(program, "order / frag @ loop, one message a turn", instructions_of([&] { pair.exchange(1); }));
  show(program, "order / frag @ loop, of 16 a turn", instructions_of([&] { pair.exchange(16); }) / 16);
  show(program, "order / put / frag @ loop, of 16 a turn",
       instructions_of([&] { with_put.exchange(16); }) / 16);
  show(program, "@ loop, of 16 a turn", instructions_of([&] { bare.exchange(16); }) / 16);
}

}  // namespace harness::bench
