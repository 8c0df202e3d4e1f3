// SPDX-License-Identifier: Apache-2.0
// ofi against libfabric itself: what a link costs above an endpoint of the same provider that is used
// directly, in turn within one run. One way and rate of small messages, goodput of large ones, over shm and
// over tcp as this libfabric has it.
#include <array>
#include <memory>

#include <fmt/format.h>

#include <harness/bench/support/tool.hpp>
#include <harness/bench/ofi/raw.hpp>
#include <harness/bench/support/link_end.hpp>
#include <harness/bench/support/program.hpp>
#include <harness/transports/ofi.hpp>

namespace {

using namespace harness;
using namespace harness::bench;

constexpr std::string_view help = R"(ofi --quick            every figure, briefly
ofi --json ofi.json    all figures for a report
ofi --only shm         over libfabric's shm provider
ofi --only tcp         over tcp;ofi_rxm, or tcp from libfabric 1.18 on

Raw: one FI_EP_RDM endpoint of the same provider used directly, by fi_inject or fi_send and posted receives.
)";

constexpr std::uint64_t slice_ns = 5'000'000;
constexpr std::uint32_t small_max = 4096;
constexpr std::uint32_t large_max = 1 << 20;

enum Job : std::size_t { serve_links, raw_echo, raw_sink, raw_large_sink };

// Both ends of one side: a node with the transport, and two endpoints of libfabric's own.
struct Side {
  Side(const std::string& name, const std::string& word, const std::string& provider)
      : links(name), small(provider, small_max), large(provider, large_max) {
    namespace ofi = transports::ofi;
    OptionValues values(ofi::type().options);
    const auto words = ofi::provider_words();
    values.set(ofi::option_provider, std::find(words.begin(), words.end(), word) - words.begin());
    values.set(ofi::option_frame, 2 * large_max);
    values.set(ofi::option_arena, 8 * large_max);
    auto made = ofi::type().make(links.engine(), values);
    if (!made) give_up(made.error());
    links.node().add(std::move(*made));
  }
  LinkEnd links;
  RawEnd small, large;
};

class Bench {
 public:
  Bench(Program& program, std::string word, std::string provider)
      : program_(program), word_(std::move(word)), provider_(std::move(provider)),
        duo_({
            [this](Board& board, const Duo::Still& still) { far(board).links.serve(board, still); },
            [this](Board& board, const Duo::Still& still) { far(board).small.echo(still); },
            [this](Board& board, const Duo::Still& still) { far(board).small.sink(board, still); },
            [this](Board& board, const Duo::Still& still) { far(board).large.sink(board, still); },
        }) {
    duo_.start(serve_links);
    near_ = std::make_unique<Side>("near", word_, provider_);
    Board& board = duo_.board();
    board.put_text(3, near_->small.name());
    board.put_text(4, near_->large.name());
    board.answer.set(1);
    duo_.wait_for([&] { return board.answer.get() == 2; }, "the far side to listen");
    near_->small.meet(board.get_text(1));
    near_->large.meet(board.get_text(2));
  }

  void latency(std::uint32_t bytes) {
    auto link = open("echo");
    const std::unique_ptr<Tool> tool = libfabric(word_ == "shm");
    std::vector<Subject> subjects{
        {"ours", ours([&] { return near_->links.trips(*link, bytes, batch(), slice_ns); })},
        {"raw", raw(raw_echo, [&] { return near_->small.trips(bytes, batch(), slice_ns); })}};
    const Outcome outcome = contest(duo_.floor(), subjects, program_.contest_options(25));
    duo_.start(serve_links);
    Figure figure{.name = name("one way", bytes), .unit = "ns"};
    figure.against(outcome, 0, 1);
    const double added = outcome.over_rounds([](const std::vector<double>& in) { return in[0] - in[1]; });
    figure.note = fmt::format("{:+.0f} ns", added);
    if (word_ == "shm")
      figure.at_most(added, 60, "≤ raw + 60 ns");
    else
      figure.at_most(figure.ratio, 1.03, "≤ 1.03 × raw");
    program_.show(figure);
    near_->links.close(*link);
    if (bytes == 64) pingpong(*tool, bytes);
  }

  void rate(std::uint32_t bytes) {
    auto link = open("sink");
    const std::uint64_t count = word_ == "shm" ? 20'000 : 5'000;
    const Outcome outcome = floods(*link, bytes, count, raw_sink, near_->small);
    Figure figure{.name = name("rate", bytes), .unit = "msg/s"};
    figure.against(outcome, 0, 1);
    figure.value = 1e9 / figure.value;
    figure.peer_value = 1e9 / figure.peer_value;
    figure.ratio = outcome.ratio(1, 0);
    program_.show(figure);
    near_->links.close(*link);
  }

