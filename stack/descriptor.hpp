// SPDX-License-Identifier: Apache-2.0
// What a layer says about itself before it runs: name, options, header, contract, swap class.
//
// A Descriptor is constexpr and complete: check, compose, explain, documentation, command line and tests read
// it and nothing else. Contracts are about what lies *below* a layer (requires, forbids) and what its user
// *above* may then rely on (adds, clears, max_message).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <harness/stack/field.hpp>
#include <harness/stack/option.hpp>
#include <harness/stack/property.hpp>

namespace harness {

/// Constants, equal on every host, so that both ends derive the same stack. Compared in this order.
struct Cost {
  std::uint32_t round_trips = 0;  // to open
  std::uint32_t nominal_ns =
      0;  // send + deliver of one 64-byte message, measured once on the reference machine
  std::uint32_t header_bytes = 0;  // per message of 64 bytes
  friend constexpr auto operator<=>(const Cost&, const Cost&) noexcept = default;
};

/// What a layer needs below it and gives above it.
struct Contract {
  Properties requires_below{};
  Properties forbids_below{};
  Properties adds{};
  Properties clears{};         // applied before `adds`
  bool emits_control = false;  // sends frames of its own
  bool state_on_rx =
      false;  // keeps state because of bytes received: needs authenticated input on foreign links (R1)
  bool expands_input = false;      // output may be larger than input by more than its header (R2)
  bool encrypts = false;           // at most one in a stack (R4), directly above the transport
  bool unlimited_message = false;  // makes small frames carry messages of any size up to `message_bytes_max`
  std::uint32_t frame_bytes_min = 0;  // smallest max_message below with which it works
  Cost cost{};
};

inline constexpr std::uint32_t message_bytes_max =
    (1u << 28) - 1;  // 256 MiB - 1; larger data goes by a stream call

/// How a layer takes part in a live swap: not at all, as a stateless transform below the session, or only as
/// a whole.
enum class SwapClass : std::uint8_t { none, transform, full };

/// Session layers stand above the epoch layers; a transform swap keeps the session segment (design: two
/// segments).
enum class Segment : std::uint8_t { session, epoch };

struct Descriptor {
  std::string_view name{};
  std::string_view summary{};  // one line
  std::span<const OptionSpec> options{};
  std::span<const HeaderInfo> headers{};
  std::uint16_t header_bytes_max = 0;
  Contract contract{};
  SwapClass swap = SwapClass::full;
  Segment segment = Segment::session;
  bool pump = false;  // may own one unfinished message per channel and resumes on `writable`
  std::uint8_t place =
      0;  // canonical position, top = 0: breaks ties between equal stacks, never decides meaning
};

/// What a transport gives to one kind of peer: the same words, and the largest frame.
struct Facts {
  Properties word{};
  std::uint32_t max_message = 0;  // largest frame in bytes
  Cost cost{};
};

}  // namespace harness
