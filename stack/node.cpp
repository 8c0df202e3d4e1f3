// SPDX-License-Identifier: Apache-2.0
// Listening, accepting, admitting, simultaneous opens, and freeing what ended.
#include <harness/stack/node.hpp>

#include <algorithm>

namespace harness {

// An endpoint that dialled us and has not said HELLO yet. Bounded in number and time.
struct Node::Waiting {
  Waiting(Node& owner, std::unique_ptr<Endpoint> dialled)
      : node(owner), endpoint(std::move(dialled)),
        timer([](void* self) { static_cast<Waiting*>(self)->node.release(*static_cast<Waiting*>(self)); },
              this) {}
  Node& node;
  std::unique_ptr<Endpoint> endpoint;
  Timer timer;
};

namespace {

Result<Admission> own_domain_only(const setup::Identity& me, const setup::Identity& peer) {
  if (peer.domain == me.domain) return Admission{};
  return fail(Errc::denied, "no link between the domains " + peer.domain + " and " + me.domain,
              "links between domains must be encrypted and no encrypting layer is known to this node",
              "declare the link with allow_clear = true at both ends");
}

}  // namespace

Needs with_domain_floor(Needs needs, Properties trust) noexcept {
  if (property::level(trust, Axis::trust) == 0 && !needs.allow_clear)
    needs.word = needs.word | property::encrypted | property::authenticated | property::covered;
  return needs;
}

Node::Node(Engine& engine, const Catalogue& catalogue, NodeOptions options)
    : engine_(engine), catalogue_(catalogue),
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
  std::shared_ptr<Transport> made = type->make(engine_, OptionValues(type->options));
  Transport* raw = made.get();
  engine_.add(*raw);
  transports_.emplace(std::string(name), std::move(made));
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

Properties Node::trust_of(const setup::Identity& peer) const noexcept {
  if (peer.domain != identity_.domain) return property::none;
  if (peer.host != identity_.host || peer.host.empty()) return property::same_domain;
  if (peer.user != identity_.user || peer.user.empty()) return property::same_host;
  return property::same_user;
}

void Node::accepted(std::unique_ptr<Endpoint> endpoint) {
  if (waiting_.size() >= waiting_max) release(waiting_.front());  // the oldest stranger goes
  Waiting& waiting = waiting_.emplace_back(*this, std::move(endpoint));
  Receiver receiver;
  receiver.self = &waiting;
  receiver.setup = [](void* self, Message& frame) {
    auto* at = static_cast<Waiting*>(self);
    at->node.on_first_frame(*at, frame);
  };
  receiver.event = [](void* self, const Event& event) {
    auto* at = static_cast<Waiting*>(self);
    if (event.kind != EventKind::writable) at->node.release(*at);
  };
  waiting.endpoint->attach(receiver);
  engine_.timers().arm(waiting.timer, engine_.now_ns() + hello_timeout_ns);
}

// The structure is freed in the next turn: this may run inside its endpoint's callback.
void Node::release(Waiting& waiting) noexcept {
  waiting.timer.cancel();
  if (waiting.endpoint != nullptr) {
    waiting.endpoint->attach({});
    waiting.endpoint->close(hello_timeout_ns);
    retire(std::move(waiting.endpoint));
  }
  for (auto at = waiting_.begin(); at != waiting_.end(); ++at)
    if (&*at == &waiting) return dead_waiting_.splice(dead_waiting_.end(), waiting_, at);
}

void Node::turn_away(Waiting& waiting, std::uint64_t attempt, const Error& error, bool yield) {
  ++refused_count_;
  Message frame = setup::write(
      engine_.pool(), setup::Refuse{attempt, error.code, yield, error.what, error.because, error.advice});
  if (frame) (void)waiting.endpoint->send_setup(std::move(frame));
  release(waiting);
}

void Node::on_first_frame(Waiting& waiting, Message& frame) {
  auto parsed = setup::parse(frame.gathered(engine_.pool()));
  const auto* hello = parsed ? std::get_if<setup::Hello>(&*parsed) : nullptr;
  if (hello == nullptr)
    return turn_away(
        waiting, 0, parsed ? Error{Errc::corrupt, "the first frame is not a HELLO", {}, {}} : parsed.error());
  on_hello(waiting, *hello);
}

// The link of ours that the HELLO is about, when both sides dialled or the peer came back; null: none.
Result<std::shared_ptr<Link>> Node::rival(const setup::Hello& hello) {
  const std::shared_ptr<Link> mine = find(hello.from.name, hello.link);
  if (mine == nullptr) return mine;
  if (mine->state() == Link::State::dialing) return mine;
  if (mine->peer().incarnation == hello.from.incarnation)
    return fail(Errc::exists,
                "link " + hello.link + " between " + hello.from.name + " and " + identity_.name + " is open",
                "it is " + std::string(to_string(mine->state())), "give the second link another name");
  mine->finish(Link::State::lost, {Errc::peer_lost, hello.from.name + " came back as a new process", {}, {}},
               EventKind::peer_lost);
  return std::shared_ptr<Link>();
}

// The link that the HELLO wants to go on with. The peer may have noticed a lost connection that we have not.
Result<std::shared_ptr<Link>> Node::resumed(const setup::Hello& hello) {
  const std::shared_ptr<Link> mine = find(hello.from.name, hello.link);
  if (mine == nullptr || !mine->session_is(hello))
    return fail(Errc::not_found, "the session of link " + hello.link + " is gone",
                identity_.name + " has ended it, or is a new process", "open the link again");
  if (mine->state() != Link::State::resuming)
    mine->stack_->event({EventKind::peer_lost, Errc::peer_lost, "the peer dials again"});
  return mine;
}

// Both sides dialled: the smaller name's attempt stands, unless it got nowhere while the other side came
// through twice.
bool Node::asks_to_yield(Link& mine, const std::string& peer) const noexcept {
  constexpr std::uint8_t yields_asked_max = 2;
  if (identity_.name >= peer || mine.endpoint_ == nullptr || mine.yields_asked_ >= yields_asked_max)
    return false;
  ++mine.yields_asked_;
  return true;
}

void Node::on_hello(Waiting& waiting, const setup::Hello& hello) {
  if (!hello.to.empty() && hello.to != identity_.name)
    return turn_away(waiting, hello.attempt,
                     {Errc::conflict, "this node is not " + hello.to, "its name is " + identity_.name,
                      "dial it as " + identity_.name + ", or correct the address of " + hello.to});
  auto mine = hello.session != 0 ? resumed(hello) : rival(hello);
  if (!mine) return turn_away(waiting, hello.attempt, mine.error());
  if (*mine != nullptr && hello.session == 0 && asks_to_yield(**mine, hello.from.name))
    return turn_away(waiting, hello.attempt,
                     {Errc::exists, "both sides dialled", "the smaller name's attempt stands", {}}, true);
  auto admission = admit_(hello.from, hello.link);
  if (!admission) return turn_away(waiting, hello.attempt, admission.error());
  auto choice = choose(hello, *waiting.endpoint, *admission);
  if (!choice) return turn_away(waiting, hello.attempt, choice.error());

  std::shared_ptr<Link> link = *mine;
  if (link == nullptr) {
    LinkOptions options;
    options.name = hello.link;
    options.needs = admission->floor;
    options.max_message = admission->max_message;
    options.quota_bytes = admission->quota_bytes;
    options.resume_ns = admission->resume_ns;
    link.reset(new Link(*this, std::move(options), Role::responder));
    link->peer_ = hello.from;
    keep(link);
    if (on_link_) on_link_(link);
  }
  std::unique_ptr<Endpoint> endpoint = std::move(waiting.endpoint);
  release(waiting);
  link->accept(std::move(endpoint), hello, std::move(choice->stack), choice->index);
}

// The first offer that is ours, has the hash we compute, stands on this transport and passes check.
Result<Node::Choice> Node::choose(const setup::Hello& hello, const Endpoint& endpoint,
                                  const Admission& admission) const {
  const Properties trust = trust_of(hello.from);
  Error first{Errc::invalid, "nothing was offered", {}, {}};
  for (std::size_t i = 0; i < hello.offers.size(); ++i) {
    auto refused = [&](Error error) {
      if (i == 0) first = std::move(error);
    };
    auto spec = stack_from(hello.offers[i].stack, catalogue_);
    if (!spec) {
      refused(spec.error());
      continue;
    }
    if (spec->hash() != hello.offers[i].hash) {
      refused({Errc::conflict, "the two nodes read the same stack differently",
               "the hashes of " + spec->text() + " differ", "run the same release on both nodes"});
      continue;
    }
    if (!endpoint.peer_address().starts_with(std::string(spec->transport->name) + ":")) {
      refused({Errc::unsupported, "the offer " + spec->text() + " arrived over another transport",
               endpoint.peer_address(), "dial the address of its own transport"});
      continue;
    }
    Needs floor = admission.floor;
    floor.allow_clear = floor.allow_clear && hello.allow_clear;
    if (!floor.allow_clear) floor = with_domain_floor(floor, trust);
    const Facts facts = spec->transport->facts(spec->transport_options, trust);
    if (auto proved = check(*spec, facts, floor, catalogue_); !proved) {
      refused(proved.error());
      continue;
    }
    return Choice{std::move(*spec), static_cast<std::uint8_t>(i)};
  }
  return tl::unexpected<Error>(std::move(first));
}

// What is retired is freed in the next turn, which comes although nothing else may happen any more.
void Node::retire(std::unique_ptr<Endpoint> endpoint) {
  dead_endpoints_.push_back(std::move(endpoint));
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
  dead_waiting_.clear();
  // An endpoint that still drains stays until it is done or its linger ends; it tells so by drained().
  std::erase_if(dead_endpoints_, [](const auto& endpoint) { return endpoint->drained(); });
  std::erase_if(dead_links_, [](const auto& link) {
    if (link->endpoint_ != nullptr) return false;
    link->stack_.reset();  // what its layers kept goes back, although somebody may keep the link
    return true;
  });
  return 0;
}

}  // namespace harness
