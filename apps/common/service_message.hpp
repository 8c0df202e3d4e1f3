// SPDX-License-Identifier: Apache-2.0
// Messages of the services, written and read: a header of service_wire.hpp, then a body of texts and numbers.
//
// The header is part of the message's body: the stack counts it as the application's bytes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <harness/apps/common/digest.hpp>
#include <harness/apps/common/service_wire.hpp>
#include <harness/stack/message.hpp>
#include <harness/stack/result.hpp>

namespace harness::apps {

/// A message of header and body; empty when the pool's limit is reached. [stack-thread]
template <class H>
Message service_message(Pool& pool, wire::Kind kind, H header, Bytes body = {}) {
  constexpr auto header_bytes = static_cast<std::uint32_t>(harness::wire::bytes_of<H>);
  header.kind = static_cast<std::uint8_t>(kind);
  Message message = Message::make(pool, header_bytes + static_cast<std::uint32_t>(body.size()));
  if (!message) return message;
  harness::wire::encode(header, message.writable().data());
  if (!body.empty()) std::memcpy(message.writable().data() + header_bytes, body.data(), body.size());
  return message;
}

/// Takes a header off the front; nothing when the message is shorter. [stack-thread]
template <class H>
std::optional<H> take_header(Message& message) noexcept {
  constexpr auto header_bytes = static_cast<std::uint32_t>(harness::wire::bytes_of<H>);
  const std::byte* front = message.pull(header_bytes);
  if (front == nullptr) return std::nullopt;
  return harness::wire::decode<H>(front);
}

/// A file, folder or link of a transfer.
struct Entry {
  wire::EntryType type = wire::EntryType::file;
  std::uint32_t index = 0;
  std::uint16_t mode = 0644;
  std::uint64_t bytes = 0;  // unknown_bytes: a stream
  std::string path;         // relative, with '/'
  std::string target;       // of a symbolic link
  friend bool operator==(const Entry&, const Entry&) = default;
};
inline constexpr std::uint64_t unknown_bytes = ~std::uint64_t{0};

/// How an entry, or the whole transfer, ended at the receiver.
struct Verdict {
  std::uint32_t index = wire::whole_transfer;
  std::uint32_t files = 0;   // verified so far
  std::uint64_t bytes = 0;   // … and their bytes
  std::uint32_t failed = 0;  // entries that were refused or could not be written
  std::string path;          // of the entry
  Error error{Errc::ok, {}, {}, {}};
};

// Each writer gives an empty message when memory is short; each reader nothing when the bytes are not of its
// kind, too short, too long, or name something out of range. [stack-thread]
Message write_open(Pool& pool, const wire::FileOpen& open, std::string_view name);
std::optional<std::string> read_name(Pool& pool, Message& message);
Message write_entry(Pool& pool, std::uint32_t transfer, const Entry& entry);
std::optional<Entry> read_entry(Pool& pool, const wire::FileEntry& header, Message& message);
Message write_digest(Pool& pool, wire::FileEnd end, const Digest& digest);
Message write_digest(Pool& pool, wire::FileClose close, const Digest& digest);
std::optional<Digest> read_digest(Message& message);
Message write_verdict(Pool& pool, std::uint32_t transfer, const Verdict& verdict);
std::optional<Verdict> read_verdict(Pool& pool, const wire::FileVerdict& header, Message& message);
Message write_cancel(Pool& pool, std::uint32_t transfer, const Error& error);
Message write_refused(Pool& pool, const wire::Head& head, const Error& error);
/// The three texts of file_cancel and refused; `code` is clamped to a known Errc that is not ok.
std::optional<Error> read_error(Pool& pool, std::uint16_t code, Message& message);

}  // namespace harness::apps
