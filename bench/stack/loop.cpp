// SPDX-License-Identifier: Apache-2.0
// Links over loop as an application uses them: Node::connect, Link::send, on_message.
#include <fmt/format.h>

#include <harness/bench/stack/parts.hpp>
#include <harness/bench/support/loop_pair.hpp>

namespace harness::bench {

void order_frag_over_loop(Program& program) {
  LoopPair with_layers("order / frag @ loop");
  LoopPair bare("@ loop");
  // A burst a turn is how loop is used by two nodes of one busy engine; one a turn is the longest way.
  const std::array<Subject, 3> subjects{
      Subject{"order / frag @ loop", [&] { return time_each([&] { with_layers.exchange(16); }, 50) / 16; }},
      Subject{"@ loop", [&] { return time_each([&] { bare.exchange(16); }, 50) / 16; }},
      Subject{"one a turn", [&] { return time_each([&] { with_layers.exchange(1); }); }}};
  const Outcome outcome = contest(copy_floor(), subjects, program.contest_options(rounds));
  Figure figure{.name = "order / frag @ loop, 64 B, send + deliver", .unit = "ns"};
  figure.against(outcome, 0, 1).at_most(figure.value, 40, "≤ 40 ns");
  figure.note = "16 messages a turn";
  program.show(figure);
  Figure single{.name = "order / frag @ loop, 64 B, one message a turn", .unit = "ns"};
  program.show(single.from(outcome, 2));

  LoopPair reliable("order / frag / reliable(cc=static) @ loop");
  LoopPair cubic("order / frag / reliable @ loop");
  const std::array<Subject, 2> acknowledged{
      Subject{"static", [&] { return time_each([&] { reliable.exchange(16); }, 50) / 16; }},
      Subject{"cubic", [&] { return time_each([&] { cubic.exchange(16); }, 50) / 16; }}};
  const Outcome with_acks = contest(copy_floor(), acknowledged, program.contest_options(rounds));
  Figure fixed{.name = "order / frag / reliable(cc=static) @ loop, 64 B, send + deliver", .unit = "ns"};
  fixed.from(with_acks, 0).at_most(fixed.value, 60, "≤ 60 ns");
  fixed.note = "16 messages a turn, acknowledgements included";
  program.show(fixed);
  Figure grown{.name = "order / frag / reliable @ loop, 64 B, send + deliver", .unit = "ns"};
  program.show(grown.from(with_acks, 1));
}

}  // namespace harness::bench
