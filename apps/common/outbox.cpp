// SPDX-License-Identifier: Apache-2.0
// Sharing a link between answers and producers.
#include <harness/apps/common/outbox.hpp>

namespace harness::apps {

namespace {
constexpr std::uint16_t bulk_channel = 1;
constexpr std::uint8_t bulk_priority = 7;
}  // namespace

Outbox::Outbox(Engine& engine, Link& link) : engine_(engine), link_(link) { engine_.add(*this); }

Errc Outbox::send(Message&& message, Lane lane) {
  const bool bulk = channels_ && lane == Lane::bulk;
  message.note().channel = bulk ? bulk_channel : 0;
  message.note().priority = bulk ? bulk_priority : 0;
  return link_.send(std::move(message));
}

void Outbox::answer(Message&& message) {
  if (!message) return;
  if (answers_.empty() && send(std::move(message), Lane::urgent) != Errc::would_block) return;
  answers_.push_back(std::move(message));
  balance();
}

void Outbox::add(Producer& producer) {
  producers_.push_back(producer);
  wake();
}

unsigned Outbox::poll(unsigned budget) {
  if (!awake_) return 0;
  const unsigned answered = send_answers(budget);
  balance();
  if (!answers_.empty()) {
    awake_ = answered == budget;  // else held: `writable` wakes
    return answered;
  }
  const unsigned produced = ask_producers(budget - answered);
  return answered + produced;
}

unsigned Outbox::send_answers(unsigned budget) {
  unsigned sent = 0;
  while (!answers_.empty() && sent < budget) {
    if (send(std::move(answers_.front()), Lane::urgent) == Errc::would_block) return sent;
    answers_.pop_front();
    ++sent;
  }
  return sent;
}

// One message each in turn. A held link makes every producer say false; its message stays with it.
unsigned Outbox::ask_producers(unsigned budget) {
  unsigned sent = 0;
  bool more = true;
  while (more && sent < budget) {
    const unsigned before = sent;
    awake_ = false;  // a producer may wake us again
    for (auto at = producers_.begin(); at != producers_.end();) sent += (at++)->produce() ? 1u : 0u;
    more = sent != before;
  }
  awake_ = awake_ || more;
  return sent;
}

// Full: nothing more is read from the peer. Half empty: it may go on.
void Outbox::balance() {
  if (!paused_ && answers_.size() >= answers_max) {
    paused_ = true;
    link_.pause();
  } else if (paused_ && answers_.size() <= answers_max / 2) {
    paused_ = false;
    link_.resume();
  }
}

std::uint32_t Outbox::message_bytes_max() {
  return link_.stack() == nullptr ? 0 : link_.stack()->max_message();
}

}  // namespace harness::apps
