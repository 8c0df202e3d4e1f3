// SPDX-License-Identifier: Apache-2.0
// Noise patterns as data: which keys are known before, and which tokens each message carries.
//
// A pattern is read from its name, "XXpsk3", by a bounded parser over one table of texts: the 12 interactive
// fundamental patterns, the 3 one-way ones and the 23 deferred ones, each with any psk modifiers. Links use
// XXpsk3, IKpsk2 and XXpsk0; the rest is here so that the whole of the public vectors runs through the same
// interpreter.
// Bounds: 4 messages, 8 tokens a message, 4 psk modifiers.
// Sources: Noise rev 34 §7 and §9, appendix 18.1.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace harness::layers::encryption {

enum class NoiseToken : std::uint8_t { e, s, ee, es, se, ss, psk };

struct NoisePattern {
  static constexpr std::size_t messages_max = 4;
  static constexpr std::size_t tokens_max = 8;
  static constexpr std::size_t psks_max = 4;

  struct Line {
    std::array<NoiseToken, tokens_max> tokens{};
    std::uint8_t count = 0;
  };
  bool initiator_known = false;  // its static key stands before the first message
  bool responder_known = false;
  bool has_psk = false;
  std::uint8_t message_count = 0;
  std::array<Line, messages_max> messages{};  // the first is the initiator's, then in turn
};

/// Reads "XX", "IKpsk2", "NNpsk0+psk2"; nothing when it is no such name. [any-thread]
std::optional<NoisePattern> noise_pattern(std::string_view name) noexcept;

}  // namespace harness::layers::encryption
