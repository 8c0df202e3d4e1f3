// SPDX-License-Identifier: Apache-2.0
// Starting, running and stopping a node.
#include <harness/apps/common/runtime.hpp>

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/machine.hpp>
#include <harness/apps/common/node_identity.hpp>
#include <harness/stack/text.hpp>

namespace harness::apps {

namespace {

std::uint64_t clock_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}
std::uint64_t real_clock_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

// Of no domain: which only a ticket proves.
bool joins(const setup::Identity& peer, const std::string& link) {
  return peer.domain.empty() && link == join_link;
}

}  // namespace

LinkSlot::LinkSlot(Runtime& owner, const ClusterLink& of, std::string other, bool starts_here)
    : runtime(owner), declared(&of), peer(std::move(other)), dials(starts_here),
      redial_ns(Runtime::redial_ns_min), redial(
                                             [](void* self) {
                                               auto* slot = static_cast<LinkSlot*>(self);
                                               slot->runtime.dial(*slot);
                                             },
                                             this),
      renewal(
          [](void* self) {
            auto* slot = static_cast<LinkSlot*>(self);
            slot->runtime.renew_keys(*slot);
          },
          this) {}

Runtime::Runtime(Options options, const Catalogue& catalogue)
    : options_(std::move(options)), catalogue_(catalogue) {}

Result<std::unique_ptr<Runtime>> Runtime::start(Options options, const Catalogue& catalogue) {
  std::unique_ptr<Runtime> runtime(new Runtime(std::move(options), catalogue));
  if (auto opened = runtime->open(); !opened) return tl::unexpected<Error>(opened.error());
  return runtime;
}

Result<> Runtime::open() {
  const ClusterNode* self = cluster().node(options_.node);
  if (self == nullptr) {
    std::vector<std::string_view> known;
    for (const ClusterNode& node : cluster().nodes) known.push_back(node.name);
    const std::string_view meant = text::closest(options_.node, known);
    return fail(Errc::not_found, "there is no node " + text::quoted(options_.node) + " in " + cluster().file,
                "its nodes are " + text::list(std::span(std::as_const(known))),
                meant.empty() ? fmt::format("add [nodes.{}]", options_.node)
                              : fmt::format("did you mean {}?", meant));
  }
  transports::OsEngineOptions engine_options;
  if (options_.quiet)
    engine_options.log = [](LogLevel level, std::string_view line) {
      if (level >= LogLevel::warning) fmt::print(stderr, "{}\n", line);
    };
  auto engine = transports::OsEngine::make(std::move(engine_options));
  if (!engine) return tl::unexpected<Error>(engine.error());
  engine_ = std::move(*engine);
  auto state = StateFolder::open(options_.state_root, cluster().name, self->name);
  if (!state) return tl::unexpected<Error>(state.error());
  state_ = std::move(*state);
  if (auto loaded = load_identity(*self); !loaded) return loaded;
  if (const std::size_t swept = sweep_partials(state_.received()); swept != 0)
    engine_->log(LogLevel::info, fmt::format("removed {} that an earlier process left",
                                             human_count(swept, "unfinished file", "unfinished files")));

  started_ns_ = engine_->now_ns();
  real_offset_ns_ = real_clock_ns() - clock_ns();
  node_ = std::make_unique<Node>(
      *engine_, catalogue_,
      NodeOptions{self->name, self->domain, machine_host(self->host), machine_user(), authority_.get()});
  node_->set_admission(
      [this](const setup::Identity& peer, const std::string& link) { return admit(peer, link); });
  if (authority_ != nullptr)
    desk_ = std::make_unique<JoinDesk>(
        *engine_, JoinDesk::Options{options_.state_root, self->domain, cluster().file, &unix_now});
  node_->on_link([this](const std::shared_ptr<Link>& link) {
    if (desk_ != nullptr && joins(link->peer(), link->name())) return desk_->serve(link);
    for (const auto& slot : slots_)
      if (!slot->dials && slot->declared->name == link->name() && slot->peer == link->peer().name)
        attach(*slot, link);
  });
  if (auto listening = listen(*self); !listening) return listening;
  facts_[self->name] = {node_->addresses(), node_->identity().host, node_->identity().user};
  auto socket = state_.listen();
  if (!socket) return tl::unexpected<Error>(socket.error());
  auto server = admin::Server::make(*engine_, std::move(*socket));
  if (!server) return tl::unexpected<Error>(server.error());
  server_ = std::move(*server);
  add_admin_methods(*this);
  add_run_methods(*this);
  add_tap_method(*this);
  add_swap_method(*this);
  make_slots();
  for (const auto& slot : slots_)
    if (slot->dials) dial(*slot);
  return {};
}

