// SPDX-License-Identifier: Apache-2.0
// Transports, addresses, dialling, and freeing what ended. How peers come in: node_accept.cpp.
#include <harness/stack/node.hpp>

#include <algorithm>

#include <harness/stack/node_waiting.hpp>

namespace harness {

namespace {

Result<Admission> own_domain_only(const setup::Identity& me, const setup::Identity& peer) {
  if (peer.domain == me.domain) return Admission{};
  return fail(Errc::denied, "no link between the domains " + peer.domain + " and " + me.domain,
              "this node was not told to admit others", "admit them: Node::set_admission");
}

}  // namespace

Node::Node(Engine& engine, const Catalogue& catalogue, NodeOptions options)
    : engine_(engine), catalogue_(catalogue), authority_(options.authority),
      identity_{std::move(options.name), std::move(options.domain), std::move(options.host),
                std::move(options.user), engine.random().next()} {
  admit_ = [this](const setup::Identity& peer, const std::string&) {
    return own_domain_only(identity_, peer);
  };
  engine_.add(*this);
}

// Links that somebody still holds are lost and silent from here on.
Node::~Node() {
  for (const auto& [names, link] : Links(links_)) {
    link->on_event_ = nullptr;
    link->on_message_ = nullptr;
    link->finish(Link::State::lost, {Errc::cancelled, "the node " + identity_.name + " ended", {}, {}},
                 EventKind::peer_lost);
  }
}

void Node::add(std::shared_ptr<Transport> transport) {
  const std::string name(transport->name());
  transports_.emplace(name, std::move(transport));
}

Result<Transport*> Node::transport(std::string_view name) {
  if (const auto found = transports_.find(name); found != transports_.end()) return found->second.get();
  const TransportType* type = catalogue_.transport(name);
  if (type == nullptr || type->make == nullptr)
    return fail(Errc::not_found, "no transport " + std::string(name), "this program was built without it",
                "harness doctor lists the transports");
  auto made = type->make(engine_, OptionValues(type->options));
  if (!made) return tl::unexpected<Error>(made.error());
  Transport* raw = made->get();
  engine_.add(*raw);
  transports_.emplace(std::string(name), std::move(*made));
  return raw;
}

Result<std::string> Node::listen(std::string_view address) {
  const std::size_t colon = address.find(':');
  if (colon == std::string_view::npos)
    return fail(Errc::invalid, "no address: " + std::string(address), "the transport's name is missing",
                "write it as tcp:127.0.0.1:7001");
  const auto name = address.substr(0, colon);
  auto found = transport(name);
  if (!found) return tl::unexpected<Error>(found.error());
  auto bound = (*found)->listen(address.substr(colon + 1), *this);
  if (!bound) return bound;
  addresses_.push_back(std::string(name) + ":" + *bound);
  return addresses_.back();
}

std::shared_ptr<Link> Node::find(std::string_view peer, std::string_view link) const {
  const auto found = links_.find({std::string(peer), std::string(link)});
  return found == links_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<Link>> Node::connect(const std::string& peer, LinkOptions options) {
  if (!setup::valid_name(options.name) || (!peer.empty() && !setup::valid_name(peer)))
    return fail(Errc::invalid, "not a name: " + (setup::valid_name(options.name) ? peer : options.name),
                "names are 1 to 64 letters, digits, '.', '_' and '-'", "rename it");
  if (options.offers.empty())
    return fail(Errc::invalid, "nothing to offer to " + peer, "the link has no stack",
                "give it a stack or needs");
  if (!peer.empty() && find(peer, options.name) != nullptr)
    return fail(Errc::exists, "link " + options.name + " to " + peer + " is open", {},
                "give this one another name");
  std::shared_ptr<Link> link(new Link(*this, std::move(options), Role::initiator));
  link->peer_.name = peer;
  keep(link);
  link->dial();
  return link;
}

Needs Node::with_floor(Needs needs, const setup::Identity& peer) const noexcept {
  needs = with_domain_floor(std::move(needs), trust_of(peer));
  if (authority_ != nullptr) needs.word = needs.word | authority_->floor(peer.domain);
  return needs;
}

// check with all floors; says when it is the authority's that is not met.
Result<Checked> Node::prove(const StackSpec& spec, const Facts& facts, const Needs& needs,
                            const setup::Identity& peer) const {
  auto proved = check(spec, facts, with_floor(needs, peer), catalogue_);
  if (proved || authority_ == nullptr) return proved;
  const Properties floor = authority_->floor(peer.domain);
  if (!floor_bars(spec, facts, needs, floor)) return proved;
  return tl::unexpected<Error>(
      floor_not_met(std::move(proved.error()), identity_.domain, peer.domain, floor));
}

Result<> Node::still_believed(const Link& link) const {
  const Principal* peer = link.proven();
  return peer == nullptr ? Result<>() : authority_->still_believed(*peer);
}

// Each of its stacks is at the floor.
Result<> Node::still_allowed(const Link& link) const {
  for (const Epoch* epoch : link.epochs())
    if (auto proved = prove(epoch->stack->spec(), epoch->facts, link.options_.needs, link.peer_); !proved)
      return tl::unexpected<Error>(std::move(proved.error()));
  return {};
}

void Node::authority_changed() {
  if (authority_ == nullptr) return;
  for (const auto& [names, link] : Links(links_)) {
    if (link->epoch_.stack == nullptr || link->stale_) continue;
    if (auto believed = still_believed(*link); !believed)
      link->cut_off(std::move(believed.error()));
    else if (auto good = still_allowed(*link); !good)
      link->fall_below(std::move(good.error()));
  }
}

Result<std::unique_ptr<Handshake>> Node::make_handshake(const LayerType& layer, Role role) const {
  if (authority_ == nullptr)
    return fail(Errc::denied, "node " + identity_.name + " cannot prove who it is",
                "it has no certificate, and the link is to be encrypted",
                "get one: harness node enroll " + identity_.name);
  return layer.handshake(role, *authority_);
}

Properties Node::trust_of(const setup::Identity& peer) const noexcept {
  if (peer.domain != identity_.domain) return property::none;
  if (peer.host != identity_.host || peer.host.empty()) return property::same_domain;
  if (peer.user != identity_.user || peer.user.empty()) return property::same_host;
  return property::same_user;
}

// What is retired is freed in the next turn, which comes although nothing else may happen any more.
void Node::retire(std::unique_ptr<Endpoint> endpoint) {
  dead_endpoints_.push_back(std::move(endpoint));
  engine_.post([] {});
}

// An endpoint that it still has is cut off.
void Node::retire(Epoch&& epoch) {
  if (epoch.endpoint != nullptr) {
    epoch.endpoint->attach({});
    epoch.endpoint->close(0);
    retire(std::move(epoch.endpoint));
  }
  dead_epochs_.push_back(std::move(epoch));
  engine_.post([] {});
}

void Node::keep(const std::shared_ptr<Link>& link) {
  links_.emplace(std::pair(link->peer().name, link->name()), link);
}

std::shared_ptr<Link> Node::take(const Link& link) {
  const auto [first, last] = links_.equal_range({link.peer().name, link.name()});
  const auto at = std::find_if(first, last, [&](const auto& mine) { return mine.second.get() == &link; });
  return at == last ? nullptr : std::move(links_.extract(at).mapped());
}

void Node::retire(const Link& link) {
  auto taken = take(link);
  if (taken == nullptr) return;
  dead_links_.push_back(std::move(taken));
  engine_.post([] {});
}

unsigned Node::poll(unsigned) {
  if (dead_waiting_.empty() && dead_endpoints_.empty() && dead_links_.empty() && dead_epochs_.empty())
      [[likely]]
    return 0;  // every turn asks
  dead_waiting_.clear();
  // What ends with a stack may end other links: that is for the next turn.
  std::exchange(dead_epochs_, {}).clear();
  std::vector<std::shared_ptr<Link>> dead = std::exchange(dead_links_, {});
  // An endpoint that still drains stays until it is done or its linger ends; it tells so by drained().
  std::erase_if(dead_endpoints_, [](const auto& endpoint) { return endpoint->drained(); });
  for (auto& link : dead) {
    if (link->epoch_.endpoint != nullptr) {
      dead_links_.push_back(std::move(link));
    } else {
      link->epoch_.stack.reset();  // what its layers kept goes back, although somebody may keep the link
    }
  }
  return 0;
}

}  // namespace harness
