// SPDX-License-Identifier: Apache-2.0
// Bytes of a list, its signature, its ratchet.
#include <harness/kernel/identity/revocation.hpp>

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include <harness/kernel/identity/line.hpp>
#include <harness/kernel/identity/refusal.hpp>
#include <harness/kernel/identity/take.hpp>
#include <harness/stack/setup.hpp>

namespace harness::identity {

namespace {

constexpr std::string_view label = "harness revocation 1";
constexpr std::uint8_t version = 1;

tl::unexpected<Error> damaged(std::string because) {
  return fail(Errc::corrupt, "the list of revoked certificates is damaged", std::move(because),
              "ask for it again: harness domain show NAME");
}

std::vector<std::byte> body_of(const RevocationList& list) {
  std::vector<std::byte> body(revocation_bytes_max);
  Writer out(body);
  out.put<std::uint8_t>(version);
  out.put_text(list.domain);
  out.put_bytes(list.root);
  out.put<std::uint64_t>(list.serial);
  out.put<std::uint32_t>(static_cast<std::uint32_t>(list.revoked.size()));
  for (const std::uint64_t serial : list.revoked) out.put<std::uint64_t>(serial);
  body.resize(out.used());
  return body;
}

}  // namespace

bool RevocationList::has(std::uint64_t certificate) const noexcept {
  return std::binary_search(revoked.begin(), revoked.end(), certificate);
}

void sign_revocations(RevocationList& list, const SigningKey& key) {
  list.signature = key.sign(label, body_of(list));
}

std::vector<std::byte> write_revocations(const RevocationList& list) {
  std::vector<std::byte> bytes = body_of(list);
  bytes.insert(bytes.end(), list.signature.begin(), list.signature.end());
  return bytes;
}

Result<RevocationList> parse_revocations(Bytes bytes) {
  Reader in(bytes);
  const auto told = in.take<std::uint8_t>();
  RevocationList list;
  list.domain = in.take_text(setup::name_bytes_max);
  take(in, list.root);
  list.serial = in.take<std::uint64_t>();
  const std::size_t count = in.take<std::uint32_t>();
  if (!in.ok() || told != version || !setup::valid_name(list.domain))
    return damaged("it has another length, version or name than such a list has");
  if (count > revoked_max || in.remaining() != 8 * count + sizeof list.signature)
    return damaged(fmt::format("{} entries do not fit its {} bytes", count, bytes.size()));
  for (std::size_t i = 0; i < count; ++i) list.revoked.push_back(in.take<std::uint64_t>());
  take(in, list.signature);
  if (std::adjacent_find(list.revoked.begin(), list.revoked.end(), std::greater_equal<>()) !=
      list.revoked.end())
    return damaged("its entries do not ascend");
  return list;
}

Result<RevocationList> read_revocations(std::string_view line) {
  auto bytes = read_line(line, revoked_prefix, "a list of revoked certificates", revocation_bytes_max);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  return parse_revocations(*bytes);
}

std::string revocations_line(const RevocationList& list) {
  return write_line(revoked_prefix, write_revocations(list));
}

Result<> check_revocations(const RevocationList& list, const Root& root) {
  if (list.domain != root.domain)
    return fail(Errc::denied, fmt::format("the list is of the domain {}", list.domain),
                fmt::format("one of {} was expected", root.domain), "give the list of that domain");
  if (list.root != root.fingerprint)
    return refuse(Refusal::wrong_root, "the list of revoked certificates of " + list.domain,
                  fmt::format("{} signed it, known here is {}", fingerprint_text(list.root),
                              fingerprint_text(root.fingerprint)),
                  "compare both with: harness domain show " + root.domain);
  if (!is_signed(root.key, label, body_of(list), list.signature))
    return damaged(fmt::format("its signature is not that of the root of {}", root.domain));
  return {};
}

Result<> follows(const RevocationList& next, const RevocationList* held) {
  if (held == nullptr || next.serial > held->serial || next == *held) return {};
  return fail(Errc::conflict, "the list of revoked certificates is older than the one in force",
              fmt::format("its serial is {}, that in force has {}", next.serial, held->serial),
              "ask for the newest: harness domain show " + next.domain);
}

}  // namespace harness::identity
