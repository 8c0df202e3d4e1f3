// SPDX-License-Identifier: Apache-2.0
// What the sweeps must show: targets by domain, point and stack, judged against machine and peers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <harness/bench/support/figures.hpp>
#include <harness/bench/support/tool.hpp>

namespace harness::bench {

/// In datagrams of 1472 bytes, as they leave an Ethernet of 1500, the outer header of 12 among them.
inline constexpr const char* udp_clamped = "order / frag / reliable @ udp(frame=1460)";
/// Sealed by the fastest engine that is built in, and by libsodium and OpenSSL as every build has them.
inline constexpr const char* sealed_udp = "order / frag / reliable / encrypt @ udp";
inline constexpr const char* sealed_udp_standard = "order / frag / reliable / encrypt(engine=standard) @ udp";
inline constexpr const char* sealed_tcp = "order / frag / encrypt @ tcp";
/// Whether the fastest one is libipsec-mb; if not, both are the same.
bool has_fastest_engine();
inline constexpr const char* no_fastest_engine =
    "libipsec-mb is not used here: apt-get install libipsec-mb-dev, then build again; it wants AVX2";

/// Who a subject of a sweep is.
struct Standing {
  enum class Kind : std::uint8_t { ours, machine, peer };
  Kind kind;
  std::string name;
  std::string tuning{};  // the setting that was its best
};

/// The peer with the lowest median; none when no peer ran.
std::optional<std::size_t> best_peer(const std::vector<Standing>& all, const Outcome& outcome);
/// A figure for each target that is about this point; skipped ones say why.
std::vector<Figure> targets(const std::string& domain, const Point& point, const std::vector<Standing>& all,
                            const Outcome& outcome);

}  // namespace harness::bench
