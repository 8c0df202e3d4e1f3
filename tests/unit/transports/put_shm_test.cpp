// SPDX-License-Identifier: Apache-2.0
// put on links over shm: by loads and stores where both ends are of one user and nothing encrypts, and
// through swaps from there to messages and back.
#include <deque>

#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/stack/compose.hpp>
#include <harness/stack/node.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/test_authority.hpp>
#include <harness/transports/all.hpp>
#include <harness/transports/engine.hpp>
#include <harness/transports/region_memory.hpp>

namespace harness::tests {
namespace {

constexpr std::uint64_t long_ns = 20'000'000'000;  // a bound for tests that fail

struct PutOverShm : testing::Test {
  PutOverShm() {
    layers::add_all(catalogue);
    transports::add_all(catalogue);
    for (const auto& [name, authority, node] : {std::tuple{"a", &at_a, &a}, std::tuple{"b", &at_b, &b}}) {
      *node = std::make_unique<Node>(
          *engine, catalogue,
          NodeOptions{.name = name, .domain = "lab", .host = "here", .user = "me", .authority = authority});
    }
    b->on_link([this](const std::shared_ptr<Link>& opened) { other = opened; });
    shm = b->listen("shm:").value();
    tcp = b->listen("tcp:127.0.0.1:0").value();
  }
  bool until(const std::function<bool()>& done) { return done() || engine->run_until(done, long_ns); }
  void open(const std::string& stack) {
    auto opened = a->connect("b", stack, {shm, tcp});
    ASSERT_TRUE(opened.has_value()) << opened.error().text();
    link = *opened;
    ASSERT_TRUE(until([&] { return link->is_up() && other != nullptr && other->is_up(); }))
        << link->error().text();
  }
  // Exposed by b, and known to a as far as its stack can reach it.
  RegionHandle expose(Access access = Access::all) {
    return *other->regions().expose(memory->bytes(), access, AtomicDomain::cpu, memory);
  }
  [[nodiscard]] bool reached(const RegionHandle& region) const {
    Direct* const direct = link->endpoint()->direct();
    return direct != nullptr && direct->reaches(region.key);
  }
  Errc put(Operation& operation, const RegionHandle& to, std::uint64_t offset, std::string_view text,
           const PutOptions& how = {.done = Done::delivered}) const {
    return link->one_sided()->put(operation, to, offset, as_bytes(text), how);
  }
  [[nodiscard]] std::string at(std::uint64_t offset, std::uint64_t bytes) const {
    return {memory->as<char>() + offset, bytes};
  }
  void swap_to(const std::string& stack) {
    const std::string to = stack.ends_with("tcp") ? tcp.substr(4) : shm.substr(4);
    const std::uint64_t swaps = link->swaps();
    const auto begun = link->swap({{stack_from(stack, catalogue).value(), to}});
    ASSERT_TRUE(begun.has_value()) << begun.error().text();
    wanted_swaps = swaps + 1;
  }
  [[nodiscard]] bool swapped() const { return link->swaps() >= wanted_swaps && !link->is_swapping(); }