Result<> Runtime::listen(const ClusterNode& self) {
  for (const std::string& address : self.listen) {
    auto bound = node_->listen(
        options_.any_port ? any_address(std::string_view(address).substr(0, address.find(':'))) : address);
    if (bound) continue;
    Error error = bound.error();
    if (error.code == Errc::exists)
      error.advice = fmt::format("change listen of [nodes.{}] at {}, or --any-port", self.name, self.origin);
    return tl::unexpected<Error>(error);
  }
  return {};
}

void Runtime::make_slots() {
  for (const ClusterLink& link : cluster().links)
    for (const std::string& to : link.to) {
      if (link.from == options_.node) slots_.push_back(std::make_unique<LinkSlot>(*this, link, to, true));
      if (to == options_.node) slots_.push_back(std::make_unique<LinkSlot>(*this, link, link.from, false));
    }
}

// ---- links ----

void Runtime::dial(LinkSlot& slot) {
  if (stopping_ || slot.link != nullptr) return;
  const policies::Decision decision =
      decide(cluster(), *slot.declared, slot.peer, facts_, catalogue_, authority_.get());
  if (decision.offers.empty()) return note_down(slot, policies::why_no_link(decision));
  slot.decided = decision.offers.front().stack.text();
  LinkOptions options;
  options.name = slot.declared->name;
  options.offers = offers_of(decision);
  options.needs = decision.needs;
  options.max_message = slot.declared->max_message;
  options.quota_bytes = slot.declared->quota_bytes;
  options.timeout_ns = slot.declared->timeout_ns;
  options.linger_ns = slot.declared->linger_ns;
  auto link = node_->connect(slot.peer, std::move(options));
  if (!link) return note_down(slot, link.error());
  attach(slot, *link);
}

void Runtime::attach(LinkSlot& slot, const std::shared_ptr<Link>& link) {
  retire(slot);
  slot.link = link;
  slot.services = std::make_unique<LinkServices>(*engine_, link, *this, &clock_ns);
  slot.services->on_event([this, raw = &slot](const Event& event) { on_event(*raw, event); });
  if (link->state() >= Link::State::closed)
    on_event(slot, {EventKind::peer_lost});  // it ended before we listened
}

void Runtime::on_event(LinkSlot& slot, const Event& event) {
  switch (event.kind) {
    case EventKind::swapped:
    case EventKind::not_swapped:
      arm_renewal(slot);
      if (std::exchange(slot.renewing_keys, false))  // nobody asked: whoever did meanwhile hears of its own
        return engine_->log(LogLevel::info,
                            event.kind == EventKind::swapped
                                ? fmt::format("link {} to {} has new keys", slot.declared->name, slot.peer)
                                : fmt::format("link {} to {} keeps its keys: {}", slot.declared->name,
                                              slot.peer, event.detail));
      engine_->log(LogLevel::info, fmt::format("link {} to {} {}: {}", slot.declared->name, slot.peer,
                                               to_string(event.kind), event.detail));
      if (event.kind == EventKind::swapped &&
          std::find(slot.swap_stacks.begin(), slot.swap_stacks.end(), event.detail) == slot.swap_stacks.end())
        return;  // another one's, which came first
      if (const auto told = std::exchange(slot.on_swap, nullptr)) told(event);
      return;
    case EventKind::up:
      slot.error = {Errc::ok, {}, {}, {}};
      slot.redial_ns = redial_ns_min;
      ++slot.came_up;
      engine_->log(LogLevel::info, fmt::format("link {} to {} is up: {}", slot.declared->name, slot.peer,
                                               slot.link->stack()->spec().text()));
      return arm_renewal(slot);
    case EventKind::resuming:
      if (event.code == Errc::denied) decide_above_floor(slot);
      return;
    case EventKind::resumed: return arm_renewal(slot);
    case EventKind::peer_lost:
    case EventKind::corrupt:
    case EventKind::closed: {
      Error error = slot.link->error();
      if (const auto told = std::exchange(slot.on_swap, nullptr))
        told({EventKind::not_swapped, Errc::peer_lost, "the link ended"});
      if (error.code == Errc::ok)
        error = {Errc::closed, fmt::format("{} closed the link", slot.peer), {}, {}};
      retire(slot);
      return note_down(slot, std::move(error));
    }
    case EventKind::violated:
      return engine_->log(LogLevel::error, fmt::format("link {} to {}: a promise was broken: {}",
                                                       slot.declared->name, slot.peer, event.detail));
    default: return;
  }
}

