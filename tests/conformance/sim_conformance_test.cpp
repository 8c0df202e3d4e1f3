// SPDX-License-Identifier: Apache-2.0
// sim under the contract of every transport: each of its media, over a path without faults.
#include <harness/tests/conformance/transport_suite.hpp>
#include <harness/transports/sim.hpp>

namespace harness::tests {
namespace {

using transports::Sim;

// One engine that dials itself, as in the other media.
class SimMedium final : public Medium {
 public:
  explicit SimMedium(Sim::Profile profile) : profile_(profile) { type_.options = table_; }

  Engine& engine() override { return engine_; }
  Transport& transport() override { return sim_; }
  const TransportType& type() override { return type_; }
  std::string free_address() override { return ":7"; }
  std::string nobodys_address() override { return "a:99"; }
  std::string malformed_address() override { return "no port"; }
  bool opens_when_dialled() override { return profile_ != Sim::Profile::datagram; }
  bool is_measured() override { return false; }
  bool until(const std::function<bool()>& done) override { return world_.run_until(done, limit_ns); }
  void rest() override { world_.run_for(rest_ns); }

 private:
  static constexpr std::uint64_t limit_ns = 20'000'000'000;
  static constexpr std::uint64_t rest_ns = 100'000'000;
  Sim::Profile profile_;
  transports::SimWorld world_{1};
  transports::SimEngine& engine_ = world_.add("a");
  TransportType type_ = Sim::type();
  std::vector<OptionSpec> table_{type_.options.begin(), type_.options.end()};
  Sim sim_{engine_, [this] {
             table_[Sim::option_profile].standard = static_cast<std::int64_t>(profile_);
             table_[Sim::option_frame].standard = 128 * 1024;
             return OptionValues(table_);
           }()};
};

}  // namespace
HARNESS_TRANSPORT_CONFORMANCE(SimStream, [] { return std::make_unique<SimMedium>(Sim::Profile::stream); });
HARNESS_TRANSPORT_CONFORMANCE(SimDatagram,
                              [] { return std::make_unique<SimMedium>(Sim::Profile::datagram); });
HARNESS_TRANSPORT_CONFORMANCE(SimFabric, [] { return std::make_unique<SimMedium>(Sim::Profile::fabric); });
}  // namespace harness::tests
