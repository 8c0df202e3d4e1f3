// SPDX-License-Identifier: Apache-2.0
// Two domains over a network that loses, doubles, disorders and damages: every message arrives, in order,
// under keys that are renewed all the time; and who is not believed gets no link.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/stack/node.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/test_authority.hpp>
#include <harness/transports/sim.hpp>

namespace harness::tests {
namespace {

using transports::Sim;
using transports::SimEngine;
using transports::SimWorld;

constexpr std::uint64_t ms = 1'000'000;
constexpr unsigned count = 400;

struct Values final : Describer {
  std::map<std::string, std::uint64_t, std::less<>> values;
  void value(std::string_view name, std::uint64_t value) override { values[std::string(name)] = value; }
  void text(std::string_view, std::string_view) override {}
};

struct Process {
  Process(SimWorld& world, const Catalogue& catalogue, const std::string& name, const std::string& domain,
          const StackSpec& stack)
      : authority(domain, name), engine(world.add(name)),
        node(engine, catalogue, NodeOptions{name, domain, {}, {}, &authority}) {
    node.add(std::make_shared<Sim>(engine, stack.transport_options));
    node.set_admission([](const setup::Identity&, const std::string&) { return Admission{}; });
    node.on_link([this](const std::shared_ptr<Link>& opened) { watch(opened); });
    EXPECT_TRUE(node.listen("sim::7").has_value());
  }
  void watch(const std::shared_ptr<Link>& opened) {
    link = opened;
    link->on_message([this](Message&& message) {
      std::string text(message.size(), '\0');
      message.copy_to(reinterpret_cast<std::byte*>(text.data()));
      disorder += text.starts_with(fmt::format("{} ", received)) ? 0u : 1u;
      ++received;
    });
    link->on_event([this](const Event& event) {
      if (event.kind == EventKind::writable) send();
    });
  }
  void send() {
    for (; sent < wanted; ++sent) {
      const std::string text = fmt::format("{} {}", sent, std::string(sent * 37 % 5000, 'x'));
      if (link->send(Message::copy_of(engine.pool(), text)) != Errc::ok) return;
    }
  }
  [[nodiscard]] bool up() const { return link != nullptr && link->is_up(); }
  [[nodiscard]] std::uint64_t value(std::string_view layer, std::string_view name) const {
    Values values;
    link->stack()->describe([&](std::string_view at, const std::function<void(Describer&)>& describe) {
      if (at == layer) describe(values);
    });
    return values.values.at(std::string(name));
  }

  TestAuthority authority;
  SimEngine& engine;
  Node node;
  std::shared_ptr<Link> link;
  unsigned wanted = 0;
  unsigned sent = 0;
  unsigned received = 0;
  unsigned disorder = 0;
};

class EncryptedLink : public testing::TestWithParam<std::string> {
 protected:
  EncryptedLink() {
    layers::add_all(catalogue_);
    catalogue_.add(Sim::type());
    stack_ = *stack_from(GetParam(), catalogue_);
  }
  std::unique_ptr<Process> start(const std::string& name, const std::string& domain) {
    return std::make_unique<Process>(world_, catalogue_, name, domain, stack_);
  }
  void dial(Process& from, const std::string& to) {
    LinkOptions options;
    options.offers = {{stack_, to + ":7"}};
    from.watch(*from.node.connect(to, std::move(options)));
  }
  Catalogue catalogue_;
  SimWorld world_{seed(51)};
  StackSpec stack_;
};

TEST_P(EncryptedLink, LosesNothingWhileItsKeysAreRenewed) {
  world_.set_default_path(
      {.loss_ppm = 30'000, .duplicate_ppm = 30'000, .reorder_ppm = 100'000, .reorder_ns = 3 * ms});
  auto server = start("server", "office");
  auto client = start("client", "lab");
  dial(*client, "server");
  ASSERT_TRUE(world_.run_until([&] { return client->up() && server->up(); }, 20'000 * ms))
      << client->link->error().text();
  ASSERT_NE(client->link->proven(), nullptr);
  EXPECT_EQ(client->link->proven()->domain, "office");
  for (unsigned batch = 1; batch <= 10; ++batch) {
    for (Process* one : {client.get(), server.get()}) one->wanted = batch * count / 10, one->send();
    world_.run_for(1'100 * ms);
  }
  const auto done = [&] { return client->received == count && server->received == count; };
  ASSERT_TRUE(world_.run_until(done, 60'000 * ms)) << client->received << ' ' << server->received;
  for (const Process* one : {client.get(), server.get()}) {
    EXPECT_EQ(one->disorder, 0u);
    EXPECT_GT(one->value("encrypt", "send_epoch"), 5u);
    EXPECT_EQ(one->value("encrypt", "forged_records"), 0u);
  }
  client->link->close();
  EXPECT_TRUE(world_.run_until([&] { return server->node.links().empty(); }, 20'000 * ms));
  EXPECT_EQ(server->link->error().code, Errc::ok) << server->link->error().text();
}

TEST_P(EncryptedLink, WhoIsNotBelievedGetsNoLink) {
  auto server = start("server", "office");
  auto client = start("client", "lab");
  server->authority.refused = "client";
  dial(*client, "server");
  world_.run_for(60'000 * ms);
  EXPECT_EQ(server->link, nullptr);
  EXPECT_TRUE(server->node.links().empty());
  EXPECT_EQ(client->link->state(), Link::State::lost) << "the dialler hears of it after its last blob";
}

TEST_P(EncryptedLink, WhoIsDialledAndNotBelievedIsToldNothing) {
  auto server = start("server", "office");
  auto client = start("client", "lab");
  client->authority.refused = "server";
  dial(*client, "server");
  world_.run_for(60'000 * ms);
  EXPECT_EQ(client->link->error().code, Errc::denied) << client->link->error().text();
  EXPECT_EQ(server->link, nullptr);
}

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
