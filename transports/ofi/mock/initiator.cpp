// SPDX-License-Identifier: Apache-2.0
// Operations on their way.
#include <harness/transports/ofi/mock/initiator.hpp>

#include <algorithm>

namespace harness::transports::ofi::mock {

namespace {

constexpr unsigned pieces_per_step = 8;
constexpr std::uint64_t probe_ticks =
    64;  // an operation that waits asks so often whether its peer still lives

std::uint64_t source_access(const Operation& operation) noexcept {
  return operation.packet.verb == Verb::send ? FI_SEND : FI_WRITE;
}

}  // namespace

void Initiator::post(Operation&& operation) {
  operation.packet.operation = ++next_;
  if (!operation.injected && station_.random.chance_ppm(station_.domain.knobs().never_ppm))
    operation.state = State::lost;
  Packet& packet = operation.packet;
  if (packet.verb == Verb::write && packet.delivered == 0 &&
      station_.random.chance_ppm(station_.domain.knobs().drops_ppm))
    packet.drop = packet.second.length != 0 && station_.random.below(2) != 0 ? Drop::second_place : Drop::all;
  operation.delay = station_.lateness();
  operations_.push_back(std::move(operation));
}

void Initiator::step() {
  for (auto one = operations_.begin(); one != operations_.end();)
    one = advance(*one) ? operations_.erase(one) : std::next(one);
}

bool Initiator::busy() const noexcept {
  return std::any_of(operations_.begin(), operations_.end(), [](const Operation& one) {
    return one.state == State::waiting || one.state == State::granted || one.state == State::ending;
  });
}

bool Initiator::advance(Operation& operation) {
  if (operation.delay > 0) {
    --operation.delay;
    return false;
  }
  switch (operation.state) {
    case State::waiting: {
      if (must_wait(operation)) return false;
      const Fault fault = start(operation);
      return fault != Fault::none && end(operation, fault);
    }
    case State::granted: return send_pieces(operation);
    case State::ending: return end(operation, operation.fault);
    case State::lost: return false;
    case State::asked:
    case State::confirming: break;
  }
  return wait_for_peer(operation);
}

// Requests leave in the order of the posts as far as it is promised; messages always do.
bool Initiator::must_wait(const Operation& operation) const {
  for (const Operation& earlier : operations_) {
    if (&earlier == &operation) return false;
    if (earlier.state == State::waiting && earlier.peer == operation.peer &&
        must_follow(station_.domain.profile().order, operation.packet, earlier.packet))
      return true;
  }
  return false;
}

Fault Initiator::start(Operation& operation) {
  Fault fault = station_.check(operation.from, source_access(operation));
  if (fault == Fault::none) fault = station_.check(operation.to, FI_READ);
  if (fault == Fault::none && station_.random.chance_ppm(station_.domain.knobs().errors_ppm))
    fault = Fault::seeded;
  if (fault != Fault::none) return fault;
  fill_with_poison(operation.to, 0);
  station_.wire.say(operation.peer, operation.packet);
  operation.state = State::asked;
  return Fault::none;
}

bool Initiator::send_pieces(Operation& operation) {
  if (station_.transmitted->stalls()) return false;
  const Fault fault = station_.check(operation.from, source_access(operation));
  if (fault != Fault::none) return end(operation, fault);
  std::array<std::byte, piece_bytes> bytes;
  Packet packet = operation.packet;
  packet.kind = Kind::data;
  for (unsigned i = 0; i < pieces_per_step; ++i) {
    const std::size_t count = std::min<std::size_t>(piece_bytes, packet.length - operation.moved);
    const std::span<std::byte> piece(bytes.data(), count);
    if (operation.injected)
      std::copy_n(operation.kept.begin() + static_cast<std::ptrdiff_t>(operation.moved), count,
                  piece.begin());
    else
      gather(operation.from, operation.moved, piece);
    packet.offset = operation.moved;
    packet.last = operation.moved + count == packet.length ? 1 : 0;
    const Sent sent = station_.wire.send(operation.peer, packet, piece);
    if (sent == Sent::gone) return end(operation, Fault::peer_gone);
    if (sent == Sent::full) return false;
    operation.moved += count;
    if (packet.last == 0) continue;
    const bool answered = packet.verb == Verb::fetch || packet.verb == Verb::compare;
    if (!answered && packet.delivered == 0) return leave(operation);
    operation.state = State::confirming;
    return false;
  }
  return false;
}

// The bytes are on their way.
bool Initiator::leave(Operation& operation) {
  if (!station_.domain.profile().completes_late) return end(operation, Fault::none);
  operation.state = State::ending;
  operation.delay = 8 * station_.lateness();
  return false;
}

bool Initiator::wait_for_peer(Operation& operation) {
  if (++operation.ticks % probe_ticks == 0 && !station_.wire.alive(operation.peer))
    return end(operation, Fault::peer_gone);
  if (operation.unready && !operation.given_up && operation.ticks > station_.domain.knobs().rnr) {
    Packet packet = operation.packet;
    packet.kind = Kind::cancel;
    station_.wire.say(operation.peer, packet);
    operation.given_up = true;
  }
  return false;
}

void Initiator::hear(const std::string& from, const Packet& packet, std::span<const std::byte> piece) {
  const auto found = std::find_if(operations_.begin(), operations_.end(), [&](const Operation& one) {
    return one.packet.operation == packet.operation && one.peer == from;
  });
  if (found == operations_.end()) return;
  Operation& operation = *found;
  const bool waits = operation.state == State::asked || operation.state == State::confirming;
  switch (packet.kind) {
    case Kind::grant:
      if (operation.state == State::asked) operation.state = State::granted;
      operation.delay = station_.lateness();
      return;
    case Kind::not_ready: operation.unready = true; return;
    case Kind::reply:
      if (waits && operation.kept.size() + piece.size() <= size_of(operation.to))
        operation.kept.insert(operation.kept.end(), piece.begin(), piece.end());
      return;
    case Kind::done:
      operation.fault = packet.fault;
      operation.state = State::ending;
      operation.delay = station_.lateness();
      return;
    case Kind::request:
    case Kind::data:
    case Kind::cancel: return;
  }
}

// Writes the completion, unless the queue has no room yet; true when the operation is over.
bool Initiator::end(Operation& operation, Fault fault) {
  if (station_.transmitted->stalls()) {
    operation.fault = fault;
    operation.state = State::ending;
    return false;
  }
  if (fault == Fault::none && !operation.to.empty()) {
    fault = station_.check(operation.to, FI_READ);
    if (fault == Fault::none) scatter(operation.kept, operation.to, 0);
  }
  report(operation, fault);
  return true;
}

void Initiator::report(const Operation& operation, Fault fault) {
  if (fault == Fault::none && !operation.reports) return;
  Completion completion;
  completion.entry.op_context = operation.context;
  completion.entry.flags = operation.flags;
  completion.fault = fault;
  station_.transmitted->push(completion);
}

}  // namespace harness::transports::ofi::mock
