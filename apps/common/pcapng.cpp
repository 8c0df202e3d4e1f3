// SPDX-License-Identifier: Apache-2.0
// Blocks of a pcapng file: type, length, body, options, length again; everything padded to four bytes.
#include <harness/apps/common/pcapng.hpp>

namespace harness::apps::pcapng {

namespace {

template <class T>
void put(std::string& to, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof value);
  to.append(raw, sizeof raw);
}

void put_padded(std::string& to, std::string_view bytes) {
  to += bytes;
  to.append((4 - bytes.size() % 4) % 4, '\0');
}

void option(std::string& to, std::uint16_t code, std::string_view value) {
  value = value.substr(0, 0xffff);
  put(to, code);
  put(to, static_cast<std::uint16_t>(value.size()));
  put_padded(to, value);
}

template <class T>
void number_option(std::string& to, std::uint16_t code, T value) {
  std::string raw;
  put(raw, value);
  option(to, code, raw);
}

void end_of_options(std::string& to) { option(to, 0, {}); }

std::string block(std::uint32_t type, const std::string& body) {
  std::string out;
  const auto length = static_cast<std::uint32_t>(body.size() + 12);
  put(out, type);
  put(out, length);
  out += body;
  put(out, length);
  return out;
}

void put_time(std::string& to, std::uint64_t time_ns) {
  put(to, static_cast<std::uint32_t>(time_ns >> 32));
  put(to, static_cast<std::uint32_t>(time_ns));
}

}  // namespace

std::string section(std::string_view application, std::string_view comment) {
  std::string body;
  put<std::uint32_t>(body, 0x1a2b3c4d);
  put<std::uint16_t>(body, 1);
  put<std::uint16_t>(body, 0);
  put<std::uint64_t>(body, ~std::uint64_t{0});  // the length of the section is not known
  if (!comment.empty()) option(body, 1, comment);
  option(body, 4, application);
  end_of_options(body);
  return block(0x0a0d0d0a, body);
}

std::string interface(std::string_view name, std::string_view description, std::uint32_t snap_bytes) {
  std::string body;
  put(body, link_type);
  put<std::uint16_t>(body, 0);
  put(body, snap_bytes);
  option(body, 2, name);
  option(body, 3, description);
  number_option<std::uint8_t>(body, 9, 9);  // if_tsresol: 10^-9 s
  end_of_options(body);
  return block(1, body);
}

std::string packet(std::uint32_t interface, std::uint64_t time_ns, Bytes bytes, std::uint32_t original_bytes,
                   Direction direction, std::string_view comment) {
  std::string body;
  put(body, interface);
  put_time(body, time_ns);
  put(body, static_cast<std::uint32_t>(bytes.size()));
  put(body, original_bytes);
  put_padded(body, as_text(bytes));
  if (!comment.empty()) option(body, 1, comment);
  number_option(body, 2, static_cast<std::uint32_t>(direction));
  end_of_options(body);
  return block(6, body);
}

std::string statistics(std::uint32_t interface, std::uint64_t time_ns, std::uint64_t seen,
                       std::uint64_t dropped) {
  std::string body;
  put(body, interface);
  put_time(body, time_ns);
  number_option(body, 4, seen);
  number_option(body, 5, dropped);
  end_of_options(body);
  return block(5, body);
}

}  // namespace harness::apps::pcapng
