// SPDX-License-Identifier: Apache-2.0
// One peer of the simulated transport: staging frames, hold and writable, close and linger.
#include <algorithm>

#include <harness/transports/sim_channel.hpp>

namespace harness::transports {

namespace {
constexpr std::uint32_t setup_frame_bytes_max = 80 * 1024;
constexpr unsigned setups_max = 4;  // waiting to leave
}  // namespace

// ---- the channel ----

SimChannel::SimChannel(Sim& owner, SimAddress local_address, SimAddress peer_address)
    : sim(owner), local(local_address), peer(peer_address),
      linger(
          [](void* self) {
            auto* channel = static_cast<SimChannel*>(self);
            channel->sim.give_up(*channel);
          },
          this) {}

SimChannel::~SimChannel() { forget_quota(); }

bool SimChannel::drained() const noexcept {
  return staged.empty() && pending == 0 && setups == 0 &&
         (outstanding.empty() || sim.profile() != Sim::Profile::fabric);
}

void SimChannel::forget_quota() noexcept {
  if (waits_for != nullptr) waits_for->when_below(nullptr, nullptr);
  waits_for = nullptr;
}

// ---- the endpoint ----

SimEndpoint::SimEndpoint(Sim& sim, SimChannel& channel) : channel_(&channel), facts_(sim.facts()) {
  channel.endpoint = this;
  down_ = {&down_thunk, this, nullptr};
}

SimEndpoint::~SimEndpoint() {
  direct_.reset();
  if (channel_ == nullptr) return;
  channel_->endpoint = nullptr;
  if (!channel_->closing) channel_->sim.end(*channel_, Errc::peer_lost);
}

void SimEndpoint::down_thunk(void* self, const Entry*, harness_message* raw) noexcept {
  auto& endpoint = *static_cast<SimEndpoint*>(self);
  const Message& message = Message::from_c(raw);
  if (!endpoint.takes_data(message.size())) return;
  auto packet = std::make_unique<SimPacket>();
  packet->bytes.resize(sim_header_bytes + message.size());
  message.copy_to(packet->bytes.data() + sim_header_bytes);
  endpoint.stage(std::move(packet));
}

bool SimEndpoint::takes_data(std::uint32_t bytes) noexcept {
  if (channel_ == nullptr || channel_->closing) return false;
  Sim::Counters& counters = channel_->sim.counters_;
  if (bytes > facts_.max_message) return ++counters.malformed, false;
  // Behind the queue there is room for one largest frame and the control reserve.
  if (channel_->pending >= channel_->queue + 1 + control_reserve) return ++counters.beyond_reserve, false;
  return true;
}

void SimEndpoint::stage(SimPacketPtr packet) noexcept {
  ++frames_out_;
  bytes_out_ += packet->bytes.size() - sim_header_bytes;
  ++channel_->pending;
  channel_->staged.push_back(std::move(packet));
  channel_->sim.unflushed(*channel_);
  if (channel_->pending >= channel_->queue) hold(true);
}

MutableBytes SimEndpoint::reserve(std::uint32_t bytes) noexcept {
  if (held_ || !takes_data(bytes)) return {};
  reserved_ = std::make_unique<SimPacket>();
  reserved_->bytes.resize(sim_header_bytes + bytes);
  return MutableBytes(reserved_->bytes).subspan(sim_header_bytes);
}

void SimEndpoint::commit() noexcept {
  if (reserved_ != nullptr && channel_ != nullptr && !channel_->closing) stage(std::move(reserved_));
  reserved_.reset();
}

Errc SimEndpoint::send_setup(Message&& frame) noexcept {
  if (channel_ == nullptr || channel_->closing) return Errc::closed;
  if (frame.size() > setup_frame_bytes_max) return Errc::too_large;
  if (channel_->setups >= setups_max) return Errc::exhausted;
  auto packet = std::make_unique<SimPacket>();
  packet->setup = true;
  packet->bytes.resize(sim_header_bytes + sim_setup_bytes + frame.size());
  frame.copy_to(packet->bytes.data() + sim_header_bytes + sim_setup_bytes);
  frame.reset();
  ++channel_->setups;
  channel_->staged.push_back(std::move(packet));
  channel_->sim.unflushed(*channel_);
  return Errc::ok;
}

// The medium is what it is: only what an endpoint itself decides may differ from the transport's own options.
Errc SimEndpoint::configure(const OptionValues& options) noexcept {
  if (channel_ == nullptr) return Errc::closed;
  const OptionValues& medium = channel_->sim.options_;
  for (const auto option :
       {Sim::option_profile, Sim::option_duplicates, Sim::option_damage, Sim::option_death})
    if (options[option] != medium[option]) return Errc::unsupported;
  if (options[Sim::option_frame] > medium[Sim::option_frame]) return Errc::unsupported;
  facts_.max_message = static_cast<std::uint32_t>(options[Sim::option_frame]);
  channel_->queue = static_cast<unsigned>(options[Sim::option_queue]);
  channel_->window = static_cast<unsigned>(options[Sim::option_inbox]);
  if (options[Sim::option_native] == 0 || direct_ != nullptr) return Errc::ok;
  direct_ = std::make_unique<SimDirect>(channel_->sim.engine_, [this]() -> SimDirect* {
    if (channel_ == nullptr || channel_->peer_cookie == 0) return nullptr;
    const SimEngine* const engine = channel_->sim.engine_.world().engine(channel_->peer.engine);
    const SimPort* const port =
        engine != nullptr && engine->alive() ? engine->port(channel_->peer.port) : nullptr;
    return port != nullptr ? port->direct(channel_->peer_cookie) : nullptr;
  });
  return Errc::ok;
}

Direct* SimEndpoint::direct() noexcept { return direct_.get(); }

SimDirect* Sim::direct(std::uint32_t cookie) const noexcept {
  const SimChannel* const channel = find(cookie);
  return channel != nullptr && channel->endpoint != nullptr ? channel->endpoint->direct_.get() : nullptr;
}

// Turns the hold on or off; off is told by `writable`, on a poll only.
void SimEndpoint::hold(bool held) {
  if (held_ == held) return;
  held_ = held;
  if (held) ++holds_;
  if (channel_ != nullptr) channel_->sim.trace(held ? SimMark::hold : SimMark::writable, peer_address_);
  if (receiver_.gate != nullptr)
    held ? receiver_.gate->hold(Gate::transport_bit) : receiver_.gate->release(Gate::transport_bit);
  if (!held) receiver_.event(receiver_.self, Event{EventKind::writable});
}

void SimEndpoint::pause_receive(bool paused) noexcept {
  if (channel_ == nullptr || channel_->paused == paused) return;
  channel_->paused = paused;
  if (!paused) channel_->sim.ready(*channel_);
}

void SimEndpoint::close(std::uint64_t linger_ns) noexcept {
  if (channel_ == nullptr || channel_->closing) return;
  channel_->closing = true;
  channel_->forget_quota();
  channel_->sim.discard(*channel_, linger_ns);
}

std::uint64_t SimEndpoint::frames_received() const noexcept {
  if (!facts_.word.covers(property::reliable)) return frames_in_;  // where frames are lost, gaps stay
  return channel_ != nullptr ? channel_->data_below : frames_without_gap_;
}

bool SimEndpoint::drained() const noexcept { return channel_ == nullptr || channel_->drained(); }

void SimEndpoint::describe(Describer& describer) const {
  describer.value("frames_out", frames_out_);
  describer.value("bytes_out", bytes_out_);
  describer.value("frames_in", frames_in_);
  describer.value("bytes_in", bytes_in_);
  describer.value("holds", holds_);
  describer.value("held", held_ ? 1 : 0);
  describer.value("waiting_out", channel_ != nullptr ? channel_->pending : 0);
  describer.value("waiting_in", channel_ != nullptr ? channel_->inbox.size() : 0);
}

}  // namespace harness::transports