void Runtime::note_down(LinkSlot& slot, Error error) {
  if (slot.error.what != error.what && !stopping_)  // once a reason, not once an attempt
    engine_->log(LogLevel::warning,
                 fmt::format("link {} to {} is down: {}{}", slot.declared->name, slot.peer, error.what,
                             error.because.empty() ? "" : " (" + error.because + ")"));
  slot.error = std::move(error);
  if (!slot.dials || stopping_) return;
  const std::uint64_t spread = engine_->random().below(slot.redial_ns / 4 + 1);
  engine_->timers().arm(slot.redial, engine_->now_ns() + slot.redial_ns + spread);
  slot.redial_ns = std::min(2 * slot.redial_ns, redial_ns_max);
}

// The services stay until what runs on them has ended: a job may still write.
void Runtime::retire(LinkSlot& slot) {
  if (slot.services != nullptr) retired_.push_back(std::move(slot.services));
  slot.link.reset();
  engine_->post([this] { sweep(); });
}

void Runtime::sweep() {
  std::erase_if(retired_, [](const auto& services) {
    return services->idle() && services->link().state() >= Link::State::closed;
  });
}

Result<Admission> Runtime::admit(const setup::Identity& peer, const std::string& link) {
  if (desk_ != nullptr && joins(peer, link)) return desk_->admit();
  const auto slot = std::find_if(slots_.begin(), slots_.end(), [&](const auto& one) {
    return !one->dials && one->declared->name == link && one->peer == peer.name;
  });
  if (slot == slots_.end())
    return fail(
        Errc::denied, fmt::format("{} does not expect the link {} from {}", options_.node, link, peer.name),
        fmt::format("its cluster file {} declares no such link", cluster().file),
        fmt::format("add [links.{}] from = \"{}\" to = \"{}\" at both ends", link, peer.name, options_.node));
  const ClusterNode* declared = cluster().node(peer.name);
  if (declared->domain != peer.domain)
    return fail(Errc::denied, fmt::format("{} is in another domain than {} knows", peer.name, options_.node),
                fmt::format("it says {}, the cluster file says {}", peer.domain, declared->domain),
                "use the same cluster file at both ends");
  const ClusterLink& wanted = *(*slot)->declared;
  const policies::Decision decision =
      decide(cluster(), wanted, options_.node, facts_, catalogue_, authority_.get());
  return Admission{decision.needs, wanted.max_message, wanted.quota_bytes};
}

// ---- files ----

Result<Inbox::Accepted> Runtime::accept(const std::string& peer, const std::string&) {
  const auto order = std::find_if(orders_.begin(), orders_.end(), [&](const auto& one) {
    return one.second.from.empty() || one.second.from == peer;
  });
  Accepted accepted;
  accepted.writer.root = state_.received() + "/" + peer;
  accepted.done = [this](const ReceiveReport&) { engine_->post([this] { sweep(); }); };
  if (order == orders_.end()) return accepted;
  if (!order->second.into.empty()) accepted.writer.root = order->second.into;
  accepted.done = [this, peer, done = std::move(order->second.done)](const ReceiveReport& report) {
    engine_->post([this] { sweep(); });
    done(peer, report);
  };
  orders_.erase(order);
  return accepted;
}

Result<std::uint32_t> Runtime::add_order(ReceiveOrder order) {
  if (orders_.size() >= orders_max)
    return fail(Errc::exhausted, "too many wait for files", fmt::format("{} wait", orders_max),
                "stop one of them");
  if (!order.from.empty() && cluster().node(order.from) == nullptr)
    return fail(Errc::not_found, "there is no node " + text::quoted(order.from),
                "the cluster file does not have it", "harness node ls");
  orders_[next_order_] = std::move(order);
  return next_order_++;
}

