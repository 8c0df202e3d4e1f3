// SPDX-License-Identifier: Apache-2.0
// See run.hpp.
#include <harness/tests/sim/run.hpp>

#include <fmt/format.h>

#include <harness/layers/heartbeat.hpp>
#include <harness/layers/reliable.hpp>
#include <harness/stack/node.hpp>
#include <harness/tests/support/seeded_keys.hpp>
#include <harness/tests/support/test_authority.hpp>

namespace harness::tests {

using transports::Sim;
using transports::SimEngine;
using transports::SimWorld;

namespace {

constexpr std::uint64_t limit_ns = 60'000'000'000;      // of virtual time, until both ends have closed
constexpr unsigned flapping = 20;                       // contacts lost
constexpr std::uint64_t resume_ns = 5'000'000'000;      // how long a resumable link looks for its peer
constexpr std::uint64_t aftermath_ns = 20'000'000'000;  // lingering endpoints, half-open links, late frames

// One process: engine, node, transport, application. Destroyed in the order in which a process would end.
struct Side {
  TestAuthority authority;
  SimEngine* engine = nullptr;
  std::shared_ptr<Sim> sim;
  std::unique_ptr<Talker> talker;
  std::unique_ptr<Node> node;
  std::shared_ptr<Link> link;
  bool crashed = false;
};

class Run {
 public:
  Run(const Scenario& scenario, const Catalogue& catalogue, bool keep_trace)
      : scenario_(scenario), catalogue_(catalogue), keys_(scenario.seed), world_(scenario.seed),
        flows_{Flow{"a>b", scenario.seed * 2, verdict_}, Flow{"b>a", scenario.seed * 2 + 1, verdict_}} {
    world_.keep_trace(keep_trace);
    for (const unsigned side : {0u, 1u}) build(side);
    for (const unsigned side : {0u, 1u})
      world_.path(*sides_[side].engine, *sides_[1 - side].engine) = scenario_.paths[side];
    // Where bytes may be damaged unseen nothing else can be judged: a flipped sequence number is a lost
    // message.
    judged_ = scenario_.given.word.covers(property::checked16) || !may_be_damaged();
    for (Flow& flow : flows_) flow.promise(judged_ ? scenario_.given.word : property::none);
  }

  Outcome go() {
    connect();
    for (const Incident& incident : scenario_.incidents)
      world_.at(incident.at_ns, [this, &incident] { happen(incident); });
    world_.run_until([this] { return may_close(); }, limit_ns);
    start_closing();
    world_.run_until([this] { return ended(0) && ended(1); }, limit_ns);
    audit_ends();
    for (const unsigned side : {0u, 1u})
      if (!sides_[side].crashed) sides_[side].talker->drop();
    world_.run_for(aftermath_ns);
    for (const unsigned side : {0u, 1u})
      if (!sides_[side].crashed) tear_down(side);
    return outcome();
  }

 private:
  void build(unsigned side) {
    Side& at = sides_[side];
    at.engine = &world_.add(side == 0 ? "a" : "b", scenario_.engines[side]);
    at.authority.rename("lab", at.engine->name());
    at.node = std::make_unique<Node>(*at.engine, catalogue_,
                                     NodeOptions{at.engine->name(), "lab", {}, {}, &at.authority});
    at.sim = std::make_shared<Sim>(*at.engine, scenario_.medium);
    at.node->add(at.sim);
    at.talker = std::make_unique<Talker>(*at.engine, scenario_.talkers[side], scenario_.seed ^ (side + 1),
                                         flows_[side], flows_[1 - side], verdict_);
    at.node->set_admission([this, side](const setup::Identity&, const std::string&) -> Result<Admission> {
      Admission admission;
      admission.quota_bytes = scenario_.quota_bytes[side];
      admission.resume_ns = resume_ns;
      return admission;
    });
    at.node->on_link([this, side](const std::shared_ptr<Link>& link) { take(side, link); });
    const auto address = at.node->listen("sim::7");
    if (!address) verdict_.fail(address.error().text());
  }
  void take(unsigned side, const std::shared_ptr<Link>& link) {
    if (may_be_lost() && sides_[side].link != nullptr)
      return link->close();  // from the late HELLO of a peer that was given up
    if (sides_[side].link != nullptr) return verdict_.fail("a second link at " + sides_[side].engine->name());
    sides_[side].link = link;
    sides_[side].talker->take(link);
  }
  void connect() {
    for (const unsigned side : {0u, 1u}) {
      if (side == 1 && !scenario_.both_dial) continue;
      LinkOptions options;
      options.quota_bytes = scenario_.quota_bytes[side];
      options.resume_ns = resume_ns;
      options.offers = {{scenario_.stack, side == 0 ? "b:7" : "a:7"}};
      auto link = sides_[side].node->connect(side == 0 ? "b" : "a", std::move(options));
      if (!link) return verdict_.fail(link.error().text());
      take(side, *link);
    }
  }

