// SPDX-License-Identifier: Apache-2.0
// Links that carry nothing: what 10,000 of them between two processes cost in user memory and processor time,
// with heartbeats every second and without. Sleeping, so nothing is pinned or polled.
#include <algorithm>
#include <fstream>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <harness/bench/support/link_end.hpp>
#include <harness/bench/support/program.hpp>
#include <harness/layers/all.hpp>

namespace {

using namespace harness;
using namespace harness::bench;

constexpr std::string_view help = R"(idle                  10,000 links over tcp, then udp; 1,000 over shm
idle --quick          200 links, some seconds
idle --only memory    memory a link, without waiting for processor times

What links cost that carry nothing. A hard limit on open files may lower their number: ulimit -Hn.
)";

constexpr std::uint64_t second_ns = 1'000'000'000;

struct Use {
  double resident_bytes = 0;  // what the process itself has written, and shared memory it has touched
  double heap_bytes = 0;      // handed out by malloc
};

Use use_now() {
  malloc_trim(0);  // what an earlier crowd left must not hide what this one needs
  Use use;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:") || line.starts_with("RssShmem:"))
      use.resident_bytes += std::stod(line.substr(line.find(':') + 1)) * 1024;
  const struct mallinfo2 heap = mallinfo2();
  use.heap_bytes = static_cast<double>(heap.uordblks + heap.hblkhd);
  return use;
}

double cpu_ns() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto ns = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_usec) * 1e3;
  };
  return ns(used.ru_utime) + ns(used.ru_stime);
}

// Share of one core that this process uses while its engine runs for `ns`, sleeping when there is nothing.
double busy_share(LinkEnd& end, std::uint64_t ns) {
  const double before = cpu_ns();
  const std::uint64_t begin = now_ns();
  end.engine().run_until([] { return false; }, ns);
  return (cpu_ns() - before) / static_cast<double>(now_ns() - begin);
}

std::size_t raise_file_limit(std::size_t links) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return std::min<std::size_t>(links, limit.rlim_cur > 200 ? limit.rlim_cur - 100 : 100);
}

// Two processes with idle links between them.
class Crowd {
 public:
  enum Job : std::size_t { serve, measure_share, measure_use };
  explicit Crowd(std::uint64_t watch_ns)
      : duo_({[this](Board& board, const Duo::Still& still) {
                unpin();
                if (far_ == nullptr) {
                  far_ = std::make_unique<LinkEnd>("far");
                  board.put_text(2, far_->listen("shm:"));
                  board.put_text(1, far_->listen("udp:127.0.0.1:0"));
                  board.put_text(0, far_->listen("tcp:127.0.0.1:0"));
                }
                far_->serve(board, still);
              },
              [this, watch_ns](Board& board, const Duo::Still&) {
                const double share = busy_share(*far_, watch_ns);
                board.answer.set(static_cast<std::uint64_t>(share * 1e9) + 1);
              },
              [](Board& board, const Duo::Still&) {
                board.answer.set(static_cast<std::uint64_t>(use_now().resident_bytes) + 1);
              }}),
        watch_ns_(watch_ns) {
    unpin();
    duo_.start(serve);
    duo_.wait_for([&] { return !duo_.board().get_text(0).empty(); }, "the far side to listen");
    near_ = std::make_unique<LinkEnd>("near");
    // what the first link alone needs is made
    near_->open("@ tcp", duo_.board().get_text(0), "sink.first");
    near_->open("@ udp", duo_.board().get_text(1), "sink.second");
    near_->open("@ shm", duo_.board().get_text(2), "sink.third");
  }

