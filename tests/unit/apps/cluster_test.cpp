// SPDX-License-Identifier: Apache-2.0
// Cluster files: what is read, where each value comes from, and what a person is told when it is wrong.
#include <harness/apps/common/cluster.hpp>
#include <harness/apps/common/machine.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/stack/setup.hpp>
#include <harness/tests/support/temporary.hpp>
#include <harness/transports/all.hpp>

namespace harness::apps {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const Catalogue& catalogue() {
  static const Catalogue made = [] {
    Catalogue all;
    layers::add_all(all);
    transports::add_all(all);
    return all;
  }();
  return made;
}

Result<Cluster> parse(std::string_view text, const std::vector<std::string>& overrides = {}) {
  return parse_cluster(text, "c.toml", catalogue(), overrides);
}

constexpr std::string_view two_nodes = R"(
[nodes.a]
listen = "tcp:127.0.0.1:7101"
[nodes.b]
listen = ["tcp:127.0.0.1:7102", "tcp:[::1]:7102"]
host = "h"
[links.main]
from = "a"
to = "b"
)";

std::string with(std::string_view more) { return std::string(two_nodes) + std::string(more); }

const Setting* setting(const Cluster& cluster, std::string_view path) {
  for (const Setting& one : cluster.settings)
    if (one.path == path) return &one;
  return nullptr;
}

struct Wrong {
  std::string text;
  Errc code;
  std::string what;
  std::string advice;
};

TEST(Cluster, ReadsNodesAndLinksInTheOrderOfTheFile) {
  auto cluster = parse(with("[links.alpha]\nfrom = \"b\"\nto = \"a\"\nstack = \"order / frag @ tcp\"\n"));
  ASSERT_TRUE(cluster) << cluster.error().text();
  ASSERT_EQ(cluster->nodes.size(), 2u);
  EXPECT_EQ(cluster->nodes[1].name, "b");
  EXPECT_EQ(cluster->nodes[1].domain, "local");
  EXPECT_EQ(cluster->nodes[1].host, "h");
  EXPECT_THAT(cluster->nodes[1].listen, ElementsAre("tcp:127.0.0.1:7102", "tcp:[::1]:7102"));
  ASSERT_EQ(cluster->links.size(), 2u);
  EXPECT_EQ(cluster->links[0].name, "main");
  EXPECT_EQ(cluster->links[1].name, "alpha");
  EXPECT_EQ(cluster->links[1].stacks.at(0).text(), "order / frag @ tcp");
  EXPECT_EQ(cluster->links[0].quota_bytes, 16u << 20);
}

