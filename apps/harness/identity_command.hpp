// SPDX-License-Identifier: Apache-2.0
// What the commands of domains, nodes' certificates and tokens share: the clock, secrets and documents as a
// person hands them over, and how a change is told.
//
// A secret never stands in a flag or in the environment, where every process of the user can read it: it is
// the content of a file of mode 0600, standard input, an open descriptor, or typed on a terminal without
// echo. A document (root, request, floor …) is public: the line itself, a file that holds it, or standard
// input.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <harness/apps/common/node_identity.hpp>
#include <harness/apps/harness/table_command.hpp>
#include <harness/kernel/identity/domain.hpp>
#include <harness/kernel/identity/node_folder.hpp>

namespace harness::apps {

inline constexpr const char* domain_summary = "domains: their roots, whom they believe, what they demand";
inline constexpr Argument passphrase_option{
    "--passphrase", Argument::Kind::option,
    "where the passphrase of the root is: a file of mode 0600, fd:N, or - for "
    "standard input (on a terminal it is asked for)",
    "SOURCE"};
inline constexpr Argument node_passphrase_option{
    "--node-passphrase", Argument::Kind::option,
    "the same for node.key, when it is wrapped or shall be: a file of mode 0600, fd:N, or -", "SOURCE"};
inline constexpr Argument dry_run_option{"--dry-run", Argument::Kind::flag,
                                         "check everything, say what would change, change nothing"};

/// The secret that `source` names (a file, "fd:N", "-"); `what` is what a terminal is asked for. An end of
/// line behind a text is no part of it when `text`. Errors: those of files, exhausted, invalid (empty).
/// Blocks.
Result<identity::Secret> read_secret(const std::string& source, const std::string& what, bool text);
/// What --passphrase names; nothing when it was not given.
Result<std::optional<identity::Secret>> passphrase_of(const Context& context);
/// What --node-passphrase names, or a terminal is asked for when the key in `folder` is wrapped.
Result<std::optional<identity::Secret>> node_passphrase(const Context& context,
                                                        const identity::NodeFolder& folder);
/// The text of a public document: a line, "-", or a file.
Result<std::string> read_document(const std::string& given);
/// Asks for a yes on the terminal; false when there is none.
bool confirmed(const Context& context, const std::string& question);

/// A domain of this user with its root opened, by --passphrase when it is wrapped. Errors: those of
/// Domain::open and unlock.
Result<identity::Domain> unlocked_domain(const Context& context, const std::string& name);

/// What a command changed, for people and for programs.
struct Told {
  std::string headline;                                      // "the domain lab was made"
  std::vector<std::pair<std::string, std::string>> facts{};  // name, value
  std::string next{};                                        // the next useful command
};
/// Prints it; with --dry-run says that nothing was changed.
void tell(const Context& context, const Told& told);
/// Prints a line that is the result itself on standard output, and what it is on standard error; with --json
/// both in one document.
void tell_line(const Context& context, const std::string& line, const Told& told);
/// Has the nodes that run here read what changed; returns a fact for Told, or nothing when none runs.
std::vector<std::pair<std::string, std::string>> tell_nodes(const Context& context);

}  // namespace harness::apps
