// SPDX-License-Identifier: Apache-2.0
// Operations that the provider never completes, of one link.
//
// Time alone tells nothing: a peer that is stopped, or computes for a minute, completes nothing either. So
// who has something under way for a second asks the peer over the control link, and it answers when it has
// read its own completion queue, which is what makes a provider progress. What was posted before
// `answers_max` answers, a second apart at least, and is still under way has been lost: the link ends.
// Only the oldest operations count: as long as one of them completes the provider moves, and one that was
// lost among others that go on is found all the same.
// Why 20: after a break of the network that is shorter than the 20 s which end the control link, either end's
// tcp connections may wait as long again before they send once more, and the control link may come back
// first. A large frame moves without a sign of it: 128 KiB more are worth an answer, so a wire of 1 Mbit/s
// will do.
// Bounds: a question a second and link, and none while nothing is under way for a whole second.
#pragma once

#include <cstdint>

#include <harness/transports/ofi/buffers.hpp>

namespace harness::transports::ofi {

class Overdue {
 public:
  static constexpr std::uint64_t look_ns = 1'000'000'000;
  static constexpr std::uint32_t answers_max = 20;
  static constexpr std::uint32_t bytes_an_answer = 128 * 1024;
  enum class Verdict : std::uint8_t { fine, ask, lost };

  /// An operation that is under way at the `look`th look.
  void see(Operation& operation, std::uint32_t look) noexcept;
  /// After all of a look were seen. `gone`: nobody is there to be asked.
  [[nodiscard]] Verdict judge(bool gone) noexcept;
  /// The question went out.
  void asked() noexcept { question_ = Question::out; }
  /// One that was not asked for tells nothing.
  void answered() noexcept {
    if (question_ == Question::out) question_ = Question::answered;
  }
  /// Of what was lost.
  [[nodiscard]] Operation::Kind kind() const noexcept { return oldest_.kind; }
  [[nodiscard]] std::uint32_t answers() const noexcept { return answers_; }

 private:
  enum class Question : std::uint8_t { none, out, answered };
  // Those that were first seen at the same look, before all others.
  struct Oldest {
    std::uint32_t look = Operation::not_under_way;
    std::uint32_t count = 0;
    std::uint32_t bytes = 0;  // of the largest
    Operation::Kind kind = Operation::Kind::send;
  };

  Oldest oldest_, seen_;  // at the last question, at this look
  Question question_ = Question::none;
  std::uint32_t answers_ = 0;  // since one of the oldest completed
};

}  // namespace harness::transports::ofi
