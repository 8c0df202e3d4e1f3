// SPDX-License-Identifier: Apache-2.0
// Guarded memory, random bytes and wiping, all libsodium's.
#include <harness/kernel/identity/secret.hpp>

#include <sodium/core.h>
#include <sodium/randombytes.h>
#include <sodium/utils.h>

namespace harness::identity {

namespace {

std::byte* guarded(std::size_t size) {
  if (size == 0 || sodium_init() < 0) return nullptr;
  return static_cast<std::byte*>(sodium_malloc(size));
}

}  // namespace

Secret::Secret(std::size_t size) : data_(guarded(size)), size_(data_ == nullptr ? 0 : size) { wipe(bytes()); }

Secret::Secret(Bytes bytes) : Secret(bytes.size()) {
  if (size_ != 0) std::memcpy(data_, bytes.data(), size_);
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Secret::~Secret() { sodium_free(data_); }

void fill_random(MutableBytes bytes) noexcept {
  if (sodium_init() < 0) return;  // it cannot fail on Linux: there is getrandom
  randombytes_buf(bytes.data(), bytes.size());
}

void wipe(MutableBytes bytes) noexcept { sodium_memzero(bytes.data(), bytes.size()); }

}  // namespace harness::identity
