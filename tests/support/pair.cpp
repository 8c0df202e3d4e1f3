// SPDX-License-Identifier: Apache-2.0
// See pair.hpp.
#include <harness/tests/support/pair.hpp>

#include <algorithm>
#include <stdexcept>

#include <harness/tests/support/described.hpp>
#include <harness/tests/support/test_authority.hpp>

namespace harness::tests {

namespace {

std::string body_of(const Message& message) {
  std::string body;
  message.each_run([&](Bytes run) {
    body.append(as_text(run));
    return true;
  });
  return body;
}

}  // namespace

Errc Pair::End::send(std::string_view body, unsigned channel, unsigned priority) {
  Message message = Message::copy_of(pair->engine.pool(), body);
  message.note().channel = static_cast<std::uint16_t>(channel);
  message.note().priority = static_cast<std::uint8_t>(priority);
  return stack->send(std::move(message));
}

unsigned Pair::End::count(EventKind kind) const {
  return static_cast<unsigned>(
      std::count_if(events.begin(), events.end(), [&](const auto& event) { return event.first == kind; }));
}

std::uint64_t Pair::End::value(std::string_view layer, std::string_view name) const {
  return Described(*stack, layer)[name];
}

Pair::Pair(std::vector<BoundLayer> layers, Medium medium)
    : engine(medium.seed), medium_(std::move(medium)), random_(medium_.seed) {
  StackSpec spec;
  spec.layers = std::move(layers);
  for (const BoundLayer& layer : spec.layers)
    if (layer.type->handshake != nullptr) hands_ = shaken_hands(*layer.type);
  for (unsigned i = 0; i < 2; ++i) {
    ends[i].pair = this;
    ends[i].index = i;
    ends[i].quota = Quota::make(medium_.quota_bytes);
    ends[i].regions = std::make_unique<Regions>(random_);
    wires[i].frames.reserve(4096);
    auto built = Stack::build(spec, foundation(ends[i]), &deliver, &notify, &ends[i]);
    if (!built) throw std::runtime_error(built.error().text());
    ends[i].stack = std::move(*built);
  }
  for (End& end : ends) end.stack->event({EventKind::up});
  for (End& end : ends) end.events.clear(), end.details.clear();
}

Pair::~Pair() {
  for (Wire& wire : wires) wire.frames.clear();
  for (End& end : ends) {
    end.kept.clear();
    end.stack.reset();
  }
}

Foundation Pair::foundation(End& end) {
  const std::uint32_t most =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(medium_.quota_bytes / 2, message_bytes_max));
  return Foundation{.engine = engine,
                    .bottom = {&down, &end, nullptr},
                    .facts = {medium_.word, medium_.max_message, {}},
                    .gate = end.gate,
                    .quota = end.quota.get(),
                    .role = end.index == 0 ? Role::initiator : Role::responder,
                    .max_message = medium_.max_link_message != 0 ? medium_.max_link_message : most,
                    .peer_quota_bytes = medium_.quota_bytes,
                    .handshake = hands_[end.index].get(),
                    .regions = end.regions.get(),
                    .direct = medium_.directs[end.index]};
}

void Pair::down(void* self, const Entry*, harness_message* c) {
  auto& end = *static_cast<End*>(self);
  Wire& wire = end.pair->wires[end.index];
  Message& message = Message::from_c(c);
  if (message.size() > end.pair->medium_.max_message) ++wire.too_large;
  if (message.is_control()) ++wire.controls;
  if (!message.is_control() && end.gate.held(Gate::transport_bit)) ++wire.sent_while_held;
  wire.data_bytes += message.size();
  end.pair->put(wire, std::move(message));
  if (wire.frames.size() >= end.pair->medium_.capacity_frames) end.gate.hold(Gate::transport_bit);
}

void Pair::put(Wire& wire, Message&& frame) {
  if (!frame.as_received(engine.pool())) return;
  if (wire.filter && !wire.filter(frame)) return;
  if (random_.chance_ppm(medium_.drop_ppm)) return;
  if (random_.chance_ppm(medium_.duplicate_ppm)) wire.frames.push_back(frame.share(engine.pool()));
  wire.frames.push_back(std::move(frame));
  if (!random_.chance_ppm(medium_.reorder_ppm)) return;
  const auto back = static_cast<std::ptrdiff_t>(random_.below(std::min<std::size_t>(wire.frames.size(), 16)));
  std::swap(wire.frames.back(), *(wire.frames.end() - 1 - back));
}

