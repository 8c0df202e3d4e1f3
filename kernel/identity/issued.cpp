// SPDX-License-Identifier: Apache-2.0
// Lines of the list.
#include <harness/kernel/identity/issued.hpp>

#include <charconv>

#include <fmt/format.h>

#include <harness/stack/setup.hpp>

namespace harness::identity {

namespace {

// The front of `text` up to `end`, which is taken off with it.
std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view front = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return front;
}

template <class T>
bool read_number(std::string_view text, T& value, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

std::string write_issued(const std::vector<Issued>& all) {
  std::string text;
  for (const Issued& one : all)
    text += fmt::format("{:016x} {:016x} {} {}\n", one.serial, one.key, one.not_after, one.name);
  return text;
}

Result<std::vector<Issued>> parse_issued(std::string_view text) {
  std::vector<Issued> all;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const bool ended = text.find('\n') != std::string_view::npos;
    std::string_view line = take_until(text, '\n');
    Issued one;
    const std::string_view serial = take_until(line, ' ');
    const std::string_view key = take_until(line, ' ');
    const std::string_view until = take_until(line, ' ');
    one.name = line;
    if (!ended || serial.size() != 16 || !read_number(serial, one.serial, 16) || key.size() != 16 ||
        !read_number(key, one.key, 16) || !read_number(until, one.not_after, 10) ||
        !setup::valid_name(one.name) || number > issued_max)
      return fail(Errc::corrupt, "the list of issued certificates is damaged",
                  fmt::format("line {} makes no sense", number),
                  "correct the file issued of the domain, or remove that line");
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace harness::identity
