// SPDX-License-Identifier: Apache-2.0
// What the operating system refused, as an Error in three parts.
#pragma once

#include <string>

#include <harness/stack/result.hpp>

namespace harness {

/// `number` is an errno. Its code: not_found, denied, exists (in the way), exhausted (disk full, quota), else
/// io; its words become `because`, and `advice` stays or is filled in where there is a usual one.
/// [any-thread]
Error system_error(int number, std::string what, std::string advice = {});

}  // namespace harness
