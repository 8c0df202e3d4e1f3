// SPDX-License-Identifier: Apache-2.0
// See scenario.hpp. Everything is drawn from one Random in one order, so that a seed means the same for ever
// (as long as the catalogue is the same: a new layer gives every seed a new meaning).
#include <harness/tests/sim/scenario.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <harness/layers/fault/fault_partition.hpp>

namespace harness::tests {

using transports::Sim;

namespace {

constexpr std::uint64_t us = 1'000;
constexpr std::uint64_t ms = 1'000'000;
constexpr std::array<std::string_view, troubles> trouble_names = {
    "loss",  "duplication", "reordering", "delay",      "corruption", "partition",
    "crash", "clock",       "stall",      "full_queue", "fault_layer"};

bool is_checker(const LayerType& type) { return type.descriptor->name.starts_with("check_"); }
bool is_fault(const LayerType& type) { return type.descriptor->name.starts_with("fault_"); }

// Log-uniform: small values are as likely as large ones.
std::int64_t spread(Random& random, std::int64_t low, std::int64_t high) {
  if (high <= low) return low;
  const unsigned bits = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(high - low)));
  const std::uint64_t scale = std::uint64_t{1} << random.below(bits + 1);
  return std::min<std::int64_t>(high, low + static_cast<std::int64_t>(random.below(scale)));
}

