// SPDX-License-Identifier: Apache-2.0
// Linked against fused, absent and further hooks: trivial layers, so that what is seen is the stack.
// Every subject makes its message, sends or receives it, and destroys it: both forms pay the same for that.
#include <fmt/format.h>

#include <harness/bench/stack/parts.hpp>
#include <harness/bench/support/trivial.hpp>

namespace harness::bench {

namespace {

template <int Depth>
void linked_against_fused(Program& program) {
  Stacked<Depth, 5> forms;
  const auto judge = [&](const char* way, const Subject& linked, const Subject& fused) {
    const std::array subjects{linked, fused};
    const Outcome outcome = contest(copy_floor(), subjects, program.contest_options(rounds));
    Figure figure{.name = fmt::format("{} layers, 5 active hooks {}, linked", Depth, way), .unit = "ns"};
    figure.against(outcome, 0, 1).at_most(figure.ratio, 1.5, "≤ 1.5 × fused");
    program.show(figure);
  };
  judge("down", {"linked", [&] { return time_each([&] { forms.send_linked(); }); }},
        {"fused", [&] { return time_each([&] { forms.send_fused(); }); }});
  judge("up", {"linked", [&] { return time_each([&] { forms.receive_linked(); }); }},
        {"fused", [&] { return time_each([&] { forms.receive_fused(); }); }});
}

}  // namespace

void linked_against_fused(Program& program) {
  linked_against_fused<8>(program);
  linked_against_fused<16>(program);
}

void absent_and_further_hooks(Program& program) {
  Stacked<5, 5> five_of_five;
  Stacked<16, 5> five_of_sixteen;
  Stacked<16, 10> ten_of_sixteen;
  const std::array<Subject, 3> subjects{
      Subject{"5 layers, 5 active", [&] { return time_each([&] { five_of_five.send_linked(); }); }},
      Subject{"16 layers, 5 active", [&] { return time_each([&] { five_of_sixteen.send_linked(); }); }},
      Subject{"16 layers, 10 active", [&] { return time_each([&] { ten_of_sixteen.send_linked(); }); }}};
  const Outcome outcome = contest(copy_floor(), subjects, program.contest_options(rounds));

  Figure absent{.name = "11 absent hooks more", .unit = "ns"};
  absent.from(outcome, 1);
  absent.value = outcome.courses[1].median() - outcome.courses[0].median();
  absent.ratio = outcome.ratio(1, 0);
  absent.note = "same instructions: bench/equal_cost.py";
  absent.at_most(std::abs(outcome.ratio(1, 0) - 1), 0.05, "costs nothing (± 5 %)");
  program.show(absent);

  Figure further{.name = "a further active hook", .unit = "ns"};
  further.from(outcome, 2);
  further.value = (outcome.courses[2].median() - outcome.courses[1].median()) / 5;
  further.at_most(further.value, 2, "≤ 2 ns");
  program.show(further);
}

}  // namespace harness::bench
