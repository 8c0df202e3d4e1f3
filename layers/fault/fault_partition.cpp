// SPDX-License-Identifier: Apache-2.0
// See fault_partition.hpp.
#include <harness/layers/fault/fault_partition.hpp>

#include <utility>

namespace harness::layers {

FaultPartition::FaultPartition(const OptionValues& values, LayerContext& context)
    : context_(context), every_ns_(static_cast<std::uint64_t>(values[every]) * 1000),
      length_ns_(static_cast<std::uint64_t>(values[length]) * 1000),
      dice_(values[seed], values[toward], context), next_cut_ns_(context.env.now_ns() + some_time()) {}

bool FaultPartition::is_cut() noexcept {
  const std::uint64_t now_ns = context_.env.now_ns();
  if (now_ns >= next_cut_ns_ && now_ns - next_cut_ns_ > silence_cuts * (every_ns_ + length_ns_))
    next_cut_ns_ = now_ns - dice_.random().below(every_ns_ + length_ns_);  // one moment is like another
  while (now_ns >= next_cut_ns_) {
    healed_ns_ = next_cut_ns_ + dice_.random().between(1000, length_ns_);
    next_cut_ns_ = healed_ns_ + some_time();
    met_ = false;
  }
  if (now_ns >= healed_ns_) return false;
  if (!std::exchange(met_, true)) ++cuts_;
  return true;
}

void FaultPartition::describe(Describer& describer) const {
  describer.value("cuts", cuts_);
  describer.value("lost_messages", lost_messages_);
}

bool FaultPartition::take_state(FaultPartition& old) {
  next_cut_ns_ = old.next_cut_ns_;
  healed_ns_ = old.healed_ns_;
  met_ = old.met_;
  cuts_ = old.cuts_;
  lost_messages_ = old.lost_messages_;
  return true;
}

}  // namespace harness::layers
