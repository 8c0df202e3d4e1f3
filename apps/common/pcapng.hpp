// SPDX-License-Identifier: Apache-2.0
// Capture files for Wireshark: pcapng with the user link type, one interface per tapped boundary.
//
// Source: draft-ietf-opsawg-pcapng (section header, interface description, enhanced packet and interface
// statistics blocks). Time stamps in nanoseconds. Only a writer: Wireshark and tshark read. Pure: bytes out,
// no file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <harness/stack/bytes.hpp>

namespace harness::apps::pcapng {

/// LINKTYPE_USER0: what it means is decided by the reader's preferences and by our dissector.
inline constexpr std::uint16_t link_type = 147;

enum class Direction : std::uint8_t { none = 0, inbound = 1, outbound = 2 };  // as in epb_flags

/// The head of a file: which program on which stack wrote it.
std::string section(std::string_view application, std::string_view comment);
/// One interface; packets refer to it by the order in which they are written, from 0.
std::string interface(std::string_view name, std::string_view description, std::uint32_t snap_bytes);
/// One packet: `bytes` were captured of `original_bytes`; `time_ns` since 1970.
std::string packet(std::uint32_t interface, std::uint64_t time_ns, Bytes bytes, std::uint32_t original_bytes,
                   Direction direction, std::string_view comment = {});
/// What an interface saw in total and how many of them the capture had to leave out.
std::string statistics(std::uint32_t interface, std::uint64_t time_ns, std::uint64_t seen,
                       std::uint64_t dropped);

}  // namespace harness::apps::pcapng
