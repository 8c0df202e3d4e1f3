// SPDX-License-Identifier: Apache-2.0
// udp under the contract of every transport, over loopback, which loses nothing that the buffers hold.
#include <harness/tests/conformance/transport_suite.hpp>
#include <harness/transports/udp.hpp>

namespace harness::tests {
namespace {

class UdpMedium final : public Medium {
 public:
  explicit UdpMedium(bool trains) : udp_(*engine_, options(trains)) {}
  Engine& engine() override { return *engine_; }
  Transport& transport() override { return udp_; }
  const TransportType& type() override { return transports::Udp::type(); }
  std::string free_address() override { return "127.0.0.1:0"; }
  std::string nobodys_address() override { return "127.0.0.1:1"; }
  std::string malformed_address() override { return "no port"; }
  bool opens_when_dialled() override { return false; }
  bool until(const std::function<bool()>& done) override { return engine_->run_until(done, limit_ns); }
  void rest() override {
    for (unsigned idle = 0; idle < 8;) idle = engine_->poll() == 0 ? idle + 1 : 0;
  }

 private:
  static constexpr std::uint64_t limit_ns = 20'000'000'000;  // only a failing case gets there
  static OptionValues options(bool trains) {
    OptionValues values(transports::Udp::type().options);
    values.set(transports::Udp::option_gso, trains ? 1 : 0);
    values.set(transports::Udp::option_gro, trains ? 1 : 0);
    return values;
  }
  std::unique_ptr<transports::OsEngine> engine_ = std::move(transports::OsEngine::make().value());
  transports::Udp udp_;
};

}  // namespace
HARNESS_TRANSPORT_CONFORMANCE(Udp, [] { return std::make_unique<UdpMedium>(true); });
HARNESS_TRANSPORT_CONFORMANCE(UdpWithoutTrains, [] { return std::make_unique<UdpMedium>(false); });
}  // namespace harness::tests
