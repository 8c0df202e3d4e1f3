// SPDX-License-Identifier: Apache-2.0
// Names of the events.
#include <harness/stack/event.hpp>

namespace harness {

std::string_view to_string(EventKind kind) noexcept {
  switch (kind) {
    case EventKind::up: return "up";
    case EventKind::writable: return "writable";
    case EventKind::mtu: return "mtu";
    case EventKind::resuming: return "resuming";
    case EventKind::resumed: return "resumed";
    case EventKind::swapped: return "swapped";
    case EventKind::not_swapped: return "not_swapped";
    case EventKind::peer_lost: return "peer_lost";
    case EventKind::corrupt: return "corrupt";
    case EventKind::closed: return "closed";
    case EventKind::noted: return "noted";
    case EventKind::violated: return "violated";
    case EventKind::close: return "close";
    case EventKind::pause: return "pause";
    case EventKind::resume: return "resume";
  }
  return "unknown";
}

}  // namespace harness
