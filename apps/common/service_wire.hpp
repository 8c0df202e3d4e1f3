// SPDX-License-Identifier: Apache-2.0
// The application protocol on a link: what every message of ours starts with, one field table a kind.
//
// | kind         | who says it          | what follows the header                                      |
// |--------------|----------------------|--------------------------------------------------------------|
// | ping, pong   | either side, answer  | any bytes, echoed                                            |
// | load         | either side          | any bytes, thrown away or checked (load_run.hpp)             |
// | counted      | answer to the last   | nothing; of a checked run doubled, disordered, damaged 32,   |
// |              |                      | longest time between two and its p99.9 in ns 64              |
// | file_open    | sender of files      | name of the transfer                                         |
// | file_entry   | sender               | size 64, path, target of a symbolic link                     |
// | file_chunk   | sender               | bytes of the current file, in order                          |
// | file_end     | sender               | SHA-256 of the file                                          |
// | file_close   | sender               | SHA-256 over the digests of all files                        |
// | file_credit  | receiver             | nothing; the sender stays at most a window ahead of it       |
// | file_verdict | receiver             | files 32, bytes 64, failed 32, path, what, because, try      |
// | file_cancel  | sender               | what, because, try                                           |
// | refused      | who cannot read it   | what, because, try                                           |
//
// Texts have a 16-bit length before them. A kind or version that a node does not know is answered with
// `refused`, which itself is never answered. The tables are in docs/wire.md; the transfer's rules in
// file_sender.hpp, file_receiver.hpp.
#pragma once

#include <span>
#include <tuple>

#include <harness/stack/field.hpp>

