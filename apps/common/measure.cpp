// SPDX-License-Identifier: Apache-2.0
// Two stacks back to back: what one sends the other delivers. Layer k costs what the lower k+1 layers take
// more than the lower k.
#include <harness/apps/common/measure.hpp>

#include <algorithm>
#include <chrono>

#include <harness/stack/stack.hpp>
#include <harness/transports/engine.hpp>

namespace harness::apps {

namespace {

constexpr int messages_per_run = 2000;
constexpr int runs = 21;
constexpr std::uint32_t body_bytes = 64;
constexpr double not_measured = -1;

// The lower end of the sending stack: hands every frame to the receiving one at once.
struct Wire {
  Pool& pool;
  Entry up{};
  static void send(void* self, const Entry*, harness_message* message) {
    auto* wire = static_cast<Wire*>(self);
    Message frame = std::move(Message::from_c(message));
    if (wire->up.fn == nullptr || !frame.as_received(wire->pool)) return;
    wire->up.fn(wire->up.self, wire->up.next, frame.c());
  }
};

double one_run(Stack& stack, Pool& pool) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < messages_per_run; ++i) {
    Message message = Message::make(pool, body_bytes);
    if (stack.send(std::move(message)) != Errc::ok) return not_measured;
  }
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  return took.count() / messages_per_run;
}

double measure(Engine& engine, const StackSpec& spec) {
  Gate sending, receiving;
  Wire down{engine.pool()}, back{engine.pool()};
  const Facts facts = spec.transport->facts(spec.transport_options, property::same_domain);
  const auto foundation = [&](Wire& below, Gate& gate, Role role) {
    Foundation on{engine, {&Wire::send, &below, nullptr}, facts, gate};
    on.role = role;
    return on;
  };
  const auto ignore = [](void*, const Event&) {};
  const auto drop = [](void*, Message&) {};
  auto receiver = Stack::build(spec, foundation(back, receiving, Role::responder), drop, ignore, nullptr);
  auto sender = Stack::build(spec, foundation(down, sending, Role::initiator), drop, ignore, nullptr);
  if (!receiver || !sender) return not_measured;
  down.up = (*receiver)->up();
  back.up = (*sender)->up();
  (*receiver)->event({EventKind::up});
  (*sender)->event({EventKind::up});
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) times.push_back(one_run(**sender, engine.pool()));
  std::sort(times.begin(), times.end());
  back.up = {};  // the sender goes first
  return times.front() < 0 ? not_measured : times[runs / 2];
}

}  // namespace

std::vector<double> measure_layers(const StackSpec& spec) {
  auto engine = transports::OsEngine::make();
  if (!engine) return {};
  std::vector<double> result(spec.layers.size());
  StackSpec part = spec;
  part.layers.clear();
  double before = measure(**engine, part);
  for (std::size_t i = spec.layers.size(); i-- > 0;) {
    part.layers.insert(part.layers.begin(), spec.layers[i]);
    const double now = measure(**engine, part);
    if (now < 0) return {};
    result[i] = std::max(0.0, now - before);
    before = now;
  }
  return result;
}

}  // namespace harness::apps
