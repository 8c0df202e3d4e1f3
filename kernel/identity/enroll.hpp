// SPDX-License-Identifier: Apache-2.0
// A node comes to its certificate where the root of its domain is held: no token, no request, no wire.
#pragma once

#include <harness/kernel/identity/domain.hpp>
#include <harness/kernel/identity/node_folder.hpp>

namespace harness::identity {

/// Issues to the keys of a node and puts the certificate into its folder. Keys that are not there yet are
/// made, wrapped by `passphrase` unless it is null. `domain` is unlocked; `life` 0: the usual one. Errors:
/// those of NodeFolder and Domain::issue. Blocks.
Result<Certificate> enroll_here(Domain& domain, NodeFolder& folder, const std::string& node,
                                const Secret* passphrase, Seconds life, Seconds now);

/// Whether a node should have a new certificate: it has none that can be read for this name, or two thirds of
/// its life are over.
bool needs_certificate(const NodeFolder& folder, const std::string& domain, const std::string& node,
                       Seconds now);

}  // namespace harness::identity
