// SPDX-License-Identifier: Apache-2.0
// harness domain trust | distrust | secret | revoke: whom a domain believes, and whom no more.
#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/apps/harness/identity_command.hpp>
#include <harness/apps/harness/local.hpp>
#include <harness/kernel/identity/line.hpp>
#include <harness/stack/text.hpp>

namespace harness::apps {

namespace {

using identity::Domain;

Result<Domain> open_domain(const Context& context, const std::string& argument) {
  auto root = chosen_root(context);
  if (!root) return tl::unexpected<Error>(root.error());
  return Domain::open(*root, context.arguments.text(argument));
}

// ---- trust ----

constexpr Argument trust_arguments[] = {
    {"domain", Argument::Kind::word, "the domain that shall believe", "DOMAIN", {}, true},
    {"root",
     Argument::Kind::word,
     "whom: a line harness-root-…, a file, - for standard input, or a domain whose root is here",
     "ROOT",
     {},
     true},
    {"--fingerprint", Argument::Kind::option,
     "what its owner says the fingerprint is; another one is refused", "FP"},
    {"--yes", Argument::Kind::flag, "believe it without comparing the fingerprint"},
    dry_run_option,
};

struct Candidate {
  identity::Root root;
  bool ours = false;  // this user holds its key
};

Result<Candidate> root_named(const Context& context) {
  const std::string given = context.arguments.text("root");
  auto state = chosen_root(context);
  if (!state) return tl::unexpected<Error>(state.error());
  if (auto local = Domain::open(*state, given)) return Candidate{local->root(), local->holds_root()};
  auto text = read_document(given);
  if (!text) return tl::unexpected<Error>(text.error());
  auto root = identity::read_root(*text);
  if (!root) return tl::unexpected<Error>(root.error());
  return Candidate{std::move(*root), false};
}

Result<> compare(const Context& context, const Candidate& candidate) {
  const std::string shown = identity::fingerprint_text(candidate.root.fingerprint);
  const std::string wanted = context.arguments.text("--fingerprint");
  if (!wanted.empty()) {
    if (identity::is_fingerprint(wanted, candidate.root.fingerprint)) return {};
    return identity::refuse(identity::Refusal::wrong_root, "the domain " + candidate.root.domain,
                            fmt::format("its fingerprint is {}, given was {}", shown, printable(wanted)),
                            "ask its owner again: harness domain show " + candidate.root.domain);
  }
  if (candidate.ours || context.arguments.given("--yes") || context.arguments.given("--dry-run")) return {};
  if (confirmed(context, fmt::format("The root of {} has the fingerprint {}. Does its owner say the same?",
                                     candidate.root.domain, shown)))
    return {};
  return fail(Errc::invalid, "nobody has compared the fingerprint", "it is " + shown,
              "--fingerprint FP with what its owner says, or --yes");
}

Result<ExitCode> trust(Context& context) {
  auto domain = open_domain(context, "domain");
  if (!domain) return tl::unexpected<Error>(domain.error());
  auto candidate = root_named(context);
  if (!candidate) return tl::unexpected<Error>(candidate.error());
  if (auto compared = compare(context, *candidate); !compared) return tl::unexpected<Error>(compared.error());
  if (!context.arguments.given("--dry-run"))
    if (auto added = domain->trust().add_root(candidate->root); !added)
      return tl::unexpected<Error>(added.error());
  const std::string& other = candidate->root.domain;
  Told told{fmt::format("{} believes {}", domain->name(), other),
            {{"fingerprint", identity::fingerprint_text(candidate->root.fingerprint)},
             {"floor", property::to_string(domain->trust().floor(other))}},
            fmt::format("harness domain trust {} ROOT, where {} is, makes it mutual", other, other)};
  for (auto& fact : tell_nodes(context)) told.facts.push_back(std::move(fact));
  tell(context, told);
  return ExitCode::ok;
}

constexpr Argument two_domains[] = {
    {"domain", Argument::Kind::word, "the domain that shall not believe any more", "DOMAIN", {}, true},
    {"other", Argument::Kind::word, "whom", "OTHER", {}, true},
    dry_run_option,
};

Result<ExitCode> distrust(Context& context) {
  auto domain = open_domain(context, "domain");
  if (!domain) return tl::unexpected<Error>(domain.error());
  const std::string other = context.arguments.text("other");
  if (other == domain->name())
    return fail(Errc::invalid, "a domain believes itself", "its own root stands in the same store",
                "to give a domain up, remove its folder " + other);
  if (!context.arguments.given("--dry-run"))
    if (auto gone = domain->trust().remove(other); !gone) return tl::unexpected<Error>(gone.error());
  Told told{fmt::format("{} does not believe {}", domain->name(), other),
            {},
            "harness domain show " + domain->name()};
  for (auto& fact : tell_nodes(context)) told.facts.push_back(std::move(fact));
  tell(context, told);
  return ExitCode::ok;
}

// ---- secret ----

constexpr Argument secret_arguments[] = {
    {"domain", Argument::Kind::word, "the domain here", "DOMAIN", {}, true},
    {"other", Argument::Kind::word, "the domain that shares it", "OTHER", {}, true},
    {"source",
     Argument::Kind::word,
     "32 bytes: a file of mode 0600, fd:N, or - for standard input",
     "SOURCE",
     {},
     true},
    dry_run_option,
};

Result<ExitCode> secret(Context& context) {
  auto domain = open_domain(context, "domain");
  if (!domain) return tl::unexpected<Error>(domain.error());
  const std::string other = context.arguments.text("other");
  auto bytes = read_secret(context.arguments.text("source"), "shared secret", false);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  if (!context.arguments.given("--dry-run"))
    if (auto kept = domain->trust().set_psk(other, bytes->bytes()); !kept)
      return tl::unexpected<Error>(kept.error());
  Told told{fmt::format("{} shares a secret with {}", domain->name(), other),
            {},
            fmt::format("harness domain secret {} {} SOURCE, where {} is, with the same 32 bytes", other,
                        domain->name(), other)};
  for (auto& fact : tell_nodes(context)) told.facts.push_back(std::move(fact));
  tell(context, told);
  return ExitCode::ok;
}

// ---- revoke ----

constexpr Argument node_revoke_arguments[] = {
    {"domain", Argument::Kind::word, "which", "DOMAIN", {}, true},
    {"node", Argument::Kind::word, "every certificate of this name", "NODE", {}, true},
    passphrase_option,
    dry_run_option,
};

Result<ExitCode> revoke_node(Context& context) {
  auto domain = unlocked_domain(context, context.arguments.text("domain"));
  if (!domain) return tl::unexpected<Error>(domain.error());
  const std::string node = context.arguments.text("node");
  Told told{fmt::format("{} is revoked", identity::spiffe_name(domain->name(), node)), {}, {}};
  if (context.arguments.given("--dry-run")) {
    tell(context, told);
    return ExitCode::ok;
  }
  auto list = domain->revoke(node, unix_now());
  if (!list) return tl::unexpected<Error>(list.error());
  told.facts = {{"serial", std::to_string(list->serial)}, {"entries", std::to_string(list->revoked.size())}};
  told.next = "harness domain accept LINE, where other machines hold this domain or believe it";
  for (auto& fact : tell_nodes(context)) told.facts.push_back(std::move(fact));
  tell_line(context, identity::revocations_line(*list), told);
  return ExitCode::ok;
}

}  // namespace

void add_domain_trust(Cli& cli) {
  TableCommand::add(
      cli, {"domain",
            domain_summary,
            "trust",
            "Lets a domain believe another, one way: nodes of that one are then proven.",
            trust_arguments,
            {{"harness domain trust lab office"}, {"harness domain trust lab office --dry-run --json"}},
            &trust});
  TableCommand::add(cli, {"domain",
                          domain_summary,
                          "distrust",
                          "Ends that, and forgets floor and secret with it.",
                          two_domains,
                          {{"harness domain distrust lab office --dry-run"}},
                          &distrust});
  TableCommand::add(cli,
                    {"domain",
                     domain_summary,
                     "secret",
                     "Keeps 32 secret bytes that two domains share: mixed into every handshake between them.",
                     secret_arguments,
                     {{"head -c 32 /dev/urandom | harness domain secret lab office -"}},
                     &secret});
  TableCommand::add(cli, {"domain",
                          domain_summary,
                          "revoke",
                          "Revokes every certificate of a node, and prints the signed list for others.",
                          node_revoke_arguments,
                          {{"harness domain revoke lab a --dry-run"}},
                          &revoke_node});
}

}  // namespace harness::apps
