// SPDX-License-Identifier: Apache-2.0
// Every size: one message at a time, and as fast as messages are taken. At each point each peer runs in all
// its settings once; its best then takes turns with ours. Figures carry chart, subject and bytes, from which
// the report draws its plots.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <set>

#include <fmt/format.h>

#include <harness/bench/compare/parts.hpp>
#include <harness/bench/compare/ring.hpp>
#include <harness/bench/compare/sweep_targets.hpp>
#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/tool.hpp>

namespace harness::bench {

namespace {

using Sizes = std::vector<std::uint32_t>;
Sizes one_way_sizes(const std::string& domain) {
  if (domain == "sealed") return {64};
  return {8, 64, 1024, 16 * 1024, 256 * 1024, 1 << 20};
}
Sizes flood_sizes(const std::string& domain) {
  if (domain == "sealed") return {64, 1400, 64 * 1024, 1 << 20};
  return {32, 64, 1024, 16 * 1024, 256 * 1024, 1 << 20};
}
// Messages of a first slice, some 10 ms; the next ones learn from it.
constexpr std::uint64_t first_flood(std::uint32_t bytes) {
  return bytes <= 1024 ? 5'000 : bytes <= 65'536 ? 500 : 32;
}
constexpr std::uint32_t rate_bytes_max = 1024;  // up to here messages a second are shown, too

std::vector<std::string> stacks_of(const std::string& domain) {
  if (domain == "shm") return {"@ shm", "order / frag @ shm"};
  if (domain == "tcp") return {"@ tcp", "order / frag @ tcp"};
  if (domain == "udp") return {"@ udp", "order / frag / reliable @ udp", udp_clamped};
  std::vector<std::string> sealed{"order / frag / reliable @ udp", sealed_udp_standard, sealed_tcp};
  if (has_fastest_engine()) sealed.insert(sealed.begin() + 1, sealed_udp);
  return sealed;
}

std::vector<std::unique_ptr<Tool>> tools_of(const std::string& domain) {
  std::vector<std::unique_ptr<Tool>> tools;
  if (domain == "shm" || domain == "tcp") {
    const bool memory = domain == "shm";
    for (auto* make : {&ucx, &libfabric, &open_mpi, &mpich}) tools.push_back(make(memory));
  }
  if (domain != "shm") tools.push_back(iperf3());
  return tools;
}

Subject memory_copy(std::uint32_t bytes) {
  return {"memcpy", [bytes, from = std::vector<char>(bytes, 1), to = std::vector<char>(bytes)]() mutable {
            const std::uint64_t times = std::max<std::uint64_t>(50'000'000 / (bytes + 200), 16);
            const std::uint64_t begin = now_ns();
            for (std::uint64_t i = 0; i < times; ++i) {
              std::memcpy(to.data(), from.data(), bytes);
              keep(to.data());
            }
            return static_cast<double>(now_ns() - begin) / static_cast<double>(times);
          }};
}

/// One point of a sweep: who runs, and as what they are shown.
class PointRun {
 public:
  PointRun(Program& program, std::string domain, Point point, std::set<std::string>& skipped)
      : program_(program), domain_(std::move(domain)), point_(point), skipped_(skipped) {
    add_contestants();
    ring_ = std::make_unique<Ring>(std::move(contestants_));
    add_subjects();
  }
  void run() {
    if (entries_.empty()) return;
    std::vector<Subject> subjects;
    for (const Entry& entry : entries_) subjects.push_back(entry.subject);
    const Outcome outcome = contest(ring_->duo().floor(), subjects, options());
    show(outcome);
  }

 private:
  struct Entry {
    Standing who;
    Subject subject;
  };

  void skip(const std::string& name, const std::string& why) {
    if (skipped_.insert(name).second) program_.skip(domain_ + ": " + name, why);
  }
  [[nodiscard]] ContestOptions options() const {
    return program_.quick() ? ContestOptions{.rounds = 1, .rounds_max = 1, .warm_up = 0, .tolerance = 1e9}
                            : ContestOptions{.rounds = 5, .rounds_max = 7, .warm_up = 1};
  }
  [[nodiscard]] Task task() const { return point_.what == Measure::one_way ? Task::echo : Task::sink; }

  void add_contestants() {
    for (const std::string& stack : stacks_of(domain_)) {
      if (const std::string why = why_not(stack, point_.bytes); !why.empty()) {
        if (point_.bytes <= 64) skip(stack, why);  // larger ones: it carries small messages alone
        continue;
      }
      contestants_.push_back(ours(task(), stack, point_.bytes));
      kinds_.push_back({Standing::Kind::ours, stack});
    }
    add_machine();
    if (domain_ == "shm") add_zmq(ZmqOver::ipc, "ZeroMQ ipc");
    if (domain_ == "tcp") add_zmq(ZmqOver::tcp, "ZeroMQ");
    if (domain_ == "tcp" || domain_ == "sealed") add_zmq(ZmqOver::curve, "ZeroMQ CURVE");
    if (domain_ != "sealed") return;
    add_variants(tls_variants(task(), point_.bytes), "TLS 1.3");
    if (task() == Task::sink && point_.bytes < 4096)
      add_variants(tls_variants(task(), point_.bytes, TlsWrites::a_message), "TLS 1.3, a message a write");
  }
  void add_machine() {
    const auto add = [&](std::unique_ptr<Contestant> one) {
      kinds_.push_back({Standing::Kind::machine, one->name()});
      contestants_.push_back(std::move(one));
    };
    if (domain_ == "tcp") add(raw_socket(task(), point_.bytes));
    if (domain_ != "udp") return;
    if (task() == Task::sink) add(raw_udp(task(), point_.bytes, true));
    if (task() == Task::sink || point_.bytes <= 64 * 1024 - 128) add(raw_udp(task(), point_.bytes, false));
  }
  void add_zmq(ZmqOver over, const std::string& name) {
    Contestants variants = zmq_variants(task(), point_.bytes, over);
    if (variants.empty()) return skip(name, "not installed: apt-get install libzmq3-dev, then build again");
    add_variants(std::move(variants), name);
  }
  void add_variants(Contestants variants, const std::string& name) {
    for (std::size_t i = 0; i < variants.size(); ++i) kinds_.push_back({Standing::Kind::peer, name});
    add_all(contestants_, std::move(variants));
  }

