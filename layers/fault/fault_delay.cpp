// SPDX-License-Identifier: Apache-2.0
// See fault_delay.hpp.
#include <harness/layers/fault/fault_delay.hpp>

namespace harness::layers {

FaultDelay::FaultDelay(const OptionValues& values, LayerContext& context)
    : context_(context), delay_ns_(static_cast<std::uint64_t>(values[delay]) * 1000),
      jitter_ns_(static_cast<std::uint64_t>(values[jitter]) * 1000),
      queue_(static_cast<std::size_t>(values[queue])), dice_(values[seed], values[toward], context),
      waiting_(context), due_([](void* self) { static_cast<FaultDelay*>(self)->release_due(); }, this) {}

// False: the message goes on now, and nothing that came before it waits.
bool FaultDelay::keep(Message& message) {
  while (waiting_.size() >= queue_) release_first();
  const std::uint64_t due_ns =
      context_.env.now_ns() + delay_ns_ + (jitter_ns_ != 0 ? dice_.random().below(jitter_ns_ + 1) : 0);
  if (!waiting_.push(message, due_ns)) {
    while (!waiting_.empty()) release_first();
    ++early_messages_;
    return false;
  }
  ++delayed_messages_;
  if (!due_.armed()) arm();
  return true;
}

void FaultDelay::release_first() {
  Message message = waiting_.pop(waiting_.begin());
  ++early_messages_;
  context_.above(message);
}

// The first holds back those behind it, although jitter may have made them due before it.
void FaultDelay::release_due() {
  while (!waiting_.empty() && waiting_.front().due_ns <= context_.env.now_ns()) {
    Message message = waiting_.pop(waiting_.begin());
    context_.above(message);
  }
  arm();
}

void FaultDelay::arm() noexcept {
  if (!waiting_.empty()) context_.env.timers().arm(due_, waiting_.front().due_ns);
}

void FaultDelay::on(const Event& event, Onward onward) {
  if (fault::ends_link(event.kind)) {
    due_.cancel();
    waiting_.drop_all();
  }
  onward(event);
}

void FaultDelay::describe(Describer& describer) const {
  describer.value("waiting_messages", waiting_.size());
  describer.value("delayed_messages", delayed_messages_);
  describer.value("early_messages", early_messages_);
}

bool FaultDelay::take_state(FaultDelay& old) {
  if (!waiting_.same_pool(old.waiting_) || !waiting_.empty()) return false;
  waiting_.take(old.waiting_);
  old.due_.cancel();
  arm();
  delayed_messages_ = old.delayed_messages_;
  early_messages_ = old.early_messages_;
  return true;
}

}  // namespace harness::layers