TEST(Cluster, OneLinkMayLeadToSeveralNodes) {
  auto cluster = parse(R"(
[nodes.a]
[nodes.b]
[nodes.c]
[links.out]
from = "a"
to = ["b", "c"]
require = ["reliable", "ordered"]
channels = ["urgent", "bulk"]
quota = "1MiB"
max_message = "256KiB"
timeout = "3s"
)");
  ASSERT_TRUE(cluster) << cluster.error().text();
  const ClusterLink& link = cluster->links.at(0);
  EXPECT_TRUE(link.needs.word.covers(property::reliable | property::fifo | property::channels));
  EXPECT_EQ(link.needs.max_message, 256u << 10);
  EXPECT_EQ(link.quota_bytes, 1u << 20);
  EXPECT_EQ(link.timeout_ns, 3'000'000'000u);
  EXPECT_EQ(cluster->link("out", "c", "a"), &link);
  EXPECT_EQ(cluster->link("out", "b", "c"), nullptr);
}

TEST(Cluster, DefaultsHoldForLinksThatSayNothing) {
  auto cluster = parse(with("[defaults]\nquota = \"2MiB\"\nlinger = \"1s\"\n"));
  ASSERT_TRUE(cluster) << cluster.error().text();
  EXPECT_EQ(cluster->links[0].quota_bytes, 2u << 20);
  EXPECT_EQ(cluster->links[0].linger_ns, 1'000'000'000u);
}

TEST(Cluster, EverySettingTellsWhereItComesFrom) {
  auto cluster = parse(with("quota = \"4MiB\"\n"), {"links.main.linger=2s", "nodes.a.host=\"x\""});
  ASSERT_TRUE(cluster) << cluster.error().text();
  ASSERT_NE(setting(*cluster, "links.main.quota"), nullptr);
  EXPECT_EQ(setting(*cluster, "links.main.quota")->origin, "c.toml:10:9");
  EXPECT_EQ(setting(*cluster, "links.main.quota")->value, "\"4MiB\"");
  EXPECT_EQ(setting(*cluster, "links.main.linger")->origin, "--set");
  EXPECT_EQ(setting(*cluster, "links.main.linger")->value, "\"2s\"");
  EXPECT_EQ(setting(*cluster, "nodes.a.host")->value, "'x'");
  EXPECT_EQ(setting(*cluster, "links.main.timeout")->origin, "default");
  EXPECT_EQ(cluster->links[0].linger_ns, 2'000'000'000u);
}

TEST(Cluster, OverridesReplaceMakeAndAreChecked) {
  auto cluster =
      parse(two_nodes, {"links.more.from=b", "links.more.to=[\"a\"]", "links.main.stack=frag @ tcp"});
  ASSERT_TRUE(cluster) << cluster.error().text();
  EXPECT_EQ(cluster->links.size(), 2u);
  EXPECT_EQ(cluster->link("main", "a", "b")->stacks.at(0).text(), "frag @ tcp");
  EXPECT_THAT(parse(two_nodes, {"links.main.qota=1MiB"}).error().what,
              StartsWith("--set: unknown key 'qota'"));
  EXPECT_EQ(parse(two_nodes, {"nonsense"}).error().code, Errc::invalid);
  EXPECT_EQ(parse(two_nodes, {"=x"}).error().code, Errc::invalid);
  EXPECT_EQ(parse(two_nodes, {"nodes.a.listen.x=1"}).error().code, Errc::invalid);
}

TEST(Cluster, MistakesAreToldWithLineAndColumnAndWhatToDo) {
  const std::vector<Wrong> all = {
      {"a = [", Errc::invalid, "c.toml:1:6: this is no TOML", ""},
      {"", Errc::invalid, "there is no node", "add one"},
      {with("requires = [\"reliable\"]\n"), Errc::invalid,
       "c.toml:10:1: unknown key 'requires' in links.main", "did you mean require?"},
      {with("require = [\"relaible\"]\n"), Errc::not_found,
       "c.toml:10:11: links.main: 'relaible' is no property", "did you mean reliable?"},
      {with("require = 7\n"), Errc::invalid,
       "c.toml:10:11: links.main: require is not a text or an array of texts", ""},
      {with("quota = \"1KiB\"\n"), Errc::invalid, "c.toml:10:9: links.main: ", ""},
      {with("quota = true\n"), Errc::invalid, "c.toml:10:9: links.main: quota is not an amount", ""},
      {with("max_message = \"12MiB\"\n"), Errc::invalid, "c.toml:10:15: links.main: max_message is too large",
       "raise quota"},
      {with("stack = \"frog @ tcp\"\n"), Errc::not_found, "c.toml:10:9: links.main: ", "frag"},
      {with("stack = \"frag @\"\n"), Errc::invalid, "c.toml:10:9: links.main: ", ""},
      {with("stack = \"frag(sise=4KiB) @ tcp\"\n"), Errc::not_found, "c.toml:10:9: links.main: ", "size"},
      {with("prefer = \"tpc\"\n"), Errc::not_found, "c.toml:10:10: links.main: there is no transport 'tpc'",
       "did you mean tcp?"},
      {with("channels = [\"a b\"]\n"), Errc::invalid, "c.toml:10:12: links.main: 'a b' is no name", ""},
      {with("[links.x]\nfrom = \"a\"\nto = \"d\"\n"), Errc::not_found,
       "c.toml:12:6: links.x: there is no node 'd'", ""},
      {with("[links.x]\nfrom = \"a\"\nto = \"a\"\n"), Errc::invalid, "c.toml:12:6: links.x: a link to itself",
       ""},
      {with("[links.x]\nfrom = \"a\"\n"), Errc::invalid, "c.toml:10:1: links.x: a link has two ends",
       "add from"},
      {with("[links.x]\nfrom = \"a\"\nto = [\"b\", \"b\"]\n"), Errc::invalid, "b stands twice in to",
       "remove"},
      {with("[nodes.c]\nlisten = \"127.0.0.1:7\"\n"), Errc::not_found,
       "c.toml:11:10: nodes.c: there is no transport", ""},
      {with("[nodes.c]\nlisten = \"nowhere\"\n"), Errc::invalid,
       "c.toml:11:10: nodes.c: no address: 'nowhere'", "tcp:"},
      {with("[nodes.c]\nuser = \"root\"\n"), Errc::invalid, "c.toml:11:8: nodes.c: 'root' is no user",
       "id -u"},
      {with("[nodes.\"a b\"]\n"), Errc::invalid, "nodes.a b: 'a b' is no name", ""},
      {with("[domains.lab]\n"), Errc::not_found, "there is no domain 'local'", "[domains.local]"},
      {with("[[floors]]\nbetween = [\"local\"]\n"), Errc::invalid, "a floor is between two domains", ""},
      {with("[[floors]]\nbetween = [\"local\", \"moon\"]\n"), Errc::not_found, "there is no domain 'moon'",
       ""},
      {with("[nodse.c]\n"), Errc::invalid, "c.toml:10:2: unknown key 'nodse'", "did you mean nodes?"},
      {"nodes = 3\n", Errc::invalid, "c.toml:1:9: nodes is not a table", ""},
      {"links = 3\n[nodes.a]\n", Errc::invalid, "c.toml:1:9: links is not a table", ""},
      {with("floors = 3\n"), Errc::invalid, "unknown key 'floors' in links.main", ""},
  };
  for (const Wrong& wrong : all) {
    auto read = parse(wrong.text);
    ASSERT_FALSE(read) << wrong.text;
    EXPECT_THAT(read.error().what, HasSubstr(wrong.what)) << wrong.text;
    EXPECT_EQ(read.error().code, wrong.code) << read.error().text();
    EXPECT_THAT(read.error().advice, HasSubstr(wrong.advice)) << read.error().text();
    EXPECT_FALSE(read.error().because.empty()) << read.error().text();
    EXPECT_FALSE(read.error().advice.empty()) << read.error().text();
  }
}

TEST(Cluster, AFileThatCannotBeReadIsToldAndALargeOneRefused) {
  const tests::TemporaryFolder folder;
  auto none = read_cluster(folder / "none.toml", catalogue());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::not_found);
  EXPECT_THAT(none.error().advice, HasSubstr("--cluster"));
  EXPECT_FALSE(read_cluster(folder.path().string(), catalogue()));  // a folder
  folder.write("large.toml", std::string(cluster_bytes_max + 1, '\n'));
  EXPECT_EQ(read_cluster(folder / "large.toml", catalogue()).error().code, Errc::exhausted);
  folder.write("good.toml", two_nodes);
  EXPECT_TRUE(read_cluster(folder / "good.toml", catalogue()));
}

TEST(Cluster, TheExampleIsReadAndEachOfItsLinksHasAnOffer) {
  auto cluster = read_cluster(std::string(HARNESS_SOURCE_DIR) + "/examples/cluster.toml", catalogue());
  ASSERT_TRUE(cluster) << cluster.error().text();
  EXPECT_EQ(cluster->nodes.size(), 4u);
  for (const ClusterLink& link : cluster->links) {
    const auto decision = decide(*cluster, link, link.to.front(), {}, catalogue());
    EXPECT_FALSE(decision.offers.empty()) << policies::why_no_link(decision).text();
  }
}

TEST(Cluster, AddressesThatANodeToldReplaceThoseOfTheFile) {
  auto cluster = parse(two_nodes);
  ASSERT_TRUE(cluster);
  const ClusterLink& link = cluster->links[0];
  EXPECT_EQ(decide(*cluster, link, "b", {}, catalogue()).offers.at(0).address, "127.0.0.1:7102");
  const FactBook book = {{"b", {{"tcp:127.0.0.1:9"}, {}, {}}}};
  EXPECT_EQ(decide(*cluster, link, "b", book, catalogue()).offers.at(0).address, "127.0.0.1:9");
  EXPECT_TRUE(decide(*cluster, link, "b", {{"b", {}}}, catalogue()).offers.empty());
}

// What a node told wins over the file; the file alone says who shares a host with a node that told.
TEST(Cluster, TheFactsAboutTwoNodesComeFromWhatTheyToldAndElseFromTheFile) {
  const auto text = [](const char* a, const char* b) {
    return std::string("[nodes.a]\n") + a + "\n[nodes.b]\nlisten = \"shm:b\"\n" + b +
           "\n[links.main]\nfrom = \"a\"\nto = \"b\"\n";
  };
  const NodeFacts here{{"shm:b"}, "rack-1", machine_user()};
  struct Row {
    std::string file;
    FactBook book;
    Properties trust;
  };
  const Row rows[] = {
      {text("", ""), {}, property::same_domain},
      {text("host = 'h'", "host = 'h'"), {}, property::same_user},
      {text("host = 'h'", "host = 'g'"), {}, property::same_domain},
      {text("host = 'h'", "host = 'h'\nuser = '4000000000'"), {}, property::same_host},
      {text("", ""), {{"a", here}}, property::same_domain},
      {text("", ""), {{"a", here}, {"b", here}}, property::same_user},
      {text("", ""), {{"a", here}, {"b", {{"shm:b"}, "rack-2", here.user}}}, property::same_domain},
      {text("", ""), {{"a", here}, {"b", {{"shm:b"}, "rack-1", "4711"}}}, property::same_host},
      {text("host = 'h'", "host = 'h'"), {{"a", here}}, property::same_user},
      {text("host = 'h'", "host = 'h'"), {{"a", here}, {"b", {{"shm:b"}, {}, {}}}}, property::same_user},
      {text("host = 'h'", "host = 'h'"),
       {{"a", here}, {"b", {{"shm:b"}, "rack-2", here.user}}},
       property::same_domain},
  };
  for (const Row& row : rows) {
    auto cluster = parse(row.file);
    ASSERT_TRUE(cluster) << cluster.error().text();
    const auto decision = decide(*cluster, cluster->links[0], "b", row.book, catalogue());
    EXPECT_EQ(decision.trust, row.trust) << row.file << " with " << row.book.size() << " that told";
    EXPECT_EQ(decision.offers.empty(), !row.trust.covers(property::same_user)) << row.file;
  }
}

TEST(Cluster, AMachineIsTheSameForOneNameAndAnotherForAnother) {
  EXPECT_FALSE(machine_host("").empty());
  EXPECT_EQ(machine_host("rack1"), machine_host("rack1"));
  EXPECT_THAT(machine_host("rack1"), StartsWith("rack1-"));
  EXPECT_NE(machine_host("rack1"), machine_host("rack2"));
  EXPECT_NE(machine_host(std::string(64, 'x')), machine_host(std::string(63, 'x') + "y"));
  EXPECT_LE(machine_host(std::string(64, 'x')).size(), setup::name_bytes_max);
}

TEST(Cluster, BetweenDomainsEverythingIsEncrypted) {
  constexpr std::string_view text = R"(
[nodes.a]
domain = "lab"
[nodes.b]
domain = "office"
listen = "tcp:127.0.0.1:1"
[links.main]
from = "a"
to = "b"
)";
  auto cluster = parse(text);
  ASSERT_TRUE(cluster) << cluster.error().text();
  const auto decision = decide(*cluster, cluster->links[0], "b", {}, catalogue());
  ASSERT_FALSE(decision.offers.empty()) << policies::why_no_link(decision).text();
  for (const policies::Choice& offer : decision.offers)
    EXPECT_TRUE(offer.given.word.covers(property::encrypted | property::authenticated)) << offer.stack.text();
}

}  // namespace
}  // namespace harness::apps
