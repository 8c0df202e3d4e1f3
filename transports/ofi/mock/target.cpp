// SPDX-License-Identifier: Apache-2.0
// Receives, and the way of what comes in: matched or looked up, granted, landed, reported.
#include <harness/transports/ofi/mock/target.hpp>

#include <string.h>

#include <algorithm>
#include <atomic>

namespace harness::transports::ofi::mock {

namespace {

constexpr unsigned pieces_per_step = 8;
constexpr std::uint64_t probe_ticks =
    256;  // what waits for its initiator's bytes asks whether it still lives

bool is_atomic(Verb verb) noexcept {
  return verb == Verb::atomic || verb == Verb::fetch || verb == Verb::compare;
}

std::uint64_t access_of(Verb verb) noexcept {
  if (verb == Verb::read) return FI_REMOTE_READ;
  const bool answered = verb == Verb::fetch || verb == Verb::compare;
  return answered ? FI_REMOTE_READ | FI_REMOTE_WRITE : FI_REMOTE_WRITE;
}

// What becomes of a word; `operands` are the operand and, of a compare, what it is compared with.
std::uint64_t after(std::uint64_t before, std::uint16_t action, const std::uint64_t (&operands)[2]) noexcept {
  if (action == FI_SUM) return before + operands[0];
  if (action == FI_ATOMIC_READ || (action == FI_CSWAP && before != operands[1])) return before;
  return operands[0];
}

std::atomic_ref<std::uint64_t> word_at(std::byte* at) noexcept {
  return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(at));
}

}  // namespace

void Target::post(Receive&& receive) {
  busy_ = true;
  if (const Fault fault = station_.check(receive.to, FI_RECV); fault != Fault::none) {
    Completion completion;
    completion.entry.op_context = receive.context;
    completion.entry.flags = FI_RECV | FI_MSG;
    completion.fault = fault;
    return station_.received->push(completion);
  }
  receives_.push_back(std::make_shared<Receive>(std::move(receive)));
}

ssize_t Target::cancel(const void* context) {
  const auto found = std::find_if(receives_.begin(), receives_.end(),
                                  [&](const auto& one) { return one->context == context; });
  if (found == receives_.end()) return -FI_ENOENT;
  (*found)->retired = true;
  Completion completion;
  completion.entry.op_context = (*found)->context;
  completion.entry.flags = FI_RECV | FI_MSG;
  completion.fault = Fault::cancelled;
  receives_.erase(found);
  station_.received->push(completion);
  return 0;
}

void Target::hear(const std::string& from, const Packet& packet, std::span<const std::byte> piece) {
  if (packet.kind == Kind::request) return request(from, packet);
  const auto found = std::find_if(incoming_.begin(), incoming_.end(), [&](const Incoming& one) {
    return one.packet.operation == packet.operation && one.peer == from;
  });
  if (found == incoming_.end()) return;
  if (packet.kind == Kind::data) return data(*found, packet, piece);
  if (packet.kind != Kind::cancel || found->state != State::arrived) return;
  answer(*found, Kind::done, Fault::not_ready);
  incoming_.erase(found);
}

void Target::request(const std::string& from, const Packet& packet) {
  if (packet.length > message_bytes_max || incoming_.size() >= incoming_max) return;
  Incoming one;
  one.peer = from;
  one.packet = packet;
  one.delay = station_.lateness();
  incoming_.push_back(std::move(one));
}

void Target::data(Incoming& one, const Packet& packet, std::span<const std::byte> piece) {
  if (one.state != State::granted || packet.offset != one.bytes.size()) return;
  if (piece.size() > one.packet.length - one.bytes.size()) return;
  one.bytes.reserve(one.packet.length);
  one.bytes.insert(one.bytes.end(), piece.begin(), piece.end());
  if (packet.last == 0 || one.bytes.size() != one.packet.length) return;
  one.state = State::landing;
  one.delay = one.packet.delivered != 0 ? 0 : station_.lateness();
}

void Target::step() {
  busy_ = false;
  for (auto one = incoming_.begin(); one != incoming_.end();)
    one = advance(*one) ? incoming_.erase(one) : std::next(one);
}

bool Target::advance(Incoming& one) {
  if (one.delay > 0) {
    --one.delay;
    busy_ = true;
    return false;
  }
  if (one.state == State::landing || one.state == State::storing) return land(one);
  if (one.state == State::replying) return reply(one);
  if (++one.ticks % probe_ticks == 0 && !station_.wire.alive(one.peer)) {
    give_back(one);
    return true;
  }
  return one.state == State::arrived && !blocked(one) && begin(one);
}

// A peer that died before its bytes came: its receive is the next one again.
void Target::give_back(Incoming& one) {
  if (one.state != State::granted) return;
  --granted_;
  if (one.receive == nullptr) return;
  --one.receive->under_way;
  if (one.receive->multi) {
    if (one.receive->retired && one.receive->under_way == 0) release(*one.receive);
    return;
  }
  one.receive->retired = false;
  one.receive->used = 0;
  receives_.push_front(one.receive);
}

