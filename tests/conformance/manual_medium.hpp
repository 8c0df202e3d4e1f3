// SPDX-License-Identifier: Apache-2.0
// Loop on an engine whose clock stands still, with or without a defect between it and the suite.
#pragma once

#include <harness/tests/conformance/transport_suite.hpp>
#include <harness/tests/support/manual_engine.hpp>
#include <harness/transports/loop.hpp>

namespace harness::tests {

class LoopMedium final : public Medium {
 public:
  explicit LoopMedium(Defect defect) : broken_(engine_, loop_, defect) {}
  LoopMedium() : LoopMedium(Defect::none) { plain_ = true; }

  Engine& engine() override { return engine_; }
  Transport& transport() override { return plain_ ? static_cast<Transport&>(loop_) : broken_; }
  const TransportType& type() override { return transports::Loop::type(); }
  std::string free_address() override { return "here"; }
  std::string nobodys_address() override { return "nowhere"; }
  std::string malformed_address() override { return ""; }
  bool until(const std::function<bool()>& done) override {
    for (unsigned turns = 0; turns < turns_max; ++turns) {
      if (done()) return true;
      engine_.poll();
    }
    return done();
  }
  void rest() override { engine_.settle(turns_max); }

 private:
  static constexpr unsigned turns_max = 2000;
  ManualEngine engine_;
  transports::Loop loop_{engine_};
  BrokenTransport broken_;
  bool plain_ = false;
};

}  // namespace harness::tests
