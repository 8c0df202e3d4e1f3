// SPDX-License-Identifier: Apache-2.0
// harness domain floor | sign | accept: documents that a root signs, and that others take.
#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/apps/harness/identity_command.hpp>
#include <harness/apps/harness/local.hpp>
#include <harness/kernel/identity/line.hpp>
#include <harness/stack/text.hpp>

namespace harness::apps {

namespace {

using identity::Domain;
using identity::SignedFloor;

std::string pair_name(const SignedFloor& floor) {
  return floor.same_domain() ? "within " + floor.domains[0]
                             : fmt::format("between {} and {}", floor.domains[0], floor.domains[1]);
}

// ---- floor ----

constexpr Argument floor_arguments[] = {
    {"domain", Argument::Kind::word, "a domain whose root is here", "DOMAIN", {}, true},
    {"other", Argument::Kind::word, "another that it believes, or itself", "OTHER", {}, true},
    {"--require", Argument::Kind::options,
     "what links must give at least: encrypted, forward-secret …; may be repeated", "WORD"},
    passphrase_option,
    dry_run_option,
};

Result<Properties> required(const Context& context) {
  Properties all;
  for (const std::string& word : context.arguments.texts("--require")) {
    const auto asked = property::from_word(word);
    const std::string_view meant = property::closest_word(word);
    if (!asked)
      return fail(Errc::not_found, text::quoted(word) + " is no property", "harness stack words lists all",
                  meant.empty() ? "encrypted" : fmt::format("did you mean {}?", meant));
    all = all | *asked;
  }
  return all;
}

// Keeps a complete floor in the store of every side that is known here and believes the other.
Result<> keep_floor(const std::string& state, const SignedFloor& floor) {
  bool kept = false;
  for (std::size_t side = 0; side < (floor.same_domain() ? 1u : 2u); ++side) {
    auto domain = Domain::open(state, floor.domains[side]);
    if (!domain && domain.error().code == Errc::not_found) continue;
    if (!domain) return tl::unexpected<Error>(domain.error());
    if (domain->trust().find(floor.other(domain->name())) == nullptr) continue;
    if (auto added = domain->trust().add_floor(floor); !added) return added;
    kept = true;
  }
  if (kept) return {};
  return fail(Errc::not_found, "no domain here is bound by this floor", "it is " + pair_name(floor),
              "make the two believe each other first: harness domain trust A ROOT");
}

/// Signs for each side whose root is here and takes no passphrase but the one given.
Result<> sign_sides(Context& context, const std::string& state, SignedFloor& floor) {
  for (std::size_t side = 0; side < 2; ++side) {
    auto here = Domain::open(state, floor.domains[side]);
    if (floor.signatures[side] || !here || !here->holds_root()) continue;
    auto domain = unlocked_domain(context, floor.domains[side]);
    if (!domain) return tl::unexpected<Error>(domain.error());
    if (auto done = domain->sign(floor); !done) return done;
  }
  return {};
}

Result<ExitCode> finish_floor(Context& context, const std::string& state, const SignedFloor& floor) {
  Told told{fmt::format("the floor {} is {}", pair_name(floor), property::to_string(floor.word)),
            {{"serial", std::to_string(floor.serial)}},
            {}};
  const bool dry = context.arguments.given("--dry-run");
  if (floor.complete()) {
    if (!dry)
      if (auto kept = keep_floor(state, floor); !kept) return tl::unexpected<Error>(kept.error());
    told.next = "harness domain accept LINE, on other machines of these domains";
    for (auto& fact : tell_nodes(context)) told.facts.push_back(std::move(fact));
  } else {
    told.headline += ", once both have signed";
    told.next = "harness domain sign LINE, where the other root is";
  }
  tell_line(context, identity::floor_line(floor), told);
  return ExitCode::ok;
}

Result<ExitCode> floor(Context& context) {
  auto state = chosen_root(context);
  if (!state) return tl::unexpected<Error>(state.error());
  auto domain = unlocked_domain(context, context.arguments.text("domain"));
  if (!domain) return tl::unexpected<Error>(domain.error());
  const std::string other = context.arguments.text("other");
  const identity::Trusted* trusted = domain->trust().find(other);
  if (trusted == nullptr)
    return fail(Errc::not_found, fmt::format("{} does not believe {}", domain->name(), text::quoted(other)),
                "a floor is between domains that believe each other",
                fmt::format("harness domain trust {} ROOT", domain->name()));
  auto word = required(context);
  if (!word) return tl::unexpected<Error>(word.error());
  const std::uint64_t serial = trusted->floor ? trusted->floor->serial + 1 : 1;
  SignedFloor made = identity::make_floor(domain->root(), trusted->root, *word, serial);
  if (auto done = domain->sign(made); !done) return tl::unexpected<Error>(done.error());
  if (auto done = sign_sides(context, *state, made); !done) return tl::unexpected<Error>(done.error());
  return finish_floor(context, *state, made);
}

// ---- sign ----

constexpr Argument sign_arguments[] = {
    {"document",
     Argument::Kind::word,
     "a request for a certificate or a floor of one signature: the line, a file, or - for standard input",
     "DOCUMENT",
     {},
     true},
    passphrase_option,
    dry_run_option,
};

Result<ExitCode> sign_floor_line(Context& context, const std::string& text) {
  auto state = chosen_root(context);
  if (!state) return tl::unexpected<Error>(state.error());
  auto floor = identity::read_floor(text);
  if (!floor) return tl::unexpected<Error>(floor.error());
  if (!context.arguments.given("--dry-run")) {
    const bool before = floor->complete();
    if (auto done = sign_sides(context, *state, *floor); !done) return tl::unexpected<Error>(done.error());
    if (!before && !floor->complete())
      return fail(Errc::not_found, "no root of this floor is here", "it is " + pair_name(*floor),
                  "run this where the other domain was made");
  }
  return finish_floor(context, *state, *floor);
}

// A request that shows a token is held to it; without, whoever runs this command vouches.
Result<ExitCode> sign_request(Context& context, const std::string& text) {
  auto bytes = identity::read_line(text, identity::request_prefix, "a request", identity::request_bytes_max);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  auto request = identity::parse_request(*bytes);
  if (!request) return tl::unexpected<Error>(request.error());
  Told told{
      fmt::format("{} has a certificate", identity::spiffe_name(request->domain, request->name)), {}, {}};
  told.facts.emplace_back("vouched by", request->with_token ? "a token" : "you");
  told.next = fmt::format("harness node enroll {} --answer LINE, where the node is", request->name);
  auto domain = unlocked_domain(context, request->domain);
  if (!domain) return tl::unexpected<Error>(domain.error());
  if (context.arguments.given("--dry-run")) {
    tell(context, told);
    return ExitCode::ok;
  }
  const auto warrant = request->with_token ? identity::Warrant::token : identity::Warrant::person;
  const auto answer = domain->answer(*bytes, warrant, unix_now());
  if (auto right = identity::parse_answer(answer, *bytes); !right)
    return tl::unexpected<Error>(right.error());
  tell_line(context, identity::write_line(identity::answer_prefix, answer), told);
  return ExitCode::ok;
}

Result<ExitCode> sign(Context& context) {
  auto text = read_document(context.arguments.text("document"));
  if (!text) return tl::unexpected<Error>(text.error());
  if (identity::is_line(*text, identity::floor_prefix)) return sign_floor_line(context, *text);
  return sign_request(context, *text);
}

// ---- accept ----

constexpr Argument accept_arguments[] = {
    {"document",
     Argument::Kind::word,
     "a floor that both have signed, or a list of revoked certificates: the line, a file, or -",
     "DOCUMENT",
     {},
     true},
    dry_run_option,
};

// Every domain here that believes the one that signed it takes the list.
Result<ExitCode> accept_revocations(Context& context, const std::string& state, const std::string& text) {
  auto list = identity::read_revocations(text);
  if (!list) return tl::unexpected<Error>(list.error());
  std::string takers;
  for (const std::string& name : Domain::names(state)) {
    auto domain = Domain::open(state, name);
    if (!domain) return tl::unexpected<Error>(domain.error());
    if (domain->trust().find(list->domain) == nullptr) continue;
    if (!context.arguments.given("--dry-run"))
      if (auto added = domain->trust().add_revocations(*list); !added)
        return tl::unexpected<Error>(added.error());
    takers += (takers.empty() ? "" : ", ") + name;
  }
  if (takers.empty())
    return fail(Errc::not_found, "no domain here believes " + list->domain, "the list is of no use to any",
                "harness domain trust DOMAIN ROOT");
  Told told{fmt::format("{} certificates of {} are revoked", list->revoked.size(), list->domain),
            {{"serial", std::to_string(list->serial)}, {"known to", takers}},
            "harness domain show " + list->domain};
  for (auto& fact : tell_nodes(context)) told.facts.push_back(std::move(fact));
  tell(context, told);
  return ExitCode::ok;
}

Result<ExitCode> accept(Context& context) {
  auto state = chosen_root(context);
  if (!state) return tl::unexpected<Error>(state.error());
  auto text = read_document(context.arguments.text("document"));
  if (!text) return tl::unexpected<Error>(text.error());
  if (identity::is_line(*text, identity::revoked_prefix)) return accept_revocations(context, *state, *text);
  auto floor = identity::read_floor(*text);
  if (!floor) return tl::unexpected<Error>(floor.error());
  if (!floor->complete())
    return fail(Errc::denied, "the floor is not complete", pair_name(*floor) + ": a signature is missing",
                "harness domain sign LINE, where the other root is");
  return finish_floor(context, *state, *floor);
}

}  // namespace

void add_domain_sign(Cli& cli) {
  TableCommand::add(
      cli, {"domain",
            domain_summary,
            "floor",
            "Makes and signs what links between two domains must give at least; both roots must sign.",
            floor_arguments,
            {{"harness domain floor lab office --require encrypted --require authenticated --passphrase "
              "words.txt"}},
            &floor});
  TableCommand::add(
      cli, {"domain",
            domain_summary,
            "sign",
            "Signs a request for a certificate, or the floor that another domain has signed.",
            sign_arguments,
            {{"harness node enroll a --request | harness domain sign - | harness node enroll a --answer -"}},
            &sign});
  TableCommand::add(
      cli, {"domain",
            domain_summary,
            "accept",
            "Takes a signed floor or a list of revoked certificates, if it is newer than what is known.",
            accept_arguments,
            {{"harness domain floor lab office --require encrypted --passphrase words.txt | harness domain "
              "accept -"}},
            &accept});
}

}  // namespace harness::apps
