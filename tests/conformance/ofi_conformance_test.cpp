// SPDX-License-Identifier: Apache-2.0
// ofi under the contract of every transport, over the providers of libfabric that need no card: both ends of
// each link on one endpoint, as the peers of an engine are. A provider that is not usable here is skipped,
// and its reason printed. The mock providers stand in for cards (docs/transports/ofi-mock.md).
#include <stdlib.h>

#include <ctime>

#include <harness/tests/conformance/transport_suite.hpp>
#include <harness/tests/support/ofi_mock.hpp>

namespace harness::tests {
namespace {

namespace ofi = transports::ofi;

class OfiMedium final : public Medium {
 public:
  explicit OfiMedium(std::string_view provider) : made_(make_ofi(*engine_, provider)) {}
  Engine& engine() override { return *engine_; }
  Transport& transport() override { return **made_; }
  const TransportType& type() override { return ofi::type(); }
  std::string free_address() override { return "127.0.0.1:0"; }
  std::string nobodys_address() override { return "127.0.0.1:1"; }
  std::string malformed_address() override { return "no port"; }
  bool until(const std::function<bool()>& done) override { return engine_->run_until(done, limit_ns); }
  // What a provider does by sockets of its own takes a moment without showing. Turns are counted too: that
  // moment may go by while this process waits for its core.
  void rest() override {
    std::uint64_t since_ns = now_ns();
    for (unsigned idle = 0; idle < quiet_turns_min || now_ns() - since_ns < quiet_ns_min; ++idle)
      if (engine_->poll() != 0) idle = 0, since_ns = now_ns();
  }

 private:
  static constexpr std::uint64_t limit_ns = 20'000'000'000;  // only a failing case gets there
  static constexpr std::uint64_t quiet_ns_min = 3'000'000;
  static constexpr unsigned quiet_turns_min = 200;
  static std::uint64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
  }
  std::unique_ptr<transports::OsEngine> engine_ = std::move(transports::OsEngine::make().value());
  Result<std::unique_ptr<Transport>> made_;
};

void try_case(std::string_view provider, const Case& tried, std::string& skipped) {
  if (!provider.starts_with("mock")) skipped = ofi_missing(provider);
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

struct MockSetting {
  const char* name;
  const char* provider;
  const char* knobs;
};
// The defaults; then everything late, small and refused; then keys that do not fit 8 bytes.
constexpr MockSetting mock_settings[] = {
    {"Verbs", "mock-verbs", ""},     {"VerbsStorm", "mock-verbs", "seed=7,eagain=0.3,late=32,tx=2,rx=2"},
    {"Cxi", "mock-cxi", ""},         {"CxiStorm", "mock-cxi", "seed=7,eagain=0.3,late=32,tx=2,rx=2"},
    {"CxiRaw", "mock-cxi", "raw=1"}, {"TcpStorm", "mock-tcp", "seed=7,eagain=0.3,late=32,tx=2,rx=2"},
};

// As efa may say of itself.
int getinfo_without_management(std::uint32_t version, const char* node, const char* service,
                               std::uint64_t flags, const fi_info* hints, fi_info** info) {
  if (hints->domain_attr->resource_mgmt == FI_RM_ENABLED) return -FI_ENODATA;
  return mock::mock_getinfo(version, node, service, flags, hints, info);
}

TEST(OfiMock, AProviderWithoutResourceManagementIsTaken) {
  setenv("HARNESS_MOCK", "", 1);
  ofi::Library library = mock_library;
  library.getinfo = getinfo_without_management;
  const auto engine = std::move(transports::OsEngine::make().value());
  const auto made = ofi::load().value()->make(*engine, ofi_options("mock-cxi"), &library);
  ASSERT_TRUE(made) << made.error().text();
  struct Ignored final : Acceptor {
    void accepted(std::unique_ptr<Endpoint>) override {}
  } ignored;
  EXPECT_TRUE((*made)->listen("127.0.0.1:0", ignored));
}

// Whoever asks again hears the same: an endpoint without its buffers is none.
TEST(OfiMock, TooLittleLockedMemoryIsAnErrorThatSaysSoEachTime) {
  for (const char* knobs : {"memlock=65536", "memlock=4300000"}) {  // not the receives; not what is sent from
    setenv("HARNESS_MOCK", knobs, 1);
    const auto engine = std::move(transports::OsEngine::make().value());
    const auto made = make_ofi(*engine, "mock-verbs");
    ASSERT_TRUE(made) << made.error().text();
    for (int i = 0; i < 2; ++i) {
      const auto dialled = (*made)->dial("127.0.0.1:9");
      ASSERT_FALSE(dialled) << knobs;
      EXPECT_EQ(dialled.error().code, Errc::exhausted);
      EXPECT_EQ(dialled.error().advice, "raise the limit of locked memory: ulimit -l unlimited");
    }
    engine->poll();
  }
}

class OfiMockTransport : public testing::TestWithParam<std::tuple<MockSetting, Case>> {};
TEST_P(OfiMockTransport, KeepsTheContractOfTransports) {
  const auto& [setting, tried] = GetParam();
  setenv("HARNESS_MOCK", setting.knobs, 1);
  if (std::string_view(tried.name) == "AllocatesNothingAfterWarmUp")
    GTEST_SKIP() << "the mock itself allocates for every operation";
  std::string skipped;
  try_case(setting.provider, tried, skipped);
  if (!skipped.empty()) GTEST_SKIP() << skipped;
}
INSTANTIATE_TEST_SUITE_P(Conformance, OfiMockTransport,
                         testing::Combine(testing::ValuesIn(mock_settings),
                                          testing::ValuesIn(transport_cases())),
                         [](const auto& tried) {
                           return std::string(std::get<0>(tried.param).name) + std::get<1>(tried.param).name;
                         });

}  // namespace harness::tests