  void open(const std::string& stack, std::size_t count) {
    const std::string address = duo_.board().get_text(stack.ends_with("@ udp")   ? 1
                                                      : stack.ends_with("@ shm") ? 2
                                                                                 : 0);
    std::size_t up = 0;
    std::size_t lost = 0;
    while (up + lost < count) {
      for (; links_.size() < count && links_.size() < up + 64; ++opened_) {
        LinkOptions options;
        options.name = fmt::format("sink.{}", opened_);
        auto link = near_->node().connect("far", stack, {address}, std::move(options));
        if (!link) give_up(link.error());
        (*link)->on_event([&](const Event& event) {
          up += event.kind == EventKind::up ? 1 : 0;
          lost += event.kind == EventKind::peer_lost ? 1 : 0;
        });
        links_.push_back(*link);
      }
      near_->engine().poll();
    }
    for (auto& link : links_) link->on_event({});
    if (lost != 0)
      give_up({Errc::peer_lost, fmt::format("{} links could not be opened", lost), "", "ulimit -Hn"});
    settle();
  }
  void close() {
    for (auto& link : links_) link->close();
    near_->run_until([&] { return near_->node().links().size() <= 3; }, "links to close");
    links_.clear();
    settle();
  }
  /// Bytes that the listening process has written.
  double far_bytes() {
    const double bytes = answer_of(measure_use);
    duo_.start(serve);
    return bytes;
  }
  /// The larger share of a core that one of the two processes uses.
  double share() {
    duo_.board().answer.set(0);
    duo_.start(measure_share);
    const double near_share = busy_share(*near_, watch_ns_);
    const double far_share = answer() / 1e9;
    duo_.start(serve);
    return std::max(near_share, far_share);
  }

 private:
  double answer() {
    duo_.wait_for([&] { return duo_.board().answer.get() != 0; }, "the far side to measure");
    return static_cast<double>(duo_.board().answer.get() - 1);
  }
  double answer_of(Job job) {
    duo_.board().answer.set(0);
    duo_.start(job);
    return answer();
  }
  void settle() {
    near_->engine().run_until([] { return false; }, second_ns / 2);
  }

  std::unique_ptr<LinkEnd> far_;  // in the far process alone
  Duo duo_;
  std::uint64_t watch_ns_;
  std::unique_ptr<LinkEnd> near_;
  std::vector<std::shared_ptr<Link>> links_;
  std::size_t opened_ = 0;
};

// Opens the links and tells what each costs; they stay open.
void memory(Program& program, Crowd& crowd, const std::string& stack, std::size_t links, double limit_kib) {
  const Use before = use_now();
  const double far_before = crowd.far_bytes();
  crowd.open(stack, links);
  const Use after = use_now();
  const auto kib_a_link = [&](double bytes) { return bytes / static_cast<double>(links) / 1024; };
  const double near_kib = kib_a_link(after.resident_bytes - before.resident_bytes);
  const double far_kib = kib_a_link(crowd.far_bytes() - far_before);
  Figure figure{.name = fmt::format("{} idle link, user memory ({} links)", stack, links), .unit = "KiB"};
  figure.value = std::max(near_kib, far_kib);
  figure.note = fmt::format("RssAnon and RssShmem: dialling {:.2f}, listening {:.2f}; heap {:.2f}", near_kib,
                            far_kib, kib_a_link(after.heap_bytes - before.heap_bytes));
  if (!program.quick()) figure.at_most(figure.value, limit_kib, fmt::format("≤ {} KiB", limit_kib));
  program.show(figure);
}

void share(Program& program, Crowd& crowd, const std::string& stack, std::size_t links, double limit) {
  Figure figure{.name = fmt::format("{} idle links {}, share of a core", links, stack), .unit = "%"};
  figure.value = crowd.share() * 100;
  program.show(figure.at_most(figure.value, limit, limit < 1 ? "0 (≤ 0.1 %)" : fmt::format("≤ {} %", limit)));
}

}  // namespace

int main(int argc, char** argv) {
  Program program(argc, argv, "idle", help);
  const std::size_t links = raise_file_limit(program.quick() ? 200 : 10'000);
  const std::uint64_t watch_ns = (program.quick() ? 1 : 10) * second_ns;
  Crowd crowd(watch_ns);
  Catalogue catalogue;
  layers::add_all(catalogue);
  struct Row {
    std::string stack;
    double cpu_limit;        // % of a core
    double limit_kib = 6.5;  // of one process
    std::size_t links_max = 10'000;
  };
  for (const Row& row : {Row{"@ tcp", 0.1}, Row{"order / frag @ tcp", 0.1}, Row{"heartbeat @ tcp", 5},
                         Row{"@ udp", 0.1}, Row{"heartbeat @ udp", 5}, Row{"@ shm", 0.1, 64, 1'000}}) {
    if (row.stack.starts_with("heartbeat") && catalogue.layer("heartbeat") == nullptr) continue;
    const std::size_t count = std::min(links, row.links_max);
    memory(program, crowd, row.stack, count, row.limit_kib);
    if (program.wants("cpu")) share(program, crowd, row.stack, count, row.cpu_limit);
    crowd.close();
  }
  return program.finish();
}
