// SPDX-License-Identifier: Apache-2.0
// Bodies of the services' messages: bounded texts and numbers, read without trust.
#include <harness/apps/common/service_message.hpp>

#include <algorithm>

#include <harness/apps/common/safe_path.hpp>

namespace harness::apps {

namespace {

constexpr std::size_t text_bytes_max = 1024;
constexpr std::size_t body_bytes_max = 16 * 1024;  // of everything but chunks and pings

/// A body under construction: enough room for every kind, so that a writer cannot fail on its own values.
class Body {
 public:
  Body() : bytes_(body_bytes_max), writer_(bytes_) {}
  Body& text(std::string_view value, std::size_t limit) {
    writer_.put_text(value.substr(0, limit));
    return *this;
  }
  template <class T>
  Body& number(T value) {
    writer_.put(value);
    return *this;
  }
  Body& error(const Error& error) {
    return text(error.what, text_bytes_max)
        .text(error.because, text_bytes_max)
        .text(error.advice, text_bytes_max);
  }
  [[nodiscard]] Bytes bytes() const { return Bytes(bytes_).first(writer_.used()); }

 private:
  std::vector<std::byte> bytes_;
  Writer writer_;
};

Error take_error(Reader& from, std::uint16_t code) {
  Error error;
  error.code = code > 0 && code <= static_cast<std::uint16_t>(Errc::io) ? static_cast<Errc>(code) : Errc::io;
  error.what = from.take_text(text_bytes_max);
  error.because = from.take_text(text_bytes_max);
  error.advice = from.take_text(text_bytes_max);
  return error;
}

// The rest of the message as one run, or nothing when it is larger than any body.
std::optional<Reader> rest(Pool& pool, Message& message) {
  if (message.body_size() > body_bytes_max) return std::nullopt;
  return Reader(message.gathered(pool));
}

}  // namespace

Message write_open(Pool& pool, const wire::FileOpen& open, std::string_view name) {
  return service_message(pool, wire::Kind::file_open, open, Body().text(name, path_name_bytes_max).bytes());
}

std::optional<std::string> read_name(Pool& pool, Message& message) {
  auto from = rest(pool, message);
  if (!from) return std::nullopt;
  std::string name(from->take_text(path_name_bytes_max));
  return from->done() ? std::optional(std::move(name)) : std::nullopt;
}

Message write_entry(Pool& pool, std::uint32_t transfer, const Entry& entry) {
  wire::FileEntry header;
  header.transfer = transfer;
  header.index = entry.index;
  header.type = static_cast<std::uint8_t>(entry.type);
  header.mode = entry.mode;
  Body body;
  body.number(entry.bytes).text(entry.path, path_bytes_max).text(entry.target, path_bytes_max);
  return service_message(pool, wire::Kind::file_entry, header, body.bytes());
}

std::optional<Entry> read_entry(Pool& pool, const wire::FileEntry& header, Message& message) {
  auto from = rest(pool, message);
  if (!from || header.type < 1 || header.type > static_cast<std::uint8_t>(wire::EntryType::folder_done))
    return std::nullopt;
  Entry entry;
  entry.type = static_cast<wire::EntryType>(header.type);
  entry.index = header.index;
  entry.mode = header.mode;
  entry.bytes = from->take<std::uint64_t>();
  entry.path = from->take_text(path_bytes_max);
  entry.target = from->take_text(path_bytes_max);
  return from->done() ? std::optional(std::move(entry)) : std::nullopt;
}

Message write_digest(Pool& pool, wire::FileEnd end, const Digest& digest) {
  return service_message(pool, wire::Kind::file_end, end, end.given_up != 0 ? Bytes{} : Bytes(digest));
}
Message write_digest(Pool& pool, wire::FileClose close, const Digest& digest) {
  return service_message(pool, wire::Kind::file_close, close, digest);
}

std::optional<Digest> read_digest(Message& message) {
  Digest digest;
  if (message.body_size() != digest.size()) return std::nullopt;
  std::memcpy(digest.data(), message.peek(digest.size()), digest.size());
  return digest;
}

Message write_verdict(Pool& pool, std::uint32_t transfer, const Verdict& verdict) {
  wire::FileVerdict header;
  header.transfer = transfer;
  header.index = verdict.index;
  header.code = static_cast<std::uint16_t>(verdict.error.code);
  Body body;
  body.number(verdict.files).number(verdict.bytes).number(verdict.failed);
  body.text(verdict.path, path_bytes_max).error(verdict.error);
  return service_message(pool, wire::Kind::file_verdict, header, body.bytes());
}

std::optional<Verdict> read_verdict(Pool& pool, const wire::FileVerdict& header, Message& message) {
  auto from = rest(pool, message);
  if (!from) return std::nullopt;
  Verdict verdict;
  verdict.index = header.index;
  verdict.files = from->take<std::uint32_t>();
  verdict.bytes = from->take<std::uint64_t>();
  verdict.failed = from->take<std::uint32_t>();
  verdict.path = from->take_text(path_bytes_max);
  verdict.error = take_error(*from, header.code);
  if (header.code == 0) verdict.error.code = Errc::ok;
  return from->done() ? std::optional(std::move(verdict)) : std::nullopt;
}

Message write_cancel(Pool& pool, std::uint32_t transfer, const Error& error) {
  wire::FileCancel header;
  header.transfer = transfer;
  header.code = static_cast<std::uint16_t>(error.code);
  return service_message(pool, wire::Kind::file_cancel, header, Body().error(error).bytes());
}

Message write_refused(Pool& pool, const wire::Head& head, const Error& error) {
  wire::Refused header;
  header.refused_kind = head.kind;
  header.refused_version = head.version;
  header.code = static_cast<std::uint16_t>(error.code);
  return service_message(pool, wire::Kind::refused, header, Body().error(error).bytes());
}

std::optional<Error> read_error(Pool& pool, std::uint16_t code, Message& message) {
  auto from = rest(pool, message);
  if (!from) return std::nullopt;
  Error error = take_error(*from, code);
  return from->done() ? std::optional(std::move(error)) : std::nullopt;
}

}  // namespace harness::apps
