// SPDX-License-Identifier: Apache-2.0
// The slower half of Message: sharing, slicing, scattered headers, deep copies.
#include <harness/stack/message.hpp>

#include <algorithm>

namespace harness {

namespace {
// Not in memory that its owner keeps alive: it cannot become a first piece, nor be referred to.
bool is_placed(Slab* owner, const std::byte* data) noexcept {
  return data < owner->bytes() || data > owner->bytes() + owner->capacity;
}
}  // namespace

Message Message::make_detached(std::uint32_t bytes) noexcept {
  Slab* slab = bytes <= message_limit ? Pool::allocate_detached(headroom_bytes + bytes) : nullptr;
  return slab != nullptr ? Message(slab, headroom_bytes, bytes) : Message();
}

Message Message::copy_of(Pool& pool, Bytes bytes) noexcept {
  if (bytes.size() > message_limit) return {};
  Message message = make(pool, static_cast<std::uint32_t>(bytes.size()));
  if (message && !bytes.empty()) std::memcpy(message.data(), bytes.data(), bytes.size());
  return message;
}

// A function of its own, so that it is no part of everything that lets a message go; the pool's share is
// inlined here. The message is empty before its bytes go: who counts them may be told, and send.
void Message::release() noexcept {
  if (c_.more != nullptr || head_slab_ != nullptr) [[unlikely]]
    return release_scattered();
  Slab* const body = slab();
  forget();
  Pool::release(body);
}

void Message::release_scattered() noexcept {
  if (c_.more != nullptr) release_more();
  if (head_slab_ != nullptr) Pool::release(std::exchange(head_slab_, nullptr));
  release();
}

void Message::release_more() noexcept {
  for (Piece* piece = more(); piece != nullptr;) {
    Piece* next = piece->next;
    Slab* owner = piece->slab;
    Pool::release_piece(piece);
    Pool::release(owner);
    piece = next;
  }
  c_.more = nullptr;
}

Message Message::received_placed(Pool& pool, Slab* slab, std::uint32_t header_bytes,
                                 MutableBytes placed) noexcept {
  Message message = received(slab, 0, header_bytes);
  if (message.append_piece(pool, slab, placed.data(), static_cast<std::uint32_t>(placed.size())))
    return message;
  message.forget();
  return {};
}

// Moves the headers to a block with room for `bytes` and the usual headroom again.
bool Message::grow_head(std::uint32_t bytes) noexcept {
  if (c_.slab == nullptr) return false;
  const std::uint32_t room = headroom_bytes + bytes;
  const std::uint32_t headers = header_size();
  Pool* pool = slab()->pool;
  Slab* block = pool != nullptr ? pool->allocate(room + headers) : Pool::allocate_detached(room + headers);
  if (block == nullptr) return false;
  if (headers != 0) std::memcpy(block->bytes() + room, head(), headers);
  if (head_slab_ != nullptr) Pool::release(head_slab_);
  head_slab_ = block;
  c_.head_base = reinterpret_cast<unsigned char*>(block->bytes());
  c_.head_at = room;
  c_.head_end = room + headers;
  return true;
}

// The first piece's slab leaves the body; it stays as header block when the headers, or room for them, lie in
// it.
void Message::let_go(Slab* first) noexcept {
  if (head_slab_ == nullptr && c_.head_end != 0) {
    head_slab_ = first;
  } else {
    Pool::release(first);
  }
}

// The first piece is used up: the second one takes its place.
void Message::drop_front_piece() noexcept {
  Piece* piece = more();
  Slab* old = slab();
  c_.slab = piece->slab;
  c_.data_at = static_cast<std::uint32_t>(piece->data - piece->slab->bytes());
  c_.data_end = c_.data_at + piece->bytes;
  c_.more_bytes -= piece->bytes;
  c_.more = piece->next;
  Pool::release_piece(piece);
  let_go(old);
}

// Makes the first `bytes` of the body one run: drops empty front pieces, else copies those bytes into a new
// first piece.
bool Message::pull_up(std::uint32_t bytes) noexcept {
  if (c_.slab == nullptr || bytes > body_size()) return false;
  while (data_size() == 0 && c_.more != nullptr && !is_placed(more()->slab, more()->data)) drop_front_piece();
  if (bytes <= data_size()) return true;
  Pool* pool = more()->pool;
  Slab* block = pool->allocate(bytes, slab()->quota);
  if (block == nullptr) return false;
  std::byte* to = block->bytes();
  std::memcpy(to, data(), data_size());
  std::uint32_t copied = data_size();
  for (Piece* piece = more(); copied < bytes; piece = piece->next) {
    const std::uint32_t part = std::min(bytes - copied, piece->bytes);
    std::memcpy(to + copied, piece->data, part);
    piece->data += part;
    piece->bytes -= part;
    copied += part;
  }
  c_.more_bytes -= bytes - data_size();
  let_go(slab());
  c_.slab = block;
  c_.data_at = 0;
  c_.data_end = bytes;
  return true;
}

void Message::copy_runs(std::byte* to) const noexcept {
  each_run([&](Bytes run) {
    std::memcpy(to, run.data(), run.size());
    to += run.size();
    return true;
  });
}

Bytes Message::gathered(Pool& pool) noexcept {
  if (c_.more == nullptr) return c_.slab != nullptr ? front() : Bytes{};
  const std::uint32_t bytes = body_size();
  Slab* block = pool.allocate(bytes, slab()->quota);
  if (block == nullptr) return {};
  copy_body(block->bytes());
  const Annotation note = c_.note;
  reset();
  *this = received(block, 0, bytes);
  c_.note = note;
  return front();
}

void Message::copy_body(std::byte* to) const noexcept {
  std::memcpy(to, data(), data_size());
  to += data_size();
  for (const Piece* piece = more(); piece != nullptr; piece = piece->next) {
    std::memcpy(to, piece->data, piece->bytes);
    to += piece->bytes;
  }
}

bool Message::append_piece(Pool& pool, Slab* owner, std::byte* data, std::uint32_t bytes) noexcept {
  Piece* piece = pool.allocate_piece(owner, data, bytes, nullptr);
  if (piece == nullptr) return false;
  Pool::retain(owner);
  if (c_.more == nullptr) {
    c_.more = piece;
  } else {
    last_->next = piece;
  }
  last_ = piece;
  c_.more_bytes += bytes;
  return true;
}

Message Message::view(Pool& pool, std::uint32_t offset, std::uint32_t bytes,
                      bool with_headers) const noexcept {
  const std::uint32_t headers = with_headers ? header_size() : 0;
  Slab* block = c_.slab != nullptr ? pool.allocate(headroom_bytes + headers) : nullptr;
  if (block == nullptr) return {};
  Message other;
  other.c_.note = c_.note;
  other.head_slab_ = block;
  other.c_.head_base = reinterpret_cast<unsigned char*>(block->bytes());
  other.c_.head_at = headroom_bytes;
  other.c_.head_end = headroom_bytes + headers;
  if (headers != 0) std::memcpy(other.head(), head(), headers);
  return other.refer_to_body(pool, *this, offset, bytes) ? std::move(other) : Message();
}

Message Message::copied_slice(Pool& pool, std::uint32_t offset, std::uint32_t bytes) const noexcept {
  Message copy = make(pool, bytes);
  if (!copy) return copy;
  copy.c_.note = c_.note;
  std::byte* to = copy.data();
  const auto add = [&](const std::byte* from, std::uint32_t size) {
    const std::uint32_t skipped = std::min(offset, size);
    const std::uint32_t part = std::min(bytes, size - skipped);
    std::memcpy(to, from + skipped, part);
    to += part;
    offset -= skipped;
    bytes -= part;
  };
  add(data(), data_size());
  for (const Piece* piece = more(); piece != nullptr; piece = piece->next) add(piece->data, piece->bytes);
  return copy;
}

// Adds references to [offset, offset + bytes) of another message's body.
bool Message::refer_to_body(Pool& pool, const Message& of, std::uint32_t offset,
                            std::uint32_t bytes) noexcept {
  const auto add = [&](Slab* owner, std::byte* from, std::uint32_t size) {
    if (offset >= size) {
      offset -= size;
      return true;
    }
    const std::uint32_t part = std::min(bytes, size - offset);
    from += offset;
    offset = 0;
    bytes -= part;
    if (is_placed(owner, from)) return false;
    if (c_.slab != nullptr) return append_piece(pool, owner, from, part);
    set_first(owner, from, part);
    return true;
  };
  bool ok = add(of.slab(), of.data(), of.data_size());
  for (const Piece* piece = of.more(); ok && bytes != 0 && piece != nullptr; piece = piece->next)
    ok = add(piece->slab, piece->data, piece->bytes);
  if (c_.slab == nullptr) set_first(of.slab(), of.data(), 0);  // an empty range: keep the message valid
  return ok;
}

// Headers that do not lie right before the body are a piece of their own.
Message Message::reference_runs(Pool& pool, std::uint32_t offset, std::uint32_t bytes) const noexcept {
  Message other;
  other.c_.note = c_.note;
  const std::uint32_t headers = header_size();
  if (offset < headers) {
    const std::uint32_t part = std::min(bytes, headers - offset);
    other.set_first(head_slab_ != nullptr ? head_slab_ : slab(), head() + offset, part);
    bytes -= part;
    if (bytes == 0) return other;
    offset = headers;
  }
  return other.refer_to_body(pool, *this, offset - headers, bytes) ? std::move(other) : Message();
}

void Message::set_first(Slab* owner, std::byte* from, std::uint32_t bytes) noexcept {
  Pool::retain(owner);
  c_.slab = owner;
  c_.data_at = static_cast<std::uint32_t>(from - owner->bytes());
  c_.data_end = c_.data_at + bytes;
}

bool Message::append(Pool& pool, Message&& tail) noexcept {
  Piece* node = pool.allocate_piece(tail.slab(), tail.data(), tail.data_size(), tail.more());
  if (node == nullptr) return false;
  if (c_.more == nullptr) {
    c_.more = node;
  } else {
    last_->next = node;
  }
  last_ = tail.c_.more != nullptr ? tail.last_ : node;
  c_.more_bytes += tail.body_size();
  if (tail.head_slab_ != nullptr) Pool::release(tail.head_slab_);
  tail.forget();
  return true;
}

void Message::truncate(std::uint32_t bytes) noexcept {
  c_.data_end = c_.data_at + std::min(data_size(), bytes);
  std::uint32_t left = bytes - data_size();
  c_.more_bytes = left;
  for (Piece* piece = more(); piece != nullptr; piece = piece->next) {
    piece->bytes = std::min(piece->bytes, left);
    left -= piece->bytes;
  }
}

// Headers in a block of their own become the first piece; without any, the block is given back.
bool Message::join_headers(Pool& pool) noexcept {
  if (header_size() != 0) {
    Piece* node = pool.allocate_piece(slab(), data(), data_size(), more());
    if (node == nullptr) return false;
    prepend(node);
    c_.more_bytes += data_size();
    if (head_slab_ == nullptr) Pool::retain(slab());
    if (head_slab_ != nullptr) c_.slab = head_slab_;
    head_slab_ = nullptr;
    c_.data_at = c_.head_at;
    c_.data_end = c_.head_end;
  } else if (head_slab_ != nullptr) {
    Pool::release(head_slab_);
    head_slab_ = nullptr;
  }
  c_.head_at = c_.head_end = 0;
  c_.note = {};
  return true;
}

Message Message::detached() const noexcept {
  if (c_.slab == nullptr) return {};
  Message copy = make_detached(body_size());
  if (!copy) return copy;
  copy.c_.note = c_.note;
  copy_body(copy.data());
  return copy;
}

}  // namespace harness