  void goodput(std::uint32_t bytes) {
    auto link = open("sink");
    const std::uint64_t count = (16u << 20) / bytes;
    const Outcome outcome = floods(*link, bytes, count, raw_large_sink, near_->large);
    Figure figure{.name = name("goodput", bytes), .unit = "GB/s"};
    figure.against(outcome, 0, 1);
    figure.value = bytes / figure.value;
    figure.peer_value = bytes / figure.peer_value;
    figure.ratio = outcome.ratio(1, 0);
    program_.show(figure.at_least(figure.ratio, 0.97, "≥ 0.97 × raw"));
    near_->links.close(*link);
  }

 private:
  // In the far process alone.
  Side& far(Board& board) {
    if (far_ != nullptr) return *far_;
    far_ = std::make_unique<Side>("far", word_, provider_);
    board.put_text(0, far_->links.listen("ofi:127.0.0.1:0"));
    board.put_text(1, far_->small.name());
    board.put_text(2, far_->large.name());
    while (board.answer.get() != 1) {
    }
    far_->small.meet(board.get_text(3));
    far_->large.meet(board.get_text(4));
    board.answer.set(2);
    return *far_;
  }
  std::shared_ptr<Link> open(const char* name) {
    duo_.start(serve_links);
    return near_->links.open("@ ofi(provider=" + word_ + ",frame=2MiB)", duo_.board().get_text(0), name);
  }
  std::function<double()> ours(std::function<double()> slice) { return raw(serve_links, std::move(slice)); }
  std::function<double()> raw(Job job, std::function<double()> slice) {
    return [this, job, slice = std::move(slice)] {
      duo_.start(job);
      return slice();
    };
  }
  Outcome floods(Link& link, std::uint32_t bytes, std::uint64_t count, Job sink, RawEnd& end) {
    const std::array subjects{
        Subject{"ours", ours([&] { return near_->links.flood(link, bytes, count, duo_.board()); })},
        Subject{"raw", raw(sink, [&] { return end.flood(bytes, count, duo_.board()); })}};
    const Outcome outcome = contest(duo_.floor(), subjects, program_.contest_options(15));
    duo_.start(serve_links);
    return outcome;
  }
  // fi_pingpong: half a second a run, so beside the contest.
  void pingpong(Tool& tool, std::uint32_t bytes) {
    Figure figure{.name = "fi_pingpong, " + provider_ + ": one way, " + size_text(bytes), .unit = "ns"};
    if (!tool.missing().empty()) return program_.skip(figure.name, "not installed: " + tool.missing());
    duo_.rest();
    const Point point{Measure::one_way, bytes};
    for (const std::string& setting : tool.settings(point)) {
      if (setting.find(provider_) == std::string::npos) continue;
      std::vector<double> runs;
      for (int i = 0; i < (program_.quick() ? 1 : 5); ++i)
        runs.push_back(tool.ns(point, setting, word_ == "shm" ? 250'000 : 10'000));
      figure.value = median_of(std::move(runs));
    }
    program_.show(figure);
    duo_.start(serve_links);
  }
  [[nodiscard]] std::uint64_t batch() const { return word_ == "shm" ? 100 : 20; }
  [[nodiscard]] std::string name(const char* what, std::uint32_t bytes) const {
    return fmt::format("@ ofi over {}: {}, {}", provider_, what, size_text(bytes));
  }

  Program& program_;
  std::string word_, provider_;
  std::unique_ptr<Side> far_;
  Duo duo_;
  std::unique_ptr<Side> near_;
};

void run(Program& program, const std::string& word, const std::string& provider) {
  Bench bench(program, word, provider);
  for (const std::uint32_t bytes : {8u, 64u}) bench.latency(bytes);
  bench.rate(64);
  for (const std::uint32_t bytes : {64u << 10, 1u << 20}) bench.goodput(bytes);
}

}  // namespace

int main(int argc, char** argv) {
  Program program(argc, argv, "ofi", help);
  const bool merged = FI_VERSION_GE(fi_version(), FI_VERSION(1, 18));
  if (program.wants("shm")) run(program, "shm", "shm");
  if (program.wants("tcp")) run(program, "tcp", merged ? "tcp" : "tcp;ofi_rxm");
  return program.finish();
}
