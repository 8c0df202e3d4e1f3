// SPDX-License-Identifier: Apache-2.0
// See check_boundary.hpp.
#include <harness/layers/check/check_boundary.hpp>

namespace harness::layers {

bool CheckBoundary::judge(Message& message) {
  ++judged_messages_;
  const std::byte* raw = message.pull(wire::bytes_of<wire::CheckBoundary>);
  const bool whole = raw != nullptr && wire::decode<wire::CheckBoundary>(raw).bytes == message.size();
  if (!whole) breaches_.report(context_, "boundary: a message is not as long as it was sent");
  return raw != nullptr;
}

void CheckBoundary::describe(Describer& describer) const {
  describer.value("judged_messages", judged_messages_);
  describer.value("breaches", breaches_.count());
}

bool CheckBoundary::take_state(CheckBoundary& old) {
  breaches_ = old.breaches_;
  judged_messages_ = old.judged_messages_;
  return true;
}

}  // namespace harness::layers
