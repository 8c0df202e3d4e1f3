// SPDX-License-Identifier: Apache-2.0
// The slower half of Message: sharing, slicing, scattered headers, deep copies.
#include <harness/stack/message.hpp>

#include <algorithm>

namespace harness {

namespace {
unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
}  // namespace

Message Message::make_detached(std::uint32_t bytes) noexcept {
  Slab* slab = bytes <= message_limit ? Pool::allocate_detached(headroom_bytes + bytes) : nullptr;
  return slab != nullptr ? Message(slab, headroom_bytes, bytes) : Message();
}

Message Message::copy_of(Pool& pool, Bytes bytes) noexcept {
  if (bytes.size() > message_limit) return {};
  Message message = make(pool, static_cast<std::uint32_t>(bytes.size()));
  if (message && !bytes.empty()) std::memcpy(message.c_.data, bytes.data(), bytes.size());
  return message;
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

// Moves the headers to a block with room for `bytes` and the usual headroom again.
bool Message::grow_head(std::uint32_t bytes) noexcept {
  const std::uint32_t room = headroom_bytes + bytes;
  Pool* pool = slab()->pool;
  Slab* block = pool != nullptr ? pool->allocate(room + c_.head_bytes) : Pool::allocate_detached(room + c_.head_bytes);
  if (block == nullptr) return false;
  unsigned char* head = raw(block->bytes()) + room;
  if (c_.head_bytes != 0) std::memcpy(head, c_.head, c_.head_bytes);
  if (head_slab_ != nullptr) Pool::release(head_slab_);
  head_slab_ = block;
  c_.head = head;
  c_.head_room = room;
  return true;
}

// Makes the first `bytes` of the body one run: drops empty front pieces, else copies those bytes into a new first piece.
bool Message::pull_up(std::uint32_t bytes) noexcept {
  if (c_.slab == nullptr || bytes > c_.body_bytes) return false;
  while (c_.data_bytes == 0 && c_.more != nullptr) {
    Piece* piece = more();
    Slab* old = slab();
    c_.slab = piece->slab;
    c_.data = raw(piece->data);
    c_.data_bytes = piece->bytes;
    c_.more = piece->next;
    Pool::release_piece(piece);
    if (head_slab_ == nullptr) {  // the headers, if any, lay in the old slab: received messages have none
      c_.head_bytes = c_.head_room = 0;
    }
    Pool::release(old);
  }
  if (bytes <= c_.data_bytes) return true;
  Pool* pool = slab()->pool;
  if (pool == nullptr) return false;
  Slab* block = pool->allocate(bytes, slab()->quota);
  if (block == nullptr) return false;
  std::uint32_t copied = 0;
  std::byte* to = block->bytes();
  auto take = [&](unsigned char*& data, std::uint32_t& size) {
    const std::uint32_t part = std::min(bytes - copied, size);
    std::memcpy(to + copied, data, part);
    data += part;
    size -= part;
    copied += part;
  };
  take(c_.data, c_.data_bytes);
  for (Piece* piece = more(); piece != nullptr && copied < bytes; piece = piece->next) {
    auto* data = raw(piece->data);
    take(data, piece->bytes);
    piece->data = reinterpret_cast<std::byte*>(data);
  }
  // The rest of the old first piece, if any is left, becomes the second piece.
  Slab* old = slab();
  if (c_.data_bytes != 0) {
    Piece* rest = pool->allocate_piece(old, reinterpret_cast<std::byte*>(c_.data), c_.data_bytes, more());
    if (rest == nullptr) return Pool::release(block), false;
    prepend(rest);
  } else {
    Pool::release(old);
  }
  c_.slab = block;
  c_.data = raw(to);
  c_.data_bytes = bytes;
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
  if (c_.more == nullptr) return front();
  Slab* block = pool.allocate(c_.body_bytes, slab()->quota);
  if (block == nullptr) return {};
  std::byte* to = block->bytes();
  std::memcpy(to, c_.data, c_.data_bytes);
  to += c_.data_bytes;
  for (const Piece* piece = more(); piece != nullptr; piece = piece->next) {
    std::memcpy(to, piece->data, piece->bytes);
    to += piece->bytes;
  }
  const Annotation note = c_.note;
  const std::uint32_t bytes = c_.body_bytes;
  reset();
  *this = received(block, 0, bytes);
  c_.note = note;
  return front();
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
  c_.body_bytes += bytes;
  return true;
}

Message Message::view(Pool& pool, std::uint32_t offset, std::uint32_t bytes, bool with_headers) const noexcept {
  const std::uint32_t headers = with_headers ? c_.head_bytes : 0;
  Slab* block = pool.allocate(headroom_bytes + headers);
  if (block == nullptr || c_.slab == nullptr) return {};
  Message other;
  other.c_.note = c_.note;
  other.head_slab_ = block;
  other.c_.head = raw(block->bytes()) + headroom_bytes;
  other.c_.head_room = headroom_bytes;
  if (headers != 0) std::memcpy(other.c_.head, c_.head, headers);
  other.c_.head_bytes = headers;
  auto add = [&](Slab* owner, std::byte* data, std::uint32_t size) {
    if (offset >= size) {
      offset -= size;
      return true;
    }
    const std::uint32_t part = std::min(bytes, size - offset);
    data += offset;
    offset = 0;
    bytes -= part;
    if (other.c_.slab != nullptr) return other.append_piece(pool, owner, data, part);
    Pool::retain(owner);
    other.c_.slab = owner;
    other.c_.data = raw(data);
    other.c_.data_bytes = other.c_.body_bytes = part;
    return true;
  };
  bool ok = add(slab(), reinterpret_cast<std::byte*>(c_.data), c_.data_bytes);
  for (const Piece* piece = more(); ok && bytes != 0 && piece != nullptr; piece = piece->next)
    ok = add(piece->slab, piece->data, piece->bytes);
  if (other.c_.slab == nullptr) {  // an empty range: keep the message valid
    Pool::retain(slab());
    other.c_.slab = slab();
    other.c_.data = c_.data;
  }
  return ok ? std::move(other) : Message();
}

bool Message::append(Pool& pool, Message&& tail) noexcept {
  Piece* node =
      pool.allocate_piece(tail.slab(), reinterpret_cast<std::byte*>(tail.c_.data), tail.c_.data_bytes, tail.more());
  if (node == nullptr) return false;
  if (c_.more == nullptr) {
    c_.more = node;
  } else {
    last_->next = node;
  }
  last_ = tail.c_.more != nullptr ? tail.last_ : node;
  c_.body_bytes += tail.c_.body_bytes;
  if (tail.head_slab_ != nullptr) Pool::release(tail.head_slab_);
  tail.forget();
  return true;
}

void Message::truncate(std::uint32_t bytes) noexcept {
  c_.body_bytes = bytes;
  c_.data_bytes = std::min(c_.data_bytes, bytes);
  std::uint32_t left = bytes - c_.data_bytes;
  for (Piece* piece = more(); piece != nullptr; piece = piece->next) {
    piece->bytes = std::min(piece->bytes, left);
    left -= piece->bytes;
  }
}

bool Message::as_received(Pool& pool) noexcept {
  if (c_.head_bytes != 0 && head_slab_ == nullptr && c_.head + c_.head_bytes == c_.data) {
    c_.data = c_.head;
    c_.data_bytes += c_.head_bytes;
    c_.body_bytes += c_.head_bytes;
  } else if (c_.head_bytes != 0) {
    Piece* node = pool.allocate_piece(slab(), reinterpret_cast<std::byte*>(c_.data), c_.data_bytes, more());
    if (node == nullptr) return false;
    prepend(node);
    if (head_slab_ == nullptr) Pool::retain(slab());
    c_.slab = head_slab_ != nullptr ? head_slab_ : slab();
    head_slab_ = nullptr;
    c_.data = c_.head;
    c_.data_bytes = c_.head_bytes;
    c_.body_bytes += c_.head_bytes;
  } else if (head_slab_ != nullptr) {
    Pool::release(head_slab_);
    head_slab_ = nullptr;
  }
  c_.head = nullptr;
  c_.head_bytes = c_.head_room = 0;
  c_.note = {};
  return true;
}

Message Message::detached() const noexcept {
  Message copy = make_detached(c_.body_bytes);
  if (!copy) return copy;
  copy.c_.note = c_.note;
  std::byte* to = copy.writable().data();
  std::memcpy(to, c_.data, c_.data_bytes);
  to += c_.data_bytes;
  for (const Piece* piece = more(); piece != nullptr; piece = piece->next) {
    std::memcpy(to, piece->data, piece->bytes);
    to += piece->bytes;
  }
  return copy;
}

}  // namespace harness
