// SPDX-License-Identifier: Apache-2.0
// An Authority without files, dates or signatures, and two ends that have shaken hands: for tests of what
// stands above.
//
//   tests::TestAuthority mine("lab", "a"), theirs("office", "b");
//   tests::Hands hands(layer_type<layers::Encrypt>(), mine, theirs);   // hands.ends[0], hands.ends[1]
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <harness/stack/layer.hpp>

namespace harness::tests {

/// Believes every certificate that another one has made: "domain NUL name NUL", the key, a checksum.
class TestAuthority final : public Authority {
 public:
  explicit TestAuthority(std::string domain = "lab", std::string name = "node");
  /// The same key under another name.
  void rename(std::string domain, std::string name);

  [[nodiscard]] const Principal& self() const noexcept override { return self_; }
  [[nodiscard]] Bytes certificate() const noexcept override { return certificate_; }
  [[nodiscard]] Bytes static_secret() const noexcept override { return secret_; }
  [[nodiscard]] Result<Principal> verify(Bytes certificate) const override;
  [[nodiscard]] Key shared_secret(std::string_view domain) const noexcept override;
  [[nodiscard]] Properties floor(std::string_view) const noexcept override { return floor_word; }
  [[nodiscard]] std::optional<Code> greeting(std::string_view domain, Bytes frame) const noexcept override;
  [[nodiscard]] Code cookie(Bytes bytes) const noexcept override;

  Properties floor_word{};
  std::uint8_t root = 0;  // of every domain, as this node knows it: who has another number is a stranger
  std::map<std::string, Key, std::less<>> shared;  // by domain; zeros for the others
  std::string refused;                             // the name of a node that is not believed
  mutable unsigned verified = 0;                   // certificates looked at
  mutable unsigned begun = 0;                      // secrets asked for: one a handshake

 private:
  Principal self_;
  Key secret_{};
  std::vector<std::byte> certificate_;
};

/// Both ends of a layer's handshake, ended well.
struct Hands {
  Hands(const LayerType& layer, Authority& initiator, Authority& responder);
  std::array<std::unique_ptr<Handshake>, 2> ends;
};

/// The same with authorities of their own, for whoever needs keys and does not care whose.
std::array<std::unique_ptr<Handshake>, 2> shaken_hands(const LayerType& layer);

}  // namespace harness::tests
