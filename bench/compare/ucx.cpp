// SPDX-License-Identifier: Apache-2.0
// UCX by its own benchmark: tag matching, as an MPI would use it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include <harness/bench/compare/tool.hpp>
#include <harness/bench/support/children.hpp>

namespace harness::bench {

std::uint64_t first_repetitions(const Point& point) noexcept {
  const double guess_ns = point.what == Measure::one_way ? 400 + point.bytes / 4.0 : 200 + point.bytes / 8.0;
  return static_cast<std::uint64_t>(std::clamp(2e6 / guess_ns, 50.0, 5000.0));
}

std::uint64_t repetitions(const Point& point, double found_ns) noexcept {
  if (!(found_ns > 0)) return first_repetitions(point);
  return static_cast<std::uint64_t>(std::clamp(2.5e8 / found_ns, 50.0, 2e6));
}

namespace {

class Ucx final : public Tool {
 public:
  explicit Ucx(bool shared_memory) : shared_memory_(shared_memory) {}
  [[nodiscard]] std::string name() const override { return "UCX"; }
  [[nodiscard]] std::string missing() const override {
    return installed("ucx_perftest") ? "" : "apt-get install ucx-utils";
  }
  [[nodiscard]] std::vector<std::string> settings(const Point& point) const override {
    if (!shared_memory_) return {"UCX_TLS=tcp", "UCX_TLS=tcp UCX_ZCOPY_THRESH=inf"};
    if (point.bytes < 16 * 1024) return {"UCX_TLS=posix", "UCX_TLS=sysv"};
    return {"UCX_TLS=posix,cma", "UCX_TLS=posix", "UCX_TLS=posix UCX_RNDV_THRESH=inf"};
  }
  double ns(const Point& point, const std::string& setting, std::uint64_t repetitions) override {
    std::vector<std::string> environment;
    std::istringstream words(setting);
    for (std::string word; words >> word;) environment.push_back(word);
    const std::string port = free_port();
    const bool one_way = point.what == Measure::one_way;
    const Command server{{"ucx_perftest", "-c", "1", "-p", port}, environment, 1};
    const Command client{
        {"ucx_perftest", "-c", "0", "-p", port, "127.0.0.1", "-t", one_way ? "tag_lat" : "tag_bw", "-s",
         std::to_string(point.bytes), "-n", std::to_string(repetitions), "-w",
         std::to_string(std::clamp<std::uint64_t>(repetitions / 10, 20, 2000)), "-f", "-v"},
        environment,
        0};
    return read(run_pair(server, client), one_way);
  }

 private:
  // The last line: iterations, p50 latency, average and overall latency, bandwidths, rates. Times in µs.
  static double read(const std::string& text, bool one_way) {
    const std::size_t end = text.find_last_not_of('\n');
    if (end == std::string::npos) return std::numeric_limits<double>::quiet_NaN();
    std::istringstream line(text.substr(text.rfind('\n', end) + 1));
    std::vector<double> columns;
    for (std::string cell; std::getline(line, cell, ',');)
      columns.push_back(std::strtod(cell.c_str(), nullptr));
    if (columns.size() < 8) return std::numeric_limits<double>::quiet_NaN();
    return one_way ? columns[1] * 1e3 : 1e9 / columns[7];
  }
  bool shared_memory_;
};

}  // namespace

std::unique_ptr<Tool> ucx(bool shared_memory) { return std::make_unique<Ucx>(shared_memory); }

}  // namespace harness::bench
