// SPDX-License-Identifier: Apache-2.0
// One running node: engine, links of the cluster file, services on them, admin socket, state folder.
//
// Links that start here are dialled, and dialled again with back-off when they end (redial_ns_min doubled up
// to redial_ns_max); links that peers open are admitted when the cluster file declares them, with what it
// demands. Both ends decide stacks from the same file by the same policy. Everything runs on the engine's
// thread; files are read and written by its offloaded jobs.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <harness/apps/common/admin_server.hpp>
#include <harness/apps/common/cluster.hpp>
#include <harness/apps/common/join_desk.hpp>
#include <harness/apps/common/link_services.hpp>
#include <harness/apps/common/state_folder.hpp>
#include <harness/kernel/identity/authority.hpp>
#include <harness/stack/node.hpp>
#include <harness/transports/engine.hpp>

namespace harness::apps {

class Runtime;

/// A link of the cluster file that ends at this node.
struct LinkSlot {
  LinkSlot(Runtime& owner, const ClusterLink& of, std::string other, bool starts_here);
  Runtime& runtime;
  const ClusterLink* declared;
  std::string peer;
  bool dials;
  std::shared_ptr<Link> link;  // null while there is none
  std::unique_ptr<LinkServices> services;
  Error error{Errc::ok, {}, {}, {}};  // why the last link ended, or none could be
  std::string decided;                // the stack that the policy prefers, as far as this node knows the peer
  std::function<void(const Event&)> on_swap;  // who asked for a swap: told once how it ended
  std::vector<std::string> swap_stacks;       // … to one of these
  std::uint64_t came_up = 0;
  std::uint64_t redial_ns;  // how long to wait before the next attempt
  Timer redial;
  Timer renewal;               // of the keys
  bool renewing_keys = false;  // a swap to the same stack, of our own making
};

/// Somebody waits for files: the next transfer that fits goes to its folder.
struct ReceiveOrder {
  std::string from;  // empty: any node
  std::string into;  // empty: the node's own folder
  std::function<void(const std::string& peer, const ReceiveReport&)> done;
};

/// What a decision offers a link, by preference.
std::vector<Offer> offers_of(const policies::Decision& decision);

class Runtime final : public Inbox {
 public:
  static constexpr std::uint64_t redial_ns_min = 100'000'000;
  static constexpr std::uint64_t redial_ns_max = 5'000'000'000;
  static constexpr std::size_t orders_max = 64;
  static constexpr std::uint64_t stop_ns_max = 3'000'000'000;
  static constexpr std::uint64_t life_look_ns = 600'000'000'000;  // a certificate lives a minute at least

  struct Options {
    Cluster cluster;
    std::string node;
    std::string state_root;
    bool any_port = false;  // listen on ports that the system chooses, on this host alone
    bool quiet = false;     // only warnings and errors to standard error
    const identity::Secret* passphrase = nullptr;  // of node.key; read while starting
  };

  /// Starts everything. The catalogue outlives the node. Errors: not_found (no such node in the file), exists
  /// (it runs already, a port in use), those of the state folder.
  static Result<std::unique_ptr<Runtime>> start(Options options, const Catalogue& catalogue);
  ~Runtime() override;

  /// Runs until stop, by admin or by `stop()`, has closed every link.
  void run();
  /// Closes links in order, then ends run. [stack-thread]
  void stop();

  // ---- for the admin methods [stack-thread] ----

