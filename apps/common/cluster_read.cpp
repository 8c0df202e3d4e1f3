// SPDX-License-Identifier: Apache-2.0
// From TOML to a Cluster: which keys there are, what they mean, what must fit together.
#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include <cerrno>

#include <fmt/format.h>

#include <harness/apps/common/cluster.hpp>
#include <harness/apps/common/cluster_table.hpp>
#include <harness/apps/common/human.hpp>
#include <harness/apps/common/machine.hpp>
#include <harness/apps/common/state_folder.hpp>
#include <harness/kernel/system_error.hpp>
#include <harness/stack/gate.hpp>
#include <harness/stack/setup.hpp>
#include <harness/stack/text.hpp>

namespace harness::apps {

namespace {

constexpr std::int64_t mebi = 1 << 20;
constexpr std::int64_t quota_bytes_max = std::int64_t{1} << 40;

/// What [defaults] may say; a link says the same by itself.
struct Defaults {
  std::int64_t quota = 16 * mebi;
  std::int64_t max_message = 0;
  std::int64_t timeout_us = 10'000'000;
  std::int64_t linger_us = 5'000'000;
  std::int64_t new_keys_us = 120'000'000;

  void read(TomlTable& from) {
    quota = from.amount({"quota", OptionKind::size, 64 << 10, quota_bytes_max, quota,
                         "bytes of received messages that may be alive at each end"});
    max_message = from.amount({"max_message", OptionKind::size, 0, message_bytes_max, max_message,
                               "largest message; 0: half the quota"});
    timeout_us =
        from.amount({"timeout", OptionKind::duration, 1'000, 3'600'000'000, timeout_us, "to open the link"});
    linger_us =
        from.amount({"linger", OptionKind::duration, 0, 600'000'000, linger_us, "to close it in order"});
    new_keys_us = from.amount({"new_keys", OptionKind::duration, 0, 86'400'000'000, new_keys_us,
                               "an encrypted link shakes hands anew so often; 0: never"});
  }
};

class ClusterReader {
 public:
  ClusterReader(TomlFile& file, const Catalogue& catalogue) : file_(file), catalogue_(catalogue) {}

  Cluster read() {
    TomlTable root = file_.root();
    cluster_.name = root.text("name", "harness");
    if (!setup::valid_name(cluster_.name)) not_a_name(root, "name", cluster_.name);
    if (cluster_.name == domains_folder)
      root.fail("name", Errc::invalid, "no cluster may be called domains",
                "the folder of that name in the state of a user holds its domains", "choose another");
    TomlTable defaults = root.table("defaults");
    defaults_.read(defaults);
    defaults.close();
    root.tables("domains", [this](const std::string& name, TomlTable& table) { domain(name, table); });
    root.tables("nodes", [this](const std::string& name, TomlTable& table) { node(name, table); });
    root.tables("links", [this](const std::string& name, TomlTable& table) { link(name, table); });
    root.list("floors", [this](TomlTable& table) { floor(table); });
    root.close();
    if (root.ok() && cluster_.nodes.empty())
      root.fail({}, Errc::invalid, "there is no node", "the file has no table [nodes.NAME]",
                "add one: [nodes.a]  listen = [\"tcp:127.0.0.1:7101\"]");
    cluster_.settings = file_.take_settings();
    return std::move(cluster_);
  }

 private:
  void not_a_name(TomlTable& at, std::string_view key, const std::string& name) {
    at.fail(key, Errc::invalid, text::quoted(name) + " is no name",
            "names are 1 to 64 letters, digits, '.', '_' and '-', and start with no dot or dash",
            "choose another");
  }

  Properties words(TomlTable& from, std::string_view key) {
    Properties all;
    for (const std::string& word : from.texts(key)) {
      const auto asked = property::from_word(word);
      if (asked) {
        all = all | *asked;
        continue;
      }
      const std::string_view meant = property::closest_word(word);
      from.fail(key, Errc::not_found, text::quoted(word) + " is no property",
                "docs/composition.md lists the words of every axis",
                meant.empty() ? "reliable, ordered, encrypted …" : fmt::format("did you mean {}?", meant));
    }
    return all;
  }

  void domain(const std::string& name, TomlTable& from) {
    if (!setup::valid_name(name)) return not_a_name(from, {}, name);
    cluster_.floors.push_back({name, name, words(from, "require")});
    domains_.insert(name);
    from.close();
  }

