// SPDX-License-Identifier: Apache-2.0
// put whose transport reads the source where it lies.
#include <harness/tests/unit/layers/put_direct_fixture.hpp>

namespace harness::tests {
namespace {

class PutLent : public PutDirect {
 protected:
  void SetUp() override {
    PutDirect::SetUp();
    ways_[0].lent_bytes_min = 600;
  }
};

TEST_F(PutLent, IsBusyAsLongAsItsSourceIsLent) {
  open_direct();
  Operation put;
  std::string source = bytes_of(1500);
  ASSERT_EQ(origin_->put(put, region_, 100, as_bytes(source)), Errc::ok);
  EXPECT_EQ(ways_[0].under_way(), 2u);  // 1024, lent, and what is left
  while (ways_[0].under_way() != 0) {
    EXPECT_TRUE(put.busy());
    ways_[0].end_one();
  }
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(memory_.substr(100, 1500), source);
  EXPECT_EQ(frames(), 0u);
}

// It waits for room between its pieces.
TEST_F(PutLent, IsBusyAsLongAsAnEarlierPieceIsLent) {
  open_direct();
  ways_[0].room = 1;
  Operation put;
  std::string source = bytes_of(1500);
  ASSERT_EQ(origin_->put(put, region_, 100, as_bytes(source)), Errc::ok);
  EXPECT_EQ(ways_[0].under_way(), 1u);
  ways_[0].room = 2;
  ways_[0].tell_room();
  EXPECT_EQ(ways_[0].under_way(), 2u);
  EXPECT_TRUE(put.busy());
  end_all();
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(memory_.substr(100, 1500), source);
}

TEST_F(PutLent, OfALentSourceNothingIsLostWithTheEndpoint) {
  open_direct();
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 100, keep(bytes_of(1500))), Errc::ok);
  ways_[0].go();
  pair_->run();
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(put.code(), Errc::ok);
  EXPECT_EQ(memory_.substr(100, 1500), bytes_of(1500));
}

// From here on nobody hears when the transport is done with the source.
TEST_F(PutLent, EndsWithTheLinkAfterTheTransportWasLeft) {
  struct Watched final : Operation {
    explicit Watched(const ManualDirect& by)
        : Operation([](Operation& self) {
            auto& put = static_cast<Watched&>(self);
            put.was_left = !put.way.is_used();
          }),
          way(by) {}
    const ManualDirect& way;
    bool was_left = false;
  };
  open_direct();
  Watched put(ways_[0]);
  ASSERT_EQ(origin_->put(put, region_, 100, keep(bytes_of(1500))), Errc::ok);
  pair_->ends[0].stack->event({EventKind::peer_lost, Errc::peer_lost});
  EXPECT_EQ(put.code(), Errc::peer_lost);
  EXPECT_TRUE(put.was_left);
}

}  // namespace
}  // namespace harness::tests
