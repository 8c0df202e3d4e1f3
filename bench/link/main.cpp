// SPDX-License-Identifier: Apache-2.0
// Whole links: one-way latency, message rate and goodput of each stack over tcp and udp at several sizes,
// between two pinned processes; and of `order / frag` over loop within one.
#include <memory>

#include <fmt/format.h>

#include <harness/bench/support/link_end.hpp>
#include <harness/bench/support/program.hpp>
#include <harness/stack/spec.hpp>

namespace {

using namespace harness;
using namespace harness::bench;

constexpr std::string_view help = R"(link --quick                     every stack and size, briefly
link --json link.json            all figures for a report
link --only "order / frag @ tcp" one stack

One-way latency (half a round trip, one message at a time), rate and goodput (as fast as the link takes
messages) of links between two pinned processes on this machine.
)";

constexpr const char* stacks[] = {
    "@ tcp",
    "order / frag @ tcp",
    "order / frag / checksum @ tcp",
    "order / frag / heartbeat @ tcp",
    "compress / order / frag @ tcp",
    "mux / order / frag @ tcp",
    "mux / compress / order / frag / heartbeat / checksum @ tcp",
    "order / frag / reliable @ udp",
    "order / frag / reliable @ udp(frame=1460)",
};

struct Size {
  std::uint32_t bytes;
  const char* name;
  std::uint64_t flood;  // messages a slice, some 10 ms
};
constexpr Size sizes[] = {{64, "64 B", 40'000},
                          {1024, "1 KiB", 15'000},
                          {16 * 1024, "16 KiB", 1'500},
                          {256 * 1024, "256 KiB", 100},
                          {1 << 20, "1 MiB", 25}};
constexpr std::uint64_t slice_ns = 10'000'000;

class Bench {
 public:
  explicit Bench(Program& program)
      : program_(program), duo_({[this](Board& board, const Duo::Still& still) {
          if (far_ == nullptr) {
            far_ = std::make_unique<LinkEnd>("far");
            board.put_text(0, far_->listen("tcp:127.0.0.1:0"));
            board.put_text(1, far_->listen("udp:127.0.0.1:0"));
            board.answer.set(1);
          }
          far_->serve(board, still);
        }}) {
    duo_.start(0);
    duo_.wait_for([&] { return duo_.board().answer.get() == 1; }, "the far side to listen");
    near_ = std::make_unique<LinkEnd>("near");
  }

  void measure(const std::string& stack) {
    if (const auto known = stack_from(stack, near_->node().catalogue()); !known)
      return program_.skip(stack, known.error().what);
    const std::string address = duo_.board().get_text(stack.find("@ udp") != std::string::npos ? 1 : 0);
    auto echo = near_->open(stack, address, "echo");
    auto sink = near_->open(stack, address, "sink");
    for (const Size& size : sizes) {
      if (size.bytes > echo->stack()->max_message()) continue;
      latency(*echo, size, stack);
      rate(*sink, size, stack);
    }
    near_->close(*echo);
    near_->close(*sink);
  }

 private:
  void latency(Link& link, const Size& size, const std::string& stack) {
    Histogram all;
    const Subject subject{stack, [&] { return near_->ping(link, size.bytes, slice_ns, all); }};
    const Outcome outcome = contest(duo_.floor(), {&subject, 1}, program_.contest_options(9));
    Figure figure{.name = fmt::format("{}: {} one way", stack, size.name), .unit = "us"};
    figure.from(outcome, 0, 1e-3);
    figure.p50 = all.percentile(0.5) / 1e3;
    figure.p99 = all.percentile(0.99) / 1e3;
    program_.show(figure);
  }
  void rate(Link& link, const Size& size, const std::string& stack) {
    const std::uint64_t count = program_.quick() ? size.flood / 10 + 1 : size.flood;
    const Subject subject{stack, [&] { return near_->flood(link, size.bytes, count, duo_.board()); }};
    const Outcome outcome = contest(duo_.floor(), {&subject, 1}, program_.contest_options(9));
    Figure figure{.name = fmt::format("{}: {} rate", stack, size.name), .unit = "msg/s"};
    figure.from(outcome, 0);
    const double ns = figure.value;
    figure.value = 1e9 / ns;
    figure.note = fmt::format("{:.3f} GB/s", size.bytes / ns);
    program_.show(figure);
  }

  Program& program_;
  std::unique_ptr<LinkEnd> far_;  // in the far process alone
  Duo duo_;
  std::unique_ptr<LinkEnd> near_;
};

}  // namespace

int main(int argc, char** argv) {
  Program program(argc, argv, "link", help);
  Bench bench(program);
  for (const char* stack : stacks)
    if (program.wants(stack)) bench.measure(stack);
  return program.finish();
}
