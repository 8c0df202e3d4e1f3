// SPDX-License-Identifier: Apache-2.0
// Bytes of a floor, its signatures, its ratchet.
#include <harness/kernel/identity/floor.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <harness/kernel/identity/line.hpp>
#include <harness/kernel/identity/refusal.hpp>
#include <harness/kernel/identity/take.hpp>
#include <harness/stack/setup.hpp>
#include <harness/stack/text.hpp>

namespace harness::identity {

namespace {

constexpr std::string_view label = "harness floor 1";
constexpr std::uint8_t version = 1;

tl::unexpected<Error> damaged(std::string because) {
  return fail(Errc::corrupt, "the floor is damaged", std::move(because), "have it made and signed again");
}

std::string name_of(const SignedFloor& floor) {
  return floor.same_domain() ? "the floor of " + floor.domains[0]
                             : fmt::format("the floor of {} and {}", floor.domains[0], floor.domains[1]);
}

// What is signed: everything but the signatures.
std::vector<std::byte> body_of(const SignedFloor& floor) {
  std::vector<std::byte> body(floor_bytes_max);
  Writer out(body);
  out.put<std::uint8_t>(version);
  for (std::size_t i = 0; i < 2; ++i) {
    out.put_text(floor.domains[i]);
    out.put_bytes(floor.roots[i]);
  }
  out.put_text(property::to_string(floor.word));
  out.put<std::uint64_t>(floor.serial);
  body.resize(out.used());
  return body;
}

// "a, b, c" exactly as to_string writes it.
Result<Properties> word_of(std::string_view words) {
  Properties all;
  for (std::string_view rest = words; !rest.empty() && words != "nothing";) {
    const std::size_t end = std::min(rest.find(", "), rest.size());
    const auto one = property::from_word(rest.substr(0, end));
    if (!one)
      return fail(Errc::unsupported, fmt::format("{} is no property here", text::quoted(rest.substr(0, end))),
                  "the floor was made by another version", "use the same version everywhere");
    all = all | *one;
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
  if (property::to_string(all) != words) return damaged("its words are not in their one order");
  return all;
}

bool side_signed(const SignedFloor& floor, std::size_t side, const PublicKey& key) {
  return floor.signatures[side] && is_signed(key, label, body_of(floor), *floor.signatures[side]);
}

Result<> check_side(const SignedFloor& floor, std::size_t side, const Root& root) {
  if (floor.roots[side] != root.fingerprint)
    return refuse(Refusal::wrong_root, name_of(floor),
                  fmt::format("it names {} for {}, known here is {}", fingerprint_text(floor.roots[side]),
                              root.domain, fingerprint_text(root.fingerprint)),
                  "compare both with: harness domain show " + root.domain);
  if (!floor.signatures[side])
    return fail(Errc::denied, name_of(floor) + " is not complete",
                fmt::format("the root of {} has not signed it", root.domain),
                "have it signed where that root is: harness domain sign LINE");
  if (!side_signed(floor, side, root.key))
    return damaged(fmt::format("its signature is not that of the root of {}", root.domain));
  return {};
}

}  // namespace

SignedFloor make_floor(const Root& a, const Root& b, Properties word, std::uint64_t serial) {
  const bool ordered = a.domain <= b.domain;
  const Root& first = ordered ? a : b;
  const Root& second = ordered ? b : a;
  return {{first.domain, second.domain}, {first.fingerprint, second.fingerprint}, word, serial, {}};
}

Result<> sign_floor(SignedFloor& floor, const Root& root, const SigningKey& key) {
  for (std::size_t side = 0; side < 2; ++side)
    if (floor.domains[side] == root.domain && floor.roots[side] == root.fingerprint) {
      floor.signatures[side] = key.sign(label, body_of(floor));
      return {};
    }
  return refuse(Refusal::wrong_root, name_of(floor),
                fmt::format("it is not between {} and another", root.domain),
                "make one for the two domains: harness domain floor A B --require WORD");
}

std::vector<std::byte> write_floor(const SignedFloor& floor) {
  std::vector<std::byte> bytes = body_of(floor);
  const auto signed_by = (floor.signatures[0] ? 1 : 0) | (floor.signatures[1] ? 2 : 0);
  bytes.push_back(static_cast<std::byte>(signed_by));
  for (const auto& signature : floor.signatures)
    if (signature) bytes.insert(bytes.end(), signature->begin(), signature->end());
  return bytes;
}

Result<SignedFloor> parse_floor(Bytes bytes) {
  Reader in(bytes);
  const auto told = in.take<std::uint8_t>();
  SignedFloor floor;
  for (std::size_t i = 0; i < 2; ++i) {
    floor.domains[i] = in.take_text(setup::name_bytes_max);
    take(in, floor.roots[i]);
  }
  const std::string_view words = in.take_text(floor_words_bytes_max);
  floor.serial = in.take<std::uint64_t>();
  const auto signed_by = in.take<std::uint8_t>();
  for (std::size_t i = 0; i < 2; ++i) {
    if ((signed_by >> i & 1) == 0) continue;
    take(in, floor.signatures[i].emplace());
  }
  if (!in.done() || told != version || signed_by > 3)
    return damaged("it has another length or version than a floor has");
  if (!setup::valid_name(floor.domains[0]) || !setup::valid_name(floor.domains[1]) ||
      floor.domains[0] > floor.domains[1])
    return damaged("its domains are no names, or not in order");
  if (floor.same_domain() && (floor.roots[0] != floor.roots[1] || floor.signatures[1]))
    return damaged("one domain has one root and signs once");
  auto word = word_of(words);
  if (!word) return tl::unexpected<Error>(word.error());
  floor.word = *word;
  return floor;
}

Result<SignedFloor> read_floor(std::string_view line) {
  auto bytes = read_line(line, floor_prefix, "a floor", floor_bytes_max);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  return parse_floor(*bytes);
}

std::string floor_line(const SignedFloor& floor) { return write_line(floor_prefix, write_floor(floor)); }

Result<> check_half(const SignedFloor& floor, const Root& side) {
  for (std::size_t i = 0; i < 2; ++i)
    if (floor.domains[i] == side.domain) return check_side(floor, i, side);
  return fail(Errc::denied, name_of(floor) + " is another pair's",
              fmt::format("one with {} was expected", side.domain), "give the floor of these two domains");
}

Result<> check_floor(const SignedFloor& floor, const Root& a, const Root& b) {
  const SignedFloor wanted = make_floor(a, b, {}, 0);
  if (floor.domains != wanted.domains)
    return fail(Errc::denied, name_of(floor) + " is another pair's",
                fmt::format("one of {} and {} was expected", a.domain, b.domain),
                "give the floor of these two domains");
  if (auto first = check_half(floor, a); !first || floor.same_domain()) return first;
  return check_half(floor, b);
}

Result<> follows(const SignedFloor& next, const SignedFloor* held) {
  if (held == nullptr || next.serial > held->serial) return {};
  if (next.serial == held->serial && write_floor(next) == write_floor(*held)) return {};
  return fail(Errc::conflict, name_of(next) + " is older than the one in force",
              fmt::format("its serial is {}, that in force has {}", next.serial, held->serial),
              fmt::format("make a new one: harness domain floor {} {} --require WORD", next.domains[0],
                          next.domains[1]));
}

}  // namespace harness::identity