namespace harness::apps::wire {

inline constexpr std::uint8_t service_version = 1;

enum class Kind : std::uint8_t {
  ping = 1,
  pong = 2,
  load = 3,
  counted = 4,
  file_open = 16,
  file_entry = 17,
  file_chunk = 18,
  file_end = 19,
  file_close = 20,
  file_credit = 21,
  file_verdict = 22,
  file_cancel = 23,
  refused = 255,
};

enum class EntryType : std::uint8_t { file = 1, folder = 2, link = 3, folder_done = 4 };

inline constexpr std::uint32_t entries_unknown = ~std::uint32_t{0};
inline constexpr std::uint32_t whole_transfer = ~std::uint32_t{0};

/// What every kind starts with.
struct Head {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  static constexpr auto fields =
      std::tuple{Field<&Head::kind>{"kind", 8, "what this is"}, Field<&Head::version>{"version", 8, "1"}};
};

/// ping, and pong with the same fields.
struct Echo {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  std::uint16_t stream = 0;
  std::uint32_t sequence = 0;
  std::uint64_t sent_ns = 0;
  static constexpr auto fields =
      std::tuple{Field<&Echo::kind>{"kind", 8, "what this is"}, Field<&Echo::version>{"version", 8, "1"},
                 Field<&Echo::stream>{"stream", 16, "which run of pings"},
                 Field<&Echo::sequence>{"sequence", 32, "number within the run"},
                 Field<&Echo::sent_ns>{"sent_ns", 64, "clock of who pinged"}};
};

/// load: bytes to be thrown away, or to be checked.
struct Load {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  std::uint16_t stream = 0;
  std::uint8_t last = 0;
  std::uint8_t checked = 0;
  std::uint64_t sequence = 0;
  static constexpr auto fields =
      std::tuple{Field<&Load::kind>{"kind", 8, "what this is"},
                 Field<&Load::version>{"version", 8, "1"},
                 Field<&Load::stream>{"stream", 16, "which run"},
                 Field<&Load::last>{"last", 4, "1: answer with counted"},
                 Field<&Load::checked>{"checked", 4, "1: the bytes are those of the number, and a digest"},
                 Field<&Load::sequence>{"sequence", 40, "number within the run"}};
};

/// counted: what arrived of a run of load.
struct Counted {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  std::uint16_t stream = 0;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  static constexpr auto fields = std::tuple{
      Field<&Counted::kind>{"kind", 8, "what this is"}, Field<&Counted::version>{"version", 8, "1"},
      Field<&Counted::stream>{"stream", 16, "which run"},
      Field<&Counted::messages>{"messages", 48, "messages that arrived"},
      Field<&Counted::bytes>{"bytes", 48, "their bytes, headers left out"}};
};

/// file_open: a transfer begins.
struct FileOpen {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  std::uint32_t transfer = 0;
  std::uint32_t entries = 0;
  std::uint8_t sync = 0;
  static constexpr auto fields = std::tuple{
      Field<&FileOpen::kind>{"kind", 8, "what this is"}, Field<&FileOpen::version>{"version", 8, "1"},
      Field<&FileOpen::transfer>{"transfer", 32, "number given by the sender"},
      Field<&FileOpen::entries>{"entries", 32, "how many are coming; 2^32 - 1: not known yet"},
      Field<&FileOpen::sync>{"sync", 8, "1: to disk before a file gets its name"}};
};

/// file_entry: the next file, folder or link.
struct FileEntry {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  std::uint32_t transfer = 0;
  std::uint32_t index = 0;
  std::uint8_t type = 0;
  std::uint16_t mode = 0;
  static constexpr auto fields = std::tuple{
      Field<&FileEntry::kind>{"kind", 8, "what this is"},
      Field<&FileEntry::version>{"version", 8, "1"},
      Field<&FileEntry::transfer>{"transfer", 32, "which transfer"},
      Field<&FileEntry::index>{"index", 32, "from 0, in order"},
      Field<&FileEntry::type>{"type", 4, "1 file, 2 folder, 3 symbolic link, 4 folder is complete"},
      Field<&FileEntry::mode>{"mode", 12, "permission bits"}};
};

/// file_chunk: bytes of the current file.
struct FileChunk {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  std::uint32_t transfer = 0;
  std::uint64_t offset = 0;
  static constexpr auto fields = std::tuple{
      Field<&FileChunk::kind>{"kind", 8, "what this is"}, Field<&FileChunk::version>{"version", 8, "1"},
      Field<&FileChunk::transfer>{"transfer", 32, "which transfer"},
      Field<&FileChunk::offset>{"offset", 48, "where they belong; equal to the bytes before"}};
};

/// file_end: the current file is complete, or given up.
struct FileEnd {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  std::uint32_t transfer = 0;
  std::uint32_t index = 0;
  std::uint8_t given_up = 0;
  static constexpr auto fields = std::tuple{
      Field<&FileEnd::kind>{"kind", 8, "what this is"}, Field<&FileEnd::version>{"version", 8, "1"},
      Field<&FileEnd::transfer>{"transfer", 32, "which transfer"},
      Field<&FileEnd::index>{"index", 32, "which entry"},
      Field<&FileEnd::given_up>{"given_up", 8, "1: throw it away, no digest follows"}};
};

/// file_close: nothing more comes.
struct FileClose {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  std::uint32_t transfer = 0;
  std::uint32_t entries = 0;
  std::uint8_t failed = 0;
  static constexpr auto fields = std::tuple{
      Field<&FileClose::kind>{"kind", 8, "what this is"}, Field<&FileClose::version>{"version", 8, "1"},
      Field<&FileClose::transfer>{"transfer", 32, "which transfer"},
      Field<&FileClose::entries>{"entries", 32, "how many came"},
      Field<&FileClose::failed>{"failed", 8, "1: the sender left entries out"}};
};

/// file_credit: how far the receiver is.
struct FileCredit {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  std::uint32_t transfer = 0;
  std::uint64_t bytes = 0;
  static constexpr auto fields = std::tuple{
      Field<&FileCredit::kind>{"kind", 8, "what this is"}, Field<&FileCredit::version>{"version", 8, "1"},
      Field<&FileCredit::transfer>{"transfer", 32, "which transfer"},
      Field<&FileCredit::bytes>{"bytes", 64, "bytes of chunks handled since the transfer began"}};
};

/// file_verdict: how an entry, or the whole transfer, ended at the receiver.
struct FileVerdict {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  std::uint32_t transfer = 0;
  std::uint32_t index = 0;
  std::uint16_t code = 0;
  static constexpr auto fields = std::tuple{
      Field<&FileVerdict::kind>{"kind", 8, "what this is"}, Field<&FileVerdict::version>{"version", 8, "1"},
      Field<&FileVerdict::transfer>{"transfer", 32, "which transfer"},
      Field<&FileVerdict::index>{"index", 32, "which entry; 2^32 - 1: the whole transfer"},
      Field<&FileVerdict::code>{"code", 16, "0: every byte verified; else an Errc"}};
};

/// file_cancel: the sender stops in the middle.
struct FileCancel {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  std::uint32_t transfer = 0;
  std::uint16_t code = 0;
  static constexpr auto fields = std::tuple{Field<&FileCancel::kind>{"kind", 8, "what this is"},
                                            Field<&FileCancel::version>{"version", 8, "1"},
                                            Field<&FileCancel::transfer>{"transfer", 32, "which transfer"},
                                            Field<&FileCancel::code>{"code", 16, "an Errc"}};
};

/// refused: a message that its receiver cannot read.
struct Refused {
  std::uint8_t kind = 0;
  std::uint8_t version = service_version;
  std::uint8_t refused_kind = 0;
  std::uint8_t refused_version = 0;
  std::uint16_t code = 0;
  static constexpr auto fields = std::tuple{
      Field<&Refused::kind>{"kind", 8, "what this is"}, Field<&Refused::version>{"version", 8, "1"},
      Field<&Refused::refused_kind>{"refused_kind", 8, "the kind it had"},
      Field<&Refused::refused_version>{"refused_version", 8, "the version it had"},
      Field<&Refused::code>{"code", 16, "an Errc"}};
};

/// Every header of the services with its kind as tag, for documentation and dissectors. [any-thread]
std::span<const HeaderInfo> service_headers() noexcept;

}  // namespace harness::apps::wire
