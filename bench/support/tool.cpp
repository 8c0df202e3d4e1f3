// SPDX-License-Identifier: Apache-2.0
// See tool.hpp.
#include <harness/bench/support/tool.hpp>

#include <algorithm>
#include <climits>
#include <limits>

#include <unistd.h>

namespace harness::bench {

const char* word_of(Measure what) noexcept {
  static constexpr const char* words[] = {"one_way",   "flood", "put",       "delivered",
                                          "put_flood", "get",   "fetch_add", "add_flood"};
  return words[static_cast<int>(what)];
}

Tried best_setting(Tool& tool, const Point& point, bool briefly) {
  const std::vector<std::string> settings = tool.settings(point);
  if (briefly) return {settings.front(), std::numeric_limits<double>::quiet_NaN()};
  Tried best{{}, std::numeric_limits<double>::infinity()};
  for (int attempt = 0; attempt < 2 && best.setting.empty(); ++attempt)  // one failure may be a port's
    for (const std::string& setting : settings)
      if (const double ns = tool.ns(point, setting, first_repetitions(point)); ns < best.ns)
        best = {setting, ns};
  return best;
}

std::uint64_t first_repetitions(const Point& point) noexcept {
  const double guess_ns = is_flood(point.what) ? 200 + point.bytes / 8.0 : 400 + point.bytes / 4.0;
  return static_cast<std::uint64_t>(std::clamp(2e6 / guess_ns, 50.0, 5000.0));
}

std::uint64_t repetitions(const Point& point, double found_ns) noexcept {
  if (!(found_ns > 0)) return first_repetitions(point);
  return static_cast<std::uint64_t>(std::clamp(2.5e8 / found_ns, 50.0, 2e6));
}

std::string beside_us(const std::string& name) {
  std::string path(PATH_MAX, 0);
  const ssize_t got = readlink("/proc/self/exe", path.data(), path.size());
  path.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return path.substr(0, path.rfind('/') + 1) + name;
}

}  // namespace harness::bench
