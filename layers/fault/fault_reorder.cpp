// SPDX-License-Identifier: Apache-2.0
// See fault_reorder.hpp.
#include <harness/layers/fault/fault_reorder.hpp>

namespace harness::layers {

FaultReorder::FaultReorder(const OptionValues& values, LayerContext& context)
    : context_(context), rate_ppm_(static_cast<std::uint64_t>(values[rate])),
      distance_(static_cast<std::uint32_t>(values[distance])),
      delay_ns_(static_cast<std::uint64_t>(values[delay]) * 1000),
      dice_(values[seed], values[toward], context), waiting_(context),
      due_([](void* self) { static_cast<FaultReorder*>(self)->release_due(); }, this) {}

bool FaultReorder::keep(Message& message) {
  if (waiting_.size() >= distance_) return false;
  const auto others = static_cast<std::uint32_t>(dice_.random().between(1, distance_));
  if (!waiting_.push(message, context_.env.now_ns() + delay_ns_, others)) {
    ++without_memory_;
    return false;
  }
  if (!due_.armed()) arm();
  return true;
}

void FaultReorder::pass(Message& message) {
  context_.above(message);
  for (fault::Waiting& waiting : waiting_) --waiting.left;
  release_overtaken();
}

// Looks anew after each: who is handed a message may end the link, and then nothing waits any more.
void FaultReorder::release_overtaken() {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (at->left != 0) {
      ++at;
      continue;
    }
    Message message = waiting_.pop(at);
    ++overtaken_messages_;
    context_.above(message);
    at = waiting_.begin();
  }
}

void FaultReorder::release_due() {
  while (!waiting_.empty() && waiting_.front().due_ns <= context_.env.now_ns()) {
    Message message = waiting_.pop(waiting_.begin());
    ++timed_out_messages_;
    context_.above(message);
  }
  arm();
}

void FaultReorder::arm() noexcept {
  if (!waiting_.empty()) context_.env.timers().arm(due_, waiting_.front().due_ns);
}

void FaultReorder::on(const Event& event, Onward onward) {
  if (fault::ends_link(event.kind)) {
    due_.cancel();
    waiting_.drop_all();
  }
  onward(event);
}

void FaultReorder::describe(Describer& describer) const {
  describer.value("waiting_messages", waiting_.size());
  describer.value("overtaken_messages", overtaken_messages_);
  describer.value("timed_out_messages", timed_out_messages_);
  describer.value("without_memory", without_memory_);
}

bool FaultReorder::take_state(FaultReorder& old) {
  if (!waiting_.same_pool(old.waiting_) || !waiting_.empty()) return false;
  waiting_.take(old.waiting_);
  old.due_.cancel();
  arm();
  overtaken_messages_ = old.overtaken_messages_;
  timed_out_messages_ = old.timed_out_messages_;
  without_memory_ = old.without_memory_;
  return true;
}

}  // namespace harness::layers
