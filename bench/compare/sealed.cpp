// SPDX-License-Identifier: Apache-2.0
// Encryption over shared memory: a round trip sealed and opened at both ends, less the same in clear. Then
// encrypted links by size, against who else encrypts.
#include <fmt/format.h>

#include <harness/bench/compare/parts.hpp>
#include <harness/bench/compare/ring.hpp>
#include <harness/bench/compare/sweep_targets.hpp>

namespace harness::bench {

namespace {

constexpr std::uint32_t small = 64;

struct Sealed {
  const char* stack;
  const char* engines;
  double bound_ns;
};
constexpr const char* clear = "order / frag @ shm";
constexpr Sealed standard{"order / frag / encrypt(engine=standard) @ shm", "libsodium and OpenSSL", 400};
constexpr Sealed fastest{"order / frag / encrypt @ shm", "libipsec-mb", 200};

std::string row(const Sealed& one) {
  return fmt::format("target: 64 B one way over shm, sealed less clear, {}", one.engines);
}

void show(Program& program, const Outcome& outcome, std::size_t at, const Sealed& one) {
  Figure figure{.name = row(one), .unit = "ns"};
  figure.from(outcome, at);
  figure.value = outcome.over_rounds([=](const std::vector<double>& ns) { return ns[at] - ns[0]; });
  figure.note = fmt::format("{:.0f} ns sealed, {:.0f} ns in clear", outcome.courses[at].median(),
                            outcome.courses[0].median());
  program.show(figure.at_most(figure.value, one.bound_ns, fmt::format("≤ {:.0f} ns", one.bound_ns)));
}

void one_way_over_shm(Program& program) {
  std::vector<Sealed> all{standard};
  if (has_fastest_engine()) all.push_back(fastest);
  Contestants contestants;
  contestants.push_back(ours(Task::echo, clear, small));
  for (const Sealed& one : all) contestants.push_back(ours(Task::echo, one.stack, small));
  Ring ring(std::move(contestants));
  std::vector<Subject> subjects;
  for (std::size_t i = 0; i <= all.size(); ++i) subjects.push_back(ring.pinging(i));
  const Outcome outcome = contest(ring.duo().floor(), subjects, program.contest_options(25));
  for (std::size_t i = 0; i < all.size(); ++i) show(program, outcome, i + 1, all[i]);
  if (!has_fastest_engine()) program.skip(row(fastest), no_fastest_engine);
}

}  // namespace

void sealed(Program& program) {
  one_way_over_shm(program);
  sweep(program, "sealed");
}

}  // namespace harness::bench
