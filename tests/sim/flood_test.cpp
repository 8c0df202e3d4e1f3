// SPDX-License-Identifier: Apache-2.0
// A node that is flooded with first frames goes on letting in who is honest: frames of strangers who do not
// know its roots, and frames of somebody who does and hears no answer.
#include <deque>

#include <harness/layers/all.hpp>
#include <harness/layers/encrypt.hpp>
#include <harness/tests/sim/process.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/test_authority.hpp>

namespace harness::tests {
namespace {

constexpr const char* stack_text = "frag / reliable / encrypt @ sim(profile=datagram)";

/// Sends first frames of its own making, each from a new endpoint, and hears no answer.
class Flooder {
 public:
  Flooder(SimWorld& world, const StackSpec& stack, std::uint8_t root)
      : authority_("lab", "flooder"), engine_(world.add("flooder")), sim_(engine_) {
    authority_.root = root;
    hello_.from = {"flooder", "lab", {}, {}, 1};
    hello_.link = "main";
    hello_.limits = {1 << 20, 1 << 24};
    hello_.offers = {{stack.hash(), stack.text()}};
    hello_.attempt = 1;
    layers::encryption::KeyExchange exchange(Role::initiator, authority_);
    hello_.proof = *exchange.hello(setup::bound(hello_));
    hello_.greeting = *authority_.greeting("lab", setup::greeted(hello_));
  }
  void say_hello() {
    auto endpoint = sim_.dial("server:7");
    if (endpoint) (void)(*endpoint)->send_setup(setup::write(engine_.pool(), hello_));
    endpoints_.push_back(std::move(*endpoint));
    if (endpoints_.size() > 64) endpoints_.pop_front();
  }

 private:
  TestAuthority authority_;
  SimEngine& engine_;
  Sim sim_;
  setup::Hello hello_;
  std::deque<std::unique_ptr<Endpoint>> endpoints_;
};

class Flood : public testing::Test {
 protected:
  static constexpr unsigned honest_count = 40;
  static constexpr std::uint64_t frame_ns = 20'000;  // 50,000 bogus frames a second

  Flood() {
    layers::add_all(catalogue_);
    catalogue_.add(Sim::type());
    stack_ = *stack_from(stack_text, catalogue_);
    server_ = std::make_unique<Host>(world_, catalogue_, at_server_, stack_.transport_options);
    client_ = std::make_unique<Host>(world_, catalogue_, at_client_, stack_.transport_options);
  }
  std::shared_ptr<Link> dial(unsigned number) {
    LinkOptions options;
    options.name = fmt::format("link{}", number);
    return client_->connect("server", stack_, std::move(options));
  }
  /// Honest links, one every 50 ms, while the flood goes on; how many were up within a second.
  unsigned run(Flooder& flooder) {
    std::vector<std::shared_ptr<Link>> links;
    unsigned in_time = 0;
    for (std::uint64_t step = 0; step < honest_count * 50 * ms / frame_ns + 1'000 * ms / frame_ns; ++step) {
      const std::uint64_t now_ns = step * frame_ns;
      if (now_ns % (50 * ms) == 0 && links.size() < honest_count)
        links.push_back(dial(static_cast<unsigned>(links.size())));
      flooder.say_hello();
      world_.run_for(frame_ns);
      held_bytes_ = std::max(held_bytes_, server_->engine.pool().held_bytes());
    }
    for (const auto& link : links) in_time += link->is_up() && link->opened_ns() < 1'000 * ms ? 1u : 0u;
    return in_time;
  }

  Catalogue catalogue_;
  SimWorld world_{seed(61)};
  TestAuthority at_server_{"office", "server"}, at_client_{"lab", "client"};
  StackSpec stack_;
  std::unique_ptr<Host> server_, client_;
  std::uint64_t held_bytes_ = 0;
};

TEST_F(Flood, OfStrangersCostsNoHandshakeAndKeepsNobodyOut) {
  Flooder flooder(world_, stack_, 1);
  EXPECT_EQ(run(flooder), honest_count);
  EXPECT_LE(at_server_.begun, 2 * honest_count) << "a stranger's frame begins no handshake";
  EXPECT_LE(held_bytes_, 16u << 20);
  EXPECT_GT(server_->node.refused_count(), 100'000u);
}

TEST_F(Flood, OfSomebodyWhoKnowsTheRootCostsAFewHandshakesAndKeepsNobodyOut) {
  Flooder flooder(world_, stack_, 0);
  EXPECT_GE(run(flooder), honest_count * 95 / 100);
  EXPECT_LE(at_server_.begun, 2 * honest_count + FloodGuard::frames_burst + 100)
      << "without hearing the cookie none is begun once the node is under load";
  EXPECT_LE(held_bytes_, 64u << 20);
}

}  // namespace
}  // namespace harness::tests
