// SPDX-License-Identifier: Apache-2.0
// See check_no_duplicates.hpp.
#include <harness/layers/check/check_no_duplicates.hpp>

namespace harness::layers {

bool CheckNoDuplicates::judge(Message& message) {
  ++judged_messages_;
  const wire::CheckNoDuplicates number = check::take_number(message);
  if (number.channel >= Gate::channels_max) {
    breaches_.report(context_, "no duplicates: a message has no number");
    return false;
  }
  if (number.sequence == 0) return true;
  std::uint64_t missing = 0;  // not asked for here
  const auto sight = arrivals_.note(number, missing);
  if (sight == check::Arrivals::Sight::unknown) ++unknown_messages_;
  if (sight == check::Arrivals::Sight::repeated)
    breaches_.report(context_, "no duplicates: a message came twice");
  return true;
}

void CheckNoDuplicates::describe(Describer& describer) const {
  describer.value("judged_messages", judged_messages_);
  describer.value("unknown_messages", unknown_messages_);
  describer.value("breaches", breaches_.count());
}

bool CheckNoDuplicates::take_state(CheckNoDuplicates& old) {
  if (!arrivals_.same_pool(old.arrivals_)) return false;
  numbering_ = old.numbering_;
  arrivals_.take(old.arrivals_);
  breaches_ = old.breaches_;
  judged_messages_ = old.judged_messages_;
  unknown_messages_ = old.unknown_messages_;
  return true;
}

}  // namespace harness::layers
