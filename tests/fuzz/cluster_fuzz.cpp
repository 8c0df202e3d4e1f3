// SPDX-License-Identifier: Apache-2.0
// Any bytes as a cluster file: refused in three parts, or read to a cluster whose links can be decided.
#include <cstdlib>

#include <harness/apps/common/cluster.hpp>
#include <harness/layers/all.hpp>
#include <harness/transports/all.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace harness;
  static const Catalogue catalogue = [] {
    Catalogue all;
    layers::add_all(all);
    transports::add_all(all);
    return all;
  }();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // The last line, when it follows a form feed, is an override.
  const std::size_t feed = text.rfind('\f');
  std::vector<std::string> overrides;
  if (feed != std::string_view::npos) overrides.emplace_back(text.substr(feed + 1));
  auto cluster = apps::parse_cluster(text.substr(0, feed), "fuzz.toml", catalogue, overrides);
  if (!cluster) {
    const Error& error = cluster.error();
    if (error.what.empty() || error.because.empty() || error.advice.empty()) std::abort();
    return 0;
  }
  for (const apps::ClusterLink& link : cluster->links)
    for (const std::string& to : link.to) {
      const auto decision = apps::decide(*cluster, link, to, {}, catalogue);
      if (decision.offers.empty() && policies::why_no_link(decision).what.empty()) std::abort();
    }
  return 0;
}
