// SPDX-License-Identifier: Apache-2.0
// Who this node is, and whom it believes: what a handshake asks, answered by kernel/identity.
//
// The stack and its layers know no key file, no certificate format and no clock: they carry a certificate as
// bytes and ask an Authority what it is worth. A node without an Authority opens no link that needs a proven
// peer.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <harness/stack/bytes.hpp>
#include <harness/stack/property.hpp>
#include <harness/stack/result.hpp>

namespace harness {

/// An X25519 key, public or secret.
using Key = std::array<std::byte, 32>;
/// A short code over bytes, by a key.
using Code = std::array<std::byte, 16>;

/// A proven identity: the node `name` of `domain`, holder of the secret to `static_key`.
struct Principal {
  std::string domain;
  std::string name;
  Key static_key{};          // X25519, public
  std::uint64_t serial = 0;  // of the certificate that proved it
  friend bool operator==(const Principal&, const Principal&) = default;
};

/// What whoever has no certificate yet shows instead: the name of a secret, and the secret.
struct Ticket {
  static constexpr std::size_t name_bytes = 21;
  std::array<std::byte, name_bytes> name{};
  Key key{};
};

class Authority {
 public:
  virtual ~Authority() = default;
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  static constexpr std::size_t certificate_bytes_max = 512;

  /// This node, as its own certificate names it. [stack-thread]
  [[nodiscard]] virtual const Principal& self() const noexcept = 0;
  /// What this node shows of itself: at most `certificate_bytes_max` bytes, valid until the next call of this
  /// object. [stack-thread]
  [[nodiscard]] virtual Bytes certificate() const noexcept = 0;
  /// The secret X25519 key to self().static_key, 32 bytes; lies in locked memory and is not to be kept.
  /// [stack-thread]
  [[nodiscard]] virtual Bytes static_secret() const noexcept = 0;
  /// Who shows `certificate`: its signature, dates and names hold, its domain is known here and it is not
  /// revoked. Errors: corrupt (not a certificate), denied (everything else, each with its own reason).
  /// [stack-thread]
  [[nodiscard]] virtual Result<Principal> verify(Bytes certificate) const = 0;
  /// Whether somebody who was believed still is: not revoked since, its domain not forgotten. Its certificate
  /// may have expired meanwhile. Errors: denied, with the reason. [stack-thread]
  [[nodiscard]] virtual Result<> still_believed(const Principal& peer) const {
    (void)peer;
    return {};
  }
  /// The 32-byte secret that the two domains share; 32 zero bytes when they share none. [stack-thread]
  [[nodiscard]] virtual Key shared_secret(std::string_view domain) const noexcept = 0;
  /// What a link between this node and one of `domain` must guarantee at least, as both roots have signed it
  /// and as this node's own configuration has raised it. [stack-thread]
  [[nodiscard]] virtual Properties floor(std::string_view domain) const noexcept = 0;
  /// The code on a first frame: all who believe `domain`, its sender's, can make it, and a stranger cannot.
  /// It costs a hash, so that a flood is turned away before any arithmetic of keys. Nothing when the domain
  /// is not believed. Neither allocates nor blocks. [stack-thread]
  [[nodiscard]] virtual std::optional<Code> greeting(std::string_view domain, Bytes frame) const noexcept = 0;
  /// A code over `bytes` that only this object can make: for cookies, which are given out and not remembered.
  /// [stack-thread]
  [[nodiscard]] virtual Code cookie(Bytes bytes) const noexcept = 0;
  /// What this node joins by: then it is of no domain yet and has no certificate. Nothing for all others.
  /// [stack-thread]
  [[nodiscard]] virtual std::optional<Ticket> ticket() const { return {}; }
  /// The key of a ticket that was given out here. Errors: denied (there is none of that name, or it has
  /// expired). May read a file. [stack-thread]
  [[nodiscard]] virtual Result<Key> ticket_key(Bytes name) const {
    (void)name;
    return fail(Errc::denied, "nobody joins here", "this node gives out no certificates",
                "dial a node where the root of the domain is");
  }

 protected:
  Authority() = default;
};

}  // namespace harness
