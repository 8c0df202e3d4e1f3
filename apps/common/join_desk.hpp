// SPDX-License-Identifier: Apache-2.0
// Where a running node that holds the root of its domain lets others join: links called `join`, which open by
// a token alone and to nobody else (stack/authority.hpp, Ticket).
//
//   joiner                                   desk
//     1 · request (kernel/identity/join)  ─▶   issues, or refuses      ◀─ 2 · answer
//     3                                   ─▶   what the domain runs    ◀─ 4 · text of the cluster file
//
// A message is one byte that says what it is, and the rest. What blocks is done by offloaded jobs; a desk
// answers what it is asked, as often as it is asked, and the joiner ends the link.
// Bounds: links_max at a time, the oldest goes; a request 322 bytes, the text as large as a cluster file.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <harness/kernel/identity/moment.hpp>
#include <harness/stack/node.hpp>

namespace harness::apps {

inline constexpr std::string_view join_link = "join";
enum class JoinKind : std::uint8_t { request = 1, answer, ask_cluster, cluster };

/// What a link for joining must give, at both ends. [any-thread]
Needs join_needs();

class JoinDesk {
 public:
  static constexpr std::size_t links_max = 16;

  struct Options {
    std::string state;
    std::string domain;
    std::string cluster_file;
    std::function<identity::Seconds()> now;
  };
  JoinDesk(Engine& engine, Options options) : engine_(engine), options_(std::move(options)) {}

  /// Whether somebody may open a link for joining. Errors: not_found (the root is not held here).
  /// [stack-thread]
  Result<Admission> admit() const;
  /// Serves such a link until it ends. [stack-thread]
  void serve(const std::shared_ptr<Link>& link);
  /// Ends those that are open. [stack-thread]
  void close();

 private:
  void on_message(const std::weak_ptr<Link>& link, const Message& message);
  void sweep();

  Engine& engine_;
  Options options_;
  std::vector<std::shared_ptr<Link>> links_;
};

}  // namespace harness::apps
