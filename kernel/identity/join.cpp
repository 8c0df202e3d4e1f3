// SPDX-License-Identifier: Apache-2.0
// Bytes of requests and answers, and the joiner's checks.
#include <harness/kernel/identity/join.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <harness/kernel/identity/refusal.hpp>
#include <harness/kernel/identity/take.hpp>
#include <harness/stack/setup.hpp>
#include <harness/stack/text.hpp>

namespace harness::identity {

namespace {

constexpr std::string_view label = "harness request 1";
constexpr std::string_view answer_label = "harness answer 1";
constexpr std::string_view proof_label = "harness token proof 1";
constexpr std::uint8_t version = 1;
constexpr std::size_t behind_proof = sizeof(Signature);
constexpr std::size_t behind_token = sizeof(Digest) + behind_proof;

tl::unexpected<Error> damaged(const char* what, std::string because) {
  return fail(Errc::corrupt, what, std::move(because), "ask again");
}
constexpr const char* bad_request = "the request for a certificate is damaged";
constexpr const char* bad_answer = "the answer of the issuer is damaged";

// A growing vector behind the same words as Writer.
class Out {
 public:
  template <class T>
  void put(T value) {
    std::byte raw[sizeof(T)];
    store<T>(raw, value);
    put_bytes({raw, sizeof(T)});
  }
  void put_bytes(Bytes bytes) { all.insert(all.end(), bytes.begin(), bytes.end()); }
  void put_block(Bytes bytes) {
    put<std::uint32_t>(static_cast<std::uint32_t>(bytes.size()));
    put_bytes(bytes);
  }
  void put_text(std::string_view text) {
    text = text.substr(0, answer_text_bytes_max);
    put<std::uint16_t>(static_cast<std::uint16_t>(text.size()));
    put_bytes(as_bytes(text));
  }
  std::vector<std::byte> all;
};

Bytes take_block(Reader& in, std::size_t bytes_max) {
  const std::size_t size = in.take<std::uint32_t>();
  return in.take_bytes(size <= bytes_max ? size : in.remaining() + 1);
}

tl::unexpected<Error> refusal_in(Reader& in) {
  const auto code = in.take<std::uint16_t>();
  Error error;
  error.what = in.take_text(answer_text_bytes_max);
  error.because = in.take_text(answer_text_bytes_max);
  error.advice = in.take_text(answer_text_bytes_max);
  for (std::string* part : {&error.what, &error.because, &error.advice})  // it is printed as it is
    std::replace_if(part->begin(), part->end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  error.code = static_cast<Errc>(code);
  if (!in.done() || code == 0 || code > static_cast<std::uint16_t>(Errc::io) || error.what.empty())
    return damaged(bad_answer, "it is neither a certificate nor a refusal");
  return tl::unexpected<Error>(std::move(error));
}

Result<> read_documents(Reader& in, JoinAnswer& answer) {
  const Bytes certificate = take_block(in, certificate_bytes_max);
  answer.certificate.assign(certificate.begin(), certificate.end());
  const std::size_t roots = in.take<std::uint16_t>();
  if (roots < 1 || roots > answer_domains_max) return damaged(bad_answer, "it has no root, or too many");
  for (std::size_t i = 0; i < roots; ++i) {
    auto root = parse_root(take_block(in, root_bytes_max));
    if (!root) return tl::unexpected<Error>(root.error());
    answer.roots.push_back(std::move(*root));
  }
  const std::size_t floors = in.take<std::uint16_t>();
  if (floors > answer_domains_max) return damaged(bad_answer, "it has too many floors");
  for (std::size_t i = 0; i < floors; ++i) {
    auto floor = parse_floor(take_block(in, floor_bytes_max));
    if (!floor) return tl::unexpected<Error>(floor.error());
    answer.floors.push_back(std::move(*floor));
  }
  const Bytes revoked = take_block(in, revocation_bytes_max);
  (void)in.take_bytes(sizeof(Signature));
  if (!in.done()) return damaged(bad_answer, in.ok() ? "bytes follow its end" : "it ends early");
  if (revoked.empty()) return {};
  auto list = parse_revocations(revoked);
  if (!list) return tl::unexpected<Error>(list.error());
  answer.revoked = std::move(*list);
  return {};
}

// What the root signs of an answer.
std::vector<std::byte> signed_part(Bytes answer, Bytes request) {
  std::vector<std::byte> part(answer.begin(), answer.end());
  const Digest digest = sha256({request});
  part.insert(part.end(), digest.begin(), digest.end());
  return part;
}

}  // namespace

std::vector<std::byte> write_request(JoinRequest request, const SigningKey& key, const Token* token) {
  if (token != nullptr) {
    request.root = token->root;
    request.token = token->id;
  }
  Out out;
  out.put<std::uint8_t>(version);
  out.put_text(request.domain);
  out.put_text(request.name);
  out.put_bytes(key.public_key());
  out.put_bytes(request.static_key);
  out.put<std::uint64_t>(static_cast<std::uint64_t>(request.life));
  out.put_bytes(request.root);
  out.put_bytes(request.token);
  out.put_bytes(token == nullptr ? Digest{} : hmac_sha256(psk_of(*token), {as_bytes(proof_label), out.all}));
  out.put_bytes(key.sign(label, out.all));
  return std::move(out.all);
}

Result<JoinRequest> parse_request(Bytes bytes) {
  Reader in(bytes);
  const bool known = in.take<std::uint8_t>() == version;
  JoinRequest request;
  request.domain = in.take_text(setup::name_bytes_max);
  request.name = in.take_text(setup::name_bytes_max);
  take(in, request.signing_key);
  take(in, request.static_key);
  request.life = static_cast<Seconds>(in.take<std::uint64_t>());
  take(in, request.root);
  take(in, request.token);
  take(in, request.proof);
  const Bytes signature = in.take_bytes(sizeof(Signature));
  if (!in.done() || !known)
    return damaged(bad_request, "it has another length or version than a request has");
  if (!setup::valid_name(request.domain) || !setup::valid_name(request.name))
    return damaged(bad_request, "its names are none");
  if (request.life < 0 || request.life > life_max) return damaged(bad_request, "its life is out of bounds");
  if (!is_signed(request.signing_key, label, bytes.first(bytes.size() - behind_proof), signature))
    return damaged(bad_request, "its signature is not that of its key");
  request.with_token = request.token != TokenId{} || request.proof != Digest{};
  return request;
}

bool proves(Bytes request, const JoinRequest& parsed, const Key& psk) noexcept {
  const Bytes before = request.first(request.size() - behind_token);
  return equal(parsed.proof, hmac_sha256(psk, {as_bytes(proof_label), before}));
}

std::vector<std::byte> write_answer(const JoinAnswer& answer, Bytes request, const SigningKey& key) {
  Out out;
  out.put<std::uint8_t>(version);
  out.put<std::uint8_t>(0);
  out.put_block(answer.certificate);
  out.put<std::uint16_t>(static_cast<std::uint16_t>(answer.roots.size()));
  for (const Root& root : answer.roots) out.put_block(write_root(root));
  out.put<std::uint16_t>(static_cast<std::uint16_t>(answer.floors.size()));
  for (const SignedFloor& floor : answer.floors) out.put_block(write_floor(floor));
  out.put_block(answer.revoked ? write_revocations(*answer.revoked) : std::vector<std::byte>());
  out.put_bytes(key.sign(answer_label, signed_part(out.all, request)));
  return std::move(out.all);
}

std::vector<std::byte> write_refusal(const Error& error) {
  Out out;
  out.put<std::uint8_t>(version);
  out.put<std::uint8_t>(1);
  out.put<std::uint16_t>(static_cast<std::uint16_t>(error.code));
  out.put_text(error.what);
  out.put_text(error.because);
  out.put_text(error.advice);
  return std::move(out.all);
}

Result<JoinAnswer> parse_answer(Bytes bytes, Bytes request) {
  Reader in(bytes);
  if (in.take<std::uint8_t>() != version) return damaged(bad_answer, "its version is another");
  const auto kind = in.take<std::uint8_t>();
  if (kind == 1) return refusal_in(in);
  if (kind != 0) return damaged(bad_answer, "it is neither a certificate nor a refusal");
  JoinAnswer answer;
  if (auto read = read_documents(in, answer); !read) return tl::unexpected<Error>(read.error());
  const std::size_t before = bytes.size() - sizeof(Signature);
  if (!is_signed(answer.roots.front().key, answer_label, signed_part(bytes.first(before), request),
                 bytes.subspan(before)))
    return damaged(bad_answer, "its root has not signed it for this request");
  return answer;
}

JoinAsk::JoinAsk(const NodeKeys& keys, std::string domain, std::string name, const Token* token, Seconds life)
    : keys_(keys) {
  request_.domain = std::move(domain);
  request_.name = std::move(name);
  request_.static_key = keys.static_key;
  request_.life = life;
  bytes_ = write_request(request_, keys.signing, token);
  if (token != nullptr) root_ = token->root;
}

JoinAsk::JoinAsk(const NodeKeys& keys, JoinRequest request, std::vector<std::byte> bytes)
    : keys_(keys), request_(std::move(request)), bytes_(std::move(bytes)) {
  if (request_.with_token) root_ = request_.root;
}

Result<JoinAsk> JoinAsk::resume(const NodeKeys& keys, Bytes bytes) {
  auto request = parse_request(bytes);
  if (!request) return tl::unexpected<Error>(request.error());
  if (request->signing_key != keys.signing.public_key() || request->static_key != keys.static_key)
    return fail(Errc::conflict, "the request was made with other keys", "node.key was exchanged since",
                fmt::format("ask again: harness node enroll {} --request", request->name));
  return JoinAsk(keys, std::move(*request), {bytes.begin(), bytes.end()});
}

Result<JoinAnswer> JoinAsk::accept(Bytes bytes, Seconds now) const {
  auto answer = parse_answer(bytes, request());
  if (!answer) return answer;
  if (auto right = check(*answer, now); !right) return tl::unexpected<Error>(right.error());
  return answer;
}

Result<> JoinAsk::check(const JoinAnswer& answer, Seconds now) const {
  const Root& root = answer.roots.front();
  if (!root_ || *root_ != root.fingerprint || root.domain != request_.domain)
    return refuse(
        Refusal::wrong_root, "the answer",
        fmt::format("it comes from {} of {}, expected was {} of {}", fingerprint_text(root.fingerprint),
                    root.domain, root_ ? fingerprint_text(*root_) : "a root that was named", request_.domain),
        "ask the owner of the domain for its fingerprint: harness domain show");
  auto certificate = check_certificate(answer.certificate, root, now);
  if (!certificate) return tl::unexpected<Error>(certificate.error());
  if (certificate->name != request_.name || certificate->static_key != request_.static_key ||
      certificate->signing_key != keys_.signing.public_key())
    return fail(Errc::denied, "the certificate is another node's",
                fmt::format("it names {}, with other keys or another name than was asked for",
                            spiffe_name(certificate->domain, certificate->name)),
                "ask again with this node's own request");
  return {};
}

}  // namespace harness::identity
