// SPDX-License-Identifier: Apache-2.0
// harness node enroll: a node comes to its certificate.  harness node show: who it is, and until when.
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <harness/apps/common/cluster.hpp>
#include <harness/apps/common/human.hpp>
#include <harness/apps/common/node_identity.hpp>
#include <harness/apps/common/state_folder.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/apps/harness/identity_command.hpp>
#include <harness/apps/harness/joining.hpp>
#include <harness/apps/harness/local.hpp>
#include <harness/kernel/files.hpp>
#include <harness/kernel/identity/enroll.hpp>
#include <harness/kernel/identity/line.hpp>
#include <harness/stack/text.hpp>

namespace harness::apps {

namespace {

using identity::Domain;
using identity::NodeFolder;

constexpr Argument enroll_arguments[] = {
    {"name", Argument::Kind::word, "a node of the cluster file", "NODE", {}, true},
    {"--life", Argument::Kind::option, "how long the certificate holds: 1m to 3660d", "TIME", "7d"},
    {"--request", Argument::Kind::flag, "print a request, to be signed where the root is"},
    {"--token", Argument::Kind::option, "prove this token in the request: a file of mode 0600, fd:N, or -",
     "SOURCE"},
    {"--at", Argument::Kind::option,
     "join at once, over a link to a running node where the root is; needs --token", "ADDRESS"},
    {"--answer", Argument::Kind::option, "take what was signed: the line, a file, or -", "DOCUMENT"},
    {"--root", Argument::Kind::option,
     "the fingerprint that the answer's root must have, when no token tells it", "FP"},
    passphrase_option,
    node_passphrase_option,
    dry_run_option,
};

/// The node of the cluster file that a command is about, and where its files are.
struct Subject {
  std::string state;
  std::string domain;
  std::string node;
  NodeFolder folder{{}};
};

Result<Subject> subject_in(const Context& context, const Result<Cluster>& cluster) {
  if (!cluster) return tl::unexpected<Error>(cluster.error());
  const std::string name = context.arguments.text("name");
  const ClusterNode* node = cluster->node(name);
  auto state = chosen_root(context);
  if (!state) return tl::unexpected<Error>(state.error());
  if (node != nullptr)
    return Subject{*state, node->domain, name, NodeFolder(state_path(*state, cluster->name, name))};
  std::vector<std::string_view> known;
  for (const ClusterNode& one : cluster->nodes) known.push_back(one.name);
  const std::string_view meant = text::closest(name, known);
  return fail(Errc::not_found, fmt::format("there is no node {} in {}", text::quoted(name), cluster->file),
              "its nodes are " + text::list(std::span(std::as_const(known))),
              meant.empty() ? "--cluster FILE" : fmt::format("did you mean {}?", meant));
}

Result<Subject> subject_of(const Context& context) {
  return subject_in(context, read_cluster(chosen_cluster(context), context.catalogue));
}

Told told_of(const identity::Certificate& own, const identity::Root& root) {
  return {identity::spiffe_name(own.domain, own.name) + " has a certificate",
          {{"holds until", identity::utc_text(own.not_after)},
           {"serial", fmt::format("{:016x}", own.serial)},
           {"root", identity::fingerprint_text(root.fingerprint)}},
          "harness node up " + own.name};
}

// ---- where the root is ----

Result<ExitCode> enroll_local(Context& context, Subject& subject, identity::Seconds life) {
  auto domain = unlocked_domain(context, subject.domain);
  if (!domain && domain.error().code == Errc::not_found) {
    Error error = domain.error();
    error.advice = fmt::format(
        "harness node enroll {} --request, and sign it where the root of {} is; or harness "
        "domain create {}",
        subject.node, subject.domain, subject.domain);
    return tl::unexpected<Error>(std::move(error));
  }
  if (!domain) return tl::unexpected<Error>(domain.error());
  if (context.arguments.given("--dry-run")) {
    tell(context, {identity::spiffe_name(subject.domain, subject.node) + " has a certificate", {}, {}});
    return ExitCode::ok;
  }
  auto passphrase = node_passphrase(context, subject.folder);
  if (!passphrase) return tl::unexpected<Error>(passphrase.error());
  auto own = identity::enroll_here(*domain, subject.folder, subject.node,
                                   *passphrase ? &**passphrase : nullptr, life, unix_now());
  if (!own) return tl::unexpected<Error>(own.error());
  Told told = told_of(*own, domain->root());
  for (auto& fact : tell_nodes(context)) told.facts.push_back(std::move(fact));
  tell(context, told);
  return ExitCode::ok;
}

// ---- where it is not ----

Result<std::optional<identity::Token>> token_given(const Context& context) {
  if (!context.arguments.given("--token")) return std::optional<identity::Token>();
  auto line = read_secret(context.arguments.text("--token"), "token", true);
  if (!line) return tl::unexpected<Error>(line.error());
  auto token = identity::read_token(as_text(line->bytes()));
  if (!token) return tl::unexpected<Error>(token.error());
  return std::optional(*token);
}

std::string request_path(const Subject& subject) { return subject.folder.path() + "/node.request"; }

// The node's keys, made now when there are none; with `dry` those are thrown away.
Result<identity::NodeKeys> keys_for(Subject& subject, const identity::Secret* passphrase, bool dry) {
  if (!dry) return subject.folder.keys_or_new(passphrase);
  auto facts = subject.folder.facts();
  if (!facts) return tl::unexpected<Error>(facts.error());
  if (*facts) return subject.folder.keys(passphrase);
  return identity::NodeKeys::make();
}

Result<ExitCode> request(Context& context, Subject& subject, identity::Seconds life) {
  auto token = token_given(context);
  if (!token) return tl::unexpected<Error>(token.error());
  auto passphrase = node_passphrase(context, subject.folder);
  if (!passphrase) return tl::unexpected<Error>(passphrase.error());
  const bool dry = context.arguments.given("--dry-run");
  auto keys = keys_for(subject, *passphrase ? &**passphrase : nullptr, dry);
  if (!keys) return tl::unexpected<Error>(keys.error());
  const identity::JoinAsk ask(*keys, subject.domain, subject.node, *token ? &**token : nullptr, life);
  const std::string line = identity::write_line(identity::request_prefix, ask.request());
  if (!dry)
    if (auto kept = write_file(request_path(subject), as_bytes(line + "\n"), Privacy::open); !kept)
      return tl::unexpected<Error>(kept.error());
  tell_line(context, line,
            {identity::spiffe_name(subject.domain, subject.node) +
                 " asks for a certificate; nothing in it is secret",
             {},
             "harness domain sign LINE, where the root is"});
  return ExitCode::ok;
}

// Whose answer may be taken: the token's root, or --root, or the one this user believes, or who is confirmed.
Result<> expect_root(Context& context, const Subject& subject, identity::JoinAsk& ask, Bytes answer) {
  if (ask.expected()) return {};
  if (auto known = Domain::open(subject.state, subject.domain)) {
    ask.expect(known->root().fingerprint);
    return {};
  }
  auto parsed = identity::parse_answer(answer, ask.request());
  if (!parsed) return tl::unexpected<Error>(parsed.error());
  const identity::Root& root = parsed->roots.front();
  const std::string shown = identity::fingerprint_text(root.fingerprint);
  const std::string wanted = context.arguments.text("--root");
  if (!wanted.empty() && !identity::is_fingerprint(wanted, root.fingerprint))
    return identity::refuse(identity::Refusal::wrong_root, "the answer",
                            fmt::format("its root is {}, given was {}", shown, printable(wanted)),
                            "ask the owner again: harness domain show " + subject.domain);
  if (wanted.empty() &&
      !confirmed(context, fmt::format("The root of {} has the fingerprint {}. Does its owner say the same?",
                                      root.domain, shown)))
    return fail(Errc::invalid, "nobody has compared the fingerprint of the root", "it is " + shown,
                "--root FP with what the owner of the domain says");
  ask.expect(root.fingerprint);
  return {};
}

Result<identity::JoinAsk> pending(const Subject& subject, const identity::NodeKeys& keys) {
  auto text = read_file(request_path(subject), 2 * identity::request_bytes_max + 128, Privacy::open);
  if (!text && text.error().code == Errc::not_found)
    return fail(Errc::not_found, fmt::format("{} has not asked for a certificate", subject.node),
                request_path(subject) + " is not there",
                fmt::format("harness node enroll {} --request", subject.node));
  if (!text) return tl::unexpected<Error>(text.error());
  auto bytes = identity::read_line(as_text(*text), identity::request_prefix, "the request",
                                   identity::request_bytes_max);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  return identity::JoinAsk::resume(keys, *bytes);
}

// Keeps what the issuer gave, unless it is a dry run.
Result<ExitCode> take_in(Context& context, Subject& subject, const identity::JoinAnswer& taken,
                         std::vector<std::pair<std::string, std::string>> facts) {
  Told told = told_of(*identity::parse_certificate(taken.certificate), taken.roots.front());
  told.facts.insert(told.facts.end(), facts.begin(), facts.end());
  if (!context.arguments.given("--dry-run")) {
    auto domain = Domain::learn(subject.state, taken);
    if (!domain) return tl::unexpected<Error>(domain.error());
    if (auto kept = subject.folder.keep_certificate(taken.certificate); !kept)
      return tl::unexpected<Error>(kept.error());
    (void)remove_file(request_path(subject));
    for (auto& fact : tell_nodes(context)) told.facts.push_back(std::move(fact));
  }
  tell(context, told);
  return ExitCode::ok;
}

Result<ExitCode> answer(Context& context, Subject& subject) {
  auto text = read_document(context.arguments.text("--answer"));
  if (!text) return tl::unexpected<Error>(text.error());
  auto bytes = identity::read_line(*text, identity::answer_prefix, "an answer", identity::answer_bytes_max);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  auto passphrase = node_passphrase(context, subject.folder);
  if (!passphrase) return tl::unexpected<Error>(passphrase.error());
  auto keys = subject.folder.keys(*passphrase ? &**passphrase : nullptr);
  if (!keys) return tl::unexpected<Error>(keys.error());
  auto ask = pending(subject, *keys);
  if (!ask) return tl::unexpected<Error>(ask.error());
  if (auto expected = expect_root(context, subject, *ask, *bytes); !expected)
    return tl::unexpected<Error>(expected.error());
  auto taken = ask->accept(*bytes, unix_now());
  if (!taken) return tl::unexpected<Error>(taken.error());
  return take_in(context, subject, *taken, {});
}

// ---- over a link ----

// The cluster file of this machine, or that of the desk, which is kept here when there is none.
Result<Cluster> cluster_for(const Context& context, Joining& joining,
                            std::vector<std::pair<std::string, std::string>>& facts) {
  const std::string path = context.common.cluster.empty() ? "harness.toml" : context.common.cluster;
  auto here = read_cluster(chosen_cluster(context), context.catalogue);
  if (here || here.error().code != Errc::not_found || file_exists(path)) return here;
  auto text = joining.ask(JoinKind::ask_cluster, {}, JoinKind::cluster);
  if (!text) return tl::unexpected<Error>(text.error());
  auto cluster = parse_cluster(as_text(*text), path, context.catalogue);
  if (!cluster) return cluster;
  if (!context.arguments.given("--dry-run"))
    if (auto kept = write_file(std::filesystem::absolute(path).string(), *text, Privacy::open); !kept)
      return tl::unexpected<Error>(kept.error());
  facts.emplace_back("cluster file", fmt::format("{}, from {}", path, joining.desk().name));
  return cluster;
}

Result<ExitCode> join(Context& context, identity::Seconds life) {
  auto token = token_given(context);
  if (!token) return tl::unexpected<Error>(token.error());
  if (!*token)
    return fail(Errc::invalid, "nobody joins without a token", "--at was given and --token was not",
                "--token FILE, with the line of: harness token create DOMAIN");
  auto joining = Joining::open(context.catalogue, **token, context.arguments.text("--at"));
  if (!joining) return tl::unexpected<Error>(joining.error());
  std::vector<std::pair<std::string, std::string>> facts;
  auto subject = subject_in(context, cluster_for(context, **joining, facts));
  if (!subject) return tl::unexpected<Error>(subject.error());
  auto passphrase = node_passphrase(context, subject->folder);
  if (!passphrase) return tl::unexpected<Error>(passphrase.error());
  const bool dry = context.arguments.given("--dry-run");
  auto keys = keys_for(*subject, *passphrase ? &**passphrase : nullptr, dry);
  if (!keys) return tl::unexpected<Error>(keys.error());
  if (dry) {  // a token that is used is used
    tell(context, {identity::spiffe_name(subject->domain, subject->node) + " may join", facts, {}});
    return ExitCode::ok;
  }
  const identity::JoinAsk ask(*keys, subject->domain, subject->node, &**token, life);
  auto bytes = (*joining)->ask(JoinKind::request, ask.request(), JoinKind::answer);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  auto taken = ask.accept(*bytes, unix_now());
  if (!taken) return tl::unexpected<Error>(taken.error());
  return take_in(context, *subject, *taken, std::move(facts));
}

Result<ExitCode> enroll(Context& context) {
  if (context.arguments.given("--at")) {
    auto life = identity::read_span(context.arguments.text("--life"));
    return life ? join(context, *life) : tl::unexpected<Error>(life.error());
  }
  auto subject = subject_of(context);
  if (!subject) return tl::unexpected<Error>(subject.error());
  auto life = identity::read_span(context.arguments.text("--life"));
  if (!life) return tl::unexpected<Error>(life.error());
  if (context.arguments.given("--answer")) return answer(context, *subject);
  if (context.arguments.given("--request") || context.arguments.given("--token"))
    return request(context, *subject, *life);
  return enroll_local(context, *subject, *life);
}

// ---- show ----

constexpr Argument node_show_arguments[] = {
    {"name", Argument::Kind::word, "a node of the cluster file", "NODE", {}, true}};

Result<ExitCode> show_node(Context& context) {
  auto subject = subject_of(context);
  if (!subject) return tl::unexpected<Error>(subject.error());
  auto seen =
      look_at_identity({subject->state, subject->folder.path(), subject->domain, subject->node}, unix_now());
  if (!seen) return tl::unexpected<Error>(seen.error());
  if (context.common.json) {
    context.print_json(nlohmann::json{
        {"name", seen->name},
        {"key", seen->key},
        {"certificate", seen->certificate},
        {"not_after", seen->not_after},
        {"root",
         seen->root}}.dump());
    return ExitCode::ok;
  }
  Table table({{subject->node}, {seen->name}});
  table.row({"key", seen->key});
  table.row({"certificate", seen->certificate});
  table.row({"root", seen->root.empty() ? "–" : seen->root});
  context.print(table.text(context.width));
  return ExitCode::ok;
}

}  // namespace

void add_node_enroll(Cli& cli) {
  TableCommand::add(
      cli, {"node",
            "nodes of a cluster file",
            "enroll",
            "Gives a node its certificate: at once where the root of its domain is, over a link to a node "
            "there by a token, or by a request and its answer.",
            enroll_arguments,
            {{"harness node enroll a --life 30d"},
             {"harness token create lab | harness node enroll b --token - --at tcp:127.0.0.1:7101"},
             {"harness token create lab | harness node enroll b --request --token -"},
             {"harness node enroll b --request | harness domain sign - | harness node enroll b --answer -"}},
            &enroll});
  TableCommand::add(cli, {"node",
                          "nodes of a cluster file",
                          "show",
                          "Shows who a node is: its keys, its certificate and until when it holds, its root.",
                          node_show_arguments,
                          {{"harness node show a", true}, {"harness node show a --json", true}},
                          &show_node});
}

}  // namespace harness::apps
