// SPDX-License-Identifier: Apache-2.0
// See hash.hpp. A call of OpenSSL that fails after hashes_ready() is a bug or the end of memory: it traps.
#include <harness/layers/encrypt/hash.hpp>

#include <algorithm>

#include <openssl/evp.h>

#include <harness/layers/encrypt/primitives.hpp>

namespace harness::layers::encryption {

namespace {

// Looked up once a process and never given back: the library's own table owns them until it ends.
const std::array<const EVP_MD*, hash_kinds>& algorithms() noexcept {
  static const std::array<const EVP_MD*, hash_kinds> all{
      EVP_MD_fetch(nullptr, "SHA2-256", nullptr), EVP_MD_fetch(nullptr, "SHA2-512", nullptr),
      EVP_MD_fetch(nullptr, "BLAKE2S-256", nullptr), EVP_MD_fetch(nullptr, "BLAKE2B-512", nullptr)};
  return all;
}

const EVP_MD* algorithm(HashKind kind) noexcept { return algorithms()[static_cast<std::size_t>(kind)]; }

void must(bool done) noexcept {
  if (!done) [[unlikely]]
    __builtin_trap();
}

}  // namespace

bool hashes_ready() noexcept {
  const auto& all = algorithms();
  return std::find(all.begin(), all.end(), nullptr) == all.end();
}

Hash::Hash(HashKind kind) : kind_(kind), context_(EVP_MD_CTX_new()) { must(context_ != nullptr); }
Hash::~Hash() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }

std::size_t Hash::bytes() const noexcept {
  return kind_ == HashKind::sha256 || kind_ == HashKind::blake2s ? 32 : 64;
}
std::size_t Hash::block_bytes() const noexcept { return 2 * bytes(); }

void Hash::digest(std::initializer_list<Bytes> parts, std::byte* to) noexcept {
  auto* context = static_cast<EVP_MD_CTX*>(context_);
  must(EVP_DigestInit_ex2(context, algorithm(kind_), nullptr) == 1);
  for (const Bytes part : parts) must(EVP_DigestUpdate(context, part.data(), part.size()) == 1);
  must(EVP_DigestFinal_ex(context, reinterpret_cast<unsigned char*>(to), nullptr) == 1);
}

void Hash::hmac(Bytes key, std::initializer_list<Bytes> parts, std::byte* to) noexcept {
  std::array<std::byte, hash_block_bytes_max> pad{};
  const MutableBytes block = MutableBytes(pad).first(block_bytes());
  std::copy(key.begin(), key.end(), block.begin());
  for (std::byte& byte : block) byte ^= std::byte{0x36};
  auto* context = static_cast<EVP_MD_CTX*>(context_);
  must(EVP_DigestInit_ex2(context, algorithm(kind_), nullptr) == 1);
  must(EVP_DigestUpdate(context, block.data(), block.size()) == 1);
  for (const Bytes part : parts) must(EVP_DigestUpdate(context, part.data(), part.size()) == 1);
  std::array<std::byte, hash_bytes_max> inner;
  must(EVP_DigestFinal_ex(context, reinterpret_cast<unsigned char*>(inner.data()), nullptr) == 1);
  for (std::byte& byte : block) byte ^= std::byte{0x36 ^ 0x5c};
  digest({block, Bytes(inner).first(bytes())}, to);
  wipe(pad);
}

void Hash::expand(Bytes key, Bytes info, MutableBytes to) noexcept {
  std::array<std::byte, hash_bytes_max> block;
  std::size_t known = 0;  // of the block before, empty at first
  for (unsigned char count = 1; !to.empty(); ++count) {
    const std::byte number{count};
    hmac(key, {Bytes(block).first(known), info, {&number, 1}}, block.data());
    known = bytes();
    const std::size_t part = std::min(known, to.size());
    std::copy_n(block.begin(), part, to.begin());
    to = to.subspan(part);
  }
  wipe(block);
}

}  // namespace harness::layers::encryption
