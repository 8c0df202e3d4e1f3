// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4) of what comes in pieces, by OpenSSL's EVP.
#pragma once

#include <array>
#include <memory>
#include <string>

#include <harness/stack/bytes.hpp>

namespace harness::apps {

using Digest = std::array<std::byte, 32>;

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(Bytes bytes) noexcept;
  /// The digest of everything since the start or the last finish; starts anew. [any-thread]
  Digest finish() noexcept;

 private:
  struct Free {
    void operator()(void* context) const noexcept;
  };
  std::unique_ptr<void, Free> context_;
};

/// Lower-case hexadecimal. [any-thread]
std::string hex(Bytes bytes);

}  // namespace harness::apps
