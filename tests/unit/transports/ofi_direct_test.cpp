// SPDX-License-Identifier: Apache-2.0
// What is ofi's own of native put beside the contract (direct_conformance_test.cpp): who sleeps is rung, a
// link that has ended confirms nothing, and operations that the provider keeps for ever.
#include <optional>

#include <poll.h>

#include <harness/tests/support/direct_end.hpp>

namespace harness::transports {
namespace {

using tests::DirectEnd, tests::ofi_missing, tests::pattern, tests::settle, tests::turn_until;
using Outcome = Direct::Outcome;

class OfiDirects : public testing::Test {
 protected:
  static constexpr std::size_t slot_bytes = 64 * 1024;
  static constexpr unsigned slots = 64;

  void open(const char* provider) {
    if (const std::string why = ofi_missing(provider); !why.empty()) GTEST_SKIP() << why;
    near_.emplace(provider);
    far_.emplace(provider);
    tests::connect(*near_, *far_);
    memory_ = RegionMemory::make(slots * slot_bytes).value();
  }
  RegionHandle share(DirectEnd& far, std::uint64_t offset, std::uint64_t bytes) {
    const Exposed region{++last_key_, memory_->bytes().subspan(offset, bytes), Access::all, AtomicDomain::cpu,
                         memory_};
    far.direct->share(region);
    EXPECT_TRUE(turn_until(*near_, far, [&] { return near_->direct->reaches(region.key); }));
    return {region.key, bytes, Access::all, AtomicDomain::cpu};
  }
  Outcome put(const RegionHandle& to, std::size_t bytes) {
    return near_->direct->put(ticket_++, to, 0, pattern(bytes, 1), {});
  }

  std::optional<DirectEnd> near_, far_, other_;
  std::shared_ptr<RegionMemory> memory_;
  std::uint64_t last_key_ = 0x6000;
  std::uint64_t ticket_ = 0;
};

bool is_readable(const DirectEnd& end, int within_ms = 0) {
  pollfd waited{end.engine->descriptor(), POLLIN, 0};
  return ::poll(&waited, 1, within_ms) == 1;
}

void fall_asleep(DirectEnd& sleeper, DirectEnd& other) {
  while (sleeper.engine->arm() == 0) other.engine->poll();
  settle(other);
}

// Over shm there is nothing to sleep on, and a target that sleeps serves no write.
TEST_F(OfiDirects, RingATargetThatSleeps) {
  open("shm");
  if (IsSkipped()) return;
  const RegionHandle region = share(*far_, 0, slot_bytes);
  for (const std::size_t bytes : {std::size_t{8}, slot_bytes}) {
    fall_asleep(*far_, *near_);
    EXPECT_FALSE(is_readable(*far_));
    const std::uint64_t bells = near_->value("bells");
    ASSERT_EQ(put(region, bytes), Outcome::begun);
    EXPECT_EQ(near_->value("bells"), bells + 1);
    settle(*near_);
    EXPECT_TRUE(is_readable(*far_, 20'000)) << "nobody woke it";
    ASSERT_TRUE(turn_until(*near_, *far_, [&] { return near_->ended.size() == ticket_; }));
  }
}

TEST_F(OfiDirects, RingATargetThatFallsAsleepWhileAPutIsUnderWay) {
  open("shm");
  if (IsSkipped()) return;
  const RegionHandle region = share(*far_, 0, slot_bytes);
  ASSERT_EQ(put(region, slot_bytes), Outcome::begun);
  const std::uint64_t bells = near_->value("bells");
  while (far_->engine->arm() == 0) {
  }
  near_->engine->poll();
  EXPECT_EQ(near_->value("bells"), bells + 1);
}

// The target's link ends while a put and its check lie in its socket: the put reaches nobody's pages. The
// transport alone is turned here, so the control link says nothing of the end before the check is answered.
TEST_F(OfiDirects, ConfirmNothingOnceTheTargetsLinkHasEnded) {
  open("tcp");
  if (IsSkipped()) return;
  const RegionHandle region = share(*far_, 0, slot_bytes);
  near_->engine->poll();
  ASSERT_EQ(put(region, 1000), Outcome::begun);
  while (near_->value("direct_checks") == 0) near_->transport->poll(256);
  far_->endpoint.reset();
  while (near_->ended.empty() && near_->codes.empty()) {
    far_->engine->poll();
    near_->transport->poll(256);
  }
  EXPECT_EQ(near_->ended[0], Errc::not_found);
  EXPECT_EQ(memory_->bytes()[1], std::byte{0});
}

// Gets that the peer never serves keep their slots when the link is gone.
TEST_F(OfiDirects, GoByMessagesWhileTheProviderKeepsEverySlot) {
  open("tcp");
  if (IsSkipped()) return;
  const RegionHandle lost = share(*far_, 0, slot_bytes);
  std::vector<std::byte> into(8);
  for (unsigned i = 0; i < slots; ++i)
    ASSERT_EQ(near_->direct->get(ticket_++, lost, 0, into), Outcome::begun);
  EXPECT_EQ(near_->direct->get(ticket_, lost, 0, into), Outcome::full) << "some may come back";
  near_->endpoint.reset();
  EXPECT_EQ(near_->ended.size(), slots);

  other_.emplace("tcp");
  tests::connect(*near_, *other_);
  const RegionHandle region = share(*other_, 0, slot_bytes);
  EXPECT_EQ(put(region, 1000), Outcome::no);
  EXPECT_EQ(near_->direct->get(ticket_, region, 0, into), Outcome::no);
  ASSERT_TRUE(turn_until(*near_, *far_, [&] { return put(region, 1000) == Outcome::begun; }))
      << "they came back and are not used";
  const std::uint64_t begun = ticket_ - 1;
  ASSERT_TRUE(turn_until(*near_, *other_, [&] { return near_->ended.contains(begun); }));
  EXPECT_EQ(near_->ended[begun], Errc::ok);
}

TEST_F(OfiDirects, GoByMessagesWhileTheProviderKeepsEveryCheck) {
  open("tcp");
  if (IsSkipped()) return;
  std::vector<RegionHandle> regions;
  for (unsigned i = 0; i < slots; ++i) regions.push_back(share(*far_, i * slot_bytes, slot_bytes));
  for (const RegionHandle& region : regions) ASSERT_EQ(put(region, 8), Outcome::begun);
  while (near_->value("direct_checks") < slots) near_->engine->poll();
  near_->endpoint.reset();
  EXPECT_EQ(near_->ended.size(), slots);

  other_.emplace("tcp");
  tests::connect(*near_, *other_);
  const RegionHandle region = share(*other_, 0, slot_bytes);
  EXPECT_EQ(put(region, 1000), Outcome::no);
  ASSERT_TRUE(turn_until(*near_, *far_, [&] { return put(region, 1000) == Outcome::begun; }));
  const std::uint64_t begun = ticket_ - 1;
  ASSERT_TRUE(turn_until(*near_, *other_, [&] { return near_->ended.contains(begun); }));
  EXPECT_EQ(near_->ended[begun], Errc::ok);
}

}  // namespace
}  // namespace harness::transports
