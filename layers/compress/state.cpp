// SPDX-License-Identifier: Apache-2.0
// compress between its messages: events, the end, values, and what a successor takes over.
#include <harness/layers/compress.hpp>

namespace harness::layers {

Compress::Ticket::~Ticket() {
  if (owner == nullptr) free_pooled(work);
}

void Compress::on(const Event& event, Onward onward) {
  switch (event.kind) {
    case EventKind::writable:
      work();
      released_ = 0;
      onward(event);
      return close_when_empty();
    case EventKind::close:
      closing_ = !sending_.empty();
      if (closing_) return;
      break;
    case EventKind::peer_lost:
    case EventKind::corrupt:
    case EventKind::closed:
      refusing_ = true;
      drop_all();
      break;
    default: break;
  }
  onward(event);
}

void Compress::drop_all() noexcept {
  again_.cancel();
  for (const Work& work : sending_) context_.gate.release_channel(context_.pump, work.message.note().channel);
  drop(sending_);
  drop(receiving_);
  context_.gate.owe_delivery(context_.gate_bit, false);
  jobs_ = 0;
  expanding_bytes_ = 0;
  released_ = 0;
  closing_ = false;
}

// Work that a job still reads stays until the job has ended.
void Compress::drop(WorkList& list) noexcept {
  list.clear_and_dispose([](Work* work) {
    if (work->state != Work::State::running) return free_pooled(work);
    const std::shared_ptr<Ticket> ticket = std::move(work->ticket);
    ticket->owner = nullptr;  // and if the job will never end, this was the last to know of it
  });
}

void Compress::describe(Describer& describer) const {
  describer.text("method", method_ == wire::CompressMethod::lz4 ? "lz4" : "zstd");
  describer.value("packed_messages", packed_messages_);
  describer.value("stored_messages", stored_messages_);
  describer.value("original_bytes", original_bytes_);
  describer.value("packed_bytes", packed_bytes_);
  describer.value("unpacked_messages", unpacked_messages_);
  describer.value("offloaded", offloaded_);
  describer.value("in_work", sending_.size() + receiving_.size());
  describer.value("damaged_messages", damaged_messages_);
}

// Jobs under way end here: each finds its owner by its ticket.
bool Compress::take_state(Compress& old) {
  if (&context_.pool != &old.context_.pool || !sending_.empty() || !receiving_.empty()) return false;
  old.again_.cancel();
  for (const Work& work : old.sending_) {
    old.context_.gate.release_channel(old.context_.pump, work.message.note().channel);
    context_.gate.hold_channel(context_.pump, work.message.note().channel);
  }
  sending_.swap(old.sending_);
  receiving_.swap(old.receiving_);
  for (WorkList* list : {&sending_, &receiving_})
    for (Work& work : *list)
      if (work.ticket != nullptr) work.ticket->owner = this;
  old.context_.gate.owe_delivery(old.context_.gate_bit, false);
  context_.gate.owe_delivery(context_.gate_bit, !receiving_.empty());
  jobs_ = std::exchange(old.jobs_, 0);
  expanding_bytes_ = std::exchange(old.expanding_bytes_, 0);
  in_vain_ = old.in_vain_;
  skip_left_ = old.skip_left_;
  packed_messages_ = old.packed_messages_;
  stored_messages_ = old.stored_messages_;
  original_bytes_ = old.original_bytes_;
  packed_bytes_ = old.packed_bytes_;
  unpacked_messages_ = old.unpacked_messages_;
  offloaded_ = old.offloaded_;
  damaged_messages_ = old.damaged_messages_;
  context_.env.timers().arm(again_, context_.env.now_ns());  // what waited for a job or for room
  return true;
}

}  // namespace harness::layers
