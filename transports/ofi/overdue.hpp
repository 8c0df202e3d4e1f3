// SPDX-License-Identifier: Apache-2.0
// Operations that the provider never completes, of one link, and frames that the peer's never brings.
//
// Time alone tells nothing: a peer that is stopped, or computes for a minute, completes nothing either. So
// who has something under way for a second asks the peer over the control link, and it answers when it has
// read its own completion queue, which is what makes a provider progress. What was posted before
// `answers_max` answers, a second apart at least, and is still under way has been lost: the link ends.
// Only the oldest operations count: as long as one of them completes the provider moves, and one that was
// lost among others that go on is found all the same.
// Why 20: after a break of the network that is shorter than the 20 s which end the control link, either end's
// tcp connections may wait as long again before they send once more, and the control link may come back
// first. Large frames move without a sign of it, and whatever else goes to that host may go first: each
// 128 KiB that the endpoint has under way or offered are worth an answer more, so a wire of 2 Mbit/s will do.
// One peer that does not answer stops the count for all: libfabric's shm gives its completions in the order
// of the operations, whoever they are for.
// Bounds: a question a second and link, and none while nothing is under way for a whole second.
#pragma once

#include <cstdint>
#include <utility>

#include <harness/transports/ofi/buffers.hpp>

namespace harness::transports::ofi {

class Overdue {
 public:
  static constexpr std::uint64_t look_ns = 1'000'000'000;
  static constexpr std::uint32_t answers_max = 20;
  static constexpr std::uint32_t bytes_an_answer = 128 * 1024;
  static constexpr std::uint32_t looks_gone = 3;  // for frames of a peer that closed and went
  enum class Verdict : std::uint8_t { fine, ask, lost };

  /// Something that is under way at the `look`th look; `since` is the look that saw it first, 0: none did.
  void see(std::uint32_t& since, Operation::Kind kind, std::uint32_t look) noexcept;
  /// After all of a look were seen. `gone`: nobody is there to be asked; `all_answer`: no other peer owes an
  /// answer; `bytes`: under way to whomever.
  [[nodiscard]] Verdict judge(bool gone, bool all_answer, std::uint64_t bytes) noexcept;
  /// The question went out.
  void asked() noexcept { question_ = Question::out; }
  /// One that was not asked for tells nothing.
  void answered() noexcept {
    if (question_ == Question::out) question_ = Question::answered;
  }
  [[nodiscard]] bool is_asking() const noexcept { return question_ == Question::out; }
  /// Of what was lost.
  [[nodiscard]] Operation::Kind kind() const noexcept { return oldest_.kind; }
  [[nodiscard]] std::uint32_t answers() const noexcept { return answers_; }

 private:
  enum class Question : std::uint8_t { none, out, answered };
  // Those that were first seen at the same look, before all others.
  struct Oldest {
    std::uint32_t look = Operation::not_under_way;
    std::uint32_t count = 0;
    Operation::Kind kind = Operation::Kind::send;
  };

  Oldest oldest_, seen_;  // at the last question, at this look
  Question question_ = Question::none;
  std::uint32_t answers_ = 0;  // since one of the oldest completed
};

inline void Overdue::see(std::uint32_t& since, Operation::Kind kind, std::uint32_t look) noexcept {
  if (since == 0) {
    since = look;
    return;
  }
  if (since == Operation::not_under_way || since > seen_.look) return;
  if (since < seen_.look) seen_ = {since, 0, kind};
  ++seen_.count;
}

inline Overdue::Verdict Overdue::judge(bool gone, bool all_answer, std::uint64_t bytes) noexcept {
  const Oldest seen = std::exchange(seen_, {});
  if (question_ == Question::out && !gone) return Verdict::fine;
  const bool answered = question_ == Question::answered || gone;
  question_ = Question::none;
  if (seen.count == 0 || seen.look != oldest_.look || seen.count != oldest_.count) {
    answers_ = 0;
  } else if (answered && all_answer && ++answers_ >= answers_max + bytes / bytes_an_answer) {
    return Verdict::lost;
  }
  oldest_ = seen;
  return seen.count != 0 ? Verdict::ask : Verdict::fine;
}

}  // namespace harness::transports::ofi
