// SPDX-License-Identifier: Apache-2.0
// Calendar arithmetic by <chrono>, which asks no clock.
#include <harness/kernel/identity/moment.hpp>

#include <charconv>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include <harness/stack/text.hpp>

namespace harness::identity {

std::string utc_text(Seconds moment) {
  if (moment < -last_moment || moment > last_moment) return fmt::format("second {}", moment);
  const std::chrono::sys_seconds point{std::chrono::seconds(moment)};
  const auto midnight = std::chrono::floor<std::chrono::days>(point);
  const std::chrono::year_month_day date(midnight);
  const std::chrono::hh_mm_ss clock(point - midnight);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string span_text(Seconds span) {
  const auto told = [](Seconds count, const char* unit) {
    return fmt::format("{} {}{}", count, unit, count == 1 ? "" : "s");
  };
  if (span >= 2 * day || span == day) return told(span / day, "day");
  if (span >= hour) return told(span / hour, "hour");
  if (span >= 2 * minute) return told(span / minute, "minute");
  return fmt::format("{} s", span);
}

Result<Seconds> read_span(std::string_view text) {
  constexpr std::pair<char, Seconds> units[] = {{'s', 1}, {'m', minute}, {'h', hour}, {'d', day}};
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  std::uint32_t count = 0;
  const auto [rest, error] = std::from_chars(begin, end, count);
  if (error == std::errc() && rest + 1 == end)
    for (const auto& [letter, seconds] : units)
      if (*rest == letter) return seconds * static_cast<Seconds>(count);
  return fail(Errc::invalid, text::quoted(text) + " is no length of time",
              "it is a number with s, m, h or d behind it", "24h, or 7d");
}

}  // namespace harness::identity
