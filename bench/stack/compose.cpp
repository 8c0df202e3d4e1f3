// SPDX-License-Identifier: Apache-2.0
// How long it takes to derive the stack of a link: compose over every transport of the catalogue.
#include <algorithm>

#include <fmt/format.h>

#include <harness/bench/stack/parts.hpp>
#include <harness/layers/all.hpp>
#include <harness/stack/compose.hpp>
#include <harness/transports/all.hpp>

namespace harness::bench {

namespace {

// Each thing that one may ask for, and all that some layer or transport can give at once: the widest search.
std::vector<Needs> needs_of(const Catalogue& catalogue) {
  using namespace property;
  std::vector<Needs> all;
  Properties everything;
  for (const LayerType& layer : catalogue.layers()) {
    const Contract& contract = layer.descriptor->contract;
    all.push_back({message | contract.adds, 1 << 20});
    everything = everything | contract.adds;
  }
  all.push_back({everything, 1 << 20});
  all.push_back({everything | reliable | fifo, 64 << 20});
  return all;
}

}  // namespace

void compose_time(Program& program) {
  Catalogue catalogue;
  layers::add_all(catalogue);
  transports::add_all(catalogue);
  const std::vector<Needs> needs = needs_of(catalogue);
  const auto derive = [&](const Needs& need) {
    for (const TransportType& transport : catalogue.transports()) {
      const OptionValues options(transport.options);
      keep(compose(need, transport, options, transport.facts(options, property::same_host), catalogue));
    }
  };
  double slowest = 0;
  const Subject subject{"compose", [&] {
                          slowest = 0;
                          for (const Needs& need : needs)
                            slowest = std::max(slowest, time_each([&] { derive(need); }, 1));
                          return slowest;
                        }};
  const Outcome outcome = contest(copy_floor(), {&subject, 1}, program.contest_options(rounds / 3));
  Figure figure{.name = fmt::format("compose, {} layers × {} transports, the slowest of {} needs",
                                    catalogue.layers().size(), catalogue.transports().size(), needs.size()),
                .unit = "us"};
  figure.from(outcome, 0, 1e-3).at_most(figure.value, 1000, "< 1 ms");
  program.show(figure);
}

}  // namespace harness::bench
