// SPDX-License-Identifier: Apache-2.0
// tcp against its targets: raw busy-polled sockets, ZeroMQ, iperf3. Ours and theirs alternate slice by slice;
// each peer first runs in all its settings, and the best of them is the one we run against.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <harness/bench/compare/parts.hpp>
#include <harness/bench/compare/ring.hpp>
#include <harness/bench/support/tool.hpp>

namespace harness::bench {

namespace {

constexpr std::uint32_t small = 64;

void with_spread(Figure& figure, const Histogram& shown) {
  figure.p50 = shown.percentile(0.5) / 1e3;
  figure.p99 = shown.percentile(0.99) / 1e3;
}

}  // namespace

// The lowest median of a few rounds.
std::size_t best_of(Ring& ring, const std::vector<Subject>& variants, const Program& program) {
  const Outcome trial = contest(ring.duo().floor(), variants, program.contest_options(5));
  std::size_t best = 0;
  for (std::size_t i = 1; i < variants.size(); ++i)
    if (trial.courses[i].median() < trial.courses[best].median()) best = i;
  return best;
}

void add_all(Contestants& to, Contestants more) {
  for (auto& one : more) to.push_back(std::move(one));
}

void latency(Program& program) {
  Contestants all;
  all.push_back(ours(Task::echo, "@ tcp", small));
  all.push_back(raw_socket(Task::echo, small));
  all.push_back(ours(Task::echo, "order / frag @ tcp", small));
  add_all(all, zmq_variants(Task::echo, small));
  const std::size_t count = all.size();
  Ring ring(std::move(all));
  std::vector<Subject> variants;
  for (std::size_t i = 3; i < count; ++i) variants.push_back(ring.pinging(i));

  std::vector<Subject> subjects{ring.pinging(0), ring.pinging(1), ring.pinging(2)};
  const std::size_t zmq = variants.empty() ? 0 : 3 + best_of(ring, variants, program);
  if (zmq != 0) subjects.push_back(ring.pinging(zmq));
  ring.forget();
  const Outcome outcome = contest(ring.duo().floor(), subjects, program.contest_options(25));
  for (const std::size_t i : {0u, 2u}) {
    Figure figure{.name = fmt::format("{}: 64 B one way", subjects[i].name), .unit = "us"};
    figure.against(outcome, i, 1, 1e-3);
    with_spread(figure, ring.shown(i));
    if (i == 0) figure.at_most(figure.ratio, 1.15, "≤ 1.15 × raw socket");
    program.show(figure);
  }
  Figure raw{.name = "raw socket: 64 B one way", .unit = "us"};
  raw.from(outcome, 1, 1e-3);
  with_spread(raw, ring.shown(1));
  program.show(raw);
  if (zmq == 0)
    return program.skip("ZeroMQ: 64 B one way", "ZeroMQ is not installed: apt-get install libzmq3-dev");
  Figure theirs{.name = "ZeroMQ PAIR: 64 B one way", .unit = "us"};
  theirs.from(outcome, 3, 1e-3);
  with_spread(theirs, ring.shown(zmq));
  theirs.note = "best of its settings: " + subjects[3].name;
  program.show(theirs);
}

void rate(Program& program) {
  Contestants all;
  all.push_back(ours(Task::sink, "@ tcp", small));
  all.push_back(ours(Task::sink, "order / frag @ tcp", small));
  all.push_back(raw_socket(Task::sink, small));
  add_all(all, zmq_variants(Task::sink, small));
  const std::size_t count = all.size();
  Ring ring(std::move(all));
  std::vector<Subject> variants;
  for (std::size_t i = 3; i < count; ++i) variants.push_back(ring.flooding(i, small, 5'000));
  std::vector<Subject> subjects;
  for (std::size_t i = 0; i < 3; ++i) subjects.push_back(ring.flooding(i, small, 20'000));
  const bool zmq = !variants.empty();
  if (zmq) subjects.push_back(variants[best_of(ring, variants, program)]);
  const Outcome outcome = contest(ring.duo().floor(), subjects, program.contest_options(25));
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    Figure figure{.name = fmt::format("{}: 64 B rate", i < 3 ? subjects[i].name : "ZeroMQ PUSH/PULL"),
                  .unit = "msg/s"};
    figure.from(outcome, i);
    figure.value = 1e9 / figure.value;
    if (i == 3) figure.note = "best of its settings: " + subjects[3].name;
    if (i == 2) figure.note = "64 KiB a call, no framing";
    if (zmq && i < 2) {
      figure.peer = "ZeroMQ";
      figure.peer_value = 1e9 / outcome.courses[3].median();
      figure.ratio = outcome.ratio(3, i);
      if (i == 0) figure.at_least(figure.ratio, 2, "≥ 2 × ZeroMQ");
    }
    program.show(figure);
  }
  if (!zmq) program.skip("ZeroMQ: 64 B rate", "ZeroMQ is not installed: apt-get install libzmq3-dev");
}

namespace {

// ns a byte, so that less is better as everywhere.
Subject iperf_subject(Tool& tool, const Point& point, const std::string& setting, bool quick) {
  const std::uint64_t repetitions = quick ? 512 : 40'000;  // 64 MiB, or a second
  return {fmt::format("iperf3 ({})", setting), [&tool, point, setting, repetitions] {
            return tool.ns(point, setting, repetitions) / point.bytes;
          }};
}

}  // namespace

void bulk(Program& program) {
  constexpr std::uint32_t frame = 256 * 1024;
  constexpr std::uint32_t large = 1 << 20;
  Contestants all;
  all.push_back(ours(Task::sink, "@ tcp", small));
  all.push_back(ours(Task::sink, "order / frag @ tcp", small));
  Ring ring(std::move(all));
  // A second of slices of 12 ms, as long as a run of iperf3.
  const unsigned slices = program.quick() ? 4 : 60;
  const auto seconds_a_gb = [&](std::size_t i, std::uint32_t bytes) {
    Subject slice = ring.flooding(i, bytes, 40);
    return Subject{slice.name, [slice, bytes, slices] {
                     std::vector<double> times;
                     for (unsigned n = 0; n < slices; ++n) times.push_back(slice.slice() / bytes);
                     double sum = 0;
                     for (const double time : times) sum += time;
                     return sum / slices;
                   }};
  };
  std::vector<Subject> subjects{seconds_a_gb(0, frame), seconds_a_gb(1, large)};
  const std::unique_ptr<Tool> tool = iperf3();
  const bool installed = tool->missing().empty();
  if (installed) {
    const Point point{Measure::flood, 128 * 1024};
    std::vector<Subject> variants;
    for (const std::string& setting : tool->settings(point))
      variants.push_back(iperf_subject(*tool, point, setting, program.quick()));
    const Outcome trial = contest(ring.duo().floor(), variants, {.rounds = 2, .rounds_max = 2, .warm_up = 0});
    std::size_t best = 0;
    for (std::size_t i = 1; i < variants.size(); ++i)
      if (trial.courses[i].median() < trial.courses[best].median()) best = i;
    subjects.push_back(variants[best]);
  }
  const Outcome outcome = contest(ring.duo().floor(), subjects, program.contest_options(7));
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    Figure figure{.name = fmt::format("{}: bulk", i < 2 ? subjects[i].name : "iperf3"), .unit = "GB/s"};
    figure.from(outcome, i);
    figure.value = 1 / figure.value;
    if (i == 2) figure.note = "best of its settings: " + subjects[2].name;
    if (i < 2) figure.note = i == 0 ? "messages of 256 KiB" : "messages of 1 MiB";
    if (installed && i < 2) {
      figure.peer = "iperf3";
      figure.peer_value = 1 / outcome.courses[2].median();
      figure.ratio = outcome.ratio(2, i);
      figure.at_least(figure.ratio, 0.95, "≥ 0.95 × iperf3");
    }
    program.show(figure);
  }
  if (!installed) program.skip("iperf3: bulk", "iperf3 is not installed: " + tool->missing());
}

}  // namespace harness::bench
