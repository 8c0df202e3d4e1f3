// SPDX-License-Identifier: Apache-2.0
// See check_fifo.hpp.
#include <harness/layers/check/check_fifo.hpp>

namespace harness::layers {

bool CheckFifo::judge(Message& message) {
  ++judged_messages_;
  const wire::CheckFifo number = check::take_number(message);
  if (number.channel >= Gate::channels_max) {
    breaches_.report(context_, "fifo: a message has no number");
    return false;
  }
  if (number.sequence == 0) return true;
  std::uint64_t& last = last_[number.channel];
  if (number.sequence < last) breaches_.report(context_, "fifo: a message came after a later one");
  last = std::max(last, number.sequence);
  return true;
}

void CheckFifo::describe(Describer& describer) const {
  describer.value("judged_messages", judged_messages_);
  describer.value("breaches", breaches_.count());
}

bool CheckFifo::take_state(CheckFifo& old) {
  numbering_ = old.numbering_;
  last_ = old.last_;
  breaches_ = old.breaches_;
  judged_messages_ = old.judged_messages_;
  return true;
}

}  // namespace harness::layers
