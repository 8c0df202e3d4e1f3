// SPDX-License-Identifier: Apache-2.0
// The two libraries of `compress` behind one interface: a message in, a run of bytes out.
//
// Its contexts are made at the first use and kept: a layer has one for what it does at once, a job one of its
// own. [any-thread, one at a time]
#pragma once

#include <vector>

#include <harness/layers/wire/compress.hpp>
#include <harness/stack/message.hpp>

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace harness::layers {

class Codec {
 public:
  Codec() = default;
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;
  ~Codec();

  /// Bytes written to `to`, or 0 when it does not fit there.
  std::uint32_t compress(wire::CompressMethod method, int level, const Message& from, MutableBytes to);
  /// Bytes written to `to`, or 0 when `from` is damaged or holds more than fits there.
  std::uint32_t decompress(wire::CompressMethod method, const Message& from, MutableBytes to);

 private:
  Bytes one_run(const Message& message);

  ZSTD_CCtx_s* packing_ = nullptr;
  ZSTD_DCtx_s* unpacking_ = nullptr;
  std::vector<std::byte> gathered_;  // of a scattered message
};

}  // namespace harness::layers
