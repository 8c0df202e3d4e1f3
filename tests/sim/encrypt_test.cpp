// SPDX-License-Identifier: Apache-2.0
// Two domains over a network that loses, doubles, disorders and damages: every message arrives, in order,
// under keys that are renewed all the time; and who is not believed gets no link.
#include <harness/layers/all.hpp>
#include <harness/tests/sim/process.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/test_authority.hpp>

namespace harness::tests {
namespace {

class EncryptedLink : public testing::TestWithParam<std::string> {
 protected:
  EncryptedLink() {
    layers::add_all(catalogue_);
    catalogue_.add(Sim::type());
    stack_ = *stack_from(GetParam(), catalogue_);
  }
  Catalogue catalogue_;
  SimWorld world_{seed(51)};
  TestAuthority at_server_{"office", "server"}, at_client_{"lab", "client"};
  StackSpec stack_;
};

TEST_P(EncryptedLink, LosesNothingWhileItsKeysAreRenewed) {
  world_.set_default_path(
      {.loss_ppm = 30'000, .duplicate_ppm = 30'000, .reorder_ppm = 100'000, .reorder_ns = 3 * ms});
  Process server(world_, catalogue_, at_server_, stack_);
  Process client(world_, catalogue_, at_client_, stack_);
  client.lanes = server.lanes = 1;
  client.dial("server");
  ASSERT_TRUE(world_.run_until([&] { return client.is_up() && server.is_up(); }, 20'000 * ms))
      << client.link->error().text();
  ASSERT_NE(client.link->proven(), nullptr);
  EXPECT_EQ(client.link->proven()->domain, "office");
  for (unsigned batch = 1; batch <= 10; ++batch) {
    for (Process* one : {&client, &server}) one->wanted = batch * 40, one->send();
    world_.run_for(1'100 * ms);
  }
  const auto done = [&] { return client.has(server) && server.has(client); };
  ASSERT_TRUE(world_.run_until(done, 60'000 * ms)) << client.received[0] << ' ' << server.received[0];
  for (const Process* one : {&client, &server}) {
    EXPECT_GT(one->value("encrypt", "send_epoch"), 5u);
    EXPECT_EQ(one->value("encrypt", "forged_records"), 0u);
  }
  client.link->close();
  EXPECT_TRUE(world_.run_until([&] { return server.node.links().empty(); }, 20'000 * ms));
  EXPECT_EQ(server.link->error().code, Errc::ok) << server.link->error().text();
}

TEST_P(EncryptedLink, WhoIsNotBelievedGetsNoLink) {
  Process server(world_, catalogue_, at_server_, stack_);
  Process client(world_, catalogue_, at_client_, stack_);
  at_server_.refused = "client";
  client.dial("server");
  world_.run_for(60'000 * ms);
  EXPECT_EQ(server.link, nullptr);
  EXPECT_TRUE(server.node.links().empty());
  EXPECT_EQ(client.link->state(), Link::State::lost) << "the dialler hears of it after its last blob";
}

TEST_P(EncryptedLink, WhoIsDialledAndNotBelievedIsToldNothing) {
  Process server(world_, catalogue_, at_server_, stack_);
  Process client(world_, catalogue_, at_client_, stack_);
  at_client_.refused = "server";
  client.dial("server");
  world_.run_for(60'000 * ms);
  EXPECT_EQ(client.link->error().code, Errc::denied) << client.link->error().text();
  EXPECT_EQ(server.link, nullptr);
}

class UnorderedEncryptedLink : public EncryptedLink {};

TEST_P(UnorderedEncryptedLink, SendsNothingThatCouldOvertakeTheLastBlobOfItsHandshake) {
  Process server(world_, catalogue_, at_server_, stack_);
  Process client(world_, catalogue_, at_client_, stack_);
  client.dial("server");
  ASSERT_TRUE(world_.run_until([&] { return client.is_up(); }, 20'000 * ms)) << client.link->error().text();
  EXPECT_TRUE(server.is_up()) << "it could not read what comes now";
}

INSTANTIATE_TEST_SUITE_P(
    Stacks, UnorderedEncryptedLink,
    testing::Values("order / frag / encrypt @ sim(profile=fabric)",
                    "order / frag / reliable / encrypt @ sim(profile=fabric, duplicates=yes)"),
    [](const auto& each) { return fmt::format("stack{}", each.index); });

INSTANTIATE_TEST_SUITE_P(
    Stacks, EncryptedLink,
    testing::Values(
        "order / frag / reliable / encrypt(rekey_records=20) @ sim(profile=datagram)",
        "order / frag / reliable / encrypt(rekey_records=20) @ sim(profile=fabric, duplicates=yes)",
        "order / frag / encrypt(rekey_records=20) @ sim(profile=fabric)",
        "frag / encrypt(suite=chacha, rekey_records=20) @ sim(profile=stream)"),
    [](const auto& each) { return fmt::format("stack{}", each.index); });

}  // namespace
}  // namespace harness::tests
