// SPDX-License-Identifier: Apache-2.0
// See setup_pieces.hpp.
#include <harness/transports/udp/setup_pieces.hpp>

#include <algorithm>

namespace harness::transports::udp {

namespace {

constexpr std::uint32_t fnv_prime = 16777619;

std::uint32_t fnv(std::uint32_t hash, Bytes bytes) noexcept {
  for (const std::byte byte : bytes) hash = (hash ^ static_cast<std::uint32_t>(byte)) * fnv_prime;
  return hash;
}

std::uint32_t begin_name(std::uint32_t sender) noexcept {
  constexpr std::uint32_t basis = 2166136261;
  std::array<std::byte, sizeof sender> bytes;
  store(bytes.data(), sender);
  return fnv(basis, bytes);
}

}  // namespace

std::uint32_t SetupPieces::name_of(std::uint32_t sender, const Message& frame) noexcept {
  std::uint32_t name = begin_name(sender);
  frame.each_run([&](Bytes run) {
    name = fnv(name, run);
    return true;
  });
  return name;
}

std::uint32_t SetupPieces::cut(const Message& frame, unsigned piece, std::byte* to) noexcept {
  std::uint32_t skip = piece * piece_bytes;
  std::uint32_t written = 0;
  frame.each_run([&](Bytes run) {
    const auto left_out = std::min<std::size_t>(skip, run.size());
    skip -= static_cast<std::uint32_t>(left_out);
    const auto part = std::min<std::size_t>(run.size() - left_out, piece_bytes - written);
    if (part != 0) std::memcpy(to + written, run.data() + left_out, part);
    written += static_cast<std::uint32_t>(part);
    return written < piece_bytes;
  });
  return written;
}

bool SetupPieces::possible(const wire::DatagramSetup& header, Bytes piece) noexcept {
  if (header.piece >= header.pieces || header.pieces > pieces_max || piece.size() > piece_bytes) return false;
  const bool last = header.piece + 1 == header.pieces;
  return last ? header.pieces == 1 || !piece.empty() : piece.size() == piece_bytes;
}

SetupPieces::Taken SetupPieces::take(Pool& pool, const wire::DatagramSetup& header, Bytes piece,
                                     Message& frame) noexcept {
  if (!possible(header, piece)) return Taken::wrong;
  if (header.pieces == 1) {
    if (fnv(begin_name(header.sender), piece) != header.frame) return Taken::wrong;
    frame = Message::copy_of(pool, piece);
    return frame ? Taken::complete : Taken::no_memory;
  }
  const bool same = slab_ != nullptr && name_ == header.frame && sender_ == header.sender;
  if (same && pieces_ != header.pieces) return Taken::wrong;
  if (!same && !begin(pool, header)) return Taken::no_memory;
  if (seen_.test(header.piece)) return Taken::incomplete;
  std::memcpy(slab_->bytes() + header.piece * piece_bytes, piece.data(), piece.size());
  seen_.set(header.piece);
  if (header.piece + 1 == header.pieces) last_bytes_ = static_cast<std::uint32_t>(piece.size());
  if (++have_ < pieces_) return Taken::incomplete;
  const std::uint32_t bytes = (pieces_ - 1u) * piece_bytes + last_bytes_;
  const bool right = fnv(begin_name(sender_), {slab_->bytes(), bytes}) == name_;
  if (right) frame = Message::received(std::exchange(slab_, nullptr), 0, bytes);
  clear();
  return right ? Taken::complete : Taken::wrong;
}

bool SetupPieces::begin(Pool& pool, const wire::DatagramSetup& header) noexcept {
  clear();
  slab_ = pool.allocate(header.pieces * piece_bytes);
  if (slab_ == nullptr) return false;
  name_ = header.frame;
  sender_ = header.sender;
  pieces_ = header.pieces;
  return true;
}

void SetupPieces::clear() noexcept {
  if (slab_ != nullptr) Pool::release(slab_);
  slab_ = nullptr;
  have_ = 0;
  last_bytes_ = 0;
  seen_.reset();
}

}  // namespace harness::transports::udp
