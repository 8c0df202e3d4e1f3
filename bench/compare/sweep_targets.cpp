// SPDX-License-Identifier: Apache-2.0
// One row a target. `against` names the subject it is judged by: the floor of the contest (a cache line), a
// subject, or the best of several; an empty one is an absolute bound.
#include <harness/bench/compare/sweep_targets.hpp>

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include <harness/layers/encrypt/aead.hpp>

namespace harness::bench {

namespace {

enum class Unit : std::uint8_t { ns, us, messages, bytes };

struct Target {
  const char* domain;
  Point point;
  const char* stack;
  std::vector<std::string> against;  // "cache line" is the floor
  double bound;                      // of the ratio; below 1/x: at most, for one_way; at least, for flood
  Unit unit;
  double absolute = 0;  // messages a second that are wanted whatever others do
};

const std::vector<Target>& all_targets() {
  constexpr auto one_way = Measure::one_way;
  constexpr auto flood = Measure::flood;
  constexpr std::uint32_t large = 1 << 20;
  static const std::vector<Target> table = {
      {"shm", {one_way, 8}, "@ shm", {"cache line"}, 1.25, Unit::ns},
      {"shm", {one_way, 8}, "order / frag @ shm", {"cache line"}, 1.6, Unit::ns},
      {"shm", {one_way, 8}, "order / frag @ shm", {"UCX"}, 1, Unit::ns},
      {"shm", {flood, 32}, "@ shm", {}, 0, Unit::messages, 20e6},
      {"shm", {flood, 32}, "@ shm", {"UCX"}, 3, Unit::messages},
      {"shm", {one_way, large}, "order / frag @ shm", {"UCX", "Open MPI"}, 1, Unit::us},
      {"tcp", {one_way, 64}, "@ tcp", {"raw tcp socket"}, 1.15, Unit::us},
      {"tcp", {flood, 64}, "@ tcp", {"ZeroMQ"}, 2, Unit::messages},
      {"tcp", {flood, large}, "order / frag @ tcp", {"iperf3 TCP"}, 0.95, Unit::bytes},
      {"udp", {one_way, 64}, "order / frag / reliable @ udp", {"raw udp socket"}, 1.3, Unit::us},
      {"udp", {flood, large}, "order / frag / reliable @ udp", {"iperf3 TCP"}, 1.3, Unit::bytes},
      {"udp", {flood, large}, udp_clamped, {"iperf3 TCP"}, 1, Unit::bytes},
      {"udp", {flood, large}, udp_clamped, {"sendto of 1472 B"}, 5, Unit::bytes},
      {"sealed", {flood, 64}, sealed_udp_standard, {"TLS 1.3", "ZeroMQ CURVE"}, 1, Unit::bytes},
      {"sealed", {flood, 64}, sealed_udp, {"TLS 1.3", "ZeroMQ CURVE"}, 1, Unit::bytes},
      {"sealed", {flood, 1400}, sealed_udp_standard, {"TLS 1.3", "ZeroMQ CURVE"}, 1, Unit::bytes},
      {"sealed", {flood, 1400}, sealed_udp, {"TLS 1.3", "ZeroMQ CURVE"}, 1, Unit::bytes},
      {"sealed", {flood, 64 * 1024}, sealed_udp_standard, {"TLS 1.3", "ZeroMQ CURVE"}, 1, Unit::bytes},
      {"sealed", {flood, 64 * 1024}, sealed_udp, {"TLS 1.3", "ZeroMQ CURVE"}, 1, Unit::bytes},
      {"sealed", {flood, 64 * 1024}, sealed_udp_standard, {"iperf3 TCP"}, 0.7, Unit::bytes},
      {"sealed", {flood, 64 * 1024}, sealed_udp, {"iperf3 TCP"}, 1, Unit::bytes},
      {"sealed", {flood, large}, sealed_udp_standard, {"iperf3 TCP"}, 0.7, Unit::bytes},
      {"sealed", {flood, large}, sealed_udp, {"iperf3 TCP"}, 1, Unit::bytes},
  };
  return table;
}

std::optional<std::size_t> index_of(const std::vector<Standing>& all, std::string_view name) {
  const auto at = std::find_if(all.begin(), all.end(), [&](const Standing& one) { return one.name == name; });
  return at == all.end() ? std::nullopt : std::optional(static_cast<std::size_t>(at - all.begin()));
}

std::optional<std::size_t> best_among(const std::vector<Standing>& all, const std::vector<std::string>& names,
                                      const Outcome& outcome) {
  std::optional<std::size_t> best;
  for (const std::string& name : names)
    if (const auto at = index_of(all, name); at && !std::isnan(outcome.courses[*at].median()))
      if (!best || outcome.courses[*at].median() < outcome.courses[*best].median()) best = at;
  return best;
}

const char* word(Unit unit) {
  static constexpr const char* words[] = {"ns", "us", "msg/s", "GB/s"};
  return words[static_cast<int>(unit)];
}

double shown(const Target& target, double ns) {
  switch (target.unit) {
    case Unit::ns: return ns;
    case Unit::us: return ns / 1e3;
    case Unit::messages: return 1e9 / ns;
    case Unit::bytes: return target.point.bytes / ns;
  }
  return ns;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return names.size() > 1 ? "best of " + text : text;
}

std::string text_of(const Target& target) {
  if (target.absolute != 0) return fmt::format("≥ {:.0f} M/s", target.absolute / 1e6);
  return fmt::format("{} {} × {}", target.point.what == Measure::one_way ? "≤" : "≥", target.bound,
                     joined(target.against));
}

void judge(Figure& figure, const Target& target, const std::vector<Standing>& all, const Outcome& outcome,
           std::size_t ours) {
  const bool low = target.point.what == Measure::one_way;
  figure.from(outcome, ours);
  const double ns = figure.value;
  figure.value = shown(target, ns);
  if (target.absolute != 0) {
    figure.at_least(figure.value, target.absolute, text_of(target));
    return;
  }
  if (target.against.front() == "cache line") {
    figure.peer = "cache line";
    figure.peer_value = outcome.floor_median;
    figure.ratio = ns / outcome.floor_median;
  } else if (const auto other = best_among(all, target.against, outcome)) {
    figure.peer = all[*other].name;
    figure.peer_value = shown(target, outcome.courses[*other].median());
    figure.ratio = low ? outcome.ratio(ours, *other) : outcome.ratio(*other, ours);
    figure.note = all[*other].tuning;
  } else {
    figure.note = joined(target.against) + " did not run";
  }
  low ? figure.at_most(figure.ratio, target.bound, text_of(target))
      : figure.at_least(figure.ratio, target.bound, text_of(target));
}

}  // namespace

bool has_fastest_engine() {
  return layers::encryption::plan_for(layers::encryption::Suite::aes).small ==
         layers::encryption::Engine::ipsec_mb;
}

std::optional<std::size_t> best_peer(const std::vector<Standing>& all, const Outcome& outcome) {
  std::vector<std::string> peers;
  for (const Standing& one : all)
    if (one.kind == Standing::Kind::peer) peers.push_back(one.name);
  return best_among(all, peers, outcome);
}

std::vector<Figure> targets(const std::string& domain, const Point& point, const std::vector<Standing>& all,
                            const Outcome& outcome) {
  std::vector<Figure> figures;
  for (const Target& target : all_targets()) {
    if (domain != target.domain || point.what != target.point.what || point.bytes != target.point.bytes)
      continue;
    Figure figure{.name = fmt::format("target: {}, {} {}", target.stack, size_text(point.bytes),
                                      point.what == Measure::one_way ? "one way" : "flood"),
                  .unit = word(target.unit)};
    if (const auto ours = index_of(all, target.stack)) {
      judge(figure, target, all, outcome, *ours);
    } else {
      figure.target = text_of(target);
      figure.verdict = Verdict::skipped;
      figure.note = domain == "sealed" ? no_fastest_engine : "this program does not have the stack";
    }
    figures.push_back(std::move(figure));
  }
  return figures;
}

}  // namespace harness::bench
