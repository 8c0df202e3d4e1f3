// SPDX-License-Identifier: Apache-2.0
// harness token create | ls | revoke | check: lines that let a node join a domain.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/apps/harness/identity_command.hpp>
#include <harness/apps/harness/local.hpp>
#include <harness/stack/text.hpp>

namespace harness::apps {

namespace {

using identity::Domain;

constexpr const char* token_summary = "tokens: one line lets a node join a domain";

constexpr Argument token_create_arguments[] = {
    {"domain", Argument::Kind::word, "which; its root is here", "DOMAIN", {}, true},
    {"--ttl", Argument::Kind::option, "how long it holds: 1m to 366d", "TIME", "24h"},
    {"--uses", Argument::Kind::option, "how many nodes may join by it, at most 256", "N", "1"},
    {"--for", Argument::Kind::option, "the only node that may use it", "NODE"},
    dry_run_option,
};

Result<ExitCode> create_token(Context& context) {
  auto state = chosen_root(context);
  if (!state) return tl::unexpected<Error>(state.error());
  auto domain = Domain::open(*state, context.arguments.text("domain"));
  if (!domain) return tl::unexpected<Error>(domain.error());
  auto life = identity::read_span(context.arguments.text("--ttl"));
  if (!life) return tl::unexpected<Error>(life.error());
  auto uses = context.arguments.count("--uses", 1, identity::uses_max);
  if (!uses) return tl::unexpected<Error>(uses.error());
  const identity::Seconds now = unix_now();
  Told told{fmt::format("a token to join {}: whoever has the line may use it", domain->name()),
            {{"holds until", identity::utc_text(now + *life)}, {"uses", std::to_string(*uses)}},
            "harness node enroll NODE --request --token FILE, where the node is"};
  if (context.arguments.given("--dry-run")) {
    tell(context, told);
    return ExitCode::ok;
  }
  auto token =
      domain->make_token({static_cast<std::uint16_t>(*uses), *life, context.arguments.text("--for")}, now);
  if (!token) return tl::unexpected<Error>(token.error());
  told.facts.emplace_back("id", identity::id_text(token->id));
  tell_line(context, identity::token_line(*token), told);
  return ExitCode::ok;
}

constexpr Argument token_ls_arguments[] = {
    {"domain", Argument::Kind::word, "which; every one when none is named", "DOMAIN"}};

std::string state_of(const identity::TokenRecord& record, identity::Seconds now) {
  if (now > record.not_after) return "expired";
  return record.used_by.size() >= record.uses ? "used up" : "good";
}

// Every token of the domains here, or of one.
Result<std::vector<std::pair<std::string, identity::TokenRecord>>> tokens_of(const Context& context,
                                                                             const std::string& domain) {
  auto state = chosen_root(context);
  if (!state) return tl::unexpected<Error>(state.error());
  std::vector<std::pair<std::string, identity::TokenRecord>> all;
  const auto names = domain.empty() ? Domain::names(*state) : std::vector<std::string>{domain};
  for (const std::string& name : names) {
    auto opened = Domain::open(*state, name);
    if (!opened) return tl::unexpected<Error>(opened.error());
    auto book = opened->tokens();
    if (!book) return tl::unexpected<Error>(book.error());
    for (const identity::TokenRecord& record : book->records()) all.emplace_back(name, record);
  }
  return all;
}

Result<ExitCode> ls_tokens(Context& context) {
  auto all = tokens_of(context, context.arguments.text("domain"));
  if (!all) return tl::unexpected<Error>(all.error());
  const identity::Seconds now = unix_now();
  Table table({{"DOMAIN"}, {"ID"}, {"STATE"}, {"USED", Table::Align::right}, {"FOR"}, {"HOLDS UNTIL"}});
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [domain, record] : *all) {
    table.row({domain, identity::id_text(record.id), state_of(record, now),
               fmt::format("{}/{}", record.used_by.size(), record.uses),
               record.node.empty() ? "any" : record.node, identity::utc_text(record.not_after)});
    list.push_back({{"domain", domain},
                    {"id", identity::id_text(record.id)},
                    {"state", state_of(record, now)},
                    {"used", record.used_by.size()},
                    {"uses", record.uses},
                    {"for", record.node},
                    {"not_after", record.not_after}});
  }
  if (context.common.json) {
    context.print_json(nlohmann::json{{"tokens", list}}.dump());
  } else {
    context.print(table.empty() ? "no token\nnext: harness token create DOMAIN\n"
                                : table.text(context.width));
  }
  return ExitCode::ok;
}

constexpr Argument token_revoke_arguments[] = {
    {"id", Argument::Kind::word, "as harness token ls shows it; not the line", "ID", {}, true},
    dry_run_option,
};

Result<ExitCode> revoke_token(Context& context) {
  auto all = tokens_of(context, {});
  if (!all) return tl::unexpected<Error>(all.error());
  const std::string id = context.arguments.text("id");
  for (const auto& [domain, record] : *all) {
    if (identity::id_text(record.id) != id) continue;
    if (!context.arguments.given("--dry-run")) {
      auto opened = Domain::open(*chosen_root(context), domain);
      if (!opened) return tl::unexpected<Error>(opened.error());
      if (auto gone = opened->withdraw(id); !gone) return tl::unexpected<Error>(gone.error());
    }
    tell(context, {fmt::format("the token {} of {} is withdrawn", id, domain),
                   {{"used", fmt::format("{}/{}", record.used_by.size(), record.uses)}},
                   "harness token create " + domain});
    return ExitCode::ok;
  }
  return fail(Errc::not_found, "there is no token " + text::quoted(id), "none of that id was made here",
              "harness token ls");
}

constexpr Argument check_arguments[] = {
    {"source",
     Argument::Kind::word,
     "where the line is: a file of mode 0600, fd:N, or - for standard input",
     "SOURCE",
     {},
     true},
};

Result<ExitCode> check(Context& context) {
  auto secret = read_secret(context.arguments.text("source"), "token", true);
  if (!secret) return tl::unexpected<Error>(secret.error());
  auto token = identity::read_token(as_text(secret->bytes()));
  if (!token) return tl::unexpected<Error>(token.error());
  auto state = chosen_root(context);
  if (!state) return tl::unexpected<Error>(state.error());
  Told told{fmt::format("the token {} was copied rightly", identity::id_text(token->id)),
            {{"root", identity::fingerprint_text(token->root)}},
            "harness node enroll NODE --request --token SOURCE"};
  for (const std::string& name : Domain::names(*state)) {
    auto domain = Domain::open(*state, name);
    if (!domain || domain->root().fingerprint != token->root) continue;
    told.facts.emplace_back("domain", name);
    if (!domain->holds_root()) continue;
    auto book = domain->tokens();
    if (!book) return tl::unexpected<Error>(book.error());
    const identity::TokenRecord* record = book->find(token->id);
    auto admitted = book->admits(token->id, {}, record == nullptr ? "" : record->node, unix_now());
    if (!admitted) return tl::unexpected<Error>(admitted.error());
    if (!identity::equal(record->psk, identity::psk_of(*token)))
      return identity::refuse(identity::Refusal::wrong_token, {}, "its secret is another than was given out",
                              "have a new one made: harness token create " + name);
    told.facts.emplace_back("holds until", identity::utc_text(record->not_after));
  }
  tell(context, told);
  return ExitCode::ok;
}

}  // namespace

void add_token(Cli& cli) {
  TableCommand::add(cli,
                    {"token",
                     token_summary,
                     "create",
                     "Makes a token and prints its line: the only time that it is shown.",
                     token_create_arguments,
                     {{"harness token create lab"}, {"harness token create lab --ttl 1h --uses 3 --for b"}},
                     &create_token});
  TableCommand::add(cli, {"token",
                          token_summary,
                          "ls",
                          "Lists the tokens made here, without their secrets.",
                          token_ls_arguments,
                          {{"harness token ls", true}, {"harness token ls lab --json"}},
                          &ls_tokens});
  TableCommand::add(cli,
                    {"token",
                     token_summary,
                     "revoke",
                     "Withdraws a token: nobody joins by it any more.",
                     token_revoke_arguments,
                     {{"harness token revoke $(harness token ls lab | awk 'NR == 2 {print $2}') --dry-run"}},
                     &revoke_token});
  TableCommand::add(cli, {"token",
                          token_summary,
                          "check",
                          "Tells whether a token was copied rightly, and if known, still holds.",
                          check_arguments,
                          {{"harness token create lab | harness token check -"}},
                          &check});
}

}  // namespace harness::apps
