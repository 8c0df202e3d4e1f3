// SPDX-License-Identifier: Apache-2.0
// CRC32C (Castagnoli, polynomial 0x1edc6f41, reflected), by SSE4.2 where the processor has it, else by
// tables.
//
// The instruction takes 8 bytes in 1 cycle but answers after 3, so long inputs run as three lanes whose
// results are joined by "append n zero bytes", a linear map kept as a table. Both ways are open to tests,
// each the other's oracle.
// Sources: RFC 3720 §12.1 and B.4 (definition, vectors); Gopal et al., Fast CRC computation for iSCSI
// polynomial using CRC32 instruction, Intel 2011 (three lanes).
#pragma once

#include <cstdint>

#include <harness/stack/bytes.hpp>

namespace harness::layers::crc32c {

/// Continues a checksum: crc of what came before (0 at the start) → crc with `bytes` behind. [any-thread]
std::uint32_t extend(std::uint32_t crc, Bytes bytes) noexcept;

/// The two ways behind `extend`, for tests. by_instruction requires has_instruction(). [any-thread]
std::uint32_t by_table(std::uint32_t crc, Bytes bytes) noexcept;
std::uint32_t by_instruction(std::uint32_t crc, Bytes bytes) noexcept;
bool has_instruction() noexcept;

}  // namespace harness::layers::crc32c
