// SPDX-License-Identifier: Apache-2.0
// Any bytes as each document of the identity, as bytes and as a line: refused in three parts, or written back
// as the same bytes. The check values that a stranger can compute are put right, so that what stands behind
// them is reached.
#include <cstdlib>
#include <string>

#include <harness/kernel/identity/domain.hpp>
#include <harness/kernel/identity/line.hpp>

namespace {

using namespace harness;
using namespace harness::identity;

template <class T>
bool told(const Result<T>& result) {
  if (result) return true;
  const Error& error = result.error();
  if (error.what.empty() || error.because.empty() || error.advice.empty()) std::abort();
  return false;
}

void same(const std::vector<std::byte>& written, Bytes read) {
  if (!std::equal(written.begin(), written.end(), read.begin(), read.end())) std::abort();
}

void documents(Bytes bytes) {
  static const SigningKey key = SigningKey::from_seed(std::vector<std::byte>(seed_bytes));
  if (auto one = parse_certificate(bytes); told(one)) {
    const auto written = issue(*one, key);
    const std::size_t body = bytes.size() - sizeof(Signature);
    same({written.begin(), written.begin() + static_cast<std::ptrdiff_t>(body)}, bytes.first(body));
    (void)told(check_certificate(bytes, make_root(one->domain, key), one->not_before));
  }
  if (auto one = parse_floor(bytes); told(one)) same(write_floor(*one), bytes);
  if (auto one = parse_revocations(bytes); told(one)) same(write_revocations(*one), bytes);
  if (auto one = parse_root(bytes); told(one)) same(write_root(*one), bytes);
  (void)told(parse_request(bytes));
  (void)told(look_at_key(bytes));
  if (bytes.size() < answer_bytes_max) (void)parse_answer(bytes, {});  // a refusal may have empty parts
}

void token_book(Bytes bytes) {
  (void)told(TokenBook::parse(bytes));
  std::vector<std::byte> whole(bytes.begin(), bytes.end());
  const Digest digest = sha256({bytes});
  whole.insert(whole.end(), digest.begin(), digest.end());
  if (auto book = TokenBook::parse(whole); told(book)) same(book->write(), whole);
}

void lines(std::string_view text) {
  if (auto token = read_token(text); told(token))
    if (!read_token(token_line(*token)) || *read_token(token_line(*token)) != *token) std::abort();
  (void)told(read_root(text));
  (void)told(read_floor(text));
  (void)told(read_revocations(text));
  if (auto all = parse_issued(text); told(all)) (void)write_issued(*all);
  (void)is_fingerprint(text, {});
  (void)told(read_span(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  documents(bytes);
  token_book(bytes);
  lines(as_text(bytes));
  // The same bytes as the content of each kind of line.
  for (const std::string_view prefix : {token_prefix, root_prefix, floor_prefix, revoked_prefix})
    lines(write_line(prefix, bytes));
  return 0;
}
