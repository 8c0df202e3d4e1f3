// SPDX-License-Identifier: Apache-2.0
// See support.hpp.
#include <harness/layers/fault/support.hpp>

namespace harness::layers::fault {

bool WaitingList::push(Message& message, std::uint64_t due_ns, std::uint32_t left) noexcept {
  auto* waiting = new_pooled<Waiting>(context_.pool, context_.quota, std::move(message), due_ns, left);
  if (waiting == nullptr) return false;  // then nothing was moved out either
  list_.push_back(*waiting);
  owe();
  return true;
}

Message WaitingList::pop(iterator at) noexcept {
  Waiting* waiting = &*at;
  list_.erase(at);
  owe();
  Message message = std::move(waiting->message);
  free_pooled(waiting);
  return message;
}

void WaitingList::drop_all() noexcept {
  list_.clear_and_dispose([](Waiting* waiting) { free_pooled(waiting); });
  owe();
}

void WaitingList::take(WaitingList& old) noexcept {
  list_.swap(old.list_);
  old.owe();
  owe();
}

}  // namespace harness::layers::fault