  void add_subjects() {
    for (std::size_t i = 0; i < kinds_.size();) {
      const std::size_t first = i;
      std::vector<Subject> variants;
      for (; i < kinds_.size() && kinds_[i].name == kinds_[first].name; ++i)
        variants.push_back(task() == Task::echo
                               ? ring_->pinging(i)
                               : ring_->flooding(i, point_.bytes, first_flood(point_.bytes)));
      const std::size_t best = variants.size() == 1 ? 0 : best_of(*ring_, variants, program_);
      if (variants.size() > 1) kinds_[first].tuning = variants[best].name;
      entries_.push_back({kinds_[first], variants[best]});
    }
    if (domain_ == "shm") add_in_process();
    for (auto& tool : tools_of(domain_)) add_tool(std::move(tool));
  }
  void add_in_process() {
    entries_.push_back({{Standing::Kind::machine, "memcpy"}, memory_copy(point_.bytes)});
    const std::uint64_t times = program_.quick() ? 20 : point_.what == Measure::one_way ? 200 : 2000;
    const auto slice = [task = task(), bytes = point_.bytes, times] {
      return zmq_inproc_ns(task, bytes, times);
    };
    if (!std::isnan(slice())) entries_.push_back({{Standing::Kind::peer, "ZeroMQ inproc"}, {"", slice}});
  }
  void add_tool(std::shared_ptr<Tool> tool) {
    const std::vector<std::string> settings = tool->settings(point_);
    if (settings.empty()) return;
    const std::string test = tool->name() + (point_.what == Measure::one_way ? " one way" : " flood");
    if (skipped_.contains(test)) return;  // it hung or crashed at a smaller size, and would again
    if (const std::string missing = tool->missing(); !missing.empty()) return skip(tool->name(), missing);
    const auto [best, found_ns] = best_setting(*tool, point_, program_.quick());
    if (best.empty()) return skip(test, "it failed in every setting: " + settings.front() + " …");
    entries_.push_back(
        {{Standing::Kind::peer, tool->name(), best},
         {tool->name(), [tool, best = best, point = point_, times = repetitions(point_, found_ns)] {
            return tool->ns(point, best, times);
          }}});
  }

  void show(const Outcome& outcome) {
    std::vector<Standing> all;
    for (const Entry& entry : entries_) all.push_back(entry.who);
    const bool one_way = point_.what == Measure::one_way;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      show_one(outcome, all, i, one_way ? "one way" : "goodput");
      if (!one_way && point_.bytes <= rate_bytes_max) show_one(outcome, all, i, "rate");
    }
    for (Figure& figure : targets(domain_, point_, all, outcome)) program_.show(std::move(figure));
  }
  void show_one(const Outcome& outcome, const std::vector<Standing>& all, std::size_t i,
                const std::string& what) {
    const Standing& who = all[i];
    Figure figure{.name = fmt::format("{} {}, {}: {}", domain_, what, size_text(point_.bytes), who.name)};
    figure.chart = domain_ + " " + what;
    figure.subject = who.name;
    figure.role = who.kind == Standing::Kind::ours   ? "ours"
                  : who.kind == Standing::Kind::peer ? "peer"
                                                     : "machine";
    figure.bytes = point_.bytes;
    figure.note = who.tuning;
    figure.from(outcome, i);
    const auto shown = [&](double ns) {
      if (what == "rate") return 1e9 / ns;
      return what == "goodput" ? point_.bytes / ns : domain_ == "shm" ? ns : ns / 1e3;
    };
    figure.unit = what == "rate" ? "msg/s" : what == "goodput" ? "GB/s" : domain_ == "shm" ? "ns" : "us";
    figure.value = shown(figure.value);
    if (const auto best = best_peer(all, outcome); who.kind == Standing::Kind::ours && best) {
      figure.peer = all[*best].name;
      figure.peer_value = shown(outcome.courses[*best].median());
      figure.ratio = what == "one way" ? outcome.ratio(i, *best) : outcome.ratio(*best, i);
    }
    program_.show(std::move(figure));
  }

  Program& program_;
  std::string domain_;
  Point point_;
  std::set<std::string>& skipped_;
  Contestants contestants_;
  std::vector<Standing> kinds_;  // as the contestants
  std::unique_ptr<Ring> ring_;
  std::vector<Entry> entries_;
};

}  // namespace

void sweep(Program& program, const std::string& domain) {
  std::set<std::string> skipped;
  const auto each = [&](Measure what, const Sizes& sizes) {
    for (const std::uint32_t bytes : sizes) PointRun(program, domain, {what, bytes}, skipped).run();
  };
  Sizes one_way = one_way_sizes(domain), flood = flood_sizes(domain);
  if (program.quick()) {
    one_way.resize(std::min<std::size_t>(one_way.size(), 2));
    flood = {flood.front(), flood.back()};
  }
  each(Measure::one_way, one_way);
  each(Measure::flood, flood);
}

}  // namespace harness::bench