unsigned Pair::step() {
  unsigned moved = 0;
  for (unsigned from = 0; from < 2; ++from) {
    Wire& wire = wires[from];
    if (wire.stuck) continue;
    const std::size_t now = wire.frames.size();
    for (std::size_t i = 0; i < now; ++i) {
      Message frame = std::move(wire.frames[i]);
      carry(wire, ends[1 - from], frame);
      ++moved;
    }
    wire.frames.erase(wire.frames.begin(), wire.frames.begin() + static_cast<std::ptrdiff_t>(now));
    release_if_room(from);
  }
  return moved;
}

void Pair::carry(Wire& wire, End& to, Message& frame) {
  ++wire.carried;
  if (medium_.copies) frame = received(wire, to, frame);
  if (!frame) return;
  const Entry up = to.stack->up();
  up.fn(up.self, up.next, frame.c());
}

// A copy of the frame in one slab, or of its headers in one and its body where the stack wants it.
Message Pair::received(Wire& wire, End& to, const Message& frame) {
  const bool asks = medium_.place_bytes_min != 0 && frame.size() >= medium_.place_bytes_min;
  if (asks) {
    Message placed = received_placed(wire, to, frame);
    if (placed) return placed;
  }
  Slab* const slab = engine.pool().allocate(frame.size(), to.quota.get());
  if (slab == nullptr) return {};
  frame.copy_to(slab->bytes());
  return Message::received(slab, 0, frame.size());
}

Message Pair::received_placed(Wire& wire, End& to, const Message& frame) {
  std::vector<std::byte> bytes(frame.size());
  frame.copy_to(bytes.data());
  const Placer place = to.stack->placer();
  Placement placement;
  const Bytes front = Bytes(bytes).first(std::min<std::size_t>(bytes.size(), Placement::front_bytes));
  if (place.fn == nullptr || !place.fn(place.self, front, frame.size(), placement)) return {};
  const std::uint32_t in_slab = placement.header_bytes;
  Slab* const slab = engine.pool().allocate(in_slab, to.quota.get());
  if (slab == nullptr) return {};
  std::copy_n(bytes.begin(), in_slab, slab->bytes());
  ++wire.placed;
  const std::size_t body = bytes.size() - in_slab;
  std::copy_n(bytes.begin() + in_slab, body / 2, placement.at);
  if (wire.amid) wire.amid();
  if (placement.at == nullptr) return Message::received(slab, 0, in_slab);
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(in_slab + body / 2), bytes.end(),
            placement.at + body / 2);
  return Message::received_placed(engine.pool(), slab, in_slab, {placement.at, body});
}

void Pair::release_if_room(unsigned from) {
  End& end = ends[from];
  if (wires[from].held || wires[from].frames.size() >= medium_.capacity_frames) return;
  if (!end.gate.held(Gate::transport_bit)) return;
  end.gate.release(Gate::transport_bit);
  end.stack->event({EventKind::writable});
}

void Pair::hold(unsigned from, bool held) {
  wires[from].held = held;
  if (held) ends[from].gate.hold(Gate::transport_bit);
  if (!held) release_if_room(from);
}

void Pair::run(unsigned most) {
  while (most-- != 0 && step() + engine.poll() != 0) {
  }
}

void Pair::advance(std::uint64_t by_ns) {
  const std::uint64_t end_ns = engine.now_ns() + by_ns;
  for (run(); engine.now_ns() < end_ns; run()) {
    const std::uint64_t due_ns = std::max(engine.timers().next_due_ns(), engine.now_ns() + 1);
    engine.pass(std::min(due_ns, end_ns) - engine.now_ns());
  }
}

void Pair::inject(unsigned to, Bytes bytes) {
  Message frame = Message::copy_of(engine.pool(), bytes);
  carry(wires[1 - to], ends[to], frame);
}

void Pair::send_all(unsigned from, unsigned count, const std::function<std::string(unsigned)>& body,
                    unsigned channel) {
  for (unsigned i = 0; i < count;) {
    if (ends[from].send(body(i), channel) == Errc::ok) {
      ++i;
    } else if (step() == 0) {
      advance(1'000'000);
    }
  }
  run();
}

void Pair::deliver(void* self, Message& message) {
  auto& end = *static_cast<End*>(self);
  if (end.on_message) return end.on_message(message);
  end.delivered.push_back({body_of(message), message.note().channel});
  if (end.keep_messages) end.kept.push_back(std::move(message));
}

void Pair::notify(void* self, const Event& event) {
  auto& end = *static_cast<End*>(self);
  end.events.emplace_back(event.kind, event.code);
  end.details.emplace_back(event.detail);
  if (end.on_event) end.on_event(event);
}

}  // namespace harness::tests