// ---- finding ----

Result<LinkSlot*> Runtime::find(const std::string& name) {
  std::vector<LinkSlot*> found;
  std::vector<std::string> known;
  for (const auto& slot : slots_) {
    const std::string full = slot->peer + "/" + slot->declared->name;
    known.push_back(full);
    if (name == full) return slot.get();
    if (name == slot->declared->name || name == slot->peer) found.push_back(slot.get());
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    std::vector<std::string_view> candidates;
    for (const auto& slot : slots_) {
      candidates.push_back(slot->declared->name);
      candidates.push_back(slot->peer);
    }
    const std::string_view meant = text::closest(name, candidates);
    return fail(
        Errc::not_found, fmt::format("{} has no link {}", options_.node, text::quoted(name)),
        known.empty() ? "it has none at all" : "its links are " + text::list(std::span(std::as_const(known))),
        meant.empty() ? "harness link ls" : fmt::format("did you mean {}?", meant));
  }
  known.clear();
  for (const LinkSlot* slot : found) known.push_back(slot->peer + "/" + slot->declared->name);
  return fail(
      Errc::conflict, fmt::format("{} names {} links of {}", text::quoted(name), found.size(), options_.node),
      "they are " + text::list(std::span(std::as_const(known))), "name one of them: " + known.front());
}

Result<LinkSlot*> Runtime::find_up(const std::string& name) {
  auto slot = find(name);
  if (!slot || ((*slot)->link != nullptr && (*slot)->link->is_up())) return slot;
  const Error& why = (*slot)->error;
  return fail(Errc::unreachable,
              fmt::format("the link {} to {} is not up", (*slot)->declared->name, (*slot)->peer),
              why.code == Errc::ok
                  ? fmt::format("{} has not opened it yet", (*slot)->dials ? options_.node : (*slot)->peer)
                  : fmt::format("{}{}", why.what, why.because.empty() ? "" : ": " + why.because),
              why.advice.empty() ? fmt::format("harness node up {}", (*slot)->peer) : why.advice);
}

Result<> Runtime::set_facts(const std::string& peer, NodeFacts facts) {
  if (cluster().node(peer) == nullptr)
    return fail(Errc::not_found, "there is no node " + text::quoted(peer),
                "the cluster file does not have it", "harness config show");
  facts_[peer] = std::move(facts);
  for (const auto& slot : slots_) {
    if (!slot->dials || slot->peer != peer) continue;
    if (slot->link != nullptr && slot->link->is_up()) {
      decide_again(*slot);
      continue;
    }
    if (slot->link != nullptr) {  // it dials the old address: nobody need hear that it ended
      slot->services->on_event({});
      slot->link->close();
      retire(*slot);
    }
    slot->redial_ns = redial_ns_min;
    dial(*slot);
  }
  return {};
}

// ---- running and stopping ----

void Runtime::run() { engine_->run(); }

void Runtime::stop() {
  if (stopping_) return;
  stopping_ = true;
  for (const auto& slot : slots_) {
    slot->redial.cancel();
    if (slot->link != nullptr) slot->link->close();
  }
  if (desk_ != nullptr) desk_->close();
  stop_deadline_ns_ = engine_->now_ns() + stop_ns_max;
  stop_timer_ = std::make_unique<Timer>([](void* self) { static_cast<Runtime*>(self)->finish_stop(); }, this);
  finish_stop();
}

// When every link is closed, every job done and every reply out, or the time is up.
void Runtime::finish_stop() {
  sweep();
  const bool done = node_->links().empty() && retired_.empty() && server_->drained();
  if (done || engine_->now_ns() >= stop_deadline_ns_) return engine_->stop();
  engine_->timers().arm(*stop_timer_, engine_->now_ns() + 5'000'000);
}

// Links and services before the node, the node before the engine; jobs end with the engine.
Runtime::~Runtime() {
  server_.reset();
  stop_timer_.reset();
  slots_.clear();
  retired_.clear();
  desk_.reset();
  node_.reset();
  engine_.reset();
  state_.close();
}

}  // namespace harness::apps
