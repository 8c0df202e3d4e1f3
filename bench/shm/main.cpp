// SPDX-License-Identifier: Apache-2.0
// shm against the machine's floor: latency of small messages, their rate, copied and loaned large ones,
// between two pinned processes. Small messages are timed by the hundred: a clock read costs a quarter of a
// round trip.
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include <harness/bench/support/link_end.hpp>
#include <harness/bench/support/program.hpp>
#include <harness/stack/spec.hpp>

namespace {

using namespace harness;
using namespace harness::bench;

constexpr std::string_view help = R"(shm --quick            every figure, briefly
shm --json shm.json    all figures for a report
shm --only latency     small messages one way, against a cache line
shm --only rate        32 B as fast as the link takes them
shm --only copied      1 MiB from private memory to private memory
shm --only loaned      messages that the receiver reads where the sender wrote them

The floor of every figure is a cache line between the same two cores, measured before and after each slice.
)";

constexpr std::uint64_t batch = 100;
constexpr std::uint64_t slice_ns = 5'000'000;
constexpr std::uint64_t flood_count = 100'000;

class Bench {
 public:
  explicit Bench(Program& program)
      : program_(program), duo_({[this](Board& board, const Duo::Still& still) {
          if (far_ == nullptr) {
            far_ = std::make_unique<LinkEnd>("far");
            board.put_text(0, far_->listen("shm:"));
            board.answer.set(1);
          }
          far_->serve(board, still);
        }}) {
    duo_.start(0);
    duo_.wait_for([&] { return duo_.board().answer.get() == 1; }, "the far side to listen");
    near_ = std::make_unique<LinkEnd>("near");
  }

  void latency(const std::string& stack, double bound) {
    auto link = open(stack, "echo");
    const Outcome outcome = run(stack, [&] { return trips(*link, 8); });
    Figure figure{.name = stack + ": 8 B one way", .unit = "ns"};
    figure.from(outcome, 0);
    const double ratio = figure.value / outcome.floor_median;
    figure.note = fmt::format("{:.2f} × floor", ratio);
    program_.show(figure.at_most(ratio, bound, fmt::format("≤ {} × cache line", bound)));
    near_->close(*link);
  }

  void rate(const std::string& stack) {
    auto link = open(stack, "sink");
    const std::uint64_t count = program_.quick() ? flood_count / 10 : flood_count;
    const Outcome outcome = run(stack, [&] { return near_->flood(*link, 32, count, duo_.board()); });
    Figure figure{.name = stack + ": 32 B rate", .unit = "msg/s"};
    figure.from(outcome, 0);
    figure.value = 1e9 / figure.value;
    program_.show(figure.at_least(figure.value, 20e6, "≥ 20 M/s"));
    near_->close(*link);
  }

  void copied(std::uint32_t bytes) {
    auto link = open("@ shm", "copy");
    const Outcome outcome = run("copied", [&] { return copies(*link, bytes); });
    Figure figure{.name = fmt::format("@ shm: {} KiB copied one way", bytes >> 10), .unit = "us"};
    figure.from(outcome, 0, 1e-3);
    figure.note = fmt::format("{:.1f} GB/s", bytes / figure.value / 1e3);
    program_.show(figure);
    near_->close(*link);
  }

  // One way there, an answer of 8 bytes back; what that costs is taken off.
  void loaned(std::uint32_t bytes) {
    auto link = open("@ shm", "look");
    const Subject subjects[] = {{"loaned", [&] { return 2 * trips(*link, bytes); }},
                                {"8 B", [&] { return 2 * trips(*link, 8); }}};
    const Outcome outcome = contest(duo_.floor(), subjects, program_.contest_options(9));
    Figure figure{.name = fmt::format("@ shm: {} KiB loaned one way", bytes >> 10), .unit = "ns"};
    figure.against(outcome, 0, 1);
    const double small = outcome.courses[1].median() / 2;
    figure.value = outcome.courses[0].median() - small;
    figure.peer_value = small;
    figure.ratio = figure.value / small;
    program_.show(figure.at_most(figure.ratio, 3, "≤ 3 × 8 B"));
    near_->close(*link);
  }

 private:
  std::shared_ptr<Link> open(const std::string& stack, const char* name) {
    return near_->open(stack, duo_.board().get_text(0), name);
  }
  Outcome run(const std::string& name, std::function<double()> slice) {
    const Subject subject{name, std::move(slice)};
    return contest(duo_.floor(), {&subject, 1}, program_.contest_options(15));
  }
  // ns one way, the median of batches.
  double trips(Link& link, std::uint32_t bytes) {
    return near_->trips(link, bytes, bytes < 4096 ? batch : 10, slice_ns);
  }
  double copies(Link& link, std::uint32_t bytes) { return near_->copies(link, bytes, slice_ns); }

  Program& program_;
  std::unique_ptr<LinkEnd> far_;  // in the far process alone
  Duo duo_;
  std::unique_ptr<LinkEnd> near_;
};

}  // namespace

int main(int argc, char** argv) {
  Program program(argc, argv, "shm", help);
  Bench bench(program);
  if (program.wants("latency")) bench.latency("@ shm", 1.25);
  if (program.wants("latency")) bench.latency("order / frag @ shm", 1.6);
  if (program.wants("rate")) bench.rate("@ shm");
  if (program.wants("rate")) bench.rate("order / frag @ shm");
  for (const std::uint32_t kib : {16u, 64u, 256u, 1024u, 4096u})
    if (program.wants("copied")) bench.copied(kib << 10);
  for (const std::uint32_t kib : {16u, 256u, 1024u, 16384u})
    if (program.wants("loaned")) bench.loaned(kib << 10);
  return program.finish();
}
