// SPDX-License-Identifier: Apache-2.0
// The contestants of one comparison, in both processes, and what each has shown so far.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <harness/bench/compare/contestant.hpp>
#include <harness/bench/support/program.hpp>

namespace harness::bench {

using Contestants = std::vector<std::unique_ptr<Contestant>>;

inline constexpr std::uint64_t slice_ns = 10'000'000;
inline constexpr std::uint64_t flood_ns = 12'000'000;

class Ring {
 public:
  explicit Ring(Contestants contestants)
      : contestants_(std::move(contestants)), shown_(contestants_.size()), duo_(jobs()) {
    for (std::size_t i = 0; i < contestants_.size(); ++i) {
      duo_.start(i);
      duo_.wait_for([&] { return !duo_.board().get_text(static_cast<unsigned>(i)).empty(); },
                    "a contestant to listen");
      contestants_[i]->connect(duo_.board().get_text(static_cast<unsigned>(i)));
    }
    duo_.rest();
  }

  [[nodiscard]] Subject pinging(std::size_t i) {
    return {contestants_[i]->name(), [this, i] {
              duo_.start(i);
              const double ns = contestants_[i]->ping(slice_ns, shown_[i]);
              duo_.rest();
              return ns;
            }};
  }
  /// Floods of about flood_ns, the number of messages learnt from the slice before.
  [[nodiscard]] Subject flooding(std::size_t i, std::uint32_t bytes, std::uint64_t first_count) {
    return {contestants_[i]->name(), [this, i, bytes, count = first_count]() mutable {
              duo_.start(i);
              const double ns = contestants_[i]->flood(count, bytes, duo_.board());
              duo_.rest();
              count = static_cast<std::uint64_t>(std::clamp(flood_ns / ns, 16.0, 1e6));
              return ns;
            }};
  }
  [[nodiscard]] Duo& duo() noexcept { return duo_; }
  [[nodiscard]] const Histogram& shown(std::size_t i) const { return shown_[i]; }
  void forget() {
    for (Histogram& one : shown_) one.clear();
  }

 private:
  std::vector<Duo::Job> jobs() {
    std::vector<Duo::Job> all;
    for (std::size_t i = 0; i < contestants_.size(); ++i)
      all.push_back([this, i, listening = false](Board& board, const Duo::Still& still) mutable {
        if (!std::exchange(listening, true))
          board.put_text(static_cast<unsigned>(i), contestants_[i]->listen());
        contestants_[i]->serve(board, still);
      });
    return all;
  }
  Contestants contestants_;
  std::vector<Histogram> shown_;
  Duo duo_;
};

/// The lowest median of a few rounds. Requires: there are variants.
std::size_t best_of(Ring& ring, const std::vector<Subject>& variants, const Program& program);
void add_all(Contestants& to, Contestants more);

}  // namespace harness::bench
