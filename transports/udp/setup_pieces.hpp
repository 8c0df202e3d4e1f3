// SPDX-License-Identifier: Apache-2.0
// Set-up frames in pieces that pass a path of 1200 bytes.
//
// A frame of up to 80 KiB goes in pieces of `piece_bytes`, the last one shorter. A piece says which frame it
// belongs to by the frame's hash, so that link set-up, which repeats a frame until it is answered, fills the
// gaps of its first transmission with the second: at 30 % loss a HELLO of 60 pieces needs four rounds, not
// 10^9. Rejected: IP fragments (dropped by many networks, and by every one when one fragment is lost), a
// number for each frame (a repetition would start anew), resending by ourselves (set-up does it already).
// Bounds: one frame is put together at a time, of at most frame_bytes_max; another one that comes between
// takes its place. A frame of one piece needs no memory here.
#pragma once

#include <bitset>
#include <cstdint>

#include <harness/stack/message.hpp>
#include <harness/transports/wire/datagram.hpp>

namespace harness::transports::udp {

inline constexpr std::uint32_t outer_bytes = wire::bytes_of<wire::Datagram>;
inline constexpr std::uint32_t setup_bytes = wire::bytes_of<wire::DatagramSetup>;
inline constexpr std::uint32_t token_bytes = wire::bytes_of<wire::DatagramToken>;

class SetupPieces {
 public:
  static constexpr std::uint32_t frame_bytes_max = 80 * 1024;
  static constexpr std::uint32_t datagram_bytes_max = 1152;  // 1200 less the headers of IPv6 and UDP
  static constexpr std::uint32_t piece_bytes = datagram_bytes_max - outer_bytes - setup_bytes - token_bytes;
  static constexpr unsigned pieces_max = (frame_bytes_max + piece_bytes - 1) / piece_bytes;
  static_assert(pieces_max < 256);

  enum class Taken : std::uint8_t { incomplete, complete, wrong, no_memory };

  SetupPieces() = default;
  ~SetupPieces() { clear(); }
  SetupPieces(const SetupPieces&) = delete;
  SetupPieces& operator=(const SetupPieces&) = delete;

  /// In how many pieces a frame goes: at least one.
  static constexpr unsigned pieces_of(std::uint32_t bytes) noexcept {
    return bytes == 0 ? 1 : (bytes + piece_bytes - 1) / piece_bytes;
  }
  /// What names and checks a frame from `sender`.
  static std::uint32_t name_of(std::uint32_t sender, const Message& frame) noexcept;
  /// Copies piece `piece` of `frame` to `to`; returns its size, at most piece_bytes.
  static std::uint32_t cut(const Message& frame, unsigned piece, std::byte* to) noexcept;

  /// True for a header that a piece of that size may have.
  static bool possible(const wire::DatagramSetup& header, Bytes piece) noexcept;
  /// Takes one piece. complete: `frame` is the whole frame, checked. wrong: it fits no frame, nothing has
  /// changed.
  Taken take(Pool& pool, const wire::DatagramSetup& header, Bytes piece, Message& frame) noexcept;
  void clear() noexcept;
  [[nodiscard]] bool empty() const noexcept { return slab_ == nullptr; }

 private:
  [[nodiscard]] bool begin(Pool& pool, const wire::DatagramSetup& header) noexcept;

  Slab* slab_ = nullptr;
  std::uint32_t name_ = 0;
  std::uint32_t sender_ = 0;
  std::uint32_t last_bytes_ = 0;  // of the last piece, once it has come
  std::uint8_t pieces_ = 0;
  std::uint8_t have_ = 0;
  std::bitset<pieces_max> seen_;
};

}  // namespace harness::transports::udp
