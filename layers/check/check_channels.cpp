// SPDX-License-Identifier: Apache-2.0
// See check_channels.hpp.
#include <harness/layers/check/check_channels.hpp>

namespace harness::layers {

bool CheckChannels::judge(Message& message) {
  ++judged_messages_;
  const std::byte* raw = message.pull(wire::bytes_of<wire::CheckChannels>);
  if (raw == nullptr) {
    breaches_.report(context_, "channels: a message does not say its channel");
    return false;
  }
  const auto header = wire::decode<wire::CheckChannels>(raw);
  if (header.channel != message.note().channel)
    breaches_.report(context_, "channels: a message came on another channel than it was sent on");
  if (!header.control && (paused_ >> header.channel % Gate::channels_max & 1) != 0)
    breaches_.report(context_, "channels: a message came on a paused channel");
  return true;
}

void CheckChannels::on(const Event& event, Onward onward) {
  if (event.value > 0 && event.value <= Gate::channels_max) {  // 0: the whole link
    const std::uint32_t bit = std::uint32_t{1} << (event.value - 1);
    if (event.kind == EventKind::pause) paused_ |= bit;
    if (event.kind == EventKind::resume) paused_ &= ~bit;
  }
  onward(event);
}

void CheckChannels::describe(Describer& describer) const {
  describer.value("judged_messages", judged_messages_);
  describer.value("paused_channels", static_cast<std::uint64_t>(std::popcount(paused_)));
  describer.value("breaches", breaches_.count());
}

bool CheckChannels::take_state(CheckChannels& old) {
  paused_ = old.paused_;
  breaches_ = old.breaches_;
  judged_messages_ = old.judged_messages_;
  return true;
}

}  // namespace harness::layers