  void node(const std::string& name, TomlTable& from) {
    ClusterNode node;
    node.name = name;
    node.origin = from.origin();
    if (!setup::valid_name(name)) return not_a_name(from, {}, name);
    node.domain = from.text("domain", "local");
    node.host = from.text("host", "");
    node.user = from.text("user", machine_user());
    node.listen = from.texts("listen");
    from.close();
    if (!setup::valid_name(node.domain)) return not_a_name(from, "domain", node.domain);
    if (!node.host.empty() && !setup::valid_name(node.host)) return not_a_name(from, "host", node.host);
    if (node.user.find_first_not_of("0123456789") != std::string::npos || node.user.size() > 10)
      from.fail("user", Errc::invalid, text::quoted(node.user) + " is no user",
                "users are written as numbers", "`id -u NAME` tells the number of a name");
    if (!domains_.empty() && !domains_.contains(node.domain))
      from.fail("domain", Errc::not_found, "there is no domain " + text::quoted(node.domain),
                "the file has no table for it", fmt::format("add [domains.{}]", node.domain));
    for (const std::string& address : node.listen) check_address(from, address);
    if (cluster_.nodes.size() >= cluster_nodes_max)
      return from.fail({}, Errc::exhausted, "too many nodes",
                       fmt::format("at most {} are read", cluster_nodes_max), {});
    cluster_.nodes.push_back(std::move(node));
  }

  void check_address(TomlTable& from, const std::string& address) {
    const std::string transport = address.substr(0, address.find(':'));
    if (transport.size() == address.size() || transport.empty())
      return from.fail("listen", Errc::invalid, "no address: " + text::quoted(address),
                       "the transport's name is missing", "write it as tcp:127.0.0.1:7001");
    check_transport(from, "listen", transport);
  }

  void check_transport(TomlTable& from, std::string_view key, const std::string& name) {
    if (catalogue_.transport(name) != nullptr) return;
    std::vector<std::string_view> known;
    for (const TransportType& type : catalogue_.transports()) known.push_back(type.name);
    const std::string_view meant = text::closest(name, known);
    from.fail(
        key, Errc::not_found, "there is no transport " + text::quoted(name),
        "known are " + text::list(std::span(known)),
        meant.empty() ? "harness doctor lists what works here" : fmt::format("did you mean {}?", meant));
  }

  void check_node(TomlTable& from, std::string_view key, const std::string& name) {
    if (cluster_.node(name) != nullptr) return;
    std::vector<std::string_view> known;
    for (const ClusterNode& node : cluster_.nodes) known.push_back(node.name);
    const std::string_view meant = text::closest(name, known);
    from.fail(key, Errc::not_found, "there is no node " + text::quoted(name),
              "the nodes are " + text::list(std::span(known)),
              meant.empty() ? fmt::format("add [nodes.{}]", name) : fmt::format("did you mean {}?", meant));
  }

  void link(const std::string& name, TomlTable& from) {
    ClusterLink link;
    link.name = name;
    link.origin = from.origin();
    if (!setup::valid_name(name)) return not_a_name(from, {}, name);
    ends(link, from);
    Defaults values = defaults_;
    values.read(from);
    link.quota_bytes = static_cast<std::uint64_t>(values.quota);
    link.max_message = static_cast<std::uint32_t>(values.max_message);
    link.timeout_ns = static_cast<std::uint64_t>(values.timeout_us) * 1000;
    link.linger_ns = static_cast<std::uint64_t>(values.linger_us) * 1000;
    link.new_keys_ns = static_cast<std::uint64_t>(values.new_keys_us) * 1000;
    if (values.max_message > values.quota / 2)
      from.fail("max_message", Errc::invalid, "max_message is too large for the quota",
                fmt::format("half of the quota is {}", human_bytes(link.quota_bytes / 2)),
                "raise quota, or lower max_message");
    link.needs.word = words(from, "require");
    link.needs.max_message = link.max_message;
    stacks(link, from);
    link.prefer = from.texts("prefer");
    for (const std::string& transport : link.prefer) check_transport(from, "prefer", transport);
    channels(link, from);
    from.close();
    if (cluster_.links.size() >= cluster_links_max)
      return from.fail({}, Errc::exhausted, "too many links",
                       fmt::format("at most {} are read", cluster_links_max), {});
    cluster_.links.push_back(std::move(link));
  }

