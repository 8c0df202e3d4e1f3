// SPDX-License-Identifier: Apache-2.0
// A node: a name with an engine that listens on addresses, dials names and owns the links.
//
// Set-up is one state table for all transports (stack/link.hpp). Two nodes that dial each other at the same
// time get one link: the attempt of the smaller name stands, the other side's yields and attaches to it. A
// peer that comes back with another incarnation replaces what is left of its former self.
// The node is handed its transports or makes them from the catalogue; it knows none by name. Everything on
// the engine's thread; other threads use Engine::post.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <harness/stack/flood_guard.hpp>
#include <harness/stack/link.hpp>

namespace harness {

struct NodeOptions {
  std::string name;
  std::string domain = "local";
  std::string host = {};           // equal texts: the same host; empty: never the same
  std::string user = {};           // whose process it is, among those of its host; empty: nobody else's
  Authority* authority = nullptr;  // proves who this node is, and judges others; outlives the node
};

/// What this node demands of a link that a peer opens.
struct Admission {
  Needs floor;
  std::uint32_t max_message = 0;  // 0: half the quota
  std::uint64_t quota_bytes = 16u << 20;
  std::uint64_t resume_ns = 60'000'000'000;  // how long a resumable link waits for its peer
};

class Node : private Poller, private Acceptor {
 public:
  using Admit = std::function<Result<Admission>(const setup::Identity& peer, const std::string& link)>;
  using OnLink = std::function<void(const std::shared_ptr<Link>&)>;

  static constexpr std::size_t waiting_max = 256;                   // accepted endpoints without a link yet:
                                                                    // unanswered, and as many answered
  static constexpr std::uint64_t hello_timeout_ns = 5'000'000'000;  // … and how long they may wait
  static constexpr std::uint64_t repeat_ns = 20'000'000;            // first repetition on lossy media
  static constexpr std::uint64_t back_off_ns_max = 1'000'000'000;
  static constexpr std::uint64_t cookie_ns = 120'000'000'000;  // a cookie is good for as long, at most twice

  /// Requires: a valid name and domain (setup::valid_name); engine and catalogue outlive the node.
  Node(Engine& engine, const Catalogue& catalogue, NodeOptions options);
  /// Links still open are lost to their peers; close them first and poll until links() is empty.
  ~Node() override;

  [[nodiscard]] const setup::Identity& identity() const noexcept { return identity_; }
  [[nodiscard]] Engine& engine() noexcept { return engine_; }
  [[nodiscard]] const Catalogue& catalogue() const noexcept { return catalogue_; }

  /// Adds a transport made elsewhere (loop and sim are shared by several nodes). One of each name.
  void add(std::shared_ptr<Transport> transport);
  /// Listens on "tcp:127.0.0.1:7001"; returns the address to dial, ports filled in. Errors: not_found (no
  /// such transport), and those of Transport::listen.
  Result<std::string> listen(std::string_view address);
  /// Opens a link to the node called `peer` (empty: whoever answers). The link is up, or lost with its error,
  /// later; events tell. Errors: invalid (names, no offers), exists (a link of that name to that peer is
  /// open).
  Result<std::shared_ptr<Link>> connect(const std::string& peer, LinkOptions options);
  /// The same for a stack declared as text: each stack of `spec` with the first of `addresses`
  /// ("tcp:10.0.0.2:7001") that its transport can dial, in the order of `spec`. Errors: those of resolve;
  /// invalid (no address for any stack).
  Result<std::shared_ptr<Link>> connect(const std::string& peer, std::string_view spec,
                                        const std::vector<std::string>& addresses, LinkOptions options = {});
  /// The same for needs: the cheapest stack over each address' transport, in the order of `addresses`.
  /// Errors: unsupported, with what the last transport lacks.
  Result<std::shared_ptr<Link>> connect(const std::string& peer, const Needs& needs,
                                        const std::vector<std::string>& addresses, LinkOptions options = {});
  /// Who hears of links that peers open: called before their first message, so that handlers can be set.
  void on_link(OnLink handler) { on_link_ = std::move(handler); }
  /// Decides which peers may open which links; the default admits the own domain only.
  void set_admission(Admit admit) { admit_ = std::move(admit); }

  /// The authority's floors or beliefs may have changed: a link that is below its floor now, or whose peer is
  /// believed no more, sends nothing more of the application and is lost, with the reason; whoever opened it
  /// may open another. One with a session, below the floor but believed, is `resuming` instead, code denied:
  /// whoever dials offers stacks above the floor (Link::offer), and nothing of the application is lost. Not
  /// inside a callback of a link. [stack-thread]
  void authority_changed();