  [[nodiscard]] transports::OsEngine& engine() noexcept { return *engine_; }
  [[nodiscard]] Node& node() noexcept { return *node_; }
  [[nodiscard]] admin::Server& server() noexcept { return *server_; }
  [[nodiscard]] const Catalogue& catalogue() const noexcept { return catalogue_; }
  [[nodiscard]] const Cluster& cluster() const noexcept { return options_.cluster; }
  [[nodiscard]] const StateFolder& state() const noexcept { return state_; }
  [[nodiscard]] std::vector<std::unique_ptr<LinkSlot>>& slots() noexcept { return slots_; }
  [[nodiscard]] const FactBook& facts() const noexcept { return facts_; }
  /// Who this node is and whom it believes; null when it has no certificate.
  [[nodiscard]] identity::NodeAuthority* authority() const noexcept { return authority_.get(); }
  /// Reads certificate and trust again, after they changed; renews what is due when the root is here. Errors:
  /// those of NodeAuthority; what was in force stays.
  Result<> reload_identity();
  [[nodiscard]] std::uint64_t started_ns() const noexcept { return started_ns_; }
  /// The slot that "LINK", "PEER" or "PEER/LINK" names. Errors: not_found (with a did-you-mean), conflict
  /// (several fit).
  Result<LinkSlot*> find(const std::string& name);
  /// The same, and its link is up. Errors: also unreachable.
  Result<LinkSlot*> find_up(const std::string& name);
  /// What a peer told: links to it that are not up are dialled anew. Errors: not_found.
  Result<> set_facts(const std::string& peer, NodeFacts facts);
  /// Waits for a transfer; the number takes the order back. Errors: exhausted.
  Result<std::uint32_t> add_order(ReceiveOrder order);
  /// False when a transfer has begun for it already.
  bool drop_order(std::uint32_t number) { return orders_.erase(number) != 0; }
  /// Real time in ns since 1970 for an engine time.
  [[nodiscard]] std::uint64_t real_ns(std::uint64_t engine_ns) const noexcept {
    return engine_ns + real_offset_ns_;
  }

 private:
  friend struct LinkSlot;
  Runtime(Options options, const Catalogue& catalogue);
  Result<> open();
  Result<> listen(const ClusterNode& self);
  Result<> load_identity(const ClusterNode& self);
  void look_at_life();
  void make_slots();
  void dial(LinkSlot& slot);
  void decide_again(LinkSlot& slot);
  void decide_above_floor(LinkSlot& slot);
  void arm_renewal(LinkSlot& slot);
  void renew_keys(LinkSlot& slot);
  void attach(LinkSlot& slot, const std::shared_ptr<Link>& link);
  void on_event(LinkSlot& slot, const Event& event);
  void retire(LinkSlot& slot);
  void sweep();
  void note_down(LinkSlot& slot, Error error);
  Result<Admission> admit(const setup::Identity& peer, const std::string& link);
  Result<Accepted> accept(const std::string& peer, const std::string& name) override;
  void finish_stop();

  Options options_;
  const Catalogue& catalogue_;
  std::unique_ptr<transports::OsEngine> engine_;
  StateFolder state_;
  std::unique_ptr<identity::NodeAuthority> authority_;  // before the node, which asks it
  std::unique_ptr<JoinDesk> desk_;                      // null when it has no identity
  std::unique_ptr<Node> node_;
  std::unique_ptr<admin::Server> server_;
  std::vector<std::unique_ptr<LinkSlot>> slots_;
  std::vector<std::unique_ptr<LinkServices>>
      retired_;     // their links have ended, something of theirs still runs
  FactBook facts_;  // of this node, and of those that told
  std::map<std::uint32_t, ReceiveOrder> orders_;
  std::uint32_t next_order_ = 1;
  std::unique_ptr<Timer> stop_timer_;
  std::unique_ptr<Timer> life_timer_;  // looks whether the certificate is due
  std::uint64_t stop_deadline_ns_ = 0;
  std::uint64_t started_ns_ = 0;
  std::uint64_t real_offset_ns_ = 0;
  bool stopping_ = false;
};

/// Adds every method of docs/admin.md to the node's admin socket.
void add_admin_methods(Runtime& runtime);
void add_run_methods(Runtime& runtime);
void add_tap_method(Runtime& runtime);
void add_swap_method(Runtime& runtime);

}  // namespace harness::apps
