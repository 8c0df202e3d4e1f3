// SPDX-License-Identifier: Apache-2.0
// UCX by its own benchmark: tag matching, as an MPI would use it, and what is one-sided, at its level for
// applications (UCP). Its far side turns while it waits, as is the default.
#include <algorithm>
#include <limits>
#include <sstream>

#include <harness/bench/support/children.hpp>
#include <harness/bench/support/tool.hpp>

namespace harness::bench {

namespace {

class Ucx final : public Tool {
 public:
  explicit Ucx(bool shared_memory) : shared_memory_(shared_memory) {}
  [[nodiscard]] std::string name() const override { return "UCX"; }
  [[nodiscard]] std::string missing() const override {
    return installed("ucx_perftest") ? "" : "apt-get install ucx-utils";
  }
  [[nodiscard]] std::vector<std::string> settings(const Point& point) const override {
    if (test_of(point.what) == nullptr) return {};
    if (!shared_memory_) return {"UCX_TLS=tcp", "UCX_TLS=tcp UCX_ZCOPY_THRESH=inf"};
    if (point.bytes < 16 * 1024) return {"UCX_TLS=posix", "UCX_TLS=sysv"};
    return {"UCX_TLS=posix,cma", "UCX_TLS=posix", "UCX_TLS=posix UCX_RNDV_THRESH=inf"};
  }
  double ns(const Point& point, const std::string& setting, std::uint64_t repetitions) override {
    std::vector<std::string> environment;
    std::istringstream words(setting);
    for (std::string word; words >> word;) environment.push_back(word);
    const std::string port = free_port();
    const Command server{{"ucx_perftest", "-c", "1", "-p", port}, environment, 1};
    const Command client{{"ucx_perftest", "-c", "0", "-p", port, "127.0.0.1", "-t", test_of(point.what), "-s",
                          std::to_string(point.bytes), "-n", std::to_string(repetitions), "-w",
                          std::to_string(std::clamp<std::uint64_t>(repetitions / 10, 20, 2000)), "-f", "-v"},
                         environment,
                         0};
    return read(run_pair(server, client), is_flood(point.what));
  }

 private:
  // Null: it has no such test.
  static const char* test_of(Measure what) noexcept {
    static constexpr const char* tests[] = {"tag_lat",    "tag_bw",  "ucp_put_lat", nullptr,
                                            "ucp_put_bw", "ucp_get", "ucp_fadd",    "ucp_add"};
    return tests[static_cast<int>(what)];
  }
  // The last line: iterations, p50 latency, average and overall latency, bandwidths, rates. Times in µs.
  static double read(const std::string& text, bool flood) {
    const std::size_t end = text.find_last_not_of('\n');
    if (end == std::string::npos) return std::numeric_limits<double>::quiet_NaN();
    std::istringstream line(text.substr(text.rfind('\n', end) + 1));
    std::vector<double> columns;
    for (std::string cell; std::getline(line, cell, ',');)
      columns.push_back(std::strtod(cell.c_str(), nullptr));
    if (columns.size() < 8) return std::numeric_limits<double>::quiet_NaN();
    return flood ? 1e9 / columns[7] : columns[1] * 1e3;
  }
  bool shared_memory_;
};

}  // namespace

std::unique_ptr<Tool> ucx(bool shared_memory) { return std::make_unique<Ucx>(shared_memory); }

}  // namespace harness::bench
