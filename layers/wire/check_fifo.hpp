// SPDX-License-Identifier: Apache-2.0
// The header of `check_fifo`.
#pragma once

#include <harness/layers/wire/support.hpp>

namespace harness::wire {

using CheckFifo = Numbered;

}  // namespace harness::wire
