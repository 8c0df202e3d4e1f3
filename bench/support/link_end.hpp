// SPDX-License-Identifier: Apache-2.0
// One side of real links: an engine on the operating system, a node, and what the benchmarks do with a link:
// ping it, flood it, serve it. The far side tells by the first letter of a link's name what to do with it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <harness/bench/support/duo.hpp>
#include <harness/bench/support/histogram.hpp>
#include <harness/stack/catalogue.hpp>
#include <harness/stack/node.hpp>
#include <harness/transports/engine.hpp>

namespace harness::bench {

class LinkEnd {
 public:
  /// `name` is "near" or "far". `proven`: each proves to be who it says, as stacks with `encrypt` demand.
  explicit LinkEnd(const std::string& name, bool proven = false);
  ~LinkEnd();
  LinkEnd(const LinkEnd&) = delete;
  LinkEnd& operator=(const LinkEnd&) = delete;

  [[nodiscard]] transports::OsEngine& engine() noexcept { return *engine_; }
  [[nodiscard]] Node& node() noexcept { return *node_; }

  // ---- far side ----

  /// Listens; returns the address to dial. Links named "echo…" are answered message by message, those named
  /// "copy…" from private memory, "look…" by 8 bytes after a look at both ends, "sink…" are counted on the
  /// board.
  std::string listen(const std::string& address);
  /// Runs turns until the job is over.
  void serve(Board& board, const Duo::Still& still);

  // ---- near side ----

  /// Opens a link with this stack, the far side serving meanwhile; gives up when it cannot.
  std::shared_ptr<Link> open(const std::string& stack, const std::string& address, const std::string& name);
  void close(Link& link);
  /// Pings one message at a time for `budget_ns`, adding half of each round trip to `into`; returns the
  /// median of this slice in ns.
  double ping(Link& link, std::uint32_t bytes, std::uint64_t budget_ns, Histogram& into);
  /// Pings `batch` messages between two looks at the clock, for `budget_ns`; returns the median of one way in
  /// ns. Of a large message only the first and the last line are written.
  double trips(Link& link, std::uint32_t bytes, std::uint64_t batch, std::uint64_t budget_ns);
  /// Pings messages that lie in private memory at both ends; returns the median of one way in ns.
  double copies(Link& link, std::uint32_t bytes, std::uint64_t budget_ns);
  /// Sends `count` messages as fast as the link takes them; returns ns a message until the last has arrived.
  double flood(Link& link, std::uint32_t bytes, std::uint64_t count, const Board& board);
  /// Turns until `done`, for at most 30 s, then gives up.
  void run_until(const std::function<bool()>& done, const char* what);

 private:
  void adopt(const std::shared_ptr<Link>& link);
  void ping_once(Link& link, Message message);

  std::unique_ptr<transports::OsEngine> engine_;
  Catalogue catalogue_;
  std::unique_ptr<Authority> authority_;
  std::unique_ptr<Node> node_;
  std::uint64_t received_ = 0;
  bool answered_ = false;
};

/// A message with its body written, as an application would; large ones are only begun.
Message filled(Link& link, std::uint32_t bytes) noexcept;

}  // namespace harness::bench
