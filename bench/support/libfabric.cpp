// SPDX-License-Identifier: Apache-2.0
// libfabric by fi_pingpong, Debian's build has benchmarks for nothing else; and by a driver of ours, which
// does what is one-sided.
#include <cstdlib>
#include <limits>
#include <sstream>

#include <unistd.h>

#include <harness/bench/support/children.hpp>
#include <harness/bench/support/tool.hpp>

namespace harness::bench {

namespace {

// The library installs signal handlers unless told not to.
const std::vector<std::string> no_handlers{"IPATH_NO_BACKTRACE=1", "HFI_NO_BACKTRACE=1",
                                           "FI_MR_CACHE_MAX_COUNT=0"};

class Libfabric final : public Tool {
 public:
  explicit Libfabric(bool shared_memory) : shared_memory_(shared_memory) {}
  [[nodiscard]] std::string name() const override { return "libfabric"; }
  [[nodiscard]] std::string missing() const override {
    return installed("fi_pingpong") ? "" : "apt-get install libfabric-bin";
  }
  [[nodiscard]] std::vector<std::string> settings(const Point& point) const override {
    if (point.what != Measure::one_way) return {};
    if (shared_memory_) return {"-p shm -e rdm"};
    return {"-p tcp -e msg", "-p tcp;ofi_rxm -e rdm"};
  }
  double ns(const Point& point, const std::string& setting, std::uint64_t repetitions) override {
    std::vector<std::string> words{"fi_pingpong"};
    std::istringstream parts(setting);
    for (std::string part; parts >> part;) words.push_back(part);
    const std::string port = free_port();
    for (const std::string& word : {std::string("-I"), std::to_string(repetitions / 2 + 10),
                                    std::string("-S"), std::to_string(point.bytes)})
      words.push_back(word);
    Command server{words, no_handlers, 1};
    Command client{words, no_handlers, 0};
    for (const char* word : {"-B", port.c_str()}) server.words.emplace_back(word);
    for (const char* word : {"-P", port.c_str(), "127.0.0.1"}) client.words.emplace_back(word);
    return read(run_pair(server, client));
  }

 private:
  // bytes, #sent, #ack, total, time, MB/sec, usec/xfer, Mxfers/sec below a line of heads.
  static double read(const std::string& text) {
    const std::size_t line = text.find('\n');
    std::istringstream row(line == std::string::npos ? "" : text.substr(line + 1));
    std::string cell;
    for (int i = 0; i < 7; ++i)
      if (!(row >> cell)) return std::numeric_limits<double>::quiet_NaN();
    return std::strtod(cell.c_str(), nullptr) * 1e3;
  }
  bool shared_memory_;
};

class RawLibfabric final : public Tool {
 public:
  explicit RawLibfabric(std::string provider) : provider_(std::move(provider)) {}
  [[nodiscard]] std::string name() const override { return "raw libfabric"; }
  [[nodiscard]] std::string missing() const override {
    return access(beside_us("fabric").c_str(), X_OK) == 0 ? "" : "apt-get install libfabric-dev, then build";
  }
  [[nodiscard]] std::vector<std::string> settings(const Point& point) const override {
    const bool of_messages = point.what == Measure::one_way || point.what == Measure::flood;
    return of_messages ? std::vector<std::string>{} : std::vector{provider_};
  }
  double ns(const Point& point, const std::string& setting, std::uint64_t repetitions) override {
    const std::vector<std::string> words{beside_us("fabric"),         setting,
                                         word_of(point.what),         std::to_string(point.bytes),
                                         std::to_string(repetitions), free_port()};
    Command client{words, no_handlers, 0};
    client.words.emplace_back("client");
    const std::string text = run_pair({words, no_handlers, 1}, client);
    return text.empty() ? std::numeric_limits<double>::quiet_NaN() : std::strtod(text.c_str(), nullptr);
  }

 private:
  std::string provider_;
};

}  // namespace

std::unique_ptr<Tool> raw_libfabric(const std::string& provider) {
  return std::make_unique<RawLibfabric>(provider);
}

std::unique_ptr<Tool> libfabric(bool shared_memory) { return std::make_unique<Libfabric>(shared_memory); }

}  // namespace harness::bench
