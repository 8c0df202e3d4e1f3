// SPDX-License-Identifier: Apache-2.0
// See send_queue.hpp.
#include <harness/transports/tcp/send_queue.hpp>

#include <algorithm>

#include <sys/uio.h>

namespace harness::transports::tcp {

std::byte* SendQueue::new_room(Pool& pool, std::uint32_t bytes, bool busy) noexcept {
  if (count_ == runs_max) return nullptr;
  Slab* slab = pool.allocate(std::max(bytes, busy || count_ != 0 ? slab_bytes : first_slab_bytes));
  if (slab == nullptr) return nullptr;
  Run& run = at(count_++);
  run.slab = slab;
  run.end = 0;
  return slab->bytes();
}

bool SendQueue::refer(const std::array<std::byte, header_bytes>& header, Message&& message) noexcept {
  if (count_ == runs_max) return false;
  Run& run = at(count_++);
  run.header = header;
  run.message = std::move(message);
  bytes_ += run.size();
  return true;
}

unsigned SendQueue::gather(iovec* vectors, unsigned most, std::size_t& total) const noexcept {
  unsigned used = 0;
  total = 0;
  std::uint64_t skip = sent_;
  const auto add = [&](const std::byte* data, std::size_t bytes) {
    if (skip >= bytes) {
      skip -= bytes;
      return true;
    }
    if (used == most) return false;
    vectors[used++] = {const_cast<std::byte*>(data) + skip, bytes - skip};
    total += bytes - skip;
    skip = 0;
    return true;
  };
  for (unsigned i = 0; i < count_ && used < most; ++i) {
    const Run& run = at(i);
    if (run.slab != nullptr) {
      add(run.slab->bytes(), run.end);
    } else if (add(run.header.data(), header_bytes)) {
      run.message.each_run([&](Bytes bytes) { return add(bytes.data(), bytes.size()); });
    }
  }
  return used;
}

void SendQueue::drop_front() noexcept {
  Run& front = at(0);
  if (front.slab != nullptr) Pool::release(front.slab);
  front.slab = nullptr;
  front.message.reset();
  head_ = (head_ + 1) % runs_max;
  --count_;
  sent_ = 0;
}

void SendQueue::consume(std::size_t bytes) noexcept {
  bytes_ -= bytes;
  sent_ += bytes;
  while (count_ != 0 && sent_ >= at(0).size()) {
    const std::uint64_t beyond = sent_ - at(0).size();
    drop_front();
    sent_ = beyond;
  }
}

void SendQueue::clear() noexcept {
  while (count_ != 0) drop_front();
  bytes_ = 0;
}

}  // namespace harness::transports::tcp
