// SPDX-License-Identifier: Apache-2.0
// tcp under the contract of every transport, over loopback.
#include <harness/tests/conformance/transport_suite.hpp>
#include <harness/transports/tcp.hpp>

namespace harness::tests {
namespace {

class TcpMedium final : public Medium {
 public:
  Engine& engine() override { return *engine_; }
  Transport& transport() override { return tcp_; }
  const TransportType& type() override { return transports::Tcp::type(); }
  std::string free_address() override { return "127.0.0.1:0"; }
  std::string nobodys_address() override { return "127.0.0.1:1"; }
  std::string malformed_address() override { return "no port"; }
  bool until(const std::function<bool()>& done) override { return engine_->run_until(done, limit_ns); }
  void rest() override {
    for (unsigned idle = 0; idle < 8;) idle = engine_->poll() == 0 ? idle + 1 : 0;
  }

 private:
  static constexpr std::uint64_t limit_ns = 20'000'000'000;  // only a failing case gets there
  std::unique_ptr<transports::OsEngine> engine_ = std::move(transports::OsEngine::make().value());
  transports::Tcp tcp_{*engine_};
};

}  // namespace
HARNESS_TRANSPORT_CONFORMANCE(Tcp, [] { return std::make_unique<TcpMedium>(); });
}  // namespace harness::tests