  [[nodiscard]] bool may_be_damaged() const {
    const auto& layers = scenario_.stack.layers;
    return scenario_.has(Trouble::corruption) || std::any_of(layers.begin(), layers.end(), [](auto& layer) {
             return layer.type->descriptor->contract.clears.intersects(property::checked16);
           });
  }

  void happen(const Incident& incident) {
    Side& at = sides_[incident.side];
    Side& other = sides_[1 - incident.side];
    if (at.crashed || other.crashed) return;
    switch (incident.kind) {
      case Incident::Kind::cut: return world_.cut(*at.engine, *other.engine, true);
      case Incident::Kind::heal: return world_.cut(*at.engine, *other.engine, false);
      case Incident::Kind::jump: return at.engine->jump(incident.by_ns);
      case Incident::Kind::stall: return at.engine->stall(static_cast<std::uint64_t>(incident.by_ns));
      case Incident::Kind::crash: return crash(incident.side);
    }
  }
  void crash(unsigned side) {
    sides_[side].crashed = true;
    sides_[side].engine->crash();
    sides_[side].talker->drop();
    tear_down(side);
    hears_by_ns_ = world_.now_ns() + notice_ns_max();
    // Nobody may tell the other side; its application loses patience after a while.
    world_.at(hears_by_ns_ + 2'000'000'000, [this, survivor = 1 - side] {
      if (!ended(survivor))
        sides_[survivor].engine->post([this, survivor] { sides_[survivor].talker->close(); });
    });
  }

  // ---- the end of a run ----

  [[nodiscard]] bool ended(unsigned side) const {
    return sides_[side].crashed || sides_[side].link == nullptr || sides_[side].talker->ended();
  }
  [[nodiscard]] bool may_close() const {
    for (const unsigned side : {0u, 1u})
      if (sides_[side].crashed)
        return ended(1 - side) || !must_hear_of_death(1 - side) || world_.now_ns() > hears_by_ns_;
    if (scenario_.close_early) return sides_[scenario_.closer].talker->done();
    return sides_[0].talker->done() && sides_[1].talker->done();
  }
  // A death notice is promised, and nothing is in its way: a path that is cut when its engine goes stays cut.
  [[nodiscard]] bool must_hear_of_death(unsigned survivor) const {
    const Talker& talker = *sides_[survivor].talker;
    return judged_ && scenario_.given.word.covers(property::death_within) &&
           !scenario_.has(Trouble::partition) && talker.link() != nullptr && talker.link()->is_up();
  }
  // What the slowest notice of the stack takes, and as much again.
  [[nodiscard]] std::uint64_t notice_ns_max() const {
    std::uint64_t most_ns = 500'000'000;
    for (const BoundLayer& layer : scenario_.stack.layers)
      if (layer.type->descriptor->name == layers::Heartbeat::descriptor.name)
        most_ns = std::max(most_ns,
                           1000 * static_cast<std::uint64_t>(layer.options[layers::Heartbeat::interval] *
                                                             (layer.options[layers::Heartbeat::missed] + 1)));
    for (const BoundLayer& layer : scenario_.stack.layers)
      if (layer.type->descriptor->name ==
          layers::Reliable::descriptor.name)  // a probe may be half as long off
        most_ns =
            std::max(most_ns, 1500 * static_cast<std::uint64_t>(layer.options[layers::Reliable::patience]));
    return 2 * most_ns;
  }
  void start_closing() {
    for (const unsigned side : {0u, 1u}) {
      if (sides_[1 - side].crashed && !sides_[side].crashed && !ended(side) && must_hear_of_death(side))
        verdict_.fail(fmt::format("{}: its peer died and no notice came in {} ms",
                                  sides_[side].engine->name(), notice_ns_max() / 1'000'000));
      const bool wants = side == scenario_.closer || sides_[1 - side].crashed;
      if (sides_[side].crashed || !wants) continue;
      // A connection that does not hold (damage, impatient heartbeats) may not carry everything in time.
      const bool holds = sides_[side].talker->lost_contacts() < flapping;
      if (judged_ && holds && !sides_[side].talker->done() && !sides_[1 - side].crashed &&
          !came_too_late(side))
        explain_stuck(side);
      sides_[side].engine->post([this, side] { sides_[side].talker->close(); });
    }
  }
  // A responder has its link when the peer has proved itself: some do not live that long.
  [[nodiscard]] bool came_too_late(unsigned side) const {
    const Side& other = sides_[1 - side];
    return sides_[side].link == nullptr && (other.crashed || other.talker->ended());
  }
  void explain_stuck(unsigned side) {
    const Talker& talker = *sides_[side].talker;
    verdict_.fail(fmt::format(
        "{}: {} of {} messages sent after {} s (link {}, was up: {})", sides_[side].engine->name(),
        flows_[side].sent_count(), scenario_.talkers[side].messages, limit_ns / 1'000'000'000,
        talker.link() != nullptr ? to_string(talker.link()->state()) : "not there", talker.was_up()));
  }

