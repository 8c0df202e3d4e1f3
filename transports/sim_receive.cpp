// SPDX-License-Identifier: Apache-2.0
// What arrives at the simulated transport: sorted into inboxes when it arrives, handed up in poll.
#include <algorithm>

#include <harness/transports/sim_channel.hpp>

namespace harness::transports {

namespace {
constexpr std::uint64_t retry_ns = 1'000'000;
}

// ---- what arrives: sorted into inboxes here, handed up in poll ----

void Sim::drop(std::uint64_t& counter, const SimPacket& packet) {
  ++counter;
  engine_.world().trace_packet(SimMark::dropped, packet);
  engine_.world().give_credit(packet);
}

void Sim::arrive(SimPacketPtr packet) {
  if (packet->gone) return arrive_gone(std::move(packet));
  if (packet->bytes.size() < sim_header_bytes) return drop(counters_.malformed, *packet);
  const auto header = wire::decode<SimHeader>(packet->bytes.data());
  const bool is_data = header.kind == static_cast<std::uint8_t>(FrameKind::data);
  if (!is_data) {
    const bool is_setup = header.kind == static_cast<std::uint8_t>(FrameKind::setup);
    const bool is_handshake = header.kind == sim_kind_open || header.kind == sim_kind_opened;
    if (!is_setup && !(is_handshake && reliable())) return drop(counters_.malformed, *packet);
    if (packet->bytes.size() < sim_header_bytes + sim_setup_bytes) return drop(counters_.malformed, *packet);
    const auto setup = wire::decode<SimSetup>(packet->bytes.data() + sim_header_bytes);
    const Bytes body = Bytes(packet->bytes).subspan(sim_header_bytes + sim_setup_bytes);
    if (setup.check != sim_check(setup.sender, body)) return drop(counters_.malformed, *packet);
    if (header.cookie == 0) return arrive_first(std::move(packet));
  }
  SimChannel* channel = find(header.cookie);
  if (channel == nullptr || channel->peer != packet->from) return drop(counters_.unknown_cookie, *packet);
  arrive_at(*channel, std::move(packet));
}

// The medium says that the peer's endpoint is gone. One that went before it knew our cookie is known by its
// own.
void Sim::arrive_gone(SimPacketPtr packet) {
  std::uint32_t cookie = packet->gone_cookie;
  if (cookie == 0) {
    const auto found = accepted_.find({packet->from, packet->sender_cookie});
    if (found == accepted_.end()) {
      if (first_.size() < first_frames_max)
        first_.push_back(std::move(packet));  // behind its own first frames
      return engine_.wake();
    }
    cookie = found->second;
  }
  SimChannel* const channel = find(cookie);
  if (channel == nullptr || channel->gone != Errc::ok || channel->peer != packet->from) return;
  channel->gone = packet->gone_code;
  ready(*channel);
}

void Sim::arrive_first(SimPacketPtr packet) {
  const auto header = wire::decode<SimHeader>(packet->bytes.data());
  const auto setup = wire::decode<SimSetup>(packet->bytes.data() + sim_header_bytes);
  const Origin origin{packet->from, setup.sender};
  if (const auto found = accepted_.find(origin); found != accepted_.end())
    return arrive_at(*find(found->second), std::move(packet));
  const bool heard = std::any_of(listeners_.begin(), listeners_.end(),
                                 [&](const Listener& each) { return each.port == packet->to.port; });
  if (!heard) {
    if (reliable()) engine_.world().refuse(*packet);
    return drop(counters_.no_listener, *packet);
  }
  for (const auto& [old, last_counter] : departed_)
    if (old == origin && header.counter <= last_counter) return drop(counters_.repeated_first, *packet);
  if (first_.size() >= first_frames_max) return drop(counters_.table_full, *packet);
  first_.push_back(std::move(packet));
  engine_.wake();
}

void Sim::arrive_at(SimChannel& channel, SimPacketPtr packet) {
  const auto header = wire::decode<SimHeader>(packet->bytes.data());
  const bool is_setup = header.kind != static_cast<std::uint8_t>(FrameKind::data);
  if (is_setup) {
    const auto setup = wire::decode<SimSetup>(packet->bytes.data() + sim_header_bytes);
    if (channel.peer_cookie == 0) channel.peer_cookie = setup.sender;
    if (setup.sender != channel.peer_cookie) return drop(counters_.unknown_cookie, *packet);
    if (!channel.staged.empty()) unflushed(channel);
  } else if (packet->bytes.size() > sim_header_bytes + facts_.max_message) {
    return drop(counters_.malformed, *packet);
  }
  channel.last_counter = std::max(channel.last_counter, header.counter);
  if (header.kind == sim_kind_open && channel.first_time(header.counter, false))
    return shake_hands(channel, sim_kind_opened);
  if (header.kind == sim_kind_open || header.kind == sim_kind_opened)
    return (void)channel.first_time(header.counter, false);
  if (channel.closing) return drop(counters_.after_end, *packet);
  auto& inbox = is_setup && profile_ != Profile::stream ? channel.setup_inbox : channel.inbox;
  if (!reliable() && inbox.size() >= channel.window) return drop(counters_.inbox_full, *packet);
  inbox.push_back({std::move(packet), header.counter, is_setup});
  ready(channel);
}

void Sim::ready(SimChannel& channel) {
  if (!channel.ready) ready_.push_back(channel.cookie);
  channel.ready = true;
  engine_.wake();
}

// ---- handing up ----

unsigned Sim::poll(unsigned budget) {
  unsigned done = 0;
  for (std::size_t left = first_.size(); left > 0 && done < budget; --left, ++done) {
    SimPacketPtr packet = std::move(first_.front());
    first_.pop_front();
    accept(std::move(packet));
  }
  for (std::size_t left = ready_.size(); left > 0 && done < budget; --left) {
    const std::uint32_t cookie = ready_.front();
    ready_.pop_front();
    done += serve(cookie, budget - done);
  }
  if (!first_.empty() || !ready_.empty()) engine_.wake();
  return done;
}

void Sim::accept(SimPacketPtr packet) {
  if (packet->gone) {
    if (accepted_.contains({packet->from, packet->sender_cookie})) arrive_gone(std::move(packet));
    return;
  }
  const auto setup = wire::decode<SimSetup>(packet->bytes.data() + sim_header_bytes);
  const Origin origin{packet->from, setup.sender};
  if (const auto found = accepted_.find(origin); found != accepted_.end())  // its twin came first
    return arrive_at(*find(found->second), std::move(packet));
  SimChannel* channel = open(packet->to, packet->from);
  if (channel == nullptr) return drop(counters_.table_full, *packet);
  channel->origin = channel->peer_cookie = setup.sender;
  channel->accepted = true;
  accepted_.emplace(origin, channel->cookie);
  const auto listener = std::find_if(listeners_.begin(), listeners_.end(),
                                     [&](const Listener& each) { return each.port == packet->to.port; });
  auto endpoint = std::make_unique<SimEndpoint>(*this, *channel);
  const SimEngine* from = engine_.world().engine(packet->from.engine);
  endpoint->peer_address_ =
      name_ + ":" + (from != nullptr ? from->name() : "?") + ":" + std::to_string(packet->from.port);
  arrive_at(*channel, std::move(packet));
  listener->acceptor->accepted(std::move(endpoint));
}

// Hands up what one channel has. Any callback may close the endpoint, and with it the channel: it is looked
// up anew.
unsigned Sim::serve(std::uint32_t cookie, unsigned budget) {
  unsigned done = 0;
  const auto open_channel = [&] {
    SimChannel* const channel = find(cookie);
    return channel != nullptr && channel->endpoint != nullptr && !channel->closing ? channel : nullptr;
  };
  SimChannel* channel = find(cookie);
  if (channel == nullptr) return 0;
  channel->ready = false;
  if (channel->closing && channel->gone != Errc::ok) return end(*channel, Errc::closed), 1;
  while ((channel = open_channel()) != nullptr && done < budget &&
         (take_setup(*channel) || take_data(*channel)))
    ++done;
  if (channel == nullptr) return done;
  if (done >= budget && (!channel->inbox.empty() || !channel->setup_inbox.empty()))
    return ready(*channel), done;
  if (std::exchange(channel->room, false) && channel->pending <= channel->queue / 2)
    channel->endpoint->hold(false);
  channel = open_channel();
  if (channel == nullptr || channel->gone == Errc::ok || !channel->inbox.empty()) return done;
  return done + report_end(*channel);
}

unsigned Sim::report_end(SimChannel& channel) {
  const Errc code = channel.gone;
  const std::string_view why = code == Errc::closed        ? "the peer closed"
                               : code == Errc::unreachable ? "nobody listens there"
                                                           : "the peer's process is gone";
  SimEndpoint& endpoint = *channel.endpoint;
  endpoint.hold(true);
  end(channel, code);
  const Receiver receiver = endpoint.receiver_;
  receiver.event(receiver.self, Event{EventKind::peer_lost, code, why});
  return 1;
}

bool Sim::take_setup(SimChannel& channel) {
  auto& inbox = channel.setup_inbox.empty() ? channel.inbox : channel.setup_inbox;
  if (inbox.empty() || !inbox.front().setup) return false;
  Message message = Message::copy_of(
      engine_.pool(), Bytes(inbox.front().packet->bytes).subspan(sim_header_bytes + sim_setup_bytes));
  if (!message) return starve(channel), false;
  if (reliable()) channel.first_time(inbox.front().counter, false);
  inbox.pop_front();
  const Receiver receiver = channel.endpoint->receiver_;
  receiver.setup(receiver.self, message);
  return true;
}

// A stream and a datagram medium stop receiving while the quota is used up. An unordered reliable one must
// not: the frame that completes what the layers keep may be any of those under way, so what credit was given
// for is always handed up, and credit is what it withholds. When the peer is gone nothing more can come, so
// nothing has to wait.
bool Sim::must_wait(SimChannel& channel, Quota* quota) {
  if (quota == nullptr || !quota->exhausted() || channel.gone != Errc::ok || profile_ == Profile::fabric)
    return false;
  wait_for_quota(channel, *quota);
  return true;
}

void Sim::wait_for_quota(SimChannel& channel, Quota& quota) {
  channel.waits_for = &quota;
  quota.when_below(
      [](void* self) noexcept {
        auto* waiting = static_cast<SimChannel*>(self);
        waiting->waits_for = nullptr;
        for (const SimPacketPtr& packet : std::exchange(waiting->withheld, {}))
          waiting->sim.engine_.world().give_credit(*packet);
        waiting->sim.ready(*waiting);
      },
      &channel);
}

void Sim::take_credit(SimChannel& channel, SimPacket& packet, Quota* quota) {
  if (profile_ != Profile::fabric || quota == nullptr || !quota->exhausted())
    return engine_.world().give_credit(packet);
  auto ticket = std::make_unique<SimPacket>();
  ticket->from = packet.from;
  ticket->sender_cookie = packet.sender_cookie;
  ticket->counter = packet.counter;
  ticket->uses_credit = std::exchange(packet.uses_credit, false);
  channel.withheld.push_back(std::move(ticket));
  wait_for_quota(channel, *quota);
}

bool Sim::take_data(SimChannel& channel) {
  if (channel.inbox.empty() || channel.inbox.front().setup || channel.paused) return false;
  SimEndpoint& endpoint = *channel.endpoint;
  const Receiver receiver = endpoint.receiver_;
  if (receiver.up.fn == &Receiver::ignore_data && reliable())
    return false;  // its stack is not up yet: it waits
  if (must_wait(channel, receiver.quota)) return false;
  const SimChannel::Arrived& front = channel.inbox.front();
  const auto bytes = static_cast<std::uint32_t>(front.packet->bytes.size() - sim_header_bytes);
  Slab* slab = engine_.pool().allocate(bytes, receiver.quota);
  if (slab == nullptr && reliable()) return starve(channel), false;
  const SimPacketPtr packet = std::move(channel.inbox.front().packet);
  const std::uint64_t counter = front.counter;
  channel.inbox.pop_front();
  take_credit(channel, *packet, receiver.quota);
  if (slab == nullptr) return ++counters_.pool_empty, true;
  if (!reliable() || channel.first_time(counter, true)) ++endpoint.frames_in_;
  endpoint.bytes_in_ += bytes;
  if (bytes != 0) std::memcpy(slab->bytes(), packet->bytes.data() + sim_header_bytes, bytes);
  Message message = Message::received(slab, 0, bytes);
  if (receiver.up.fn == &Receiver::ignore_data) ++counters_.no_receiver;
  receiver.up.fn(receiver.up.self, receiver.up.next, message.c());
  return true;
}

// No memory now: looks again after a while, since a pool tells nobody when it has some.
void Sim::starve(SimChannel& channel) {
  starved_.push_back(channel.cookie);
  if (!retry_.armed()) engine_.timers().arm(retry_, engine_.now_ns() + retry_ns);
}

}  // namespace harness::transports
