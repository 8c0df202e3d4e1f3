// SPDX-License-Identifier: Apache-2.0
// Names of the error codes and the three-part text.
#include <harness/stack/result.hpp>

namespace harness {

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::ok: return "ok";
    case Errc::would_block: return "would_block";
    case Errc::too_large: return "too_large";
    case Errc::closed: return "closed";
    case Errc::timed_out: return "timed_out";
    case Errc::unreachable: return "unreachable";
    case Errc::peer_lost: return "peer_lost";
    case Errc::denied: return "denied";
    case Errc::corrupt: return "corrupt";
    case Errc::not_found: return "not_found";
    case Errc::exists: return "exists";
    case Errc::unsupported: return "unsupported";
    case Errc::exhausted: return "exhausted";
    case Errc::cancelled: return "cancelled";
    case Errc::invalid: return "invalid";
    case Errc::conflict: return "conflict";
    case Errc::io: return "io";
  }
  return "unknown";
}

std::string Error::text() const {
  std::string text = "error: " + what;
  if (!because.empty()) text += "\nbecause: " + because;
  if (!advice.empty()) text += "\ntry: " + advice;
  return text;
}

}  // namespace harness
