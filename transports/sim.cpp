// SPDX-License-Identifier: Apache-2.0
// The simulated transport: facts, addresses, cookies, sending. What arrives: sim_receive.cpp; one peer:
// sim_endpoint.cpp.
#include <harness/transports/sim.hpp>

#include <algorithm>
#include <charconv>

#include <harness/transports/sim_channel.hpp>

namespace harness::transports {

namespace {

constexpr std::array<std::string_view, 3> profile_words = {"datagram", "fabric", "stream"};
constexpr std::array options_table = {
    OptionSpec{"profile", OptionKind::word, 0, 2, 0, "what the medium promises", profile_words},
    OptionSpec{"frame", OptionKind::size, 64, 1 << 20, 1400, "largest data frame in bytes"},
    OptionSpec{"queue", OptionKind::count, 1, 4096, 64, "frames waiting to leave before the sender is held"},
    OptionSpec{"inbox", OptionKind::count, 4, 4096, 256,
               "frames waiting at the receiver: credit, or dropped beyond it"},
    OptionSpec{"duplicates", OptionKind::flag, 0, 1, 0, "fabric: a frame may arrive more than once"},
    OptionSpec{"damage", OptionKind::flag, 0, 1, 0, "data frames may arrive with flipped bits"},
    OptionSpec{"death", OptionKind::flag, 0, 1, 1,
               "fabric and stream: the crash of a peer is reported at once"},
    OptionSpec{"native", OptionKind::flag, 0, 1, 0, "reaches the peer's memory by itself"},
};
constexpr auto header_fields = wire::info_of<SimHeader>;
constexpr auto setup_fields = wire::info_of<SimSetup>;
constexpr std::array header_table = {HeaderInfo{"sim", header_fields}, HeaderInfo{"sim_setup", setup_fields}};

Facts facts_of(const OptionValues& options, Properties trust) {
  using namespace property;
  Facts facts;
  const auto profile = static_cast<Sim::Profile>(options[Sim::option_profile]);
  facts.word = message | known_address | trust;
  if (profile != Sim::Profile::datagram) {
    facts.word = facts.word | reliable | flow_controlled;
    if (profile == Sim::Profile::stream) facts.word = facts.word | fifo | congestion_controlled;
    if (profile == Sim::Profile::fabric) facts.word = facts.word | lossless_fabric;
    if (profile == Sim::Profile::stream || options[Sim::option_duplicates] == 0)
      facts.word = facts.word | no_duplicates;
    if (options[Sim::option_death] != 0) facts.word = facts.word | death_immediate;
  }
  if (options[Sim::option_damage] == 0) facts.word = facts.word | checked16;
  if (options[Sim::option_native] != 0) facts.word = facts.word | atomics.without(put_emulated);
  facts.max_message = static_cast<std::uint32_t>(options[Sim::option_frame]);
  facts.cost = {1, 100, sim_header_bytes};
  return facts;
}

Result<SimAddress> parse(std::string_view text, const SimEngine& self) {
  const std::size_t colon = text.rfind(':');
  std::uint16_t port = 0;
  const auto digits = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
    return fail(Errc::invalid, "not a sim address: " + std::string(text),
                "it has no port from 0 to 65535 after a colon", "write it as engine:port");
  const std::string_view host = text.substr(0, colon);
  if (host.empty()) return SimAddress{self.index(), port};
  const SimEngine* engine = const_cast<SimEngine&>(self).world().find(host);
  return SimAddress{engine != nullptr ? engine->index() : ~std::uint32_t{0}, port};
}

}  // namespace

TransportType Sim::type() {
  return {"sim",  "a simulated network in virtual time, for tests", options_table, header_table, facts_of,
          nullptr};
}

Sim::Sim(SimEngine& engine, const OptionValues& options, std::string name)
    : engine_(engine), name_(std::move(name)), options_(options),
      profile_(static_cast<Profile>(options[option_profile])), facts_(facts_of(options, {})),
      retry_(
          [](void* self) {
            auto* sim = static_cast<Sim*>(self);
            for (const std::uint32_t cookie : std::exchange(sim->starved_, {}))
              if (SimChannel* channel = sim->find(cookie)) sim->ready(*channel);
          },
          this) {
  engine_.bind(port_, *this);
  engine_.add(*this);
}

Sim::~Sim() {
  for (auto& channel : table_)
    if (channel != nullptr) end(*channel, Errc::peer_lost);
  for (const Listener& listener : listeners_) engine_.unbind(listener.port);
  engine_.unbind(port_);
}

// ---- addresses ----

Result<std::string> Sim::listen(std::string_view address, Acceptor& acceptor) {
  auto wanted = parse(address, engine_);
  if (!wanted) return tl::unexpected<Error>(wanted.error());
  if (wanted->engine != engine_.index())
    return fail(Errc::invalid, "cannot listen on sim:" + std::string(address),
                "that is not this engine's name", "listen on sim:" + engine_.name() + ":0");
  if (!engine_.bind(wanted->port, *this))
    return fail(Errc::exists, "cannot listen on sim:" + std::string(address), "the port is in use",
                "listen on sim:" + engine_.name() + ":0 for a free one");
  listeners_.push_back({wanted->port, &acceptor});
  return engine_.name() + ":" + std::to_string(wanted->port);
}

Result<std::unique_ptr<Endpoint>> Sim::dial(std::string_view address) {
  auto peer = parse(address, engine_);
  if (!peer) return tl::unexpected<Error>(peer.error());
  SimChannel* channel = open({engine_.index(), port_}, *peer);
  if (channel == nullptr)
    return fail(Errc::exhausted, "cannot dial sim:" + std::string(address),
                std::to_string(endpoints_max) + " endpoints are open", "close some of them");
  auto endpoint = std::make_unique<SimEndpoint>(*this, *channel);
  endpoint->peer_address_ = name_ + ":" + std::string(address);
  if (reliable()) shake_hands(*channel, sim_kind_open);
  return endpoint;
}

// ---- cookies: the low half is the index, the high half says which generation of it ----

SimChannel* Sim::find(std::uint32_t cookie) const noexcept {
  const std::uint32_t index = cookie & 0xffff;
  if (index >= table_.size() || table_[index] == nullptr || table_[index]->cookie != cookie) return nullptr;
  return table_[index].get();
}

SimChannel* Sim::open(SimAddress local, SimAddress peer) {
  std::uint32_t index = static_cast<std::uint32_t>(table_.size());
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else if (table_.size() >= endpoints_max) {
    return nullptr;
  } else {
    table_.emplace_back();
  }
  auto channel = std::make_unique<SimChannel>(*this, local, peer);
  do {  // not one that a peer may still remember as gone
    channel->cookie = static_cast<std::uint32_t>(engine_.random().between(1, 0xffff)) << 16 | index;
  } while (std::find(given_.begin(), given_.end(), channel->cookie) != given_.end());
  given_.push_back(channel->cookie);
  if (given_.size() > departed_max) given_.pop_front();
  channel->queue = static_cast<unsigned>(options_[option_queue]);
  channel->window = static_cast<unsigned>(options_[option_inbox]);
  if (profile_ == Profile::stream) channel->fifo_floor = std::make_shared<std::uint64_t>(0);
  ++alive_;
  return (table_[index] = std::move(channel)).get();
}

void Sim::end(SimChannel& channel, Errc code) {
  if (channel.endpoint != nullptr) {
    channel.endpoint->frames_without_gap_ = channel.data_below;
    channel.endpoint->channel_ = nullptr;
  }
  if (reliable() && channel.gone == Errc::ok) send_gone(channel, code);
  if (channel.accepted) {
    accepted_.erase({channel.peer, channel.origin});
    departed_.emplace_back(Origin{channel.peer, channel.origin}, channel.last_counter);
    if (departed_.size() > departed_max) departed_.pop_front();
  }
  const std::uint32_t index = channel.cookie & 0xffff;
  free_.push_back(index);
  --alive_;
  table_[index].reset();
}

// Tells the peer that this endpoint is gone; one that never learnt the peer's cookie is named by its own.
void Sim::send_gone(const SimChannel& channel, Errc code) {
  auto packet = std::make_unique<SimPacket>();
  packet->from = channel.local;
  packet->to = channel.peer;
  packet->sender_cookie = channel.cookie;
  packet->reliable = packet->single = packet->gone = true;
  packet->gone_code = code;
  packet->gone_cookie = channel.peer_cookie;
  packet->fifo_floor = channel.fifo_floor;
  engine_.world().transmit(std::move(packet));
}

void Sim::crashed() {
  if (!reliable() || options_[option_death] == 0) return;
  for (const auto& channel : table_)
    if (channel != nullptr && channel->gone == Errc::ok) send_gone(*channel, Errc::peer_lost);
}

// ---- sending ----

void Sim::unflushed(SimChannel& channel) {
  if (!channel.unflushed) unflushed_.push_back(channel.cookie);
  channel.unflushed = true;
  engine_.wake();
}

void Sim::flush() {
  for (std::size_t left = unflushed_.size(); left > 0; --left) {
    SimChannel* const channel = find(unflushed_.front());
    unflushed_.pop_front();
    if (channel == nullptr) continue;
    channel->unflushed = false;
    transmit(*channel);
    if (channel->closing && channel->drained()) end(*channel, Errc::closed);
  }
}

// Sends what may go: data as far as credit reaches; where the medium keeps no order, setup frames pass
// waiting data.
void Sim::transmit(SimChannel& channel) {
  const auto may_go = [&](const SimPacketPtr& packet) {
    return packet->setup || (channel.peer_cookie != 0 && (!reliable() || channel.has_credit()));
  };
  auto& staged = channel.staged;
  while (!staged.empty() && may_go(staged.front())) {
    SimPacketPtr packet = std::move(staged.front());
    staged.pop_front();
    send(channel, std::move(packet));
  }
  if (profile_ == Profile::stream || channel.setups == 0) return;
  for (auto each = staged.begin(); each != staged.end();) {
    if (!(*each)->setup) {
      ++each;
      continue;
    }
    SimPacketPtr packet = std::move(*each);
    each = staged.erase(each);
    send(channel, std::move(packet));
  }
}

void Sim::send(SimChannel& channel, SimPacketPtr packet) {
  const auto kind = packet->handshake != 0
                        ? packet->handshake
                        : static_cast<std::uint8_t>(packet->setup ? FrameKind::setup : FrameKind::data);
  packet->from = channel.local;
  packet->to = channel.peer;
  packet->sender_cookie = channel.cookie;
  packet->reliable = reliable();
  packet->answered = options_[option_death] != 0;
  packet->single = profile_ == Profile::stream || (reliable() && options_[option_duplicates] == 0);
  packet->intact = packet->setup || options_[option_damage] == 0;
  packet->fifo_floor = channel.fifo_floor;
  packet->uses_credit = reliable() && !packet->setup;
  packet->counter = channel.counter;
  if (packet->uses_credit) channel.outstanding.insert(channel.counter);
  wire::encode(SimHeader{channel.peer_cookie, kind, channel.counter++}, packet->bytes.data());
  if (packet->setup) {
    const std::uint32_t check =
        sim_check(channel.cookie, Bytes(packet->bytes).subspan(sim_header_bytes + sim_setup_bytes));
    wire::encode(SimSetup{channel.cookie, check}, packet->bytes.data() + sim_header_bytes);
  }
  engine_.world().transmit(std::move(packet));
}

void Sim::shake_hands(SimChannel& channel, std::uint8_t kind) {
  auto packet = std::make_unique<SimPacket>();
  packet->setup = true;
  packet->handshake = kind;
  packet->bytes.resize(sim_header_bytes + sim_setup_bytes);
  ++channel.setups;
  channel.staged.push_back(std::move(packet));
  unflushed(channel);
}

void Sim::discard(SimChannel& channel, std::uint64_t linger_ns) {
  for (auto* inbox : {&channel.setup_inbox, &channel.inbox}) {
    for (const auto& frame : *inbox) drop(counters_.after_end, *frame.packet);
    inbox->clear();
  }
  for (const SimPacketPtr& packet : std::exchange(channel.withheld, {})) engine_.world().give_credit(*packet);
  engine_.timers().arm(channel.linger, engine_.now_ns() + linger_ns);
  unflushed(channel);
}

void Sim::give_up(SimChannel& channel) { end(channel, Errc::closed); }

void Sim::trace(SimMark mark, std::string_view what) { engine_.world().trace_engine(mark, engine_, what, 0); }

void Sim::departed(std::uint32_t cookie, bool setup) {
  SimChannel* const channel = find(cookie);
  if (channel == nullptr) return;
  --(setup ? channel->setups : channel->pending);
  if (channel->closing) return unflushed(*channel);
  if (channel->endpoint == nullptr || !channel->endpoint->held_ || channel->pending > channel->queue / 2)
    return;
  channel->room = true;
  ready(*channel);
}

void Sim::credit(std::uint32_t cookie, std::uint64_t counter) {
  SimChannel* const channel = find(cookie);
  if (channel == nullptr) return;
  channel->outstanding.erase(counter);
  if (!channel->staged.empty() || channel->closing) unflushed(*channel);
}

}  // namespace harness::transports