bool Target::takes_receive(const Packet& packet) const noexcept {
  const bool immediate = packet.verb == Verb::write && packet.has_data != 0;
  return packet.verb == Verb::send || (immediate && (station_.domain.profile().mode & FI_RX_CQ_DATA) != 0);
}

bool Target::blocked(const Incoming& one) const {
  const Profile& profile = station_.domain.profile();
  for (const Incoming& earlier : incoming_) {
    if (&earlier == &one) return false;
    if (earlier.peer != one.peer || !must_follow(profile.order, one.packet, earlier.packet)) continue;
    const bool messages = one.packet.verb == Verb::send && earlier.packet.verb == Verb::send;
    const bool free =
        messages && !profile.receives_in_order && (one.packet.fence | earlier.packet.fence) == 0;
    if (!free || earlier.state == State::arrived) return true;  // messages match in order, whatever happens
  }
  return false;
}

Grasp Target::region_of(const Incoming& one, const Place& place) const {
  const Packet& packet = one.packet;
  const std::uint64_t length = is_atomic(packet.verb) ? sizeof(std::uint64_t) : place.length;
  Grasp grasp = station_.domain.memory.remote(place.key, place.address, length, access_of(packet.verb),
                                              station_.identity);
  const bool aligned = reinterpret_cast<std::uintptr_t>(grasp.bytes.data()) % sizeof(std::uint64_t) == 0;
  if (grasp.fault == Fault::none && is_atomic(packet.verb) && !aligned) grasp.fault = Fault::misaligned;
  return grasp;
}

bool Target::begin(Incoming& one) {
  if (granted_ >= granted_max) {
    busy_ = true;
    return false;
  }
  if (one.packet.verb != Verb::send) {
    Fault fault = region_of(one, one.packet.first()).fault;
    if (fault == Fault::none && one.packet.second.length != 0)
      fault = region_of(one, one.packet.second).fault;
    if (fault != Fault::none) {
      answer(one, Kind::done, fault);
      return true;
    }
  }
  if (takes_receive(one.packet) && !match(one)) return false;
  if (one.packet.verb == Verb::send && one.packet.length > one.room && truncate(one)) return true;
  one.ticks = 0;
  if (one.packet.verb == Verb::read) {
    one.state = State::replying;
    return reply(one);
  }
  one.state = State::granted;
  ++granted_;
  answer(one, Kind::grant);
  return false;
}

bool Target::match(Incoming& one) {
  if (receives_.empty()) {
    if (!one.told) answer(one, Kind::not_ready);
    one.told = true;
    return false;
  }
  const std::shared_ptr<Receive> receive = receives_.front();
  const std::size_t bytes = size_of(receive->to);
  if (one.packet.verb == Verb::send) {
    if (receive->used == 0) fill_with_poison(receive->to, 0);
    one.at = receive->used;
    one.room = bytes - receive->used;
    receive->used += std::min<std::size_t>(one.room, one.packet.length);
  }
  one.receive = receive;
  ++receive->under_way;
  receive->retired = !receive->multi || bytes - receive->used < multi_receive_bytes_min;
  if (receive->retired) receives_.pop_front();
  return true;
}

// A receive that is too small: true when that ends the operation here and at the initiator.
bool Target::truncate(Incoming& one) {
  if (!station_.domain.profile().truncation_is_nacked) return false;
  report(one, Fault::truncated, 0);
  answer(one, Kind::done, Fault::truncated);
  return true;
}

bool Target::land(Incoming& one) {
  busy_ = true;
  if (station_.received->stalls()) return false;
  if (is_atomic(one.packet.verb) && one.state == State::landing && loads(one)) return false;
  if (one.packet.second.length != 0 && lands_in_two(one)) return false;
  --granted_;
  Fault fault = Fault::none;
  if (one.packet.verb == Verb::send) fault = land_message(one);
  if (one.packet.verb == Verb::write) fault = land_write(one);
  if (is_atomic(one.packet.verb)) fault = land_atomic(one);
  if (fault == Fault::none && (one.packet.verb == Verb::fetch || one.packet.verb == Verb::compare)) {
    one.state = State::replying;
    return false;
  }
  answer(one, Kind::done, fault);
  return true;
}

Fault Target::land_message(Incoming& one) {
  const Fault fault = station_.check(one.receive->to, FI_RECV);
  if (fault != Fault::none) {
    report(one, fault, 0);
    return fault;
  }
  const std::size_t count = std::min(one.room, one.bytes.size());
  scatter(std::span(one.bytes).first(count), one.receive->to, one.at);
  report(one, count < one.bytes.size() ? Fault::truncated : Fault::none, count);
  return Fault::none;
}

// True: the first place has landed, and the second is to.
bool Target::lands_in_two(Incoming& one) {
  if (one.second || one.packet.drop == Drop::all) return false;
  const Grasp grasp = region_of(one, one.packet.first());
  if (grasp.fault != Fault::none) return false;
  if (!grasp.bytes.empty()) memcpy(grasp.bytes.data(), one.bytes.data(), grasp.bytes.size());
  one.second = true;
  one.delay = station_.lateness();
  return true;
}

