// SPDX-License-Identifier: Apache-2.0
// A link changes its stack again and again under full load, both ends asking, over a network that loses,
// doubles and disorders: every message arrives once and in order, and a close in order loses nothing.
#include <algorithm>

#include <harness/layers/all.hpp>
#include <harness/tests/sim/process.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/vouch.hpp>

namespace harness::tests {
namespace {

constexpr unsigned swaps_in_run = 16;

/// A medium, and stacks over it that all promise order and nothing lost.
struct Stacks {
  std::string medium;
  std::vector<std::string> over;
};

const Stacks everything[] = {
    {"sim(profile=stream)",
     {"order / frag", "order / frag / vouch", "mux / compress / frag", "mux / frag / checksum",
      "resume / frag", "resume / frag / vouch"}},
    {"sim(profile=fabric)",
     {"order / frag", "order / frag / vouch", "mux / order / frag", "compress / order / frag / checksum",
      "resume / order / frag", "resume / order / frag / vouch"}},
    {"sim",
     {"order / frag / reliable", "order / frag / reliable / heartbeat / checksum",
      "order / frag / reliable / vouch", "mux / order / frag / reliable",
      "compress / order / frag / reliable / checksum", "resume / order / frag / reliable",
      "resume / order / frag / reliable / vouch"}},
};

class SwappedLink : public testing::TestWithParam<std::tuple<std::size_t, unsigned>> {
 protected:
  SwappedLink() {
    layers::add_all(catalogue_);
    catalogue_.add(Sim::type());
    catalogue_.add<Vouch>();
  }
  [[nodiscard]] StackSpec stack(const std::string& text) const {
    auto made = stack_from(text, catalogue_);
    EXPECT_TRUE(made) << made.error().text();
    return *made;
  }
  [[nodiscard]] StackSpec any_of(const Stacks& stacks, Random& random) const {
    return stack(stacks.over[random.below(stacks.over.size())] + " @ " + stacks.medium);
  }
  static Result<> swap(Process& one, const Process& other, const StackSpec& to) {
    const bool dials = one.link->role() == Role::initiator;
    return one.link->swap({{to, dials ? other.engine.name() + ":7" : one.engine.name() + ":7"}});
  }
  static bool quiet(const Process& one) { return one.link->is_up() && !one.link->is_swapping(); }

  void run(const Stacks& stacks, std::uint64_t seed);

  Catalogue catalogue_;
  VouchAuthority at_server_{"server", "lab"}, at_client_{"client", "lab"};
};

void SwappedLink::run(const Stacks& stacks, std::uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "rerun: HARNESS_SEED=" << seed << " over " << stacks.medium);
  SimWorld world(seed);
  Random random(seed);
  world.set_default_path({.delay_ns = 200'000,
                          .jitter_ns = 100'000,
                          .loss_ppm = 20'000,
                          .duplicate_ppm = 20'000,
                          .reorder_ppm = 20'000,
                          .reorder_ns = 500'000});
  const StackSpec first = any_of(stacks, random);
  Process server(world, catalogue_, at_server_, first);
  Process client(world, catalogue_, at_client_, first);
  client.wanted = server.wanted = 1'000'000;
  client.dial("server");
  const auto both_up = [&] { return client.is_up() && server.is_up(); };
  ASSERT_TRUE(world.run_until(both_up, 5'000 * ms)) << client.link->error().text();
  const auto all_quiet = [&] { return quiet(client) && quiet(server); };
  for (unsigned asked = 0; asked < swaps_in_run; ++asked) {
    Process& one = random.below(3) == 0 ? server : client;
    if (one.link->is_up()) {
      const Result<> taken = swap(one, &one == &server ? client : server, any_of(stacks, random));
      EXPECT_TRUE(taken) << taken.error().text();
    }
    world.run_for(random.below(4 * ms));
    if (random.below(4) != 0) world.run_until(all_quiet, 2'000 * ms);
  }
  ASSERT_TRUE(world.run_until(all_quiet, 30'000 * ms))
      << to_string(client.link->state()) << client.link->error().text() << " "
      << to_string(server.link->state()) << server.link->error().text() << client.link->swap_stage() << ", "
      << server.link->swap_stage();
  EXPECT_GT(client.link->swaps(), 3u);
  EXPECT_EQ(client.link->stack()->spec().text(), server.link->stack()->spec().text());
  for (Process* each : {&client, &server})
    each->wanted = *std::max_element(each->sent.begin(), each->sent.end()) + 20;
  for (Process* each : {&client, &server}) each->send();
  const bool all = world.run_until([&] { return client.has(server) && server.has(client); }, 60'000 * ms);
  ASSERT_TRUE(all) << fmt::format("{} of {}, {} of {}", client.received[0], server.sent[0],
                                  server.received[0], client.sent[0]);
  client.link->close();
  world.run_for(100'000 * ms);
  EXPECT_EQ(client.link->state(), Link::State::closed) << client.link->error().text();
  EXPECT_EQ(server.link->error().code, Errc::ok) << server.link->error().text();
  EXPECT_TRUE(client.node.links().empty() && server.node.links().empty());
  EXPECT_EQ(client.link->quota().used_bytes() + server.link->quota().used_bytes(), 0u);
}

TEST_P(SwappedLink, LosesDoublesAndReordersNothing) {
  const auto [which, shard] = GetParam();
  const std::uint64_t start = seed(1 + shard * 1000);
  for (std::uint64_t i = 0; i < rounds(4) && !HasFailure(); ++i) run(everything[which], start + i);
}

INSTANTIATE_TEST_SUITE_P(Random, SwappedLink,
                         testing::Combine(testing::Range<std::size_t>(0, std::size(everything)),
                                          testing::Range(0u, 6u)),
                         [](const auto& each) {
                           return fmt::format("medium{}_shard{}", std::get<0>(each.param),
                                              std::get<1>(each.param));
                         });

}  // namespace
}  // namespace harness::tests
