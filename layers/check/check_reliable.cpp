// SPDX-License-Identifier: Apache-2.0
// See check_reliable.hpp.
#include <harness/layers/check/check_reliable.hpp>

namespace harness::layers {

bool CheckReliable::judge(Message& message) {
  ++judged_messages_;
  const wire::CheckReliable number = check::take_number(message);
  if (number.channel >= Gate::channels_max) {
    breaches_.report(context_, "reliable: a message has no number");
    return false;
  }
  if (number.sequence != 0) look_for_gap(number);
  return true;
}

void CheckReliable::look_for_gap(wire::CheckReliable number) {
  std::uint64_t missing = 0;
  if (!ordered_) {
    if (arrivals_.note(number, missing) == check::Arrivals::Sight::unknown) ++unknown_messages_;
  } else if (std::uint64_t& last = last_[number.channel]; number.sequence > last) {
    missing = number.sequence - last - 1;
    last = number.sequence;
  }
  if (missing != 0)
    breaches_.report(context_, "reliable: a message is missing although later ones came", missing);
}

void CheckReliable::on(const Event& event, Onward onward) {
  if (event.kind == EventKind::closed)
    if (const std::uint64_t absent = arrivals_.absent(); absent != 0)
      breaches_.report(context_, "reliable: a message is missing although the link closed in order", absent);
  onward(event);
}

void CheckReliable::describe(Describer& describer) const {
  describer.value("judged_messages", judged_messages_);
  describer.value("unknown_messages", unknown_messages_);
  describer.value("breaches", breaches_.count());
}

bool CheckReliable::take_state(CheckReliable& old) {
  if (!arrivals_.same_pool(old.arrivals_) || ordered_ != old.ordered_) return false;
  numbering_ = old.numbering_;
  arrivals_.take(old.arrivals_);
  last_ = old.last_;
  breaches_ = old.breaches_;
  judged_messages_ = old.judged_messages_;
  unknown_messages_ = old.unknown_messages_;
  return true;
}

}  // namespace harness::layers
