// SPDX-License-Identifier: Apache-2.0
// See codec.hpp.
#include <harness/layers/compress/codec.hpp>

#include <lz4.h>
#include <zstd.h>

namespace harness::layers {

namespace {
const char* chars(const std::byte* bytes) { return reinterpret_cast<const char*>(bytes); }
char* chars(std::byte* bytes) { return reinterpret_cast<char*>(bytes); }
}  // namespace

Codec::~Codec() {
  ZSTD_freeCCtx(packing_);
  ZSTD_freeDCtx(unpacking_);
}

Bytes Codec::one_run(const Message& message) {
  if (message.contiguous()) {
    Bytes run;
    message.each_run([&](Bytes only) { return run = only, false; });
    return run;
  }
  gathered_.resize(message.size());
  message.copy_to(gathered_.data());
  return gathered_;
}

std::uint32_t Codec::compress(wire::CompressMethod method, int level, const Message& from, MutableBytes to) {
  const Bytes run = one_run(from);
  if (method == wire::CompressMethod::lz4)
    return static_cast<std::uint32_t>(LZ4_compress_default(
        chars(run.data()), chars(to.data()), static_cast<int>(run.size()), static_cast<int>(to.size())));
  if (packing_ == nullptr) packing_ = ZSTD_createCCtx();
  if (packing_ == nullptr) return 0;
  const std::size_t made = ZSTD_compressCCtx(packing_, to.data(), to.size(), run.data(), run.size(), level);
  return ZSTD_isError(made) != 0 ? 0 : static_cast<std::uint32_t>(made);
}

std::uint32_t Codec::decompress(wire::CompressMethod method, const Message& from, MutableBytes to) {
  const Bytes run = one_run(from);
  if (method == wire::CompressMethod::lz4) {
    const int made = LZ4_decompress_safe(chars(run.data()), chars(to.data()), static_cast<int>(run.size()),
                                         static_cast<int>(to.size()));
    return made < 0 ? 0 : static_cast<std::uint32_t>(made);
  }
  if (unpacking_ == nullptr) unpacking_ = ZSTD_createDCtx();
  if (unpacking_ == nullptr) return 0;
  const std::size_t made = ZSTD_decompressDCtx(unpacking_, to.data(), to.size(), run.data(), run.size());
  return ZSTD_isError(made) != 0 ? 0 : static_cast<std::uint32_t>(made);
}

}  // namespace harness::layers
