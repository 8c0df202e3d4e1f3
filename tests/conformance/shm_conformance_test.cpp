// SPDX-License-Identifier: Apache-2.0
// shm under the contract of every transport: both ends of each link on one engine, as two processes would be.
#include <harness/tests/conformance/transport_suite.hpp>
#include <harness/transports/shm.hpp>

namespace harness::tests {
namespace {

class ShmMedium final : public Medium {
 public:
  Engine& engine() override { return *engine_; }
  Transport& transport() override { return shm_; }
  const TransportType& type() override { return transports::Shm::type(); }
  std::string free_address() override { return ""; }
  std::string nobodys_address() override { return "nobody-listens-here"; }
  std::string malformed_address() override { return "no name"; }
  bool until(const std::function<bool()>& done) override { return engine_->run_until(done, limit_ns); }
  void rest() override {
    for (unsigned idle = 0; idle < 8;) idle = engine_->poll() == 0 ? idle + 1 : 0;
  }

 private:
  static constexpr std::uint64_t limit_ns = 20'000'000'000;  // only a failing case gets there
  static OptionValues options() {
    OptionValues values(transports::Shm::type().options);
    values.set(transports::Shm::option_frame, 1 << 20);
    return values;
  }
  std::unique_ptr<transports::OsEngine> engine_ = std::move(transports::OsEngine::make().value());
  transports::Shm shm_{*engine_, options()};
};

}  // namespace
HARNESS_TRANSPORT_CONFORMANCE(Shm, [] { return std::make_unique<ShmMedium>(); });
}  // namespace harness::tests