  void ends(ClusterLink& link, TomlTable& from) {
    link.from = from.text("from", "");
    link.to = from.texts("to");
    if (link.from.empty() || link.to.empty())
      return from.fail({}, Errc::invalid, "a link has two ends",
                       link.from.empty() ? "from is missing" : "to is missing",
                       "add from = \"a\" and to = \"b\"");
    check_node(from, "from", link.from);
    for (const std::string& to : link.to) {
      check_node(from, "to", to);
      if (to == link.from)
        from.fail("to", Errc::invalid, "a link to itself", fmt::format("both ends are {}", to),
                  "name another node");
      if (std::count(link.to.begin(), link.to.end(), to) > 1)
        from.fail("to", Errc::invalid, fmt::format("{} stands twice in to", to),
                  "one link of a name joins two nodes", "remove one");
    }
  }

  void stacks(ClusterLink& link, TomlTable& from) {
    if (!from.has("stack")) {
      (void)from.text("stack", "");
      return;
    }
    const std::string text = from.text("stack", "");
    auto parsed = parse_spec(text);
    auto bound = parsed ? resolve(*parsed, catalogue_) : tl::unexpected<Error>(parsed.error());
    if (!bound) return from.fail("stack", bound.error());
    link.stacks = std::move(*bound);
  }

  void channels(ClusterLink& link, TomlTable& from) {
    link.channels = from.texts("channels");
    if (link.channels.size() > Gate::channels_max)
      from.fail("channels", Errc::invalid, "too many channels",
                fmt::format("{} are named, a link has at most {}", link.channels.size(), Gate::channels_max),
                "remove some");
    for (const std::string& name : link.channels)
      if (!setup::valid_name(name)) not_a_name(from, "channels", name);
    if (link.channels.size() > 1) link.needs.word = link.needs.word | property::channels;
  }

  void floor(TomlTable& from) {
    policies::Floor floor;
    const auto between = from.texts("between");
    if (between.size() != 2)
      return from.fail("between", Errc::invalid, "a floor is between two domains",
                       fmt::format("{} are named", between.size()), "between = [\"lab\", \"office\"]");
    floor.domain_a = between[0];
    floor.domain_b = between[1];
    floor.word = words(from, "require");
    from.close();
    for (const std::string& domain : between)
      if (std::none_of(cluster_.nodes.begin(), cluster_.nodes.end(),
                       [&](const auto& node) { return node.domain == domain; }))
        from.fail("between", Errc::not_found, "there is no domain " + text::quoted(domain),
                  "no node is in it", "correct the name, or remove the floor");
    cluster_.floors.push_back(std::move(floor));
  }

  TomlFile& file_;
  const Catalogue& catalogue_;
  Cluster cluster_;
  Defaults defaults_;
  std::set<std::string> domains_;
};

}  // namespace

const ClusterNode* Cluster::node(std::string_view wanted) const noexcept {
  for (const ClusterNode& node : nodes)
    if (node.name == wanted) return &node;
  return nullptr;
}

const ClusterLink* Cluster::link(std::string_view wanted, std::string_view a,
                                 std::string_view b) const noexcept {
  const auto joins = [](const ClusterLink& link, std::string_view from, std::string_view to) {
    return link.from == from && std::find(link.to.begin(), link.to.end(), to) != link.to.end();
  };
  for (const ClusterLink& link : links)
    if (link.name == wanted && (joins(link, a, b) || joins(link, b, a))) return &link;
  return nullptr;
}

Result<Cluster> parse_cluster(std::string_view text, const std::string& file, const Catalogue& catalogue,
                              const std::vector<std::string>& overrides) {
  if (text.size() > cluster_bytes_max)
    return fail(Errc::exhausted, file + " is too large for a cluster file",
                fmt::format("it has {} bytes, at most {} are read", text.size(), cluster_bytes_max),
                "split the cluster");
  auto toml = TomlFile::parse(text, file, overrides);
  if (!toml) return tl::unexpected<Error>(toml.error());
  Cluster cluster = ClusterReader(**toml, catalogue).read();
  if ((*toml)->error()) return tl::unexpected<Error>(*(*toml)->error());
  cluster.file = file;
  return cluster;
}

Result<Cluster> read_cluster(const std::string& file, const Catalogue& catalogue,
                             const std::vector<std::string>& overrides) {
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  text.resize(cluster_bytes_max + 1);
  if (stream) stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream && !stream.eof()) {
    Error error = system_error(errno, "cannot read the cluster file " + printable(file),
                               "name another: --cluster FILE; examples/cluster.toml is a beginning");
    if (error.code == Errc::exists) error.code = Errc::invalid;  // a folder: the wrong thing was named
    return tl::unexpected<Error>(std::move(error));
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return parse_cluster(text, file, catalogue, overrides);
}

}  // namespace harness::apps
