// SPDX-License-Identifier: Apache-2.0
// `vouch`: an encrypting layer by contract, without any cryptography, and the Authority for it.
//
// Its handshake notices every changed byte of what was bound, and both ends derive a key from all that was
// said; each message carries the key, so that two ends with different keys, or a frame that reached the
// wrong link, are seen. A certificate is the text "name domain". Anybody could forge any of it: it is for
// tests of those who carry handshakes, not of handshakes.
#pragma once

#include <set>
#include <string>

#include <harness/stack/layer.hpp>

namespace harness::tests {

class VouchAuthority final : public Authority {
 public:
  VouchAuthority(std::string name, std::string domain);

  [[nodiscard]] const Principal& self() const noexcept override { return self_; }
  [[nodiscard]] Bytes certificate() const noexcept override { return as_bytes(text_); }
  [[nodiscard]] Bytes static_secret() const noexcept override { return self_.static_key; }
  [[nodiscard]] Result<Principal> verify(Bytes certificate) const override;
  [[nodiscard]] Result<> still_believed(const Principal& peer) const override;
  [[nodiscard]] Key shared_secret(std::string_view) const noexcept override { return {}; }
  [[nodiscard]] Properties floor(std::string_view) const noexcept override { return floor_word; }
  [[nodiscard]] std::optional<Code> greeting(std::string_view domain, Bytes frame) const noexcept override;
  [[nodiscard]] Code cookie(Bytes bytes) const noexcept override;

  std::set<std::string, std::less<>> strangers;  // domains that are not believed
  std::set<std::string> revoked;
  Properties floor_word{};

 private:
  Principal self_;
  std::string text_;
};

class Vouch {
 public:
  static constexpr Descriptor descriptor{
      .name = "vouch",
      .summary = "carries a key that both ends found",
      .header_bytes_max = 8,
      .contract = {.requires_below = property::message,
                   .adds = property::forward_secret | property::authenticated | property::principal |
                           property::no_replay,
                   .clears = property::whole(Axis::loan) | property::whole(Axis::place),
                   .encrypts = true,
                   .cost = {.round_trips = 1, .nominal_ns = 1, .header_bytes = 8}},
      .swap = SwapClass::transform,
      .segment = Segment::epoch,
      .place = 90};

  Vouch(const OptionValues&, LayerContext& context);
  static std::unique_ptr<Handshake> handshake(Role role, Authority& authority);

  template <class Below>
  void down(Message& message, Below below) {
    store(message.push(8), key_);
    below(message);
  }
  template <class Above>
  void up(Message& message, Above above) {
    const std::byte* raw = message.pull(8);
    if (raw != nullptr && load<std::uint64_t>(raw) == key_) above(message);
  }

 private:
  std::uint64_t key_;
};

}  // namespace harness::tests
