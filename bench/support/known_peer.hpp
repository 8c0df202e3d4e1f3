// SPDX-License-Identifier: Apache-2.0
// Two ends that have shaken hands without files: each believes any 32 bytes as the certificate of their key,
// and that it is the peer's. For measuring what encrypts; who is believed is the business of kernel/identity.
#pragma once

#include <algorithm>
#include <string>

#include <harness/layers/encrypt/primitives.hpp>
#include <harness/stack/layer.hpp>

namespace harness::bench {

class KnownPeer final : public Authority {
 public:
  /// The names of this node and of the one that it believes, both of the domain "bench".
  explicit KnownPeer(const std::string& name = "peer", std::string peer = "peer") : peer_(std::move(peer)) {
    layers::encryption::draw(secret_);
    self_ = {"bench", name, layers::encryption::public_key(secret_)};
  }
  [[nodiscard]] const Principal& self() const noexcept override { return self_; }
  [[nodiscard]] Bytes certificate() const noexcept override { return self_.static_key; }
  [[nodiscard]] Bytes static_secret() const noexcept override { return secret_; }
  [[nodiscard]] Result<Principal> verify(Bytes certificate) const override {
    Principal principal{self_.domain, peer_};
    if (certificate.size() != sizeof(Key)) return fail(Errc::corrupt, "this is no key");
    std::copy(certificate.begin(), certificate.end(), principal.static_key.begin());
    return principal;
  }
  [[nodiscard]] Key shared_secret(std::string_view) const noexcept override { return {}; }
  [[nodiscard]] Properties floor(std::string_view) const noexcept override { return {}; }
  [[nodiscard]] std::optional<Code> greeting(std::string_view, Bytes) const noexcept override {
    return Code{std::byte{1}};
  }
  [[nodiscard]] Code cookie(Bytes) const noexcept override { return {}; }

 private:
  Principal self_;
  std::string peer_;
  Key secret_{};
};

/// Both ends of a layer's handshake; null where it failed.
inline std::array<std::unique_ptr<Handshake>, 2> shaken_hands(const LayerType& layer, Authority& initiator,
                                                              Authority& responder) {
  std::array<std::unique_ptr<Handshake>, 2> ends{layer.handshake(Role::initiator, initiator),
                                                 layer.handshake(Role::responder, responder)};
  auto blob = ends[0]->hello({});
  if (blob) blob = ends[1]->answer({}, *blob, {});
  if (blob) blob = ends[0]->finish(*blob, {});
  if (!blob || !ends[1]->confirm(*blob)) return {};
  return ends;
}

}  // namespace harness::bench
