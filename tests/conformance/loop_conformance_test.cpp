// SPDX-License-Identifier: Apache-2.0
#include <harness/tests/conformance/manual_medium.hpp>

namespace harness::tests {
HARNESS_TRANSPORT_CONFORMANCE(Loop, [] { return std::make_unique<LoopMedium>(); });
}
