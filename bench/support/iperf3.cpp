// SPDX-License-Identifier: Apache-2.0
// iperf3 over loopback, server and client pinned to a core each: what the kernel's TCP carries in bulk.
#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include <nlohmann/json.hpp>

#include <harness/bench/support/children.hpp>
#include <harness/bench/support/tool.hpp>

namespace harness::bench {

namespace {

constexpr std::uint64_t bytes_min = 64 << 20;  // fewer would measure the start of the connection
constexpr double none = std::numeric_limits<double>::quiet_NaN();

class Iperf final : public Tool {
 public:
  [[nodiscard]] std::string name() const override { return "iperf3 TCP"; }
  [[nodiscard]] std::string missing() const override {
    return installed("iperf3") ? "" : "apt-get install iperf3";
  }
  [[nodiscard]] std::vector<std::string> settings(const Point& point) const override {
    if (point.what == Measure::one_way || point.bytes < 1024) return {};
    if (point.bytes < 64 * 1024) return {"-l " + std::to_string(point.bytes)};
    return {"-l 128K", "-l 256K", "-l 1M", "-l 128K -Z", "-l 128K -C cubic"};
  }
  // Another port when a run fails: whoever got the free one first took it from the server.
  double ns(const Point& point, const std::string& setting, std::uint64_t repetitions) override {
    double bytes_per_s = none;
    for (unsigned i = 0; i < ports_max && std::isnan(bytes_per_s); ++i)
      bytes_per_s = run(point, setting, repetitions);
    return point.bytes * 1e9 / bytes_per_s;
  }

 private:
  static constexpr unsigned ports_max = 3;

  static double run(const Point& point, const std::string& setting, std::uint64_t repetitions) {
    const std::string port = free_port();
    const std::uint64_t bytes = std::max(repetitions * point.bytes, bytes_min);
    Command client{{"iperf3", "-c", "127.0.0.1", "-p", port, "-J", "-n", std::to_string(bytes)}, {}, 0};
    std::istringstream parts(setting);
    for (std::string part; parts >> part;) client.words.push_back(part);
    const std::string text = run_pair({{"iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", port}, {}, 1}, client);
    return received_bytes_per_s(text);
  }
  static double received_bytes_per_s(const std::string& text) {
    const auto result = nlohmann::json::parse(text, nullptr, false);
    if (result.is_discarded() || !result.contains("end")) return none;
    const auto received = result["end"].find("sum_received");
    return received == result["end"].end() ? none : received->value("bits_per_second", none) / 8;
  }
};

}  // namespace

std::unique_ptr<Tool> iperf3() { return std::make_unique<Iperf>(); }

}  // namespace harness::bench
