// SPDX-License-Identifier: Apache-2.0
// Puts messages together that came in several packets.
//
// Runs of bytes keyed by (message, offset), as in `frag`, but parts may overlap: after the path became
// narrower a sender cuts anew, and what arrived of the first cutting stays. Bytes that are here already are
// trimmed off. A message is complete when the run at offset 0 reaches its end.
// Bounds: runs_max runs; the bytes are those of received frames, which the link's quota counts.
#pragma once

#include <boost/intrusive/set.hpp>

#include <harness/stack/message.hpp>
#include <harness/stack/pooled.hpp>

namespace harness::layers {

class Joiner {
 public:
  static constexpr std::size_t runs_max = 4096;
  enum class Answer : std::uint8_t { kept, complete, known, full, malformed, no_memory };

  Joiner() = default;
  Joiner(const Joiner&) = delete;
  Joiner& operator=(const Joiner&) = delete;
  ~Joiner() { clear(); }

  /// Takes `bytes` of message `number` from `offset`; `last`: they are its end. complete: `bytes` is the
  /// whole message now. kept: moved from. known (all of it was here), full (too many runs) and malformed (it
  /// contradicts what came before) change nothing. no_memory: the message cannot be completed any more.
  /// [stack-thread]
  Answer take(std::uint32_t number, std::uint32_t offset, bool last, Message& bytes, Pool& pool,
              Quota* quota) noexcept;
  /// Bytes taken so far that were not here before.
  [[nodiscard]] std::uint64_t fresh_bytes() const noexcept { return fresh_bytes_; }
  [[nodiscard]] std::size_t runs() const noexcept { return runs_.size(); }
  void clear() noexcept {
    runs_.clear_and_dispose([](Run* run) { free_pooled(run); });
  }
  void take_over(Joiner& other) noexcept {
    runs_.swap(other.runs_);
    fresh_bytes_ = other.fresh_bytes_;
  }

 private:
  struct Run : boost::intrusive::set_base_hook<> {
    Run(std::uint64_t at, bool is_last, Message&& taken) noexcept
        : key(at), last(is_last), bytes(std::move(taken)) {}
    [[nodiscard]] std::uint64_t end() const noexcept { return key + bytes.body_size(); }
    std::uint64_t key;
    bool last;
    Message bytes;
  };
  struct KeyOf {
    using type = std::uint64_t;
    type operator()(const Run& run) const noexcept { return run.key; }
  };
  using Runs = boost::intrusive::set<Run, boost::intrusive::key_of_value<KeyOf>>;

  Runs::iterator neighbour_before(std::uint64_t key) noexcept;
  bool followed(Runs::iterator next, std::uint64_t key) const noexcept {
    return next != runs_.end() && next->key >> 32 == key >> 32;
  }
  void drop_covered(std::uint64_t key, std::uint64_t end, bool& last) noexcept;

  Runs runs_;
  std::uint64_t fresh_bytes_ = 0;
};

}  // namespace harness::layers
