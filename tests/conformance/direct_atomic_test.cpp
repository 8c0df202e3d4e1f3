// SPDX-License-Identifier: Apache-2.0
// Atomics by the transport (stack/direct.hpp): each is done once and tells what it found, also when both ends
// change words at once and when the region goes meanwhile; where no card can do them, none is begun.
#include <set>

#include <harness/tests/conformance/direct_medium.hpp>

namespace harness::tests {
namespace {

constexpr AtomicDomain nic = AtomicDomain::nic;

class DirectAtomics : public DirectMedium {
 protected:
  // shm's own domain is the processor's, whatever is asked for; of libfabric's providers here none has a
  // card.
  [[nodiscard]] static bool by_card() {
    const std::string_view knobs = GetParam().knobs;
    return std::string_view(GetParam().medium).starts_with("mock") &&
           knobs.find("atomics=") == std::string_view::npos;
  }
  [[nodiscard]] static bool possible() { return by_card() || GetParam().medium == mapped; }

  // One operation of an end's, if there is room; its ticket counts on then.
  static Direct::Outcome begin_at(DirectEnd& end, std::uint64_t& ticket, AtomicOp op, const RegionHandle& at,
                                  std::uint64_t operand, std::uint64_t compare = 0) {
    std::uint64_t before = 0;
    const auto outcome = end.direct->atomic(ticket, op, at, 0, operand, compare, before);
    if (outcome == Direct::Outcome::done) {
      end.ended.emplace(ticket, Errc::ok);
      const auto raw = std::as_bytes(std::span(&before, 1));
      end.results[ticket] = {raw.begin(), raw.end()};
    }
    if (begins(outcome)) ++ticket;
    return outcome;
  }
  static bool begins(Direct::Outcome outcome) {
    return outcome == Direct::Outcome::done || outcome == Direct::Outcome::begun;
  }
  static std::uint64_t found(DirectEnd& end, std::uint64_t ticket) {
    const std::vector<std::byte>& result = end.results[ticket];
    EXPECT_EQ(result.size(), sizeof(std::uint64_t)) << ticket;
    std::uint64_t value = 0;
    if (result.size() == sizeof value) std::memcpy(&value, result.data(), sizeof value);
    return value;
  }
  [[nodiscard]] std::uint64_t word(std::uint64_t offset) const {
    std::uint64_t value = 0;
    std::memcpy(&value, memory_->bytes().data() + offset, sizeof value);
    return value;
  }
  void turn() {
    near_->engine->poll();
    far_->engine->poll();
  }
};

// … over those that have a card, or do it themselves.
class CardAtomics : public DirectAtomics {};

TEST_P(DirectAtomics, TellWhatStoodThere) {
  const RegionHandle region = share(4096 + 8, 100, Access::all, nic);
  ASSERT_EQ(near_->direct->changes(region), possible());
  if (!possible()) {
    EXPECT_EQ(begin_at(*near_, ticket_, AtomicOp::add, region, 1), Direct::Outcome::no);
    return;
  }
  const auto change = [&](AtomicOp op, std::uint64_t operand, std::uint64_t compare = 0) {
    while (begin_at(*near_, ticket_, op, region, operand, compare) == Direct::Outcome::full) turn();
    EXPECT_TRUE(all_ended());
    EXPECT_EQ(near_->ended[ticket_ - 1], Errc::ok);
    return found(*near_, ticket_ - 1);
  };
  EXPECT_EQ(change(AtomicOp::add, 40), 0u);
  EXPECT_EQ(change(AtomicOp::add, ~std::uint64_t{0}), 40u);
  EXPECT_EQ(change(AtomicOp::swap, 1ull << 60), 39u);
  EXPECT_EQ(change(AtomicOp::compare_swap, 7, 6), 1ull << 60);
  EXPECT_EQ(word(4096 + 8), 1ull << 60);
  EXPECT_EQ(change(AtomicOp::compare_swap, 7, 1ull << 60), 1ull << 60);
  EXPECT_EQ(word(4096 + 8), 7u);
  EXPECT_EQ(word(4096), 0u);
  EXPECT_EQ(word(4096 + 16), 0u);
}

// Both ends add to a word of the other, as many at a time as there is room for.
TEST_P(CardAtomics, FindEachValueOnce) {
  const RegionHandle there = share(*far_, *near_, 0, 8, Access::atomic, nic);
  const RegionHandle here = share(*near_, *far_, 8, 8, Access::atomic, nic);
  std::uint64_t far_ticket = 0;
  constexpr std::uint64_t adds = 400;
  const auto play = [&] {
    while (ticket_ < adds && begins(begin_at(*near_, ticket_, AtomicOp::add, there, 1))) {
    }
    while (far_ticket < adds && begins(begin_at(*far_, far_ticket, AtomicOp::add, here, 1))) {
    }
    return near_->ended.size() == adds && far_->ended.size() == adds;
  };
  ASSERT_TRUE(until(play));
  for (DirectEnd* const end : {&*near_, &*far_}) {
    std::set<std::uint64_t> values;
    for (const auto& [ticket, code] : end->ended) {
      EXPECT_EQ(code, Errc::ok);
      EXPECT_TRUE(values.insert(found(*end, ticket)).second) << "found twice";
    }
    EXPECT_EQ(*values.rbegin(), adds - 1);
  }
  EXPECT_EQ(word(0), adds);
  EXPECT_EQ(word(8), adds);
}

// Withdrawn in the middle: what counts as done was done, what does not was not, and nothing comes later.
TEST_P(CardAtomics, AreDoneOrNotWhenTheRegionGoes) {
  Random random(seed(4));
  std::size_t refused = 0;
  for (unsigned round = 0; round < 60; ++round) {
    const RegionHandle region = share(0, 8, Access::atomic, nic);
    ASSERT_TRUE(near_->direct->changes(region));
    std::memset(memory_->bytes().data(), 0, 8);
    const std::uint64_t first = ticket_;
    for (unsigned i = 0; i < 10; ++i)
      while (begin_at(*near_, ticket_, AtomicOp::add, region, 1) == Direct::Outcome::full) turn();
    for (std::uint64_t turns = random.below(40); turns-- != 0;) turn();
    far_->direct->withdraw(region.key);
    const std::uint64_t then = word(0);
    ASSERT_TRUE(until([&] { return !near_->direct->reaches(region.key); }));
    ASSERT_TRUE(all_ended());
    EXPECT_EQ(word(0), then);
    std::set<std::uint64_t> values;
    for (std::uint64_t ticket = first; ticket < ticket_; ++ticket) {
      const Errc code = near_->ended[ticket];
      EXPECT_TRUE(code == Errc::ok || code == Errc::not_found) << to_string(code);
      if (code == Errc::ok) {
        EXPECT_TRUE(values.insert(found(*near_, ticket)).second) << "found twice";
      }
      refused += code == Errc::not_found ? 1u : 0u;
    }
    EXPECT_EQ(values.size(), then);
    EXPECT_EQ(begin_at(*near_, ticket_, AtomicOp::add, region, 1), Direct::Outcome::no);
  }
  EXPECT_EQ(refused != 0, by_card());
  EXPECT_TRUE(near_->codes.empty() && far_->codes.empty()) << "the link has ended";
}

TEST_P(CardAtomics, EndWithThePeer) {
  const RegionHandle region = share(0, 8, Access::atomic, nic);
  for (unsigned i = 0; i < 20; ++i)
    while (begin_at(*near_, ticket_, AtomicOp::add, region, 1) == Direct::Outcome::full) turn();
  far_->endpoint.reset();
  const std::uint64_t then = word(0);
  ASSERT_TRUE(all_ended());
  std::uint64_t done = 0;
  for (const auto& [ticket, code] : near_->ended) {
    EXPECT_TRUE(code == Errc::ok || code == Errc::not_found || code == Errc::peer_lost) << to_string(code);
    done += code == Errc::ok ? 1u : 0u;
  }
  EXPECT_LE(done, then);
  EXPECT_EQ(near_->direct->under_way(), 0u);
  EXPECT_EQ(begin_at(*near_, ticket_, AtomicOp::add, region, 1), Direct::Outcome::no);
  EXPECT_EQ(word(0), then);
}

TEST_P(DirectAtomics, AreNotBegunWhereTheRegionIsNotForThem) {
  const RegionHandle unaligned = share(4, 100, Access::all, nic);
  const RegionHandle readable = share(4096, 100, Access::read | Access::write, nic);
  const RegionHandle short_one = share(8192, 7, Access::all, nic);
  for (const RegionHandle& region : {unaligned, readable, short_one})
    EXPECT_EQ(begin_at(*near_, ticket_, AtomicOp::add, region, 1), Direct::Outcome::no);
  if (GetParam().medium == mapped) return;
  const RegionHandle of_processor = share(0, 8, Access::all);
  EXPECT_FALSE(near_->direct->changes(of_processor));
  EXPECT_EQ(begin_at(*near_, ticket_, AtomicOp::add, of_processor, 1), Direct::Outcome::no);
  if (!possible()) return;
  const RegionHandle words = share(0, 8, Access::atomic, nic);
  std::vector<std::byte> into(8);
  EXPECT_EQ(near_->direct->get(ticket_, words, 0, into), Direct::Outcome::no);
  EXPECT_EQ(near_->direct->put(ticket_, words, 0, into, {}), Direct::Outcome::no);
}

std::string name_of(const testing::TestParamInfo<Setting>& tried) { return tried.param.name; }

INSTANTIATE_TEST_SUITE_P(Without, DirectAtomics,
                         testing::Values(Setting{"OfiShm", "shm", ""}, Setting{"OfiTcp", "tcp", ""},
                                         Setting{"Verbs", "mock-verbs", "atomics=0"},
                                         Setting{"VerbsRefusing", "mock-verbs", "atomics=2"},
                                         Setting{"Cxi", "mock-cxi", "atomics=0"}),
                         name_of);

constexpr std::array able{Setting{"Shm", "mapped", ""},
                          Setting{"Verbs", "mock-verbs", ""},
                          Setting{"VerbsStorm", "mock-verbs", storm},
                          Setting{"Cxi", "mock-cxi", ""},
                          Setting{"CxiStorm", "mock-cxi", storm},
                          Setting{"CxiRaw", "mock-cxi", "raw=1"}};
INSTANTIATE_TEST_SUITE_P(Conformance, DirectAtomics, testing::ValuesIn(able), name_of);
INSTANTIATE_TEST_SUITE_P(Conformance, CardAtomics, testing::ValuesIn(able), name_of);

}  // namespace
}  // namespace harness::tests
