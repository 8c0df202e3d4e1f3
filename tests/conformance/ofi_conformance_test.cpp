// SPDX-License-Identifier: Apache-2.0
// ofi under the contract of every transport, over the providers of libfabric that need no card: both ends of
// each link on one endpoint, as the peers of an engine are. A provider that is not usable here is skipped,
// and its reason printed.
#include <ctime>

#include <harness/tests/conformance/transport_suite.hpp>
#include <harness/tests/support/ofi_options.hpp>

namespace harness::tests {
namespace {

namespace ofi = transports::ofi;

class OfiMedium final : public Medium {
 public:
  explicit OfiMedium(std::string_view provider) : made_(ofi::type().make(*engine_, ofi_options(provider))) {}
  Engine& engine() override { return *engine_; }
  Transport& transport() override { return **made_; }
  const TransportType& type() override { return ofi::type(); }
  std::string free_address() override { return "127.0.0.1:0"; }
  std::string nobodys_address() override { return "127.0.0.1:1"; }
  std::string malformed_address() override { return "no port"; }
  bool until(const std::function<bool()>& done) override { return engine_->run_until(done, limit_ns); }
  // What a provider does by sockets of its own takes a moment without showing.
  void rest() override {
    for (std::uint64_t quiet_ns = now_ns(); now_ns() - quiet_ns < quiet_ns_min;)
      if (engine_->poll() != 0) quiet_ns = now_ns();
  }

 private:
  static constexpr std::uint64_t limit_ns = 20'000'000'000;  // only a failing case gets there
  static constexpr std::uint64_t quiet_ns_min = 3'000'000;
  static std::uint64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
  }
  std::unique_ptr<transports::OsEngine> engine_ = std::move(transports::OsEngine::make().value());
  Result<std::unique_ptr<Transport>> made_;
};

void try_case(std::string_view provider, const Case& tried, std::string& skipped) {
  skipped = ofi_missing(provider);
  if (!skipped.empty()) return;
  for (const auto& failure : run_case(tried, [&] { return std::make_unique<OfiMedium>(provider); }, skipped))
    ADD_FAILURE() << failure;
}

}  // namespace

class OfiShmTransport : public testing::TestWithParam<Case> {};
TEST_P(OfiShmTransport, KeepsTheContractOfTransports) {
  std::string skipped;
  try_case("shm", GetParam(), skipped);
  if (!skipped.empty()) GTEST_SKIP() << skipped;
}
INSTANTIATE_TEST_SUITE_P(Conformance, OfiShmTransport, testing::ValuesIn(transport_cases()),
                         [](const auto& tried) { return std::string(tried.param.name); });

class OfiTcpTransport : public testing::TestWithParam<Case> {};
TEST_P(OfiTcpTransport, KeepsTheContractOfTransports) {
  std::string skipped;
  try_case("tcp", GetParam(), skipped);
  if (!skipped.empty()) GTEST_SKIP() << skipped;
}
INSTANTIATE_TEST_SUITE_P(Conformance, OfiTcpTransport, testing::ValuesIn(transport_cases()),
                         [](const auto& tried) { return std::string(tried.param.name); });

}  // namespace harness::tests
