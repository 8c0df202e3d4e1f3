// SPDX-License-Identifier: Apache-2.0
// See fault_duplicate.hpp.
#include <harness/layers/fault/fault_duplicate.hpp>

namespace harness::layers {

// The copy goes first: then the message itself goes on as the last act of the hook.
void FaultDuplicate::hand_up_first(Message& message) {
  Message copy = message.share(context_.pool);
  if (!copy) {
    ++without_memory_;
    return;
  }
  ++duplicated_messages_;
  context_.above(copy);
}

}  // namespace harness::layers
