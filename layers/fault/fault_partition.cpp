// SPDX-License-Identifier: Apache-2.0
// See fault_partition.hpp.
#include <harness/layers/fault/fault_partition.hpp>

namespace harness::layers {

FaultPartition::FaultPartition(const OptionValues& values, LayerContext& context)
    : context_(context), every_ns_(static_cast<std::uint64_t>(values[every]) * 1000),
      length_ns_(static_cast<std::uint64_t>(values[length]) * 1000),
      dice_(values[seed], values[toward], context), healed_ns_(context.env.now_ns()) {
  draw();
}

// The next cut, after the one that is over.
void FaultPartition::draw() noexcept {
  cut_ns_ = healed_ns_ + some_time();
  healed_ns_ = cut_ns_ + dice_.random().between(1000, length_ns_);
}

bool FaultPartition::is_cut() noexcept {
  const std::uint64_t now_ns = context_.env.now_ns();
  for (unsigned i = 0; i < catch_up_max && healed_ns_ <= now_ns; ++i) draw();
  if (healed_ns_ <= now_ns) {  // quiet for long: where we stand between two cuts does not matter
    healed_ns_ = now_ns;
    draw();
  }
  if (now_ns < cut_ns_) return false;
  cuts_ += cut_ns_ != counted_ns_ ? 1 : 0;
  counted_ns_ = cut_ns_;
  return true;
}

void FaultPartition::describe(Describer& describer) const {
  describer.value("cuts", cuts_);
  describer.value("lost_messages", lost_messages_);
}

bool FaultPartition::take_state(FaultPartition& old) {
  cut_ns_ = old.cut_ns_;
  counted_ns_ = old.counted_ns_;
  healed_ns_ = old.healed_ns_;
  cuts_ = old.cuts_;
  lost_messages_ = old.lost_messages_;
  return true;
}

}  // namespace harness::layers