  /// Links by the names of their peer and their own: a peer's is empty until it answers whoever dialled
  /// anybody.
  using Links = std::multimap<std::pair<std::string, std::string>, std::shared_ptr<Link>>;
  /// Those that are not closed or lost.
  [[nodiscard]] const Links& links() const noexcept { return links_; }
  [[nodiscard]] std::shared_ptr<Link> find(std::string_view peer, std::string_view link) const;
  /// What this node and a peer have in common (Axis::trust).
  [[nodiscard]] Properties trust_of(const setup::Identity& peer) const noexcept;
  [[nodiscard]] const std::vector<std::string>& addresses() const noexcept { return addresses_; }
  /// Set-up frames that no parser took, strangers turned away; bounded state was kept for none of them.
  [[nodiscard]] std::uint64_t refused_count() const noexcept { return refused_count_; }

 private:
  friend class Link;
  struct Waiting;  // an endpoint that dialled us, before a link exists
  struct Choice {
    StackSpec stack;
    std::uint8_t index;
  };

  unsigned poll(unsigned budget) override;
  void accepted(std::unique_ptr<Endpoint> endpoint) override;
  bool expects(Bytes frame) override;
  bool screen(Waiting& waiting, Bytes frame);
  bool screen_loaded(Waiting& waiting, const setup::Knock& knock);
  void turn_away(Waiting& waiting, const setup::Knock& knock);
  [[nodiscard]] bool greets(const setup::Knock& knock) const noexcept;
  [[nodiscard]] Code cookie_of(std::string_view address, std::uint64_t attempt, std::uint64_t period) const;
  void greet(setup::Hello& hello) const;
  void on_frame(Waiting& waiting, Message& frame);
  void on_timer(Waiting& waiting);
  void on_hello(Waiting& waiting, const setup::Hello& hello);
  void on_ready(Waiting& waiting, const setup::Ready& ready);
  Result<Choice> choose(const setup::Hello& hello, const Endpoint& endpoint,
                        const Admission& admission) const;
  [[nodiscard]] const LayerType* encrypting_offer(const setup::Hello& hello) const;
  Result<> answer(Waiting& waiting, const setup::Hello& hello, const LinkOptions& options, Choice choice,
                  const LayerType& encrypting);
  void send_accept(Waiting& waiting);
  void enter(Waiting& waiting, const setup::Hello& hello, const LinkOptions& options, Choice choice,
             std::unique_ptr<Handshake> handshake);
  [[nodiscard]] Result<std::shared_ptr<Link>> meant(const setup::Hello& hello) const;
  std::shared_ptr<Link> make_way(std::shared_ptr<Link> mine, const setup::Hello& hello);
  [[nodiscard]] bool asks_to_yield(Link& mine, const std::string& peer) const noexcept;
  void turn_away(Waiting& waiting, std::uint64_t attempt, const Error& error, bool yield = false);
  void release(Waiting& waiting) noexcept;
  [[nodiscard]] Result<Transport*> transport(std::string_view name);
  [[nodiscard]] Needs with_floor(Needs needs, const setup::Identity& peer) const noexcept;
  [[nodiscard]] Result<Checked> prove(const StackSpec& spec, const Facts& facts, const Needs& needs,
                                      const setup::Identity& peer) const;
  [[nodiscard]] Result<std::unique_ptr<Handshake>> make_handshake(const LayerType& layer, Role role) const;
  void retire(std::unique_ptr<Endpoint> endpoint);
  Result<> still_believed(const Link& link) const;
  Result<> still_allowed(const Link& link) const;
  void retire(Epoch&& epoch);
  void keep(const std::shared_ptr<Link>& link);
  std::shared_ptr<Link> take(const Link& link);
  void retire(const Link& link);

  Engine& engine_;
  const Catalogue& catalogue_;
  Authority* authority_;
  setup::Identity identity_;
  std::map<std::string, std::shared_ptr<Transport>, std::less<>> transports_;
  std::vector<std::string> addresses_;
  Links links_;
  std::list<Waiting> waiting_;
  std::list<Waiting> answered_;
  FloodGuard guard_;
  std::vector<std::unique_ptr<Endpoint>>
      dead_endpoints_;  // freed in the next turn, never inside their own callbacks
  std::vector<std::shared_ptr<Link>> dead_links_;
  std::vector<Epoch> dead_epochs_;
  std::list<Waiting> dead_waiting_;
  Admit admit_;
  OnLink on_link_;
  std::uint64_t refused_count_ = 0;
};

}  // namespace harness
