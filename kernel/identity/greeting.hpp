// SPDX-License-Identifier: Apache-2.0
// The code on a first frame: SipHash-2-4 of 128 bits, under a key that all who believe a domain can make.
//
// Of a node the key is the front of SHA-256("harness greeting 1", the key of its domain's root); of a joiner,
// who knows no more of the root than its token says, of SHA-256("harness greeting of a joiner 1", the root's
// fingerprint). It keeps strangers out and authenticates nobody. Source: Aumasson & Bernstein, SipHash, 2012.
#pragma once

#include <harness/kernel/identity/root.hpp>

namespace harness::identity {

Code greeting_key(const Root& root) noexcept;
Code greeting_key(const Fingerprint& root) noexcept;
/// The code of `bytes`. [any-thread]
Code short_code(const Code& key, Bytes bytes) noexcept;

}  // namespace harness::identity
