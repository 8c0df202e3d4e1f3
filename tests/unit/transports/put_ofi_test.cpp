// SPDX-License-Identifier: Apache-2.0
// put on links over ofi, of words that the card changes: the cards are the mock's, which load a word at one
// time and store it at a later one, so that whatever else changes it meanwhile is lost.
#include <stdlib.h>

#include <deque>

#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/stack/compose.hpp>
#include <harness/stack/node.hpp>
#include <harness/tests/support/described.hpp>
#include <harness/tests/support/ofi_mock.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/test_authority.hpp>
#include <harness/transports/all.hpp>
#include <harness/transports/region_memory.hpp>

namespace harness::tests {
namespace {

constexpr std::uint64_t long_ns = 20'000'000'000;  // a bound for tests that fail

struct PutOverOfi : testing::Test {
  void open(const std::string& transport, const char* knobs = "") {
    setenv("HARNESS_MOCK", knobs, 1);
    layers::add_all(catalogue);
    transports::add_all(catalogue);
    for (const auto& [name, authority, node] : {std::tuple{"a", &at_a, &a}, std::tuple{"b", &at_b, &b}}) {
      *node = std::make_unique<Node>(
          *engine, catalogue,
          NodeOptions{.name = name, .domain = "lab", .host = "here", .user = "me", .authority = authority});
      auto made = make_ofi(*engine, "mock-cxi");
      ASSERT_TRUE(made.has_value()) << made.error().text();
      (*node)->add(std::move(*made));
    }
    b->on_link([this](const std::shared_ptr<Link>& opened) { other = opened; });
    addresses = {b->listen("ofi:127.0.0.1:0").value(), b->listen("tcp:127.0.0.1:0").value()};
    auto opened = a->connect("b", "put / frag @ " + transport, addresses);
    ASSERT_TRUE(opened.has_value()) << opened.error().text();
    link = *opened;
    ASSERT_TRUE(until([&] { return link->is_up() && other != nullptr && other->is_up(); }))
        << link->error().text();
  }
  bool until(const std::function<bool()>& done) { return done() || engine->run_until(done, long_ns); }
  RegionHandle expose(AtomicDomain atomics) {
    return *other->regions().expose(memory->bytes(), Access::all, atomics, memory);
  }
  [[nodiscard]] bool reached(const RegionHandle& region) const {
    Direct* const direct = link->endpoint()->direct();
    return direct != nullptr && direct->reaches(region.key);
  }
  void add(const RegionHandle& region) {
    ASSERT_EQ(link->one_sided()->atomic(adds.emplace_back(), AtomicOp::add, region, 0, 1), Errc::ok);
  }
  [[nodiscard]] bool ended() const {
    return std::none_of(adds.begin(), adds.end(), [](const Operation& one) { return one.busy(); });
  }
  // Each found another value, and all of them are there.
  void judge() {
    ASSERT_TRUE(until([&] { return ended(); }));
    std::vector<bool> found(adds.size());
    for (const Operation& one : adds) {
      ASSERT_EQ(one.code(), Errc::ok);
      ASSERT_FALSE(found.at(one.value())) << "two adds found " << one.value();
      found[one.value()] = true;
    }
    EXPECT_EQ(*memory->as<std::uint64_t>(), adds.size());
  }
  [[nodiscard]] std::uint64_t of_put(std::string_view name) const {
    return Described(*link->stack(), "put")[name];
  }

