// SPDX-License-Identifier: Apache-2.0
// The methods of the admin socket as Markdown for docs/admin.md, from the field lists of their values.
#pragma once

#include <string>

namespace harness::apps::admin {

/// A section a method: what it does, then tables of its parameters, progress and result. [any-thread]
std::string method_tables();

}  // namespace harness::apps::admin
