// SPDX-License-Identifier: Apache-2.0
// How the services of one link share it: answers first, then whoever has more to send, in turns.
//
// Answers (pongs, credits, verdicts) wait in a bounded queue while the link is held; when it is full the link
// is paused, so a peer that asks but never reads stops itself. Producers make their next message only when
// the link can take it, one each in turn: two transfers share a link, and memory stays where it is. Work is
// done when the engine polls, `budget` messages at a time, so that no turn grows with what there is to send.
// Where the stack has channels, answers and pings go on the first, files and load on the second.
// Bounds: answers_max answers. Thread: the link's engine.
#pragma once

#include <deque>

#include <boost/intrusive/list.hpp>

#include <harness/stack/link.hpp>

namespace harness::apps {

enum class Lane : std::uint8_t { urgent, bulk };

/// Makes messages when the link can take them.
class Producer
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  /// Sends at most one message by Outbox::send; true when it did. False: ask again after Outbox::wake.
  virtual bool produce() = 0;

 protected:
  ~Producer() = default;
};

class Outbox final : private Poller {
 public:
  static constexpr std::size_t answers_max = 1024;

  /// Engine and link outlive the outbox.
  Outbox(Engine& engine, Link& link);
  ~Outbox() override { producers_.clear(); }
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  /// Sends an answer now or as soon as the link takes it; dropped once the link is closed.
  void answer(Message&& message);
  /// Sends a producer's message: what Link::send says. Only inside produce.
  Errc send(Message&& message, Lane lane);
  void add(Producer& producer);
  /// The link is writable, or a producer has something again: both are tried in the next poll.
  void wake() noexcept { awake_ = true; }
  /// Two lanes from now on: the stack has channels.
  void use_channels(bool channels) noexcept { channels_ = channels; }
  /// The largest message body that the link takes; 0 while it is not up.
  [[nodiscard]] std::uint32_t message_bytes_max();
  [[nodiscard]] std::size_t waiting() const noexcept { return answers_.size(); }
  [[nodiscard]] Link& link() noexcept { return link_; }
  [[nodiscard]] Engine& engine() noexcept { return engine_; }

 private:
  unsigned poll(unsigned budget) override;
  unsigned send_answers(unsigned budget);
  unsigned ask_producers(unsigned budget);
  void balance();

  Engine& engine_;
  Link& link_;
  std::deque<Message> answers_;
  boost::intrusive::list<Producer, boost::intrusive::constant_time_size<false>> producers_;
  bool awake_ = false;
  bool paused_ = false;
  bool channels_ = false;
};

}  // namespace harness::apps
