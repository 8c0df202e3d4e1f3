// SPDX-License-Identifier: Apache-2.0
// A process dies at any moment, also while a link opens or closes, and comes back under its name: the new
// link opens, works, and nothing of the old one is left.
#include <harness/layers/all.hpp>
#include <harness/tests/sim/process.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/vouch.hpp>

namespace harness::tests {
namespace {

// A process, and what its application saw of all its links.
struct Life : Host {
  Life(SimWorld& world, const Catalogue& catalogue, Authority& authority, const OptionValues& medium)
      : Host(world, catalogue, authority, medium) {
    node.on_link([this](const std::shared_ptr<Link>& link) { watch(link); });
  }
  void watch(const std::shared_ptr<Link>& link) {
    links.push_back(link);
    link->on_message([this](Message&& message) { got.emplace_back(message.text()); });
  }
  void dial(const std::string& peer, const StackSpec& stack) { watch(connect(peer, stack)); }
  [[nodiscard]] bool up() const { return !links.empty() && links.back()->is_up(); }
  bool say(const std::string& text) {
    return up() && links.back()->send(Message::copy_of(engine.pool(), text)) == Errc::ok;
  }
  [[nodiscard]] bool heard(const std::string& text) const {
    return std::find(got.begin(), got.end(), text) != got.end();
  }

  std::vector<std::shared_ptr<Link>> links;
  std::vector<std::string> got;
};

// It dies without a word, and leaves nothing behind.
struct Death {
  void operator()(Life* life) const {
    SimEngine& engine = life->engine;
    engine.crash();
    delete life;
    EXPECT_EQ(engine.pool().alive_count(), 0u);
    engine.world().remove(engine);
  }
};
using LifeOwner = std::unique_ptr<Life, Death>;

class Restart : public testing::TestWithParam<std::string> {
 protected:
  Restart() {
    layers::add_all(catalogue_);
    catalogue_.add(Sim::type());
    catalogue_.add<Vouch>();
    stack_ = *stack_from(GetParam(), catalogue_);
  }
  LifeOwner start(SimWorld& world, Authority& as) {
    return LifeOwner(new Life(world, catalogue_, as, stack_.transport_options));
  }
  void run(std::uint64_t seed) {
    SCOPED_TRACE(testing::Message() << "rerun: HARNESS_SEED=" << seed);
    SimWorld world(seed);
    Random random(seed);
    transports::SimPath path{.jitter_ns = 100'000, .loss_ppm = 50'000, .duplicate_ppm = 50'000};
    world.set_default_path(path);
    auto server = start(world, at_server_);
    auto client = start(world, at_client_);
    client->dial("server", stack_);
    // Dies in set-up as often as in traffic.
    world.run_for(random.below(2) == 0 ? random.below(ms) : random.below(60 * ms));
    for (int i = 0; i < 5; ++i) client->say("from the former life"), server->say("to the former life");
    if (random.below(4) == 0) client->links.back()->close();
    world.run_for(random.below(2 * ms));
    client.reset();
    world.run_for(random.below(2) == 0 ? 0 : random.below(300 * ms));

    client = start(world, at_client_);
    client->dial("server", stack_);
    const auto talk = [&] {
      // A HELLO of the former life that arrives late may cost the new link its life; then one dials again.
      if (client->links.back()->state() == Link::State::lost) client->dial("server", stack_);
      client->say("hello");
      server->say("welcome");
      return server->heard("hello") && client->heard("welcome");
    };
    for (int i = 0; i < 3000 && !talk(); ++i) world.run_for(10 * ms);
    EXPECT_TRUE(server->heard("hello") && client->heard("welcome"));
    EXPECT_FALSE(client->heard("to the former life"));
    client->links.back()->close();
    world.run_for(40'000 * ms);
    EXPECT_TRUE(server->node.links().empty());
    for (const auto& link : server->links) {
      EXPECT_GE(link->state(), Link::State::closed);
      EXPECT_EQ(link->stack(), nullptr);
      EXPECT_EQ(link->quota().used_bytes(), 0u);
    }
  }

  Catalogue catalogue_;
  VouchAuthority at_server_{"server", "lab"}, at_client_{"client", "lab"};
  StackSpec stack_;
};

TEST_P(Restart, OpensANewLinkAndLeavesNothingOfTheOldOne) {
  const std::uint64_t first = seed(1);
  for (std::uint64_t i = 0; i < 100 && !HasFailure(); ++i) run(first + i);
}

INSTANTIATE_TEST_SUITE_P(
    Process, Restart,
    testing::Values("order / frag @ sim(profile=fabric)", "order / frag @ sim(profile=fabric, death=no)",
                    "frag @ sim(profile=stream)", "frag @ sim(profile=stream, death=no)", "order @ sim",
                    "order / frag / reliable @ sim", "order / frag / vouch @ sim(profile=fabric)",
                    "frag / order / vouch @ sim(profile=fabric, duplicates=yes)",
                    "vouch @ sim(profile=stream, death=no)", "order / frag / reliable / vouch @ sim"),
    [](const auto& each) {
      std::string name;
      for (const char c : each.param)
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
      return name;
    });

}  // namespace
}  // namespace harness::tests
