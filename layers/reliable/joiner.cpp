// SPDX-License-Identifier: Apache-2.0
// Trimming, placing and joining parts.
#include <harness/layers/reliable/joiner.hpp>

namespace harness::layers {

// The run of the same message that begins at or before `key`, or the end.
Joiner::Runs::iterator Joiner::neighbour_before(std::uint64_t key) noexcept {
  auto next = runs_.upper_bound(key);
  if (next == runs_.begin()) return runs_.end();
  const auto before = std::prev(next);
  return before->key >> 32 == key >> 32 ? before : runs_.end();
}

// Runs that lie inside [key, end) are not needed any more.
void Joiner::drop_covered(std::uint64_t key, std::uint64_t end, bool& last) noexcept {
  for (auto next = runs_.lower_bound(key); followed(next, key) && next->end() <= end;) {
    last = last || next->last;
    fresh_bytes_ -= next->bytes.body_size();
    next = runs_.erase_and_dispose(next, [](Run* run) { free_pooled(run); });
  }
}

Joiner::Answer Joiner::take(std::uint32_t number, std::uint32_t offset, bool last, Message& bytes, Pool& pool,
                            Quota* quota) noexcept {
  std::uint64_t key = std::uint64_t{number} << 32 | offset;
  std::uint64_t end = key + bytes.body_size();
  auto before = neighbour_before(key);
  if (before != runs_.end()) {
    if (before->end() >= end) return last && before->end() > end ? Answer::malformed : Answer::known;
    if (before->last) return Answer::malformed;
    if (before->end() > key) {
      const auto known = static_cast<std::uint32_t>(before->end() - key);
      if (bytes.pull(known) == nullptr) return Answer::full;
      key += known;
    }
  }
  const bool joins = before != runs_.end() && before->end() == key;
  if (!joins && runs_.size() >= runs_max) return Answer::full;
  drop_covered(key, end, last);
  auto next = runs_.lower_bound(key);
  if (followed(next, key) && next->key < end) {
    if (last) return Answer::malformed;
    bytes.truncate(static_cast<std::uint32_t>(next->key - key));
    end = next->key;
  }

  fresh_bytes_ += bytes.body_size();
  Run* run = nullptr;
  if (joins) {
    run = &*before;
    if (!run->bytes.append(pool, std::move(bytes))) return Answer::no_memory;
    run->last = last;
  } else {
    run = new_pooled<Run>(pool, quota, key, last, std::move(bytes));
    if (run == nullptr) return Answer::no_memory;
    runs_.insert(next, *run);
  }
  if (followed(next, key) && next->key == end) {
    if (!run->bytes.append(pool, std::move(next->bytes))) return Answer::no_memory;
    run->last = next->last;
    runs_.erase_and_dispose(next, [](Run* done) { free_pooled(done); });
  }
  if (!run->last || static_cast<std::uint32_t>(run->key) != 0) return Answer::kept;
  bytes = std::move(run->bytes);
  runs_.erase_and_dispose(Runs::s_iterator_to(*run), [](Run* done) { free_pooled(done); });
  return Answer::complete;
}

}  // namespace harness::layers
