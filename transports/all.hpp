// SPDX-License-Identifier: Apache-2.0
// Every transport of this folder, for a program's Catalogue.
#pragma once

#include <harness/stack/catalogue.hpp>

namespace harness::transports {

/// Adds loop, shm, tcp and udp. sim is made by the tests and simulations that own its virtual time.
void add_all(Catalogue& catalogue);

}  // namespace harness::transports
