// SPDX-License-Identifier: Apache-2.0
// Two ends of a stack with put, whose transport reaches the peer's memory itself.
#pragma once

#include <harness/tests/support/manual_direct.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/unit/layers/put_fixture.hpp>

namespace harness::tests {

class PutDirect : public PutTest {
 protected:
  void SetUp() override {
    ways_[0].peer = &ways_[1];
    ways_[1].peer = &ways_[0];
  }
  void open_direct(bool at_once = false, std::int64_t piece = 0, std::size_t capacity_frames = 64) {
    ways_[0].at_once = ways_[1].at_once = at_once;
    open({layer<Order>(), layer<Put>({{Put::option_piece, piece}}), layer<Frag>()},
         {.word = Medium{}.word | by_itself,
          .capacity_frames = capacity_frames,
          .directs = {&ways_[0], &ways_[1]}});
  }
  void TearDown() override {
    pair_.reset();
    EXPECT_FALSE(ways_[0].is_used());
    EXPECT_EQ(ways_[1].shared(), 0u);
  }
  void end_all() {
    while (ways_[0].end_one()) pair_->run();
    pair_->run();
  }
  std::uint64_t frames() const { return pair_->wires[0].carried; }

  ManualDirect ways_[2] = {ManualDirect(seed(1)), ManualDirect(2)};
};

}  // namespace harness::tests