  TestAuthority at_a{"lab", "a"}, at_b{"lab", "b"};
  std::unique_ptr<transports::OsEngine> engine = std::move(transports::OsEngine::make().value());
  Catalogue catalogue;
  std::unique_ptr<Node> a, b;
  std::vector<std::string> addresses;
  std::shared_ptr<Link> link, other;
  std::shared_ptr<RegionMemory> memory = RegionMemory::make(1 << 16).value();
  std::deque<Operation> adds;
};

constexpr const char* by_card = "ofi(provider=mock-cxi)";

TEST_F(PutOverOfi, TheCardChangesItsWordsAndNoMessageDoes) {
  open(by_card);
  const RegionHandle region = expose(AtomicDomain::nic);
  ASSERT_TRUE(until([&] { return reached(region); }));
  for (unsigned i = 0; i < 300; ++i) add(region);
  judge();
  EXPECT_EQ(of_put("by_transport"), 300u);
  EXPECT_EQ(of_put("pieces_sent"), 0u);
  Operation swap, compare;
  ASSERT_EQ(link->one_sided()->atomic(swap, AtomicOp::swap, region, 8, 5), Errc::ok);
  ASSERT_TRUE(until([&] { return !swap.busy(); }));
  ASSERT_EQ(link->one_sided()->atomic(compare, AtomicOp::compare_swap, region, 8, 6, 5), Errc::ok);
  ASSERT_TRUE(until([&] { return !compare.busy(); }));
  EXPECT_EQ(swap.value(), 0u);
  EXPECT_EQ(compare.value(), 5u);
  EXPECT_EQ(memory->as<std::uint64_t>()[1], 6u);
}

TEST_F(PutOverOfi, TheProcessorChangesItsOwnWords) {
  open(by_card);
  const RegionHandle region = expose(AtomicDomain::cpu);
  ASSERT_TRUE(until([&] { return reached(region); }));
  const std::atomic_ref word(*memory->as<std::uint64_t>());
  for (unsigned i = 0; i < 300; ++i) {
    add(region);
    engine->poll();
    word.fetch_add(1u << 20);
  }
  ASSERT_TRUE(until([&] { return ended(); }));
  EXPECT_EQ(word.load(), (300u << 20) + 300);
  EXPECT_EQ(of_put("by_transport"), 0u);
}

TEST_F(PutOverOfi, MessagesDoItWhereTheCardCannot) {
  for (const char* knobs : {"atomics=0", "atomics=2"}) {
    SCOPED_TRACE(knobs);
    adds.clear();
    *memory->as<std::uint64_t>() = 0;
    link.reset(), other.reset(), a.reset(), b.reset();
    catalogue = Catalogue();
    open(by_card, knobs);
    const RegionHandle region = expose(AtomicDomain::nic);
    ASSERT_TRUE(until([&] { return reached(region); }));
    for (unsigned i = 0; i < 100; ++i) add(region);
    judge();
    EXPECT_EQ(of_put("by_transport"), 0u);
  }
}

// The first go by messages, since the peer has not heard of the region yet.
TEST_F(PutOverOfi, NoneIsLostWhenTheCardTakesOver) {
  for (unsigned round = 0; round < 20; ++round) {
    if (round == 0) open(by_card, "late=32");
    const RegionHandle region = expose(AtomicDomain::nic);
    *memory->as<std::uint64_t>() = 0;
    adds.clear();
    const std::uint64_t before = of_put("by_transport");
    while (!reached(region) || of_put("by_transport") < before + 20) {
      add(region);
      engine->poll();
      ASSERT_LT(adds.size(), 10'000u);
    }
    judge();
    ASSERT_EQ(other->regions().revoke(region), Errc::ok);
  }
}

TEST_F(PutOverOfi, NoneIsLostWhenTheStackIsSwapped) {
  open("tcp", "late=16");
  const RegionHandle region = expose(AtomicDomain::nic);
  std::uint64_t turns = 0;
  for (unsigned round = 0; round < 12; ++round) {
    const bool to_card = round % 2 == 0;
    const std::string& address = addresses[to_card ? 0 : 1];
    const auto stack =
        stack_from("put / frag @ " + std::string(to_card ? by_card : "tcp"), catalogue).value();
    const std::uint64_t swaps = link->swaps();
    const auto begun = link->swap({{stack, address.substr(4)}});
    ASSERT_TRUE(begun.has_value()) << begun.error().text();
    while (link->swaps() == swaps || link->is_swapping() || (to_card && !reached(region)) ||
           (to_card && of_put("by_transport") < 20)) {
      if (link->one_sided()->operations() < 32) add(region);
      engine->poll();
      ASSERT_LT(++turns, 1'000'000u);
    }
  }
  judge();
}

}  // namespace
}  // namespace harness::tests
