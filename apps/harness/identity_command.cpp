// SPDX-License-Identifier: Apache-2.0
// Terminals, descriptors, tables.
#include <harness/apps/harness/identity_command.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <iostream>

#include <termios.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/apps/harness/local.hpp>
#include <harness/kernel/files.hpp>
#include <harness/kernel/system_error.hpp>

namespace harness::apps {

namespace {

constexpr std::size_t secret_bytes_max = 1024;
constexpr std::size_t document_bytes_max = 1u << 20;

/// A terminal that shows nothing of what is typed, until this goes.
class NoEcho {
 public:
  explicit NoEcho(int terminal) : terminal_(terminal), changed_(tcgetattr(terminal, &before_) == 0) {
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (changed_) tcsetattr(terminal_, TCSAFLUSH, &quiet);
  }
  ~NoEcho() {
    if (changed_) tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  termios before_{};
  int terminal_;
  bool changed_;
};

Result<identity::Secret> read_descriptor(int descriptor, bool until_line) {
  identity::Secret secret(secret_bytes_max + 1);
  std::size_t have = 0;
  while (have <= secret_bytes_max) {
    const ssize_t got = read(descriptor, secret.bytes().data() + have, secret_bytes_max + 1 - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tl::unexpected<Error>(system_error(errno, "cannot read the secret"));
    have += static_cast<std::size_t>(got);
    if (got == 0 || (until_line && as_text(secret.bytes().first(have)).ends_with('\n'))) break;
  }
  if (have > secret_bytes_max)
    return fail(Errc::exhausted, "the secret is too long",
                fmt::format("at most {} bytes are read", secret_bytes_max), "name the right file");
  secret.shorten(have);
  return secret;
}

Result<identity::Secret> ask(const std::string& what) {
  fmt::print(stderr, "{}: ", what);
  std::fflush(stderr);
  const NoEcho quiet(STDIN_FILENO);
  auto secret = read_descriptor(STDIN_FILENO, true);
  fmt::print(stderr, "\n");
  return secret;
}

Result<identity::Secret> read_source(const std::string& source, const std::string& what) {
  if (source == "-") return isatty(STDIN_FILENO) != 0 ? ask(what) : read_descriptor(STDIN_FILENO, false);
  if (source.starts_with("fd:")) {
    int descriptor = -1;
    const char* end = source.data() + source.size();
    const auto [rest, error] = std::from_chars(source.data() + 3, end, descriptor);
    if (error == std::errc() && rest == end && descriptor >= 0) return read_descriptor(descriptor, false);
    return fail(Errc::invalid, "no descriptor: " + printable(source), "it is written as fd:3", "fd:3 3<FILE");
  }
  if (source.starts_with(identity::token_prefix))
    return fail(Errc::invalid, "a token does not stand on the command line",
                "every process of this machine can read it there",
                "put the line into a file of mode 0600, or give - and type it");
  identity::Secret secret(secret_bytes_max);
  auto size = read_file_into(source, secret.bytes(), Privacy::secret);
  if (!size) return tl::unexpected<Error>(size.error());
  secret.shorten(*size);
  return secret;
}

Result<std::optional<identity::Secret>> some(Result<identity::Secret> secret) {
  if (!secret) return tl::unexpected<Error>(secret.error());
  return std::optional<identity::Secret>(std::move(*secret));
}

}  // namespace

Result<identity::Secret> read_secret(const std::string& source, const std::string& what, bool text) {
  auto secret = read_source(source, what);
  if (!secret) return secret;
  while (text && !secret->empty() &&
         (secret->bytes().back() == std::byte{'\n'} || secret->bytes().back() == std::byte{'\r'}))
    secret->shorten(secret->bytes().size() - 1);
  if (secret->empty())
    return fail(Errc::invalid, fmt::format("there is no {}", what), printable(source) + " is empty",
                "give it by a file, fd:N, or -");
  return secret;
}

Result<std::optional<identity::Secret>> passphrase_of(const Context& context) {
  if (!context.arguments.given("--passphrase")) return std::optional<identity::Secret>();
  return some(read_secret(context.arguments.text("--passphrase"), "passphrase of the root", true));
}

Result<std::optional<identity::Secret>> node_passphrase(const Context& context,
                                                        const identity::NodeFolder& folder) {
  const std::string what = "passphrase of node.key";
  if (context.arguments.given("--node-passphrase"))
    return some(read_secret(context.arguments.text("--node-passphrase"), what, true));
  auto facts = folder.facts();
  if (!facts) return tl::unexpected<Error>(facts.error());
  if (!*facts || !(*facts)->wrapped || isatty(STDIN_FILENO) == 0) return std::optional<identity::Secret>();
  return some(read_secret("-", what, true));
}

Result<std::string> read_document(const std::string& given) {
  if (given == "-") {
    std::string text(document_bytes_max + 1, '\0');
    std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::cin.gcount()));
    if (text.size() <= document_bytes_max) return text;
    return fail(Errc::exhausted, "standard input is too long", "no document has more than 1 MiB",
                "give one line");
  }
  if (given.starts_with("harness") && given.find_first_of("./") == std::string::npos) return given;
  auto bytes = read_file(given, document_bytes_max, Privacy::open);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  return std::string(as_text(*bytes));
}

bool confirmed(const Context& context, const std::string& question) {
  if (context.common.json || isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0) return false;
  fmt::print(stderr, "{} Type yes: ", question);
  std::fflush(stderr);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "yes";
}

Result<identity::Domain> unlocked_domain(const Context& context, const std::string& name) {
  auto root = chosen_root(context);
  if (!root) return tl::unexpected<Error>(root.error());
  auto domain = identity::Domain::open(*root, name);
  if (!domain) return domain;
  std::optional<identity::Secret> passphrase;
  if (auto wrapped = domain->is_wrapped(); wrapped && *wrapped) {
    auto given = passphrase_of(context);
    if (!given) return tl::unexpected<Error>(given.error());
    passphrase = std::move(*given);
    if (!passphrase && isatty(STDIN_FILENO) != 0) {
      auto typed = read_secret("-", "passphrase of the root of " + name, true);
      if (!typed) return tl::unexpected<Error>(typed.error());
      passphrase = std::move(*typed);
    }
  }
  if (auto open = domain->unlock(passphrase ? &*passphrase : nullptr); !open)
    return tl::unexpected<Error>(open.error());
  return domain;
}

void tell(const Context& context, const Told& told) {
  const bool dry = context.arguments.given("--dry-run");
  if (context.common.json) {
    nlohmann::json object = {{"what", told.headline}, {"changed", !dry}, {"next", told.next}};
    for (const auto& [name, value] : told.facts) object[name] = value;
    return context.print_json(object.dump());
  }
  std::string text = told.headline + (dry ? ": would be so; nothing was changed (--dry-run)\n" : "\n");
  std::size_t width = 0;
  for (const auto& [name, value] : told.facts) width = std::max(width, name.size());
  for (const auto& [name, value] : told.facts)
    text += fmt::format("  {:<{}}  {}\n", name, width, printable(value));
  if (!told.next.empty()) text += fmt::format("next: {}\n", told.next);
  context.print(text);
}

void tell_line(const Context& context, const std::string& line, const Told& told) {
  if (context.common.json || context.arguments.given("--dry-run")) {
    Told all = told;
    if (context.common.json) all.facts.emplace_back("line", line);
    return tell(context, all);
  }
  context.note(told.headline);
  for (const auto& [name, value] : told.facts) context.note(fmt::format("  {}  {}", name, printable(value)));
  if (!told.next.empty()) context.note("next: " + told.next);
  context.print(line + "\n");
}

std::vector<std::pair<std::string, std::string>> tell_nodes(const Context& context) {
  auto root = chosen_root(context);
  if (!root || context.arguments.given("--dry-run")) return {};
  std::string told;
  for (const LocalNode& node : local_nodes(*root, false)) {
    auto client = admin::Client::connect(node.path);
    if (!client) continue;
    auto done = client->ask<admin::Nothing>("identity.reload", admin::Nothing{});
    told += fmt::format("{}{}{}", told.empty() ? "" : ", ", node.name,
                        done ? "" : " (" + done.error().what + ")");
  }
  if (told.empty()) return {};
  return {{"told", told}};
}

}  // namespace harness::apps
