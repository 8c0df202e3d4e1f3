// SPDX-License-Identifier: Apache-2.0
// What the two ends of `vouch` say and derive.
#include <harness/tests/support/vouch.hpp>

#include <algorithm>

namespace harness::tests {

namespace {

std::uint64_t digest(std::uint64_t start, Bytes bytes) {
  for (const std::byte byte : bytes) start = (start ^ static_cast<std::uint8_t>(byte)) * 0x100000001b3;
  return start * 0x9e3779b97f4a7c15 + bytes.size();
}

// hello: nonce. answer: nonce, digest of all so far, certificate. finish: digest, certificate.
class VouchHandshake final : public Handshake {
 public:
  VouchHandshake(Role role, Authority& authority) : role_(role), authority_(authority) {}

  Result<Blob> hello(Bytes bound) override {
    said(bound);
    Blob blob = nonce();
    said(blob);
    return blob;
  }
  Result<Blob> answer(Bytes bound, Bytes hello, Bytes chosen) override {
    said(bound);
    said(hello);
    said(chosen);
    Blob blob = nonce();
    said(blob);
    vouch(blob);
    return blob;
  }
  Result<Blob> finish(Bytes answer, Bytes chosen) override {
    said(chosen);
    said(answer.first(std::min<std::size_t>(answer.size(), 8)));
    if (auto right = believe(answer.subspan(std::min<std::size_t>(answer.size(), 8))); !right)
      return tl::unexpected<Error>(right.error());
    Blob blob;
    vouch(blob);
    return blob;
  }
  Result<> confirm(Bytes finish) override { return believe(finish); }

  [[nodiscard]] const Principal* peer() const noexcept override { return proven_ ? &peer_ : nullptr; }
  [[nodiscard]] Mac mac(bool sent, Bytes bytes) const noexcept override {
    Mac mac{};
    store(mac.data(), digest(key_ + (sent == (role_ == Role::initiator) ? 1 : 2), bytes));
    return mac;
  }
  [[nodiscard]] std::uint64_t key() const noexcept { return key_; }

 private:
  void said(Bytes bytes) { key_ = digest(key_, bytes); }
  Blob nonce() {
    static std::uint64_t drawn = 0;
    Blob blob(8);
    store(blob.data(), ++drawn);
    return blob;
  }
  void vouch(Blob& blob) {
    Blob part(8);
    store(part.data(), key_);
    const Bytes certificate = authority_.certificate();
    part.insert(part.end(), certificate.begin(), certificate.end());
    blob.insert(blob.end(), part.begin(), part.end());
    said(part);
  }
  Result<> believe(Bytes part) {
    if (part.size() < 8 || load<std::uint64_t>(part.data()) != key_)
      return fail(Errc::denied, "the handshake does not fit", "something was changed on the way");
    auto principal = authority_.verify(part.subspan(8));
    if (!principal) return tl::unexpected<Error>(principal.error());
    peer_ = std::move(*principal);
    proven_ = true;
    said(part);
    return {};
  }

  Role role_;
  Authority& authority_;
  Principal peer_;
  bool proven_ = false;
  std::uint64_t key_ = 0;
};

}  // namespace

VouchAuthority::VouchAuthority(std::string name, std::string domain) : text_(name + " " + domain) {
  self_.name = std::move(name);
  self_.domain = std::move(domain);
}

Result<Principal> VouchAuthority::verify(Bytes certificate) const {
  const std::string text(as_text(certificate));
  const std::size_t blank = text.find(' ');
  if (blank == std::string::npos) return fail(Errc::corrupt, "not a certificate", "it has no domain");
  Principal principal;
  principal.name = text.substr(0, blank);
  principal.domain = text.substr(blank + 1);
  if (auto believed = still_believed(principal); !believed) return tl::unexpected<Error>(believed.error());
  return principal;
}

Result<> VouchAuthority::still_believed(const Principal& peer) const {
  if (!revoked.contains(peer.name)) return {};
  return fail(Errc::denied, peer.name + " is revoked", "this test wants it so");
}

std::optional<Code> VouchAuthority::greeting(std::string_view domain, Bytes frame) const noexcept {
  if (strangers.contains(domain)) return {};
  Code code{};
  store(code.data(), digest(digest(0, as_bytes(domain)), frame));
  return code;
}

Code VouchAuthority::cookie(Bytes bytes) const noexcept {
  Code code{};
  store(code.data(), digest(digest(1, as_bytes(text_)), bytes));
  return code;
}

Vouch::Vouch(const OptionValues&, LayerContext& context)
    : key_(static_cast<const VouchHandshake*>(context.handshake)->key()) {}

std::unique_ptr<Handshake> Vouch::handshake(Role role, Authority& authority) {
  return std::make_unique<VouchHandshake>(role, authority);
}

}  // namespace harness::tests
