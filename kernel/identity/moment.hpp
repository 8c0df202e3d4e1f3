// SPDX-License-Identifier: Apache-2.0
// Moments of the real clock, as whole seconds since 1970 (Unix time), and how people read them.
//
// Nothing here asks what time it is: whoever calls says so. Certificates and tokens are the only things of
// the project that know a date; a clock that is wrong by a century makes them invalid and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <harness/stack/result.hpp>

namespace harness::identity {

using Seconds = std::int64_t;

inline constexpr Seconds minute = 60;
inline constexpr Seconds hour = 60 * minute;
inline constexpr Seconds day = 24 * hour;
/// 9999-12-31T23:59:59Z: no document is valid beyond it, none before 1970.
inline constexpr Seconds last_moment = 253'402'300'799;

/// "2026-11-26T01:20:05Z", RFC 3339; a moment out of range as its number. [any-thread]
std::string utc_text(Seconds moment);
/// A length of time by its largest unit, "7 days", "1 hour", "90 s". [any-thread]
std::string span_text(Seconds span);
/// "90s", "15m", "24h", "7d". Errors: invalid. [any-thread]
Result<Seconds> read_span(std::string_view text);

}  // namespace harness::identity
