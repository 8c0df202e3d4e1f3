// SPDX-License-Identifier: Apache-2.0
// What each layer of a stack costs on this machine: for `stack explain --measure`.
#pragma once

#include <vector>

#include <harness/stack/spec.hpp>

namespace harness::apps {

/// Nanoseconds that each layer of `spec` (top first) adds to sending and delivering one 64-byte message,
/// medians of several runs in this thread over memory; the transport is not measured. Takes about 20 ms a
/// layer. A stack that cannot be built gives an empty list.
std::vector<double> measure_layers(const StackSpec& spec);

}  // namespace harness::apps
