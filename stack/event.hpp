// SPDX-License-Identifier: Apache-2.0
// What travels through a stack without a message.
//
// Upward events start at the transport or in a layer and climb to the application; downward ones start at the
// link. A layer without `on` is skipped; a layer that has one hands on, changes or swallows the event.
#pragma once

#include <cstdint>
#include <string_view>

#include <harness/stack/result.hpp>

namespace harness {

enum class EventKind : std::uint8_t {
  // up
  up,  // the stack is up: traffic may flow
  // a held link takes messages again; a pump sends what it can first, then hands it on. It reaches the
  // application only when a channel that was refused may send again; value: those channels, a bit each
  writable,
  mtu,       // value: the largest frame in bytes that can leave this host on the path, from now on
  resuming,  // contact is lost, the link dials again (or waits to be) and keeps what was sent
  resumed,   // … and goes on: nothing was lost or doubled
  swapped,   // another stack carries the link from now on; detail: which
  // the stack stays as it was; code and detail: why
  not_swapped,
  peer_lost,  // the peer is gone without closing; nothing more will be received
  corrupt,    // bytes below were damaged on a transport that promised not to: the link closes
  closed,     // both sides closed in order
  noted,      // an acknowledgement of the peer's had a note, value: its 64 bits (AckNote)
  violated,   // a checker saw a promise broken (detail says which); tests fail on it
  // down
  close,  // the application closes: flush what is held, then let the transport go
  // the application takes no more messages; value 0: of the link, else of channel value - 1 (mux). The layer
  // that gives credit for the link takes it (reliable); one that passes every layer stops the endpoint
  pause,
  resume,  // … and takes them again
};

struct Event {
  EventKind kind;
  Errc code = Errc::ok;
  std::string_view detail = {};  // static text or alive during the call
  std::uint64_t value = 0;
  [[nodiscard]] constexpr bool goes_up() const noexcept { return kind < EventKind::close; }
};

std::string_view to_string(EventKind kind) noexcept;

}  // namespace harness
