// SPDX-License-Identifier: Apache-2.0
// Bytes of a certificate, and what makes it valid.
#include <harness/kernel/identity/certificate.hpp>

#include <fmt/format.h>

#include <harness/kernel/identity/refusal.hpp>
#include <harness/kernel/identity/take.hpp>
#include <harness/stack/setup.hpp>

namespace harness::identity {

namespace {

constexpr std::string_view label = "harness certificate 1";
constexpr std::uint8_t version = 1;

tl::unexpected<Error> damaged(std::string because) {
  return fail(Errc::corrupt, "the certificate is damaged", std::move(because),
              "let the node enroll anew: harness node enroll NAME");
}

}  // namespace

std::vector<std::byte> issue(const Certificate& one, const SigningKey& root) {
  std::vector<std::byte> bytes(certificate_bytes_max);
  Writer out(bytes);
  out.put<std::uint8_t>(version);
  out.put_text(one.domain);
  out.put_text(one.name);
  out.put_bytes(one.signing_key);
  out.put_bytes(one.static_key);
  out.put<std::uint64_t>(static_cast<std::uint64_t>(one.not_before));
  out.put<std::uint64_t>(static_cast<std::uint64_t>(one.not_after));
  out.put<std::uint64_t>(one.serial);
  out.put_bytes(one.issuer);
  bytes.resize(out.used());
  const Signature signature = root.sign(label, bytes);
  bytes.insert(bytes.end(), signature.begin(), signature.end());
  return bytes;
}

Result<Certificate> parse_certificate(Bytes bytes) {
  Reader in(bytes);
  const auto told = in.take<std::uint8_t>();
  Certificate one;
  one.domain = in.take_text(setup::name_bytes_max);
  one.name = in.take_text(setup::name_bytes_max);
  take(in, one.signing_key);
  take(in, one.static_key);
  one.not_before = static_cast<Seconds>(in.take<std::uint64_t>());
  one.not_after = static_cast<Seconds>(in.take<std::uint64_t>());
  one.serial = in.take<std::uint64_t>();
  take(in, one.issuer);
  (void)in.take_bytes(sizeof(Signature));
  if (!in.done())
    return damaged(in.ok() ? fmt::format("{} bytes follow its end", in.remaining()) : "it ends early");
  if (told != version) return damaged(fmt::format("its version is {}, this program reads {}", told, version));
  if (!setup::valid_name(one.domain) || !setup::valid_name(one.name)) return damaged("its name is no name");
  if (one.not_before < 0 || one.not_after > last_moment || one.not_before > one.not_after)
    return damaged("its dates are none");
  return one;
}

Result<Certificate> check_certificate(Bytes bytes, const Root& root, Seconds now) {
  auto one = parse_certificate(bytes);
  if (!one) return one;
  if (one->domain != root.domain)
    return fail(Errc::denied, fmt::format("the certificate is of the domain {}", one->domain),
                fmt::format("one of {} was expected", root.domain), "use the certificate of that domain");
  if (one->issuer != root.fingerprint)
    return refuse(Refusal::wrong_root, "the certificate of " + spiffe_name(one->domain, one->name),
                  fmt::format("{} issued it, known here is {}", fingerprint_text(one->issuer),
                              fingerprint_text(root.fingerprint)),
                  "compare both with: harness domain show " + root.domain);
  const std::size_t signed_bytes = bytes.size() - sizeof(Signature);
  if (!is_signed(root.key, label, bytes.first(signed_bytes), bytes.subspan(signed_bytes)))
    return damaged(fmt::format("its signature is not that of the root of {}", root.domain));
  if (auto valid = check_dates(*one, now); !valid) return tl::unexpected<Error>(valid.error());
  return one;
}

Result<> check_dates(const Certificate& one, Seconds now) {
  const std::string about = "the certificate of " + spiffe_name(one.domain, one.name);
  if (now < one.not_before)
    return fail(
        Errc::denied, about + " is not valid yet",
        fmt::format("it holds from {}; the clock here says {}", utc_text(one.not_before), utc_text(now)),
        "set the clock of this machine: timedatectl");
  if (now > one.not_after)
    return fail(
        Errc::denied, about + " has expired",
        fmt::format("it held until {}; the clock here says {}", utc_text(one.not_after), utc_text(now)),
        fmt::format("harness node enroll {}, where the root of {} is", one.name, one.domain));
  return {};
}

}  // namespace harness::identity
