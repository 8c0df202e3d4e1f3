// SPDX-License-Identifier: Apache-2.0
// See key_exchange.hpp: what stands in the blobs and who is believed.
#include <harness/layers/encrypt/key_exchange.hpp>

#include <algorithm>

namespace harness::layers::encryption {

namespace {

constexpr std::string_view label = "harness encrypt 1";
constexpr std::size_t digest_bytes = 32;
constexpr std::size_t answer_fixed_bytes = 1 + digest_bytes;
constexpr std::size_t bound_bytes_max = std::size_t{72} << 10;  // of a set-up frame

constexpr std::byte joins{0x80};  // in the byte of the suite

NoiseProtocol protocol_of(Suite suite, bool joining) {
  if (joining)
    return *noise_protocol(suite == Suite::aes ? "Noise_XXpsk0_25519_AESGCM_SHA256"
                                               : "Noise_XXpsk0_25519_ChaChaPoly_SHA256");
  return *noise_protocol(suite == Suite::aes ? "Noise_XXpsk3_25519_AESGCM_SHA256"
                                             : "Noise_XXpsk3_25519_ChaChaPoly_SHA256");
}

std::optional<Suite> suite_of(std::byte byte) {
  const auto suite = static_cast<Suite>(byte);
  if (suite != Suite::aes && suite != Suite::chacha) return {};
  return suite;
}

Suite preferred() { return has_aes() ? Suite::aes : Suite::chacha; }

}  // namespace

KeyExchange::KeyExchange(Role role, Authority& authority) : role_(role), authority_(authority) {}

tl::unexpected<Error> KeyExchange::refuse(Errc code, std::string because) {
  step_ = Step::failed;
  peer_.reset();
  noise_.reset();
  return fail(code, "the peer was not let in", std::move(because),
              "compare both nodes' domains and clocks; a peer of the same release");
}

// ---- the four steps ----

Result<Handshake::Blob> KeyExchange::hello(Bytes bound) {
  if (role_ != Role::initiator || step_ != Step::first) return refuse(Errc::conflict, "hello out of turn");
  if (const auto ticket = authority_.ticket()) return hello_with(*ticket, bound);
  if (auto started = start(preferred(), bound); !started) return tl::unexpected<Error>(started.error());
  const std::string& domain = authority_.self().domain;
  if (domain.size() > domain_bytes_max) return refuse(Errc::too_large, "this node's domain is too long");
  auto blob = write(as_bytes(domain), 1);
  if (!blob) return blob;
  blob->front() = static_cast<std::byte>(preferred());
  step_ = Step::second;
  return blob;
}

Result<Handshake::Blob> KeyExchange::answer(Bytes bound, Bytes hello, Bytes chosen) {
  if (role_ != Role::responder || step_ != Step::first) return refuse(Errc::conflict, "answer out of turn");
  joining_ = !hello.empty() && (hello.front() & joins) == joins;
  const auto suite = hello.empty() ? std::nullopt : suite_of(hello.front() & ~joins);
  if (!suite || hello.size() > blob_bytes_max) return refuse(Errc::corrupt, "its first blob is none");
  const auto domain = read_hello(*suite, bound, hello.subspan(1));
  if (!domain) return tl::unexpected<Error>(domain.error());
  if (domain->size() > domain_bytes_max) return refuse(Errc::corrupt, "its domain is too long");
  claimed_domain_ = as_text(*domain);
  if (!joining_) noise_->add_psk(authority_.shared_secret(claimed_domain_));

  record_suite_ = *suite == Suite::aes ? preferred() : Suite::chacha;
  const Bytes certificate = authority_.certificate();
  if (certificate.size() > Authority::certificate_bytes_max)
    return refuse(Errc::too_large, "this node's certificate is too long");
  std::array<std::byte, answer_fixed_bytes + Authority::certificate_bytes_max> payload;
  payload[0] = static_cast<std::byte>(record_suite_);
  hash_.digest({chosen}, payload.data() + 1);
  std::copy(certificate.begin(), certificate.end(), payload.begin() + answer_fixed_bytes);
  step_ = Step::second;
  return write(Bytes(payload).first(answer_fixed_bytes + certificate.size()));
}

Result<Handshake::Blob> KeyExchange::finish(Bytes answer, Bytes chosen) {
  if (role_ != Role::initiator || step_ != Step::second) return refuse(Errc::conflict, "finish out of turn");
  const auto payload = read(answer);
  if (!payload) return tl::unexpected<Error>(payload.error());
  if (payload->size() < answer_fixed_bytes) return refuse(Errc::corrupt, "its answer is too short");
  const auto suite = suite_of(payload->front());
  const bool allowed = suite == Suite::chacha || (suite == Suite::aes && preferred() == Suite::aes);
  if (!allowed) return refuse(Errc::denied, "its answer names a suite that was not offered");
  std::array<std::byte, digest_bytes> digest;
  hash_.digest({chosen}, digest.data());
  if (!equal(digest, payload->subspan(1, digest_bytes)))
    return refuse(Errc::denied, "what it chose is not what arrived: somebody between changed it");
  if (auto believed = believe(payload->subspan(answer_fixed_bytes)); !believed)
    return tl::unexpected<Error>(believed.error());
  record_suite_ = *suite;
  if (!joining_) noise_->add_psk(authority_.shared_secret(peer_->domain));
  const Bytes certificate = authority_.certificate();
  if (certificate.size() > Authority::certificate_bytes_max)
    return refuse(Errc::too_large, "this node's certificate is too long");
  auto blob = write(certificate);
  if (blob) derive();
  return blob;
}

Result<> KeyExchange::confirm(Bytes finish) {
  if (role_ != Role::responder || step_ != Step::second) return refuse(Errc::conflict, "confirm out of turn");
  const auto certificate = read(finish);
  if (!certificate) return tl::unexpected<Error>(certificate.error());
  if (joining_) {
    peer_ = Principal{{}, claimed_domain_, noise_->remote_static()};
    derive();
    return {};
  }
  if (auto believed = believe(*certificate); !believed) return believed;
  if (peer_->domain != claimed_domain_)
    return refuse(Errc::denied, "it said it was of the domain " + claimed_domain_ +
                                    ", its certificate says " + peer_->domain);
  derive();
  return {};
}

// ---- parts ----

Result<Handshake::Blob> KeyExchange::hello_with(const Ticket& ticket, Bytes bound) {
  joining_ = true;
  if (auto started = start(preferred(), bound); !started) return tl::unexpected<Error>(started.error());
  noise_->add_psk(ticket.key);
  const std::string& name = authority_.self().name;
  if (name.size() > domain_bytes_max) return refuse(Errc::too_large, "this node's name is too long");
  auto blob = write(as_bytes(name), 1 + ticket.name.size());
  if (!blob) return blob;
  blob->front() = static_cast<std::byte>(preferred()) | joins;
  std::copy(ticket.name.begin(), ticket.name.end(), blob->begin() + 1);
  step_ = Step::second;
  return blob;
}

// What the first blob says behind its suite: the initiator's domain, or the name of who joins.
Result<Bytes> KeyExchange::read_hello(Suite suite, Bytes bound, Bytes blob) {
  if (auto started = start(suite, bound); !started) return tl::unexpected<Error>(started.error());
  if (!joining_) return read(blob);
  if (blob.size() < Ticket::name_bytes) return refuse(Errc::corrupt, "its first blob is too short");
  auto key = authority_.ticket_key(blob.first(Ticket::name_bytes));
  if (!key) {
    step_ = Step::failed;
    return tl::unexpected<Error>(key.error());
  }
  noise_->add_psk(*key);
  wipe(*key);
  auto name = read(blob.subspan(Ticket::name_bytes));
  if (!name) return refuse(Errc::denied, "the token is wrong: its secret is another than was given out");
  return name;
}

Result<> KeyExchange::start(Suite suite, Bytes bound) {
  if (!libraries_ready())
    return fail(Errc::unsupported, "no link can be encrypted here",
                "libsodium or libcrypto could not be initialised, or lacks a cipher",
                "use the libsodium23 and libssl3 of Debian 12");
  const Bytes secret = authority_.static_secret();
  if (bound.size() > bound_bytes_max || secret.size() != sizeof(Key))
    return refuse(Errc::invalid, "this node's key or offer is malformed");
  Secret key;
  std::copy(secret.begin(), secret.end(), key.bytes.begin());
  noise_.emplace(protocol_of(suite, joining_), role_);
  noise_->set_static(key.bytes, authority_.self().static_key);
  std::vector<std::byte> prologue;
  prologue.reserve(label.size() + 1 + bound.size());
  const Bytes first = as_bytes(label);
  prologue.insert(prologue.end(), first.begin(), first.end());
  prologue.push_back(static_cast<std::byte>(suite) | (joining_ ? joins : std::byte{}));
  prologue.insert(prologue.end(), bound.begin(), bound.end());
  noise_->begin(prologue);
  return {};
}

Result<> KeyExchange::believe(Bytes certificate) {
  auto principal = authority_.verify(certificate);
  if (!principal) {
    step_ = Step::failed;
    return tl::unexpected<Error>(principal.error());
  }
  if (!equal(principal->static_key, noise_->remote_static()))
    return refuse(Errc::denied, "it shows the certificate of " + principal->name + " but has not its key");
  peer_ = std::move(*principal);
  return {};
}

Result<Handshake::Blob> KeyExchange::write(Bytes payload, std::size_t before) {
  Blob blob(blob_bytes_max);
  const std::size_t bytes = noise_->write(payload, MutableBytes(blob).subspan(before));
  if (bytes == 0) return refuse(Errc::denied, "its key is one that gives no secret");
  blob.resize(before + bytes);
  return blob;
}

Result<Bytes> KeyExchange::read(Bytes message) {
  const auto bytes = noise_->read(message, payload_);
  if (!bytes)
    return refuse(
        Errc::denied,
        "its blob does not fit what was said before: somebody between changed something, or the two "
        "domains' shared secrets differ");
  return Bytes(payload_).first(*bytes);
}

// Everything comes from Noise's two keys, with the hash of all that was said as salt.
void KeyExchange::derive() noexcept {
  const std::array<Secret, 2> keys = noise_->split();
  SessionKeys session{record_suite_, {}, {}};
  for (std::size_t i = 0; i < 2; ++i) {
    const bool sending = (i == 0) == (role_ == Role::initiator);
    Secret base;
    hash_.extract(noise_->hash(), keys[i].bytes, base.bytes.data());
    hash_.expand(base.bytes, as_bytes("harness encrypt record"),
                 (sending ? session.sending : session.receiving).bytes);
    hash_.expand(base.bytes, as_bytes("harness encrypt frame"),
                 (sending ? sent_frames_ : received_frames_).bytes);
  }
  keys_ = session;
  noise_.reset();
  wipe(payload_);
  step_ = Step::done;
}

// Before its end nobody knows this code, not even we.
Handshake::Mac KeyExchange::mac(bool sent, Bytes bytes) const noexcept {
  Mac code;
  if (step_ != Step::done) return draw(code), code;
  std::array<std::byte, digest_bytes> whole;
  hash_.hmac((sent ? sent_frames_ : received_frames_).bytes, {bytes}, whole.data());
  std::copy_n(whole.begin(), code.size(), code.begin());
  return code;
}

std::optional<SessionKeys> KeyExchange::take_keys() noexcept {
  if (step_ != Step::done) return {};
  auto keys = keys_;
  keys_.reset();
  return keys;
}

}  // namespace harness::layers::encryption
