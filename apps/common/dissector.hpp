// SPDX-License-Identifier: Apache-2.0
// The Wireshark dissector and the header tables of docs/wire.md, both written from the field tables of the
// code.
//
// A capture's interface is named after the headers its bytes begin with, first one first, as in "frag,order":
// what was tapped below frag begins with frag's header. "payload" is what the application sends.
#pragma once

#include <string>

#include <harness/stack/stack.hpp>

namespace harness::apps {

/// Lua for `wireshark -X lua_script:…` or tshark: dissects captures of `harness tap` (link type USER0).
std::string dissector(const Catalogue& catalogue);
/// The interface name for bytes seen at `boundary` (0: above the top layer) of a stack. `top`: what the
/// application's messages are, "payload" or, on the links of a node of ours, service_name.
std::string headers_at(const StackSpec& spec, std::size_t boundary, std::string_view top = "payload");
/// Messages that begin with a header of service_wire.hpp.
inline constexpr std::string_view service_name = "service";
/// The tables of every header: Markdown for docs/wire.md, between its generated marks.
std::string wire_tables(const Catalogue& catalogue);

}  // namespace harness::apps
