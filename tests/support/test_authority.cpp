// SPDX-License-Identifier: Apache-2.0
// See test_authority.hpp.
#include <harness/tests/support/test_authority.hpp>

#include <stdexcept>

#include <harness/layers/encrypt/primitives.hpp>

namespace harness::tests {

namespace {

std::uint64_t checksum(Bytes bytes) {
  std::uint64_t sum = 14695981039346656037u;
  for (const std::byte byte : bytes) sum = (sum ^ static_cast<std::uint8_t>(byte)) * 1099511628211u;
  return sum;
}

template <class T>
T value(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return std::move(*result);
}

}  // namespace

TestAuthority::TestAuthority(std::string domain, std::string name) {
  using namespace layers::encryption;
  if (!libraries_ready()) throw std::runtime_error("the crypto libraries are not ready");
  draw(secret_);
  self_.static_key = public_key(secret_);
  rename(std::move(domain), std::move(name));
}

void TestAuthority::rename(std::string domain, std::string name) {
  self_.domain = std::move(domain);
  self_.name = std::move(name);
  const std::string names = self_.domain + '\0' + self_.name + '\0';
  const Bytes text = as_bytes(names);
  certificate_.assign(text.begin(), text.end());
  certificate_.insert(certificate_.end(), self_.static_key.begin(), self_.static_key.end());
  std::array<std::byte, 8> sum;
  store<std::uint64_t>(sum.data(), checksum(certificate_));
  certificate_.insert(certificate_.end(), sum.begin(), sum.end());
}

Result<Principal> TestAuthority::verify(Bytes certificate) const {
  ++verified;
  const std::string_view text = as_text(certificate);
  const std::size_t domain = text.find('\0');
  const std::size_t name = domain == text.npos ? domain : text.find('\0', domain + 1);
  if (name == text.npos || text.size() != name + 1 + sizeof(Key) + 8 ||
      load<std::uint64_t>(certificate.data() + certificate.size() - 8) !=
          checksum(certificate.first(certificate.size() - 8)))
    return fail(Errc::corrupt, "this is no certificate");
  Principal principal{
      std::string(text.substr(0, domain)), std::string(text.substr(domain + 1, name - domain - 1)), {}};
  std::copy_n(certificate.begin() + static_cast<std::ptrdiff_t>(name + 1), sizeof(Key),
              principal.static_key.begin());
  if (principal.name == refused) return fail(Errc::denied, principal.name + " is not believed");
  return principal;
}

Key TestAuthority::shared_secret(std::string_view domain) const noexcept {
  ++begun;
  const auto at = shared.find(domain);
  return at != shared.end() ? at->second : Key{};
}

std::optional<Code> TestAuthority::greeting(std::string_view domain, Bytes frame) const noexcept {
  const std::byte known{root};
  Code code{};
  store<std::uint64_t>(code.data(), checksum({&known, 1}) ^ checksum(as_bytes(domain)));
  store<std::uint64_t>(code.data() + 8, load<std::uint64_t>(code.data()) + checksum(frame));
  return code;
}

Code TestAuthority::cookie(Bytes bytes) const noexcept {
  Code code{};
  store<std::uint64_t>(code.data(), checksum(bytes) ^ load<std::uint64_t>(secret_.data()));
  return code;
}

Hands::Hands(const LayerType& layer, Authority& initiator, Authority& responder)
    : ends{layer.handshake(Role::initiator, initiator), layer.handshake(Role::responder, responder)} {
  const Bytes bound = as_bytes("hello");
  const Bytes chosen = as_bytes("accept");
  const auto first = value(ends[0]->hello(bound));
  const auto second = value(ends[1]->answer(bound, first, chosen));
  const auto third = value(ends[0]->finish(second, chosen));
  if (const auto confirmed = ends[1]->confirm(third); !confirmed)
    throw std::runtime_error(confirmed.error().text());
}

std::array<std::unique_ptr<Handshake>, 2> shaken_hands(const LayerType& layer) {
  static TestAuthority authorities[2] = {TestAuthority("lab", "a"), TestAuthority("office", "b")};
  return std::move(Hands(layer, authorities[0], authorities[1]).ends);
}

}  // namespace harness::tests
