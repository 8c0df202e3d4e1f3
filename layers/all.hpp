// SPDX-License-Identifier: Apache-2.0
// Every layer of this folder, for main() to put into its catalogue.
#pragma once

#include <harness/stack/catalogue.hpp>

namespace harness::layers {

/// Adds all layers, in the canonical order of a stack, checkers and faults last.
void add_all(Catalogue& catalogue);

}  // namespace harness::layers
