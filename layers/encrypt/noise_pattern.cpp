// SPDX-License-Identifier: Apache-2.0
// The table of patterns and its reader.
#include <harness/layers/encrypt/noise_pattern.hpp>

namespace harness::layers::encryption {

namespace {

// Before the colon: whose static key is known at the start (i, r). Behind it the messages, a bar between two.
struct Text {
  std::string_view name;
  std::string_view text;
};
constexpr Text texts[] = {
    {"N", "r:e es"},
    {"K", "ir:e es ss"},
    {"X", "r:e es s ss"},
    {"NN", ":e|e ee"},
    {"KN", "i:e|e ee se"},
    {"NK", "r:e es|e ee"},
    {"KK", "ir:e es ss|e ee se"},
    {"NX", ":e|e ee s es"},
    {"KX", "i:e|e ee se s es"},
    {"XN", ":e|e ee|s se"},
    {"IN", ":e s|e ee se"},
    {"XK", "r:e es|e ee|s se"},
    {"IK", "r:e es s ss|e ee se"},
    {"XX", ":e|e ee s es|s se"},
    {"IX", ":e s|e ee se s es"},
    {"NK1", "r:e|e ee es"},
    {"NX1", ":e|e ee s|es"},
    {"X1N", ":e|e ee|s|se"},
    {"X1K", "r:e es|e ee|s|se"},
    {"XK1", "r:e|e ee es|s se"},
    {"X1K1", "r:e|e ee es|s|se"},
    {"X1X", ":e|e ee s es|s|se"},
    {"XX1", ":e|e ee s|es s se"},
    {"X1X1", ":e|e ee s|es s|se"},
    {"K1N", "i:e|e ee|se"},
    {"K1K", "ir:e es|e ee|se"},
    {"KK1", "ir:e|e ee se es"},
    {"K1K1", "ir:e|e ee es|se"},
    {"K1X", "i:e|e ee s es|se"},
    {"KX1", "i:e|e ee se s|es"},
    {"K1X1", "i:e|e ee s|se es"},
    {"I1N", ":e s|e ee|se"},
    {"I1K", "r:e es s|e ee|se"},
    {"IK1", "r:e s|e ee se es"},
    {"I1K1", "r:e s|e ee es|se"},
    {"I1X", ":e s|e ee s es|se"},
    {"IX1", ":e s|e ee se s|es"},
    {"I1X1", ":e s|e ee s|se es"},
};
constexpr std::string_view token_names[] = {"e", "s", "ee", "es", "se", "ss"};  // in the order of NoiseToken

std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return part;
}

NoisePattern::Line line_of(std::string_view text) {
  NoisePattern::Line line;
  while (!text.empty()) {
    const std::string_view token = take_until(text, ' ');
    for (std::uint8_t i = 0; i < std::size(token_names); ++i)
      if (token == token_names[i]) line.tokens[line.count++] = static_cast<NoiseToken>(i);
  }
  return line;
}

NoisePattern pattern_of(std::string_view text) {
  NoisePattern pattern;
  const std::string_view known = take_until(text, ':');
  pattern.initiator_known = known.find('i') != std::string_view::npos;
  pattern.responder_known = known.find('r') != std::string_view::npos;
  while (!text.empty()) pattern.messages[pattern.message_count++] = line_of(take_until(text, '|'));
  return pattern;
}

// psk0 stands before the first message's tokens, pskN behind those of message N (§9.4).
bool add_psk(NoisePattern& pattern, std::string_view modifier) {
  if (modifier.size() != 4 || !modifier.starts_with("psk")) return false;
  const auto place = static_cast<unsigned>(modifier[3] - '0');
  if (place > pattern.message_count) return false;
  NoisePattern::Line& line = pattern.messages[place == 0 ? 0 : place - 1];
  if (line.count == NoisePattern::tokens_max) return false;
  if (place == 0)
    for (std::uint8_t i = line.count; i > 0; --i) line.tokens[i] = line.tokens[i - 1u];
  line.tokens[place == 0 ? 0 : line.count] = NoiseToken::psk;
  ++line.count;
  pattern.has_psk = true;
  return true;
}

}  // namespace

std::optional<NoisePattern> noise_pattern(std::string_view name) noexcept {
  const std::size_t psk_at = name.find("psk");
  std::string_view modifiers = psk_at == std::string_view::npos ? std::string_view{} : name.substr(psk_at);
  name = name.substr(0, psk_at);
  for (const Text& text : texts) {
    if (text.name != name) continue;
    NoisePattern pattern = pattern_of(text.text);
    for (std::size_t count = 0; !modifiers.empty(); ++count)
      if (count == NoisePattern::psks_max || !add_psk(pattern, take_until(modifiers, '+'))) return {};
    return pattern;
  }
  return {};
}

}  // namespace harness::layers::encryption