// A value that a sane cluster file could hold; what is only legal (a window of one message, a heartbeat a µs)
// is left to the layers' own tests.
std::int64_t value_of(Random& random, const OptionSpec& option) {
  if (random.below(3) != 0) return option.standard;
  switch (option.kind) {
    case OptionKind::count: return option.standard;
    case OptionKind::size:
      return std::clamp<std::int64_t>(spread(random, 512, 16384), option.low, option.high);
    case OptionKind::duration:
      return std::clamp<std::int64_t>(spread(random, 1'000, 1'000'000), option.low, option.high);
    case OptionKind::rate: return spread(random, option.low, std::min<std::int64_t>(option.high, 100'000));
    case OptionKind::flag:
    case OptionKind::word:
      return static_cast<std::int64_t>(
          random.between(static_cast<std::uint64_t>(option.low), static_cast<std::uint64_t>(option.high)));
  }
  return option.standard;
}

BoundLayer draw_layer(Random& random, const LayerType& type) {
  BoundLayer layer{&type, OptionValues(type.descriptor->options)};
  for (std::size_t i = 0; i < type.descriptor->options.size(); ++i)
    layer.options.set(i, value_of(random, type.descriptor->options[i]));
  return layer;
}

// Faults that a run of some 100 ms meets and bears.
BoundLayer draw_fault(Random& random, const LayerType& type) {
  BoundLayer layer = draw_layer(random, type);
  std::int64_t duration = 20'000;
  for (std::size_t i = 0; i < type.descriptor->options.size(); ++i) {
    const OptionSpec& option = type.descriptor->options[i];
    if (option.kind == OptionKind::duration) {  // a cut is no longer than the time between two
      duration = std::min(duration, spread(random, 100, 20'000));
      layer.options.set(i, duration);
    }
    if (option.kind == OptionKind::rate) layer.options.set(i, spread(random, 1'000, 100'000));
  }
  using layers::FaultPartition;
  if (type.descriptor->name == FaultPartition::descriptor.name)  // one that is nearly always cut is no path
    layer.options.set(FaultPartition::every, std::max(layer.options[FaultPartition::every],
                                                      4 * layer.options[FaultPartition::length]));
  return layer;
}

OptionValues draw_medium(Random& random) {
  OptionValues medium(Sim::type().options);
  const std::uint64_t profile = random.below(10);
  medium.set(Sim::option_profile, profile < 3 ? 0 : profile < 7 ? 1 : 2);
  medium.set(Sim::option_frame, std::array<std::int64_t, 5>{600, 1400, 1400, 4096, 60'000}[random.below(5)]);
  medium.set(Sim::option_queue, std::array<std::int64_t, 3>{4, 16, 64}[random.below(3)]);
  medium.set(Sim::option_inbox, std::array<std::int64_t, 3>{16, 64, 128}[random.below(3)]);
  medium.set(Sim::option_duplicates, random.below(4) == 0 ? 1 : 0);
  medium.set(Sim::option_death, random.below(3) == 0 ? 0 : 1);
  return medium;
}

// ---- the stack ----

std::vector<const LayerType*> kinds_of(const Catalogue& catalogue, bool (*wanted)(const LayerType&)) {
  std::vector<const LayerType*> found;
  for (const LayerType& type : catalogue.layers())
    if (wanted(type)) found.push_back(&type);
  return found;
}

Needs draw_needs(Random& random) {
  constexpr std::array wishes = {property::fifo,         property::no_duplicates, property::checked32,
                                 property::death_within, property::channels,      property::compact,
                                 property::reliable};
  Needs needs;
  for (const Properties wish : wishes)
    if (random.below(3) == 0) needs.word = needs.word | wish;
  if (random.below(2) == 0) needs.max_message = static_cast<std::uint32_t>(random.between(2'000, 300'000));
  return needs;
}

// Any layers in nearly any order: `check` says which of them are stacks.
std::vector<BoundLayer> draw_layers(Random& random, const Catalogue& catalogue, bool with_faults) {
  auto plain =
      kinds_of(catalogue, [](const LayerType& type) { return !is_checker(type) && !is_fault(type); });
  std::stable_sort(plain.begin(), plain.end(),
                   [](const auto* a, const auto* b) { return a->descriptor->place < b->descriptor->place; });
  for (std::size_t i = 1; i < plain.size(); ++i)
    if (random.below(6) == 0) std::swap(plain[i - 1], plain[i]);
  std::vector<BoundLayer> layers;
  for (const LayerType* type : plain)
    if (random.below(2) == 0) layers.push_back(draw_layer(random, *type));
  const auto faults = kinds_of(catalogue, is_fault);
  if (!with_faults || faults.empty()) return layers;
  for (std::uint64_t n = random.between(1, 2); n > 0; --n) {
    const auto at = static_cast<std::ptrdiff_t>(random.below(layers.size() + 1));
    layers.insert(layers.begin() + at, draw_fault(random, *faults[random.below(faults.size())]));
  }
  return layers;
}

constexpr std::uint32_t message_bytes_min = 64;  // what a stack must take to be worth a run

void draw_stack(Scenario& scenario, Random& random, const Catalogue& catalogue) {
  const TransportType& sim = *catalogue.transport("sim");
  const Facts facts = sim.facts(scenario.medium, property::same_domain);
  StackSpec bare{{}, &sim, scenario.medium};
  StackSpec best = bare;
  scenario.by_needs = random.below(4) == 0;
  for (unsigned attempt = 0; attempt < 40; ++attempt) {
    StackSpec drawn = bare;
    if (scenario.by_needs) {
      if (auto derived = compose(draw_needs(random), sim, scenario.medium, facts, catalogue))
        drawn = *derived;
    } else {
      drawn.layers = draw_layers(random, catalogue, scenario.has(Trouble::fault_layer));
    }
    const auto proved = check(drawn, facts, {}, catalogue);
    if (!proved || proved->given.max_message < message_bytes_min) continue;
    best = drawn;
    if (!drawn.layers.empty()) break;
  }
  scenario.stack = with_checkers(best, facts, catalogue);
  auto proved = check(scenario.stack, facts, {}, catalogue);
  if (!proved || proved->given.max_message < message_bytes_min) {  // the checkers' headers did not fit
    scenario.stack = best;
    proved = check(best, facts, {}, catalogue);
  }
  scenario.given = proved->given;
}

// ---- what goes wrong ----

void draw_kinds(Scenario& scenario, Random& random) {
  while (scenario.kinds.size() < kinds_min + random.below(3)) {
    const auto kind = static_cast<Trouble>(random.below(troubles));
    if (kind == Trouble::crash && random.below(3) != 0) continue;  // a run without an end says more
    scenario.kinds.insert(kind);
  }
}

void draw_paths(Scenario& scenario, Random& random) {
  const auto ppm = [&](Trouble kind, std::int64_t most) {
    return scenario.has(kind) ? static_cast<std::uint32_t>(spread(random, 1'000, most)) : 0;
  };
  for (auto& path : scenario.paths) {
    path.delay_ns = static_cast<std::uint64_t>(spread(random, 2 * us, 2 * ms));
    if (scenario.has(Trouble::delay))
      path.jitter_ns = static_cast<std::uint64_t>(spread(random, 10 * us, 5 * ms));
    path.loss_ppm = ppm(Trouble::loss, 200'000);
    path.duplicate_ppm = ppm(Trouble::duplication, 200'000);
    path.reorder_ppm = ppm(Trouble::reordering, 300'000);
    path.reorder_ns = static_cast<std::uint64_t>(spread(random, 100 * us, 5 * ms));
    path.corrupt_ppm = ppm(Trouble::corruption, 100'000);
    if (scenario.has(Trouble::full_queue) && random.below(2) == 0) {
      path.rate_bytes_per_s = static_cast<std::uint64_t>(spread(random, 2'000'000, 100'000'000));
      if (random.below(2) == 0) path.queue_bytes = 200'000;
    }
  }
}

void draw_incidents(Scenario& scenario, Random& random) {
  const auto when = [&] { return static_cast<std::uint64_t>(spread(random, 100 * us, 60 * ms)); };
  using Kind = Incident::Kind;
  if (scenario.has(Trouble::partition))
    for (std::uint64_t n = random.between(1, 3); n > 0; --n) {
      const std::uint64_t start = when(),
                          length = static_cast<std::uint64_t>(spread(random, 100 * us, 50 * ms));
      const std::uint64_t sides = random.between(1, 3);
      for (const unsigned side : {0u, 1u})
        if ((sides >> side & 1) != 0) {
          scenario.incidents.push_back({Kind::cut, start, side});
          scenario.incidents.push_back({Kind::heal, start + length, side});
        }
    }
  for (auto& engine : scenario.engines) {
    // Often close to where the wheel's levels turn over.
    engine.clock_offset_ns = (std::uint64_t{1} << random.between(24, 43)) - random.below(3) * 2 * ms;
    if (random.below(2) == 0)
      engine.turn_jitter_ns = static_cast<std::uint64_t>(spread(random, 100, 100 * us));
    if (scenario.has(Trouble::clock)) engine.drift_ppm = static_cast<std::int64_t>(random.below(1001)) - 500;
  }
  if (scenario.has(Trouble::clock))
    for (std::uint64_t n = random.between(1, 4); n > 0; --n) {
      const std::int64_t by =
          spread(random, 1'000, static_cast<std::int64_t>(random.below(2) == 0 ? 20 * ms : 200 * ms));
      scenario.incidents.push_back(
          {Kind::jump, when(), static_cast<unsigned>(random.below(2)), random.below(2) == 0 ? by : -by / 4});
    }
  if (scenario.has(Trouble::stall))
    for (std::uint64_t n = random.between(1, 3); n > 0; --n)
      scenario.incidents.push_back({Kind::stall, when(), static_cast<unsigned>(random.below(2)),
                                    spread(random, 10'000, static_cast<std::int64_t>(20 * ms))});
  if (scenario.crashes())
    scenario.incidents.push_back({Kind::crash, when(), static_cast<unsigned>(random.below(2))});
}

void draw_talkers(Scenario& scenario, Random& random) {
  const bool channels = scenario.given.word.covers(property::channels);
  const unsigned used = channels ? static_cast<unsigned>(random.between(1, 8)) : 1;
  const std::uint32_t bytes_max = std::array<std::uint32_t, 4>{64, 600, 2'000, 6'000}[random.below(4)];
  for (unsigned side = 0; side < 2; ++side) {
    TalkerPlan& plan = scenario.talkers[side];
    plan.messages = static_cast<std::uint32_t>(random.between(100, 160));
    plan.bytes_max = bytes_max;
    plan.channels = used;
    plan.think_ns_max = static_cast<std::uint64_t>(spread(random, 100, 400 * us));
    if (scenario.has(Trouble::full_queue)) {
      plan.keep_ppm = static_cast<std::uint32_t>(random.below(500'000));
      plan.pause_ppm = static_cast<std::uint32_t>(random.below(30'000));
    }
    std::uint64_t& quota_bytes = scenario.quota_bytes[side];
    quota_bytes = std::array<std::uint64_t, 3>{256 << 10, 1 << 20, 4 << 20}[random.below(3)];
    // The largest message is half the quota: the case where reassembly lives from its reserve.
    if (random.below(4) == 0 && quota_bytes <= 1 << 20) plan.large_bytes_max = 512 << 10;
    // What an unordered medium may have under way fits beside it.
    const auto window = static_cast<std::uint64_t>(scenario.medium[Sim::option_inbox] *
                                                   (scenario.medium[Sim::option_frame] + 512));
    if (scenario.medium[Sim::option_profile] == 1) quota_bytes = std::max(quota_bytes, 4 * window);
  }
}

}  // namespace

// A checker says in requires_below what it watches; it may stand where that is promised. Above every layer
// stand those for what the layer made new, or one of the others; on top all of them.
StackSpec with_checkers(const StackSpec& stack, const Facts& facts, const Catalogue& catalogue) {
  const auto checkers = kinds_of(catalogue, is_checker);
  const auto proved = check(stack, facts, {}, catalogue);
  if (!proved || checkers.empty()) return stack;
  StackSpec watched = stack;
  watched.layers.clear();
  std::size_t turn = stack.hash() % checkers.size();
  const auto watch = [&](Properties here, Properties below, bool all) {
    std::size_t placed = 0;
    for (const bool only_new : {true, false}) {
      for (std::size_t i = 0; i < checkers.size(); ++i) {
        const LayerType* checker = checkers[(turn + i) % checkers.size()];
        const Properties watches = checker->descriptor->contract.requires_below;
        const bool is_new = !below.covers(watches);
        if (!here.covers(watches) || is_new != only_new || (!only_new && !all && placed != 0)) continue;
        if (watched.layers.size() + stack.layers.size() + 1 >= spec_layers_max) return;
        watched.layers.push_back({checker, OptionValues(checker->descriptor->options)});
        ++placed;
      }
    }
    ++turn;
  };
  for (std::size_t i = 0; i < stack.layers.size(); ++i) {
    const Properties here = i == 0 ? proved->given.word : proved->below[i - 1].word;
    watch(here, proved->below[i].word, i == 0);
    watched.layers.push_back(stack.layers[i]);
  }
  if (stack.layers.empty()) watch(facts.word, {}, true);
  return watched;
}

Scenario scenario_of(std::uint64_t seed, const Catalogue& catalogue) {
  Scenario scenario;
  scenario.seed = seed;
  Random random(seed);
  draw_kinds(scenario, random);
  scenario.medium = draw_medium(random);
  if (scenario.has(Trouble::corruption))
    scenario.medium.set(Sim::option_damage, random.below(4) == 0 ? 0 : 1);
  draw_paths(scenario, random);
  draw_stack(scenario, random, catalogue);
  draw_incidents(scenario, random);
  draw_talkers(scenario, random);
  scenario.both_dial = random.below(8) == 0;
  scenario.close_early = random.below(6) == 0;
  scenario.closer = static_cast<unsigned>(random.below(2));
  return scenario;
}

std::string Scenario::text() const {
  std::vector<std::string_view> names;
  for (const Trouble kind : kinds) names.push_back(trouble_names[static_cast<std::size_t>(kind)]);
  return fmt::format("{} [{}]{}{}", stack.text(), fmt::join(names, " "), by_needs ? " derived" : "",
                     both_dial ? " both dial" : "");
}

}  // namespace harness::tests