Fault Target::land_write(Incoming& one) {
  if (one.packet.drop == Drop::all || (one.second && one.packet.drop != Drop::nothing)) return Fault::none;
  const Grasp grasp = region_of(one, one.second ? one.packet.second : one.packet.first());
  if (grasp.fault == Fault::none && !grasp.bytes.empty())
    memcpy(grasp.bytes.data(), one.bytes.data() + (one.bytes.size() - grasp.bytes.size()),
           grasp.bytes.size());
  const bool seen = one.packet.has_data != 0 && (grasp.fault == Fault::none || one.receive != nullptr);
  if (seen) report(one, grasp.fault, one.bytes.size());
  return grasp.fault;
}

// True: it is to be stored later, or waits for another that is.
bool Target::loads(Incoming& one) {
  const Grasp grasp = region_of(one, one.packet.first());
  if (grasp.fault != Fault::none) return false;
  const std::byte* const word = grasp.bytes.data();
  const auto stores_there = [&](const Incoming& other) {
    return other.state == State::storing && other.word == word;
  };
  if (std::any_of(incoming_.begin(), incoming_.end(), stores_there)) return true;
  one.word = word;
  one.before = word_at(grasp.bytes.data()).load(std::memory_order_relaxed);
  one.state = State::storing;
  one.delay = 1 + station_.lateness();
  return true;
}

Fault Target::land_atomic(Incoming& one) {
  const Grasp grasp = region_of(one, one.packet.first());
  if (grasp.fault != Fault::none) return grasp.fault;
  std::uint64_t operands[2] = {};
  if (!one.bytes.empty()) memcpy(operands, one.bytes.data(), std::min(one.bytes.size(), sizeof operands));
  const std::uint64_t stored = after(one.before, one.packet.action, operands);
  if (stored != one.before) word_at(grasp.bytes.data()).store(stored, std::memory_order_relaxed);
  one.bytes.resize(sizeof one.before);
  memcpy(one.bytes.data(), &one.before, sizeof one.before);
  return Fault::none;
}

bool Target::reply(Incoming& one) {
  busy_ = true;
  const bool read = one.packet.verb == Verb::read;
  const Grasp grasp = read ? region_of(one, one.second ? one.packet.second : one.packet.first())
                           : Grasp{one.bytes, Fault::none};
  if (grasp.fault != Fault::none) {
    answer(one, Kind::done, grasp.fault);
    return true;
  }
  Packet packet = one.packet;
  packet.kind = Kind::reply;
  for (unsigned i = 0; i < pieces_per_step; ++i) {
    const std::size_t count = std::min(piece_bytes, grasp.bytes.size() - one.moved);
    const Sent sent = station_.wire.send(one.peer, packet, grasp.bytes.subspan(one.moved, count));
    if (sent == Sent::gone) return true;
    if (sent == Sent::full) return false;
    one.moved += count;
    if (one.moved < grasp.bytes.size()) continue;
    if (reads_second(one)) return false;
    answer(one, Kind::done);
    return true;
  }
  return false;
}

// True: the first place has been read, and the second is to.
bool Target::reads_second(Incoming& one) {
  if (one.second || one.packet.second.length == 0) return false;
  one.second = true;
  one.moved = 0;
  one.delay = station_.lateness();
  return true;
}

void Target::report(Incoming& one, Fault fault, std::size_t length) {
  Receive* receive = one.receive.get();
  Completion completion;
  completion.fault = fault;
  completion.source = station_.addresses->address_of(one.peer);
  completion.missing_bytes = fault == Fault::truncated ? one.packet.length - length : 0;
  fi_cq_tagged_entry& entry = completion.entry;
  entry.op_context = receive == nullptr ? nullptr : receive->context;
  entry.flags = one.packet.verb == Verb::send ? FI_RECV | FI_MSG : FI_RMA | FI_REMOTE_WRITE;
  if (one.packet.has_data != 0) entry.flags |= FI_REMOTE_CQ_DATA;
  entry.data = one.packet.data;
  entry.len = length;
  if (receive != nullptr && receive->multi) entry.buf = receive->to.front().bytes.data() + one.at;
  const bool shown = fault != Fault::none || receive == nullptr || receive->reports;
  const bool last = receive != nullptr && --receive->under_way == 0 && receive->multi && receive->retired;
  const bool joined = last && shown && station_.random.below(2) == 0;
  if (joined) entry.flags |= FI_MULTI_RECV;
  if (shown) station_.received->push(completion);
  if (last && !joined) release(*receive);
}

// The buffer is the application's again, said in an entry of its own.
void Target::release(const Receive& receive) {
  Completion completion;
  completion.entry.op_context = receive.context;
  completion.entry.flags = FI_MULTI_RECV;
  station_.received->push(completion);
}

void Target::answer(const Incoming& one, Kind kind, Fault fault) {
  Packet packet = one.packet;
  packet.kind = kind;
  packet.fault = fault;
  station_.wire.say(one.peer, packet);
}

}  // namespace harness::transports::ofi::mock
