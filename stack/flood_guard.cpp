// SPDX-License-Identifier: Apache-2.0
// Levels and buckets as moments: what flows out of a level, or into a bucket, is time.
#include <harness/stack/flood_guard.hpp>

#include <algorithm>

namespace harness {

namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::uint64_t frame_ns = second_ns / FloodGuard::frames_s;
constexpr std::uint64_t handshake_ns = second_ns / FloodGuard::source_s;
constexpr std::uint64_t bucket_ns = FloodGuard::source_burst * handshake_ns;

}  // namespace

void FloodGuard::note(std::uint64_t now_ns) noexcept {
  level_ns_ = std::max(level_ns_, now_ns) + frame_ns;
  if (level_ns_ - now_ns <= frames_burst * frame_ns) return;
  level_ns_ = now_ns + frames_burst * frame_ns;  // full: it does not remember how great the flood was
  alarm(now_ns);
}

bool FloodGuard::admits(std::uint64_t source, std::uint64_t now_ns) {
  if (buckets_.empty()) buckets_.resize(rows_max * ways_max);
  now_ns += bucket_ns;  // a full bucket lies before the beginning of time
  const auto row = buckets_.begin() + static_cast<std::ptrdiff_t>(source % rows_max * ways_max);
  const auto end = row + ways_max;
  auto bucket = std::find_if(row, end, [&](const Bucket& one) { return one.source == source; });
  const std::uint64_t full_ns = now_ns - bucket_ns;
  if (bucket == end) {
    bucket = std::min_element(
        row, end, [](const Bucket& one, const Bucket& other) { return one.empty_ns < other.empty_ns; });
    *bucket = {source, full_ns};
  }
  bucket->empty_ns = std::max(bucket->empty_ns, full_ns);
  if (now_ns < bucket->empty_ns + handshake_ns) return false;
  bucket->empty_ns += handshake_ns;
  return true;
}

std::string_view FloodGuard::source_of(std::string_view address) noexcept {
  const std::size_t bracket = address.find('[');
  if (bracket == std::string_view::npos) return address.substr(0, address.rfind(':'));
  std::size_t end = bracket;
  for (unsigned groups = 0; groups < 4 && end != std::string_view::npos; ++groups) {
    end = address.find(':', end + 1);
    if (end != std::string_view::npos && address[end - 1] == ':') break;  // the rest of the /64 is zeros
  }
  return address.substr(0, std::min(end, address.find(']')));
}

}  // namespace harness