  TestAuthority at_a{"lab", "a"}, at_b{"lab", "b"};
  std::unique_ptr<transports::OsEngine> engine = std::move(transports::OsEngine::make().value());
  Catalogue catalogue;
  std::unique_ptr<Node> a, b;
  std::string shm, tcp;
  std::shared_ptr<Link> link, other;
  std::shared_ptr<RegionMemory> memory = RegionMemory::make(1 << 20).value();
  std::uint64_t wanted_swaps = 0;
};

TEST_F(PutOverShm, EndsAtOnceAndSendsNothing) {
  open("put / frag @ shm");
  const RegionHandle region = expose();
  ASSERT_TRUE(until([&] { return reached(region); }));
  const std::uint64_t frames = link->endpoint()->frames_sent();
  const Signal signal{.kind = Signal::Kind::word, .region = region, .offset = 8, .value = 5};
  const std::string large(200'000, 'x');
  for (const bool after : {false, true}) {
    Operation one;
    ASSERT_EQ(
        put(one, region, 4096, large, {.done = Done::delivered, .signal = signal, .after_previous = after}),
        Errc::ok);
    EXPECT_FALSE(one.busy());
    EXPECT_EQ(one.code(), Errc::ok);
  }
  EXPECT_EQ(at(4096, large.size()), large);
  EXPECT_EQ(memory->as<std::uint64_t>()[1], 5u);
  std::string into(10, ' ');
  Operation get;
  Operation add;
  Operation flush;
  ASSERT_EQ(link->one_sided()->get(get, region, 4096, std::as_writable_bytes(std::span(into))), Errc::ok);
  ASSERT_EQ(link->one_sided()->atomic(add, AtomicOp::add, region, 8, 2), Errc::ok);
  ASSERT_EQ(link->one_sided()->flush(flush), Errc::ok);
  EXPECT_FALSE(get.busy() || add.busy() || flush.busy());
  EXPECT_EQ(into, std::string(10, 'x'));
  EXPECT_EQ(add.value(), 5u);
  EXPECT_EQ(link->endpoint()->frames_sent(), frames);
}

TEST_F(PutOverShm, TellsTheHandlerByAMessageBehindTheBytes) {
  open("put / frag @ shm");
  const RegionHandle region = expose();
  ASSERT_TRUE(until([&] { return reached(region); }));
  std::string told;
  other->regions().on_signal(
      [&](std::uint64_t, std::uint16_t value) { told = at(0, 3) + std::to_string(value); });
  Operation one;
  const Signal signal{.kind = Signal::Kind::immediate, .immediate = 9};
  ASSERT_EQ(put(one, region, 0, "abc", {.done = Done::delivered, .signal = signal}), Errc::ok);
  ASSERT_TRUE(until([&] { return !one.busy(); }));
  EXPECT_EQ(told, "abc9");
}

// What ends may begin the next: a long chain of them needs no deep stack, and keeps its order.
TEST_F(PutOverShm, AChainOfPutsIsNoDeepStack) {
  open("put / frag @ shm");
  const RegionHandle region = expose();
  ASSERT_TRUE(until([&] { return reached(region); }));
  struct Chain : Operation {
    Chain() : Operation([](Operation& self) { static_cast<Chain&>(self).next(); }) {}
    void next() {
      ASSERT_EQ(code(), Errc::ok);
      if (++done == 300'000) return;
      std::memcpy(source.data(), &done, sizeof done);
      ASSERT_EQ(side->put(*this, to, 0, source), Errc::ok);
    }
    OneSided* side = nullptr;
    RegionHandle to;
    std::uint64_t done = 0;
    std::array<std::byte, 8> source{};
  } chain;
  chain.side = link->one_sided();
  chain.to = region;
  ASSERT_EQ(chain.side->put(chain, region, 0, chain.source), Errc::ok);
  EXPECT_TRUE(until([&] { return chain.done == 300'000; }));
  EXPECT_EQ(*memory->as<std::uint64_t>(), 299'999u);
}

TEST_F(PutOverShm, APutAfterARevokeEndsWithNotFoundAndWritesNothing) {
  open("put / frag @ shm");
  const RegionHandle region = expose();
  ASSERT_TRUE(until([&] { return reached(region); }));
  ASSERT_EQ(other->regions().revoke(region), Errc::ok);
  Operation one;
  ASSERT_EQ(put(one, region, 0, "late"), Errc::ok);
  ASSERT_TRUE(until([&] { return !one.busy(); }));
  EXPECT_EQ(one.code(), Errc::not_found);
  EXPECT_EQ(at(0, 4), std::string(4, '\0'));
}

TEST_F(PutOverShm, AHandleThatClaimsMoreIsRefusedByTheTarget) {
  open("put / frag @ shm");
  const RegionHandle region = *other->regions().expose(
      memory->bytes().first(100), Access::read | Access::write, AtomicDomain::cpu, memory);
  ASSERT_TRUE(until([&] { return reached(region); }));
  RegionHandle forged = region;
  forged.bytes = 1 << 20;
  forged.access = Access::all;
  Operation outside;
  Operation denied;
  ASSERT_EQ(put(outside, forged, 99, "no"), Errc::ok);
  ASSERT_EQ(link->one_sided()->atomic(denied, AtomicOp::add, forged, 0, 1), Errc::ok);
  ASSERT_TRUE(until([&] { return !outside.busy() && !denied.busy(); }));
  EXPECT_EQ(outside.code(), Errc::invalid);
  EXPECT_EQ(denied.code(), Errc::denied);
  EXPECT_EQ(at(0, 200), std::string(200, '\0'));
}

TEST_F(PutOverShm, GoesByMessagesBelowEncryption) {
  open("put / frag / encrypt @ shm");
  const RegionHandle region = expose();
  Operation one;
  ASSERT_EQ(put(one, region, 0, "sealed"), Errc::ok);
  EXPECT_TRUE(one.busy());
  ASSERT_TRUE(until([&] { return !one.busy(); }));
  EXPECT_EQ(at(0, 6), "sealed");
  EXPECT_FALSE(reached(region)) << "its bytes would pass beside the encryption";
}

TEST_F(PutOverShm, IsDerivedForWhoeverNeedsIt) {
  auto opened = a->connect("b", Needs{.word = property::put_signal}, {shm});
  ASSERT_TRUE(opened.has_value()) << opened.error().text();
  link = *opened;
  ASSERT_TRUE(until([&] { return link->is_up() && other != nullptr && other->is_up(); }));
  EXPECT_TRUE(link->stack()->spec().text().starts_with("put")) << link->stack()->spec().text();
  const Explanation why = link->explain().value();
  EXPECT_TRUE(why.given.word.covers(property::atomics)) << "native, with what the layer adds";
  const auto reason = std::find_if(why.reasons.begin(), why.reasons.end(),
                                   [](const auto& one) { return one.layer == "put"; });
  ASSERT_NE(reason, why.reasons.end());
  EXPECT_NE(reason->why.find("the link needs put"), std::string::npos) << reason->why;
  const RegionHandle region = expose();
  EXPECT_TRUE(until([&] { return reached(region); }));
}

// Numbers put in order into one word while the link goes from stores to messages and back: none is lost, none
// overtakes another, and the handle holds.
TEST_F(PutOverShm, LosesNothingThroughSwapsToMessagesAndBack) {
  Random random(seed(3));
  open("put / frag @ shm");
  const RegionHandle region = expose();
  const RegionHandle dead = expose();
  ASSERT_TRUE(until([&] { return reached(region) && reached(dead); }));
  ASSERT_EQ(other->regions().revoke(dead), Errc::ok);
  const std::array stacks{"put / frag / encrypt @ shm", "put / frag @ tcp", "put / frag @ shm"};
  std::deque<std::pair<Operation, std::uint64_t>> puts;
  std::uint64_t added = 0;
  std::deque<Operation> adds;
  for (unsigned swap = 0; swap < 9; ++swap) {
    for (unsigned i = 0; i < 200; ++i) {
      if (i == 100) swap_to(stacks[swap % stacks.size()]);
      auto& [one, number] = puts.emplace_back();
      number = puts.size();
      const auto source = std::as_bytes(std::span(&number, 1));
      const PutOptions how{.done = Done::delivered};
      const std::uint64_t slot = 64 + number * 8;  // each its own word: no swap may lose one
      const Errc code = link->one_sided() != nullptr ? link->one_sided()->put(one, region, slot, source, how)
                                                     : Errc::closed;
      if (code != Errc::ok) puts.pop_back();
      if (link->one_sided() != nullptr &&
          link->one_sided()->atomic(adds.emplace_back(), AtomicOp::add, region, 0, 1) == Errc::ok)
        ++added;
      for (std::uint64_t turns = random.below(3); turns != 0; --turns) engine->poll();
    }
    ASSERT_TRUE(until([&] { return swapped(); })) << stacks[swap % stacks.size()];
    ASSERT_TRUE(until([&] { return link->one_sided() != nullptr; }));
    const bool native = swap % stacks.size() == 2;
    ASSERT_TRUE(!native || until([&] { return reached(region); }));
    Operation late;
    ASSERT_EQ(put(late, dead, 8, "dead"), Errc::ok);
    ASSERT_TRUE(until([&] { return !late.busy(); }));
    EXPECT_EQ(late.code(), Errc::not_found);
    EXPECT_FALSE(native && reached(dead));
  }
  ASSERT_TRUE(until([&] { return link->one_sided()->operations() == 0; }));
  for (auto& [one, number] : puts) {
    ASSERT_FALSE(one.busy());
    ASSERT_EQ(one.code(), Errc::ok) << number;
    ASSERT_EQ(memory->as<std::uint64_t>()[8 + number], number);
  }
  EXPECT_EQ(memory->as<std::uint64_t>()[0], added);
  EXPECT_EQ(memory->as<std::uint64_t>()[1], 0u);
  EXPECT_GT(puts.size(), 1000u);
}

// The same word again and again, a fence behind each, over one stack: where the fence is, order is.
TEST_F(PutOverShm, KeepsFencesWhereSomeRegionsAreMappedAndOthersAreNot) {
  open("put / frag @ shm");
  const RegionHandle mapped = expose();
  ASSERT_TRUE(until([&] { return reached(mapped); }));
  std::vector<std::uint64_t> own(64);
  const RegionHandle by_messages =
      *other->regions().expose(std::as_writable_bytes(std::span(own)), Access::all);
  Random random(seed(5));
  std::uint64_t last = 0;
  std::deque<std::pair<Operation, std::uint64_t>> puts;
  while (puts.size() < 3000) {
    auto& [one, number] = puts.emplace_back();
    number = puts.size();
    const bool direct = random.below(3) != 0;
    ASSERT_EQ(link->one_sided()->put(one, direct ? mapped : by_messages, 64,
                                     std::as_bytes(std::span(&number, 1)), {.after_previous = true}),
              Errc::ok);
    if (random.below(4) == 0) engine->poll();
    // The newest stands in one of the two; all older ones have been there.
    const std::uint64_t newest = std::max(memory->as<std::uint64_t>()[8], own[8]);
    ASSERT_GE(newest, std::exchange(last, newest));
  }
  ASSERT_TRUE(until([&] { return !puts.back().first.busy(); }));
  Operation flush;
  ASSERT_EQ(link->one_sided()->flush(flush), Errc::ok);
  ASSERT_TRUE(until([&] { return !flush.busy(); }));
  EXPECT_EQ(flush.code(), Errc::ok);
  EXPECT_EQ(std::max(memory->as<std::uint64_t>()[8], own[8]), 3000u);
}

}  // namespace
}  // namespace harness::tests
