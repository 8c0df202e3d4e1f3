// SPDX-License-Identifier: Apache-2.0
// What checkers share: how a breach is told, how messages are numbered, which numbers have arrived.
//
// A checker promises nothing itself (contract.hpp), so it may stand anywhere that its promise is given, and
// repeatedly. It hands on every message, also one that should not have come: it watches, it does not repair.
// Where bytes may be damaged unseen no promise can be judged (a flipped sequence number is a lost message),
// so all of them need `checked16` below. Control messages of the layers above are outside every sequence:
// they overtake data on purpose.
#pragma once

#include <array>

#include <harness/layers/wire/support.hpp>
#include <harness/stack/layer.hpp>
#include <harness/stack/pooled.hpp>

namespace harness::layers::check {

/// What every checker stands on: messages, whose headers can be believed.
inline constexpr Properties ground = property::message | property::checked16;

/// Counts breaches of one promise and tells of the 1st, 2nd, 4th, 8th …: a promise broken for good does not
/// flood who listens. The event's value is the count.
class Breaches {
 public:
  /// Requires: `detail` is static text that names the promise. [stack-thread]
  void report(LayerContext& context, std::string_view detail, std::uint64_t how_many = 1);
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

 private:
  std::uint64_t count_ = 0;
};

/// Numbers the messages sent on each channel.
class Numbering {
 public:
  wire::Numbered next(const Message& message) noexcept {
    const unsigned channel = message.note().channel % Gate::channels_max;
    return {static_cast<std::uint8_t>(channel), message.is_control() ? 0 : ++sent_[channel]};
  }

 private:
  std::array<std::uint64_t, Gate::channels_max> sent_{};
};

/// The header off the front of `message`; a channel above 31 when there is none.
inline wire::Numbered take_number(Message& message) noexcept {
  constexpr wire::Numbered none{0xff, 0};
  const std::byte* raw = message.pull(wire::bytes_of<wire::Numbered>);
  return raw != nullptr ? wire::decode<wire::Numbered>(raw) : none;
}

/// Which numbers of each channel have arrived, as far back as `window`: a bit for each, 8 KiB a channel that
/// is used, from the pool (RFC 4303 §3.4.3 has the idea).
class Arrivals {
 public:
  static constexpr std::uint64_t window = 65536;
  enum class Sight : std::uint8_t { fresh, repeated, unknown };  // unknown: too old, or no memory

  explicit Arrivals(Pool& pool) noexcept : pool_(pool) {}
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;
  ~Arrivals();

  /// Notes `number`, not 0. `missing` grows by the numbers that left the window without having arrived.
  /// Requires: number.channel < channels_max. [stack-thread]
  Sight note(wire::Numbered number, std::uint64_t& missing) noexcept;
  /// Numbers below the highest of their channel that have not arrived.
  [[nodiscard]] std::uint64_t absent() const noexcept;
  /// Takes over what `old` has seen. Requires: the same pool, and nothing seen here.
  void take(Arrivals& old) noexcept { channels_.swap(old.channels_); }
  [[nodiscard]] bool same_pool(const Arrivals& other) const noexcept { return &pool_ == &other.pool_; }

 private:
  struct Channel {
    std::uint64_t top = 0;  // the highest that has arrived
    std::array<std::uint64_t, window / 64> bits{};
    [[nodiscard]] bool has(std::uint64_t sequence) const noexcept {
      return (bits[sequence % window / 64] >> sequence % 64 & 1) != 0;
    }
    void set(std::uint64_t sequence, bool arrived) noexcept;
    [[nodiscard]] std::uint64_t absent() const noexcept;
    std::uint64_t advance(std::uint64_t to) noexcept;
  };

  Pool& pool_;
  std::array<Channel*, Gate::channels_max> channels_{};
};

}  // namespace harness::layers::check
