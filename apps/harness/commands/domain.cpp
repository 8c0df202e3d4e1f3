// SPDX-License-Identifier: Apache-2.0
// harness domain create | ls | show: the domains of this user, their roots, whom they believe.
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <harness/apps/common/cluster.hpp>
#include <harness/apps/common/human.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/apps/harness/identity_command.hpp>
#include <harness/apps/harness/local.hpp>

namespace harness::apps {

namespace {

using identity::Domain;

constexpr Argument domain_create_arguments[] = {
    {"name", Argument::Kind::words, "which; without: every domain of the cluster file, believing each other",
     "NAME"},
    passphrase_option,
    dry_run_option,
};

Result<std::vector<std::string>> wanted_domains(Context& context) {
  std::vector<std::string> names = context.arguments.texts("name");
  if (!names.empty()) return names;
  auto cluster = read_cluster(chosen_cluster(context), context.catalogue);
  if (!cluster) return tl::unexpected<Error>(cluster.error());
  std::set<std::string> domains;
  for (const ClusterNode& node : cluster->nodes) domains.insert(node.domain);
  return std::vector<std::string>(domains.begin(), domains.end());
}

// Whoever holds both roots may let both sides believe the other.
Result<> introduce(std::vector<Domain>& domains) {
  for (Domain& one : domains)
    for (const Domain& other : domains)
      if (one.name() != other.name())
        if (auto added = one.trust().add_root(other.root()); !added) return added;
  return {};
}

Result<std::vector<Domain>> make_domains(Context& context, const std::string& root,
                                         const std::vector<std::string>& names, Told& told) {
  auto passphrase = passphrase_of(context);
  if (!passphrase) return tl::unexpected<Error>(passphrase.error());
  const bool from_file = context.arguments.texts("name").empty();
  std::vector<Domain> domains;
  for (const std::string& name : names) {
    auto held = Domain::open(root, name);
    if (held && !from_file)
      return fail(Errc::exists, fmt::format("there is a domain {} already", name),
                  "its folder is " + Domain::path_of(root, name), "harness domain show " + name);
    if (context.arguments.given("--dry-run")) {
      told.facts.emplace_back(name, held ? "is there" : "new");
      continue;
    }
    const bool made = !held;
    if (!held) held = Domain::create(root, name, *passphrase ? &**passphrase : nullptr);
    if (!held) return tl::unexpected<Error>(held.error());
    told.facts.emplace_back(name, fmt::format("{}{}", identity::fingerprint_text(held->root().fingerprint),
                                              made ? "" : "  (was there)"));
    domains.push_back(std::move(*held));
  }
  return domains;
}

Result<ExitCode> create_domains(Context& context) {
  auto root = chosen_root(context);
  if (!root) return tl::unexpected<Error>(root.error());
  auto names = wanted_domains(context);
  if (!names) return tl::unexpected<Error>(names.error());
  Told told{
      human_count(names->size(), "domain", "domains") + ", each with the fingerprint of its root", {}, {}};
  auto domains = make_domains(context, *root, *names, told);
  if (!domains) return tl::unexpected<Error>(domains.error());
  const bool from_file = context.arguments.texts("name").empty();
  if (from_file && names->size() > 1) {
    if (auto introduced = introduce(*domains); !introduced) return tl::unexpected<Error>(introduced.error());
    told.facts.emplace_back("believe", "each other");
  }
  told.facts.emplace_back("keys",
                          fmt::format("{}/domains/NAME/root.key, {}", *root,
                                      context.arguments.given("--passphrase") ? "wrapped" : "mode 0600"));
  told.next = from_file ? fmt::format("harness node up --all --cluster {}", chosen_cluster(context))
                        : "harness node enroll NODE, or harness token create " + names->front();
  tell(context, told);
  return ExitCode::ok;
}

std::string believed_by(const Domain& domain) {
  std::string others;
  for (const auto& [name, trusted] : domain.trust().domains())
    if (name != domain.name()) others += (others.empty() ? "" : ", ") + name;
  return others.empty() ? "nobody else" : others;
}

std::string where_root_is(const Domain& domain) {
  if (!domain.holds_root()) return "elsewhere";
  auto wrapped = domain.is_wrapped();
  if (!wrapped) return wrapped.error().what;
  return *wrapped ? "here, wrapped" : "here";
}

Result<ExitCode> ls_domains(Context& context) {
  auto root = chosen_root(context);
  if (!root) return tl::unexpected<Error>(root.error());
  Table table({{"DOMAIN"}, {"ROOT"}, {"FINGERPRINT"}, {"BELIEVES"}});
  nlohmann::json all = nlohmann::json::array();
  ExitCode code = ExitCode::ok;
  for (const std::string& name : Domain::names(*root)) {
    auto domain = Domain::open(*root, name);
    if (!domain) {
      (void)report(context.common, domain.error());
      code = ExitCode::partial;
      continue;
    }
    const std::string fingerprint = identity::fingerprint_text(domain->root().fingerprint);
    table.row({name, where_root_is(*domain), fingerprint, believed_by(*domain)});
    all.push_back({{"name", name},
                   {"root", fingerprint},
                   {"holds_root", domain->holds_root()},
                   {"believes", believed_by(*domain)}});
  }
  if (context.common.json) {
    context.print_json(nlohmann::json{{"domains", all}}.dump());
  } else if (table.empty()) {
    context.print(
        fmt::format("no domain here (state in {})\nnext: harness domain create\n", printable(*root)));
  } else {
    context.print(table.text(context.width));
  }
  return code;
}

constexpr Argument domain_show_arguments[] = {{"name", Argument::Kind::word, "which", "NAME", {}, true}};

// A row a domain that is believed: what links with it must give, and what is known of it.
std::string trust_table(const Domain& domain, nlohmann::json& list) {
  Table table({{"WITH"}, {"FINGERPRINT"}, {"FLOOR"}, {"SIGNED"}, {"REVOKED"}, {"SECRET"}});
  for (const auto& [name, trusted] : domain.trust().domains()) {
    const std::string floor = property::to_string(domain.trust().floor(name));
    const std::string serial = trusted.floor ? fmt::format("serial {}", trusted.floor->serial) : "no";
    const std::size_t revoked = trusted.revoked ? trusted.revoked->revoked.size() : 0;
    const std::string fingerprint = identity::fingerprint_text(trusted.root.fingerprint);
    table.row({name, fingerprint, floor, serial, std::to_string(revoked), trusted.psk ? "yes" : "no"});
    list.push_back({{"name", name},
                    {"root", fingerprint},
                    {"floor", floor},
                    {"signed", trusted.floor.has_value()},
                    {"revoked", revoked},
                    {"secret", trusted.psk.has_value()}});
  }
  return table.text();
}

Result<ExitCode> show_domain(Context& context) {
  auto root = chosen_root(context);
  if (!root) return tl::unexpected<Error>(root.error());
  auto domain = Domain::open(*root, context.arguments.text("name"));
  if (!domain) return tl::unexpected<Error>(domain.error());
  const std::string line = identity::root_line(domain->root());
  nlohmann::json believed = nlohmann::json::array();
  const std::string table = trust_table(*domain, believed);
  const auto& revoked = domain->trust().find(domain->name())->revoked;
  const std::string list = revoked ? identity::revocations_line(*revoked) : "";
  const std::string fingerprint = identity::fingerprint_text(domain->root().fingerprint);
  if (context.common.json) {
    context.print_json(nlohmann::json{
        {"name", domain->name()},
        {"root", fingerprint},
        {"line", line},
        {"holds_root", domain->holds_root()},
        {"revoked_line", list},
        {"believes",
         believed}}.dump());
    return ExitCode::ok;
  }
  std::string text = fmt::format("domain {}\n  root         {}\n  fingerprint  {}\n", domain->name(),
                                 where_root_is(*domain), fingerprint);
  text += fmt::format("  line         {}\n", line);
  if (!list.empty()) text += fmt::format("  revoked      {}\n", list);
  context.print(text + "\n" + table);
  return ExitCode::ok;
}

}  // namespace

void add_domain(Cli& cli) {
  TableCommand::add(cli, {"domain",
                          domain_summary,
                          "create",
                          "Makes domains, each with a root key that signs for it.",
                          domain_create_arguments,
                          {{"harness domain create --cluster examples/cluster.toml --dry-run", true},
                           {"harness domain create lab", true},
                           {"harness domain create office --passphrase words.txt", true}},
                          &create_domains});
  TableCommand::add(cli, {"domain",
                          domain_summary,
                          "ls",
                          "Lists the domains of this user.",
                          {},
                          {{"harness domain ls", true}, {"harness domain ls --json", true}},
                          &ls_domains});
  TableCommand::add(
      cli, {"domain",
            domain_summary,
            "show",
            "Shows a domain: the line and fingerprint of its root, whom it believes, what links must give.",
            domain_show_arguments,
            {{"harness domain show lab"}},
            &show_domain});
}

}  // namespace harness::apps
