// SPDX-License-Identifier: Apache-2.0
// loop under the contract of every transport.
#include <harness/tests/conformance/manual_medium.hpp>

namespace harness::tests {
HARNESS_TRANSPORT_CONFORMANCE(Loop, [] { return std::make_unique<LoopMedium>(); });
}  // namespace harness::tests