  // A link may be lost only by what can cost it its life.
  [[nodiscard]] bool may_be_lost() const {
    if (scenario_.crashes()) return true;
    // A layer that promises to notice death takes a long silence for one, whatever the medium promises.
    const auto& layers = scenario_.stack.layers;
    const bool heartbeat = std::any_of(layers.begin(), layers.end(), [](const BoundLayer& layer) {
      return layer.type->descriptor->contract.adds.covers(property::death_within);
    });
    const bool checks = scenario_.has(Trouble::corruption) || scenario_.has(Trouble::fault_layer);
    return heartbeat || checks;
  }
  void audit_ends() {
    bool in_order = true;
    for (const unsigned side : {0u, 1u}) {
      const Side& at = sides_[side];
      if (at.crashed) {
        in_order = false;
        continue;
      }
      if (came_too_late(side)) continue;
      at.talker->judge();
      if (!at.talker->ended()) {
        in_order = false;
        verdict_.fail(fmt::format("{}: the link never ended, it is {}", at.engine->name(),
                                  at.link != nullptr ? to_string(at.link->state()) : "not there"));
        continue;
      }
      const Event& end = at.talker->end();
      in_order = in_order && end.kind == EventKind::closed && end.code == Errc::ok;
      if (end.kind != EventKind::closed && !may_be_lost())
        verdict_.fail(fmt::format("{}: lost the link without a cause: {} {}", at.engine->name(),
                                  to_string(end.kind), at.link->error().text()));
    }
    closed_in_order_ = in_order;
    if (in_order)
      for (Flow& flow : flows_) flow.finish();
  }

  void tear_down(unsigned side) {
    Side& at = sides_[side];
    const std::string name = at.engine->name();
    up_ = up_ || at.talker->was_up();
    if (!at.crashed && !at.node->links().empty()) verdict_.fail(name + ": the node still has a link");
    const std::uint64_t quota_used = at.link != nullptr ? at.link->quota().used_bytes() : 0;
    if (!at.crashed && quota_used != 0)
      verdict_.fail(fmt::format("{}: {} bytes of quota still used", name, quota_used));
    at.talker.reset();
    at.link.reset();
    at.node.reset();
    if (at.sim->counters().beyond_reserve != 0)
      verdict_.fail(
          fmt::format("{}: {} frames were sent although held", name, at.sim->counters().beyond_reserve));
    if (!at.crashed && at.sim->endpoint_count() != 0) verdict_.fail(name + ": an endpoint is left");
    at.sim.reset();
    Pool& pool = at.engine->pool();
    if (pool.alive_count() != 0)
      verdict_.fail(fmt::format("{}: {} slabs not given back", name, pool.alive_count()));
    if (pool.held_bytes() > memory_bytes_max(side))
      verdict_.fail(fmt::format("{}: the pool grew to {} bytes, expected at most {}", name, pool.held_bytes(),
                                memory_bytes_max(side)));
    if (at.engine->timers().next_due_ns() != ~std::uint64_t{0})
      verdict_.fail(name + ": a timer is still armed");
    world_.remove(*at.engine);
  }
  // What a link may hold: received bytes by the quota, one unfinished message a channel, the queue of the
  // medium.
  [[nodiscard]] std::uint64_t memory_bytes_max(unsigned side) const {
    const std::uint64_t message =
        std::min<std::uint64_t>(scenario_.given.max_message, scenario_.talkers[side].large_bytes_max);
    return 4 * scenario_.quota_bytes[side] + 64 * message + (4 << 20);
  }

  Outcome outcome() {
    Outcome result;
    result.failures = verdict_.lines();
    result.trace_hash = world_.trace_hash();
    result.events = world_.events();
    result.virtual_ns = world_.now_ns();
    for (const Flow& flow : flows_) {
      result.sent += flow.sent_count();
      result.delivered += flow.delivered_count();
    }
    result.up = up_;
    result.closed_in_order = closed_in_order_;
    result.trace = world_.trace();
    return result;
  }

  const Scenario& scenario_;
  const Catalogue& catalogue_;
  SeededKeys keys_;  // before everything that draws one
  Verdict verdict_;
  SimWorld world_;
  std::array<Flow, 2> flows_;
  std::array<Side, 2> sides_;
  bool judged_ = true;
  std::uint64_t hears_by_ns_ = 0;  // when a side has crashed: the other one has heard of it
  bool closed_in_order_ = false;
  bool up_ = false;
};

}  // namespace

Outcome run(const Scenario& scenario, const Catalogue& catalogue, bool keep_trace) {
  return Run(scenario, catalogue, keep_trace).go();
}

}  // namespace harness::tests
