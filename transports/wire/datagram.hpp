// SPDX-License-Identifier: Apache-2.0
// The outer header of datagrams (udp), and what stands behind it in the frames that open a link.
//
// A data frame is the header and the frame. A set-up frame goes in numbered pieces, each with a header of its
// own behind the outer one; what opens an endpoint has cookie 0 and a token behind that. A first frame
// without a good token is answered by `retry`, which is no longer than what it answers, and remembered
// nowhere.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

enum class DatagramKind : std::uint8_t { data = 1, setup = 2, open = 3, retry = 4 };

struct Datagram {
  std::uint32_t cookie = 0;
  DatagramKind kind = DatagramKind::data;
  std::uint64_t counter = 0;

  static constexpr auto fields = std::tuple{
      Field<&Datagram::cookie>{"cookie", 32, "the receiver's endpoint; 0 in frames that open one"},
      Field<&Datagram::kind>{"kind", 4, "1 data, 2 set-up, 3 set-up that opens an endpoint, 4 retry"},
      Field<&Datagram::counter>{"counter", 60, "datagrams this endpoint has sent before"},
  };
};

/// Behind it in kinds set-up and open.
struct DatagramSetup {
  std::uint32_t sender = 0;
  std::uint32_t frame = 0;
  std::uint8_t piece = 0;
  std::uint8_t pieces = 0;

  static constexpr auto fields = std::tuple{
      Field<&DatagramSetup::sender>{"sender", 32, "the sender's endpoint: the cookie to answer with"},
      Field<&DatagramSetup::frame>{"frame", 32,
                                   "FNV-1a of the whole frame: names it, so that repeated frames fill each "
                                   "other's gaps, and checks it"},
      Field<&DatagramSetup::piece>{"piece", 8, "which piece of it, from 0"},
      Field<&DatagramSetup::pieces>{"pieces", 8, "of how many; 0: none, only asks for a token"},
  };
};

/// Behind DatagramSetup in kind open, behind Datagram in kind retry.
struct DatagramToken {
  std::uint64_t token = 0;

  static constexpr auto fields = std::tuple{
      Field<&DatagramToken::token>{
          "token", 64, "keyed hash of the dialler's address, cookie and the time; 0: not known yet"},
  };
};

static_assert(bytes_of<Datagram> == 12 && bytes_of<DatagramSetup> == 10 && bytes_of<DatagramToken> == 8);

}  // namespace harness::wire
