// SPDX-License-Identifier: Apache-2.0
// A joiner's end of a link to a desk (apps/common/join_desk.hpp): one question at a time, each answered or
// given up after `timeout_ns`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <harness/apps/common/join_desk.hpp>
#include <harness/kernel/identity/join_authority.hpp>
#include <harness/transports/engine.hpp>

namespace harness::apps {

class Joining {
 public:
  static constexpr std::uint64_t timeout_ns = 10'000'000'000;

  /// Opens the link to "tcp:10.0.0.1:7001" by a token. The catalogue outlives it. Errors: those of dialling;
  /// denied with wrong_token, expired_token or wrong_root. Blocks.
  static Result<std::unique_ptr<Joining>> open(const Catalogue& catalogue, const identity::Token& token,
                                               const std::string& address);
  ~Joining();

  /// Who answers, as its certificate says: a node that holds the root of the token.
  [[nodiscard]] const Principal& desk() const noexcept { return *link_->proven(); }
  /// Asks, and waits for the answer of the other kind. Errors: peer_lost, timed_out, corrupt. Blocks.
  Result<std::vector<std::byte>> ask(JoinKind kind, Bytes bytes, JoinKind wanted);

 private:
  explicit Joining(const identity::Token& token);
  Result<> dial(const Catalogue& catalogue, const std::string& address);
  [[nodiscard]] bool ended() const noexcept { return link_->state() >= Link::State::closed; }

  identity::NodeKeys keys_ = identity::NodeKeys::make();  // for this link alone
  identity::JoinAuthority authority_;
  std::unique_ptr<transports::OsEngine> engine_;
  std::unique_ptr<Node> node_;
  std::shared_ptr<Link> link_;
  std::vector<std::byte> reply_;
};

}  // namespace harness::apps
