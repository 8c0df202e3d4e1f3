// SPDX-License-Identifier: Apache-2.0
// See row.hpp.
#include <harness/bench/put/row.hpp>

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace harness::bench {

namespace {

constexpr std::size_t nobody = ~std::size_t{0};
constexpr std::uint32_t rate_bytes_max = 1024;  // up to here puts a second are shown

// What is in a plot, by size; the others have one size alone.
constexpr std::array charted = {Measure::delivered, Measure::put_flood, Measure::get};

const char* title_of(Measure what) noexcept {
  static constexpr const char* titles[] = {"one way", "flood", "put seen",  "delivered",
                                           "goodput", "get",   "fetch-add", "add rate"};
  return titles[static_cast<int>(what)];
}

}  // namespace

Row::Row(Program& program, Domain& domain, Duo& duo, Point point)
    : program_(program), domain_(domain), duo_(duo), point_(point) {}

std::size_t Row::add(const std::string& role, const std::string& name, std::function<double()> slice) {
  entries_.push_back({role, {}, {name, std::move(slice)}});
  return entries_.size() - 1;
}

void Row::add(Registers& registers) {
  const auto slice = [this, &registers] {
    duo_.rest();
    return registers.add_ns();
  };
  entries_.push_back({"machine", {}, {"registers", slice}, &registers});
}

void Row::add(std::shared_ptr<Tool> tool) {
  if (tool->settings(point_).empty()) return;
  const auto skip = [&](const std::string& name, const std::string& why) {
    if (domain_.skipped.insert(name).second) program_.skip(domain_.name + ": " + name, why);
  };
  if (const std::string missing = tool->missing(); !missing.empty()) return skip(tool->name(), missing);
  duo_.rest();
  const auto [best, found_ns] = best_setting(*tool, point_, program_.quick());
  if (best.empty()) return skip(tool->name() + " " + word_of(point_.what), "it failed in every setting");
  const auto slice = [this, tool, best = best, times = repetitions(point_, found_ns)] {
    duo_.rest();
    return tool->ns(point_, best, times);
  };
  entries_.push_back({"peer", best, {tool->name(), slice}});
}

void Row::run() {
  std::vector<Subject> subjects;
  for (const Entry& entry : entries_) subjects.push_back(entry.subject);
  const bool brief = program_.quick();
  const bool peers =
      std::any_of(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.role == "peer"; });
  const ContestOptions with_peers{.rounds = 5, .rounds_max = 7, .warm_up = 1};
  const ContestOptions briefly{.rounds = 1, .rounds_max = 1, .warm_up = 0, .tolerance = 1e9};
  outcome_ = contest(duo_.floor(), subjects,
                     brief   ? briefly
                     : peers ? with_peers
                             : program_.contest_options(9));
  for (std::size_t i = 0; i < entries_.size(); ++i) show_one(i);
}

// ---- showing ----

Row::Shown Row::kind() const noexcept {
  if (!is_flood(point_.what)) return Shown::time;
  return point_.what == Measure::add_flood || point_.bytes <= rate_bytes_max ? Shown::rate : Shown::goodput;
}

std::string Row::title() const {
  const bool rate = point_.what == Measure::put_flood && kind() == Shown::rate;
  return fmt::format("{} {}, {}", domain_.name, rate ? "put rate" : title_of(point_.what),
                     size_text(point_.bytes));
}

std::string Row::unit() const {
  if (kind() == Shown::rate) return "op/s";
  return kind() == Shown::goodput ? "GB/s" : domain_.in_ns ? "ns" : "us";
}

double Row::shown(double ns) const {
  if (kind() == Shown::rate) return 1e9 / ns;
  return kind() == Shown::goodput ? point_.bytes / ns : domain_.in_ns ? ns : ns / 1e3;
}

void Row::show_one(std::size_t who) {
  const Entry& entry = entries_[who];
  Figure figure{.name = title() + ": " + entry.subject.name};
  const bool in_plot = std::find(charted.begin(), charted.end(), point_.what) != charted.end();
  if (in_plot && kind() != Shown::rate) {
    figure.chart = domain_.name + " " + title_of(point_.what);
    figure.subject = entry.subject.name;
    figure.role = entry.role;
    figure.bytes = point_.bytes;
  }
  figure.note = entry.tuning;
  figure.from(outcome_, who);
  figure.value = shown(figure.value);
  figure.unit = unit();
  if (entry.registers != nullptr) {
    const double ns = outcome_.courses[who].median();
    figure.value = 1 / ns;
    figure.unit = "adds/ns";
    figure.note = fmt::format("{:.2f} of its best", entry.registers->best_ns() / ns);
  }
  if (entry.role == "ours") compare(figure, who, best_peer());
  program_.show(std::move(figure));
}

std::size_t Row::best_peer() const {
  std::size_t best = nobody;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const double ns = outcome_.courses[i].median();
    if (entries_[i].role != "peer" || std::isnan(ns)) continue;
    if (best == nobody || ns < outcome_.courses[best].median()) best = i;
  }
  return best;
}

std::size_t Row::index_of(const std::string& name) const {
  for (std::size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].subject.name == name) return i;
  return nobody;
}

void Row::compare(Figure& figure, std::size_t who, std::size_t other) const {
  if (other == nobody) return;
  figure.peer = entries_[other].subject.name;
  figure.peer_value = shown(outcome_.courses[other].median());
  figure.ratio = kind() == Shown::time ? outcome_.ratio(who, other) : outcome_.ratio(other, who);
}

// ---- judging ----

Figure Row::target(std::size_t who) const {
  Figure figure{.name = "target: " + title() + ": " + entries_[who].subject.name};
  figure.from(outcome_, who);
  figure.value = shown(figure.value);
  figure.unit = unit();
  return figure;
}

Figure Row::target(std::size_t who, const std::string& other) const {
  Figure figure = target(who);
  const std::size_t at = index_of(other);
  compare(figure, who, at);
  if (at == nobody) figure.note = other + " did not run";
  return figure;
}

void Row::at_most_floor(std::size_t who, double bound) {
  Figure figure = target(who);
  figure.peer = outcome_.floor_name;
  figure.peer_value = shown(outcome_.floor_median);
  figure.ratio = outcome_.courses[who].median() / outcome_.floor_median;
  program_.show(figure.at_most(figure.ratio, bound, fmt::format("≤ {} × {}", bound, figure.peer)));
}

void Row::at_most(std::size_t who, const std::string& other, double bound) {
  Figure figure = target(who, other);
  program_.show(figure.at_most(figure.ratio, bound, fmt::format("≤ {} × {}", bound, other)));
}

void Row::at_most_more(std::size_t who, const std::string& other, double bound_ns) {
  Figure figure = target(who, other);
  const std::size_t at = index_of(other);
  const double more =
      at == nobody ? not_measured
                   : outcome_.over_rounds([=](const auto& values) { return values[who] - values[at]; });
  if (at != nobody) figure.note = fmt::format("{:.0f} ns more", more);
  program_.show(figure.at_most(more, bound_ns, fmt::format("≤ {} + {:.0f} ns", other, bound_ns)));
}

void Row::at_least(std::size_t who, const std::string& other, double bound) {
  Figure figure = target(who, other);
  program_.show(figure.at_least(figure.ratio, bound, fmt::format("≥ {} × {}", bound, other)));
}

void Row::at_least_a_second(std::size_t who, double bound) {
  Figure figure = target(who);
  program_.show(figure.at_least(figure.value, bound, fmt::format("≥ {:.0f} M/s", bound / 1e6)));
}

}  // namespace harness::bench
