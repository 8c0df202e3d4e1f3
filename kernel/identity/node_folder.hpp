// SPDX-License-Identifier: Apache-2.0
// What a node has of its own, in its state folder: its keys, and the certificate that speaks for them.
//
//   node.key           both secret keys, mode 0600 or wrapped
//   node.certificate   as a line
//
// Keys are made once; certificates come and go. Everything blocks.
#pragma once

#include <optional>

#include <harness/kernel/identity/certificate.hpp>
#include <harness/kernel/identity/key_file.hpp>

namespace harness::identity {

inline constexpr std::string_view certificate_prefix = "harness-certificate-";

class NodeFolder {
 public:
  explicit NodeFolder(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// What the key file shows without opening it; nothing when there is none. Errors: corrupt, denied.
  [[nodiscard]] Result<std::optional<KeyFacts>> facts() const;
  /// Errors: not_found, corrupt, denied.
  [[nodiscard]] Result<NodeKeys> keys(const Secret* passphrase) const;
  /// The keys, made now when there are none; the folder too. Errors: as keys.
  Result<NodeKeys> keys_or_new(const Secret* passphrase, WrapCost cost = {});
  /// The bytes of the certificate; nothing when there is none. Errors: corrupt.
  [[nodiscard]] Result<std::optional<std::vector<std::byte>>> certificate() const;
  Result<> keep_certificate(Bytes certificate);

 private:
  [[nodiscard]] Result<Secret> key_file() const;
  std::string path_;
};

}  // namespace harness::identity
