// SPDX-License-Identifier: Apache-2.0
// The header of `check_no_duplicates`.
#pragma once

#include <harness/layers/wire/support.hpp>

namespace harness::wire {

using CheckNoDuplicates = Numbered;

}  // namespace harness::wire
