// SPDX-License-Identifier: Apache-2.0
// How two ends of an encrypting layer find their keys: three opaque blobs, carried by others.
//
//   initiator                                  responder
//     hello(bound)   ──── HELLO  + blob ────▶  answer(bound, blob, chosen)
//     finish(blob, chosen) ◀── ACCEPT + blob
//                    ──── READY  + blob ────▶  confirm(blob)          now both may build the layer
//
// Link set-up and swap carry the blobs and know nothing of keys; the layer knows nothing of frames. What the
// carrier says in clear is bound in: `bound` is its first frame without the blob (names, offers, floors), so
// `chosen` is its second. A changed byte of either makes the handshake fail. Each step is called once, in
// this order; after an error the object is only destroyed. The object lives as long as the layer it was made
// for: the layer takes its keys from it, and the carrier seals the frames it still sends (close) with it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <harness/stack/authority.hpp>
#include <harness/stack/bytes.hpp>
#include <harness/stack/env.hpp>
#include <harness/stack/result.hpp>

namespace harness {

class Handshake {
 public:
  virtual ~Handshake() = default;
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  using Blob = std::vector<std::byte>;
  static constexpr std::size_t blob_bytes_max = 1024;
  using Mac = std::array<std::byte, 16>;

  /// Initiator: the first blob. Errors: as the authority's.
  virtual Result<Blob> hello(Bytes bound) = 0;
  /// Responder: reads the first blob, gives the second. Errors: corrupt, denied (the peer is not who it
  /// claims, or is not believed); nothing is kept of a stranger.
  virtual Result<Blob> answer(Bytes bound, Bytes hello, Bytes chosen) = 0;
  /// Initiator: reads the second blob, gives the third. Errors: corrupt, denied.
  virtual Result<Blob> finish(Bytes answer, Bytes chosen) = 0;
  /// Responder: reads the third. Errors: corrupt, denied.
  virtual Result<> confirm(Bytes finish) = 0;

  /// Who the peer has proved to be: the initiator knows it after finish(), the responder after answer() or
  /// confirm(). Null before.
  [[nodiscard]] virtual const Principal* peer() const noexcept = 0;
  /// A code over bytes that go to the peer (`sent`), or came from it: for the frames that carriers send in
  /// clear once both ends are done. Requires: finish() or confirm() was right.
  [[nodiscard]] virtual Mac mac(bool sent, Bytes bytes) const noexcept = 0;

 protected:
  Handshake() = default;
};

}  // namespace harness
