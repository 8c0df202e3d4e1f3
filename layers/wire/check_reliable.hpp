// SPDX-License-Identifier: Apache-2.0
// The header of `check_reliable`.
#pragma once

#include <harness/layers/wire/support.hpp>

namespace harness::wire {

using CheckReliable = Numbered;

}  // namespace harness::wire
