// SPDX-License-Identifier: Apache-2.0
// reliable, recovering: acknowledgements of the peer, what they say is lost, and what silence says.
#include <algorithm>

#include <harness/layers/reliable.hpp>

namespace harness::layers {

namespace {

constexpr unsigned lost_looked_at = 64;  // late arrivals are looked for among so many
constexpr unsigned successors_max = 64;  // a chain of probes is as long as the back-off lets it be
constexpr unsigned timeouts_min = 3;     // unanswered probes before silence is death

}  // namespace

// What one acknowledgement brought.
struct Reliable::Progress {
  std::uint64_t bytes = 0;
  std::uint64_t newest = 0;  // number of the newest packet it names for the first time
  std::uint64_t sent_ns = 0;
  std::uint64_t in_flight_bytes = 0;  // before it
};

// ---- acknowledgements ----

// Takes an acknowledgement, and its note, off the front of a packet; false when the packet ends with it.
bool Reliable::take_ack(Message& message, std::uint64_t& note) {
  const std::byte* raw = message.pull(ack_bytes);
  if (raw == nullptr) return ++refused_packets_, false;
  const auto ack = wire::decode<wire::ReliableAck>(raw);
  if (ack.form == wire::ReliableForm::noted_ack) {
    raw = message.pull(note_bytes);
    if (raw == nullptr) return ++refused_packets_, false;
    note = wire::decode<wire::ReliableNote>(raw).note;
  }
  raw = message.pull(ack.ranges * range_bytes);
  if (raw == nullptr || ack.ranges > AckRanges::further_max) return ++refused_packets_, false;
  std::array<AckRanges::Range, 1 + AckRanges::further_max> ranges;
  std::uint64_t largest = wire::complete(ack.largest, wire::reliable_number_bits, sent_.next());
  if (largest >= sent_.next() || largest <= ack.first)
    return refuse(Errc::corrupt, "the peer acknowledges a packet that was never sent"), false;
  ranges[0] = {largest - ack.first, largest, 0};
  for (unsigned i = 1; i <= ack.ranges; ++i) {
    const auto range = wire::decode<wire::ReliableRange>(raw + std::size_t{i - 1} * range_bytes);
    const std::uint64_t above = ranges[i - 1].first;
    if (above < std::uint64_t{range.gap} + range.length + 3)
      return refuse(Errc::corrupt, "the ranges of an acknowledgement go below the first packet"), false;
    ranges[i].last = above - range.gap - 2;
    ranges[i].first = ranges[i].last - range.length;
  }
  // RFC 9000 §21.4: who names a number that was left out acknowledges what it never got.
  for (unsigned i = 0; i <= ack.ranges && skipped_ != 0; ++i)
    if (skipped_ >= ranges[i].first && skipped_ <= ranges[i].last)
      return refuse(Errc::corrupt, "the peer acknowledges a packet number that was left out"), false;
  take_credit(ack, largest);
  take_ranges(ack, {ranges.data(), ack.ranges + std::size_t{1}});
  return !ended_;
}

void Reliable::take_credit(const wire::ReliableAck& ack, std::uint64_t largest) noexcept {
  const std::uint64_t known = credit_cost_ / credit_unit_bytes;
  const std::uint64_t told = wire::complete(ack.credit, credit_bits, known);
  if (told > known) {
    credit_cost_ = told * credit_unit_bytes;
    begged_ = 0;
  } else if (told < known && largest > largest_acked_) {
    ++credit_regressions_;  // an acknowledgement that was overtaken may say less, a new one may not
  }
}

void Reliable::take_ranges(const wire::ReliableAck& ack, std::span<const AckRanges::Range> ranges) {
  const std::uint64_t now_ns = context_.env.now_ns();
  Progress progress{.in_flight_bytes = in_flight_bytes_};
  const std::uint64_t largest = ranges.front().last;
  const bool flies =
      sent_.holds(largest) && sent_.at(static_cast<std::uint32_t>(largest)).state == State::flying;
  const std::uint64_t sent_ns = flies ? sent_.at(static_cast<std::uint32_t>(largest)).sent_ns : 0;
  const bool measures = flies && (sent_ns >= woke_ns_ || !rtt_.measured());

  // The packets in flight and the ranges, both from the oldest on.
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) take_usual(*range, progress);
  auto range = ranges.rbegin();
  for (std::uint32_t number = sent_.flying().front; number != 0 && range != ranges.rend() && !ended_;) {
    const std::uint64_t full = sent_.full(number);
    if (full > range->last) {
      ++range;
      continue;
    }
    const std::uint32_t after = sent_.at(number).after;
    if (full >= range->first) take_acked(number, progress);
    number = after;
  }
  if (ended_) return;
  look_for_spurious(sent_.lost().front, ranges);
  look_for_spurious(sent_.ghosts().front, ranges);
  largest_acked_ = std::max(largest_acked_, largest);
  if (measures) {
    rtt_.sample(now_ns - sent_ns, std::uint64_t{ack.delay} << TimerWheel::tick_shift, now_ns);
    if (measured_ns_ == 0) measured_ns_ = now_ns;
  }
  if (progress.newest != 0) {
    timeouts_ = 0;
    const bool in_use = limited_ || progress.in_flight_bytes + 3 * mtu_.bytes() > window_.window_bytes;
    controller_.on_ack({now_ns, progress.bytes, progress.sent_ns, rtt_.smoothed_ns(), in_use,
                        rtt_.measured() ? rtt_.min_ns() : 0});
  }
  const auto marked = static_cast<std::uint16_t>(ack.congested - peer_congested_);
  if (marked != 0 && marked < 0x8000) {  // RFC 9002 §7.1; an older acknowledgement says less
    peer_congested_ = ack.congested;
    controller_.on_ecn({now_ns, progress.sent_ns, in_flight_bytes_});
  }
  detect_lost();
  sent_.retire(now_ns - std::min(now_ns, rtt_.persistent_ns()));
  update_window();
  search_mtu();
}

// As long as the oldest packet in flight is the oldest whole message, and acknowledged: nearly always all of
// it.
void Reliable::take_usual(const AckRanges::Range& range, Progress& progress) {
  if (acked_.has_gap()) return;
  std::uint64_t bytes = 0;
  while (!sent_.flying().empty()) {
    const std::uint32_t number = sent_.flying().front;
    Sent& sent = sent_.at(number);
    const std::uint64_t full = sent_.full(number);
    const bool usual = full >= range.first && full <= range.last && sent.data && sent.split == nullptr &&
                       sent.message == static_cast<std::uint32_t>(acked_.floor());
    if (!usual) break;
    progress.newest = full;
    progress.sent_ns = sent.sent_ns;
    bytes += sent.bytes;
    mtu_.on_acked(sent.bytes, full);
    sent_.take_front();
    sent.data.reset();
    acked_.take_floor();
  }
  progress.bytes += bytes;
  in_flight_bytes_ -= bytes;
}

void Reliable::take_acked(std::uint32_t number, Progress& progress) {
  Sent& sent = sent_.at(number);
  const std::uint64_t full = sent_.full(number);
  progress.newest = full;
  progress.sent_ns = sent.sent_ns;
  if (sent.mtu_probe) {
    mtu_.on_probe_acked(sent.bytes, context_.env.now_ns());
  } else {
    in_flight_bytes_ -= sent.bytes;
    progress.bytes += sent.bytes;
    mtu_.on_acked(sent.bytes, full);
  }
  sent_.mark_done(number);
  if (sent.data) return release_data(sent);
  follow(sent.successor);
}

// Packets that were thought lost and arrived after all: the path reorders (RFC 8985 §6.2).
void Reliable::look_for_spurious(std::uint32_t number, std::span<const AckRanges::Range> ranges) {
  for (unsigned looked = 0; number != 0 && looked < lost_looked_at && !ended_; ++looked) {
    Sent& sent = sent_.at(number);
    const std::uint64_t full = sent_.full(number);
    const std::uint32_t after = sent.after;
    const bool arrived = std::any_of(ranges.begin(), ranges.end(), [&](const AckRanges::Range& range) {
      return full >= range.first && full <= range.last;
    });
    if (arrived && sent.cut == 0) {
      ++spurious_packets_;
      reordering_.spurious(context_.env.now_ns(), rtt_);
      sent_.mark_done(number);
      sent.data ? release_data(sent) : follow(sent.successor);
    }
    number = after;
  }
}

// The bytes of a packet have arrived: they are not kept any longer.
void Reliable::release_data(Sent& sent) noexcept {
  const std::uint32_t bytes = sent.data.size();
  sent.data.reset();
  if (sent.split == nullptr) return message_acked(sent.message);
  Split* const split = std::exchange(sent.split, nullptr);
  if ((split->left_bytes -= bytes) != 0) return;
  free_pooled(split);
  message_acked(sent.message);
}

// The bytes that this packet carried travel on under another number and need not arrive there, too.
void Reliable::follow(std::uint32_t successor) noexcept {
  for (unsigned i = 0; i < successors_max && successor != 0 && sent_.holds(sent_.full(successor)); ++i) {
    Sent& sent = sent_.at(successor);
    if (sent.data && sent.cut == 0) {
      if (sent.state == State::lost) sent_.mark_done(successor);
      return release_data(sent);
    }
    successor = sent.successor;
  }
}

void Reliable::message_acked(std::uint32_t number) noexcept {
  const std::uint64_t full = wire::complete(number, 32, acked_.floor());
  if (acked_.insert(full, context_.pool, nullptr) == Numbers::Answer::no_memory)
    refuse(Errc::exhausted, "reliable has no memory to note an acknowledgement");
}

// ---- pauses of ours ----

// A turn that comes late by more than a probe timeout: what left before it, or after the turn before it with
// that one's time, has an acknowledgement that may have waited here. Such a round trip is our own absence; an
// eighth of it in the estimate, and the pace is a window in as long a time.
void Reliable::look_for_pause() noexcept {
  const std::uint64_t late_ns = context_.env.late_ns();
  if (late_ns - late_seen_ns_ > rtt_.probe_timeout_ns()) woke_ns_ = context_.env.now_ns();
  late_seen_ns_ = late_ns;
}

// ---- loss (RFC 9002 §6.1, RFC 8985) ----

// The oldest packets in flight, as far as they were sent before one that arrived: those before a packet or
// time threshold are lost, the first of the others says when to look again.
void Reliable::detect_lost() {
  const std::uint64_t now_ns = context_.env.now_ns();
  const std::uint64_t delay_ns = rtt_.loss_delay_ns(reordering_.extra_ns(rtt_));
  Losses losses;
  loss_due_ns_ = 0;
  while (!sent_.flying().empty() && !ended_) {
    const std::uint32_t number = sent_.flying().front;
    const Sent& sent = sent_.at(number);
    const std::uint64_t full = sent_.full(number);
    if (full >= largest_acked_) break;
    const bool late = left_ns(sent) + delay_ns <= now_ns;
    if (!late && largest_acked_ - full < reordering_.threshold()) {
      loss_due_ns_ = left_ns(sent) + delay_ns;
      break;
    }
    lose(number, losses);
  }
  if (losses.newest_sent_ns != 0) {
    if (losses.newest_sent_ns > recovery_ns_) {
      recovery_ns_ = now_ns;
      reordering_.recovery();
    }
    controller_.on_loss({now_ns, losses.newest_sent_ns, in_flight_bytes_});
    if (losses.persistent) {
      ++persistent_;
      controller_.on_persistent(now_ns);
    }
  }
  if (losses.any) update_window();
}

void Reliable::lose(std::uint32_t number, Losses& losses) {
  const Sent& sent = sent_.at(number);
  const std::uint64_t full = sent_.full(number);
  const std::uint64_t now_ns = context_.env.now_ns();
  losses.any = true;
  if (sent.mtu_probe) {  // RFC 8899 §3: says nothing about congestion
    mtu_.on_probe_lost(sent.bytes, now_ns);
    return sent_.mark_done(number);
  }
  in_flight_bytes_ -= sent.bytes;
  ++lost_packets_;
  // RFC 9002 §7.6: everything sent in a stretch of time was lost, none of it before the first measurement.
  if (losses.last + 1 != full || losses.first_sent_ns == 0) losses.first_sent_ns = left_ns(sent);
  losses.last = full;
  const bool measured = measured_ns_ != 0 && losses.first_sent_ns > measured_ns_;
  if (measured && left_ns(sent) - losses.first_sent_ns >= rtt_.persistent_ns()) losses.persistent = true;
  losses.newest_sent_ns = sent.sent_ns;
  mtu_.on_lost(sent.bytes, full, now_ns);
  sent_.mark_lost(number);
}

// ---- silence (RFC 9002 §6.2) ----

std::uint64_t Reliable::probe_interval_ns(unsigned tries) const noexcept {
  const std::uint64_t once_ns = rtt_.probe_timeout_ns();
  return std::min(once_ns << std::min(tries, 16u), std::max(once_ns, patience_ns_ / 8));
}

// When something is to be done about what is in flight, or about what has no credit to leave.
std::uint64_t Reliable::timer_due_ns() const noexcept {
  if (loss_due_ns_ != 0) return loss_due_ns_;
  if (!sent_.flying().empty()) return left_ns(sent_.at(sent_.flying().back)) + probe_interval_ns(timeouts_);
  if (queue_.empty() && sent_.lost().empty()) return 0;
  return waiting_since_ns_ + probe_interval_ns(begged_);  // answered or not: credit comes when there is some
}

// A timer that is armed for earlier is left alone: it looks again when it fires.
void Reliable::arm_timer() noexcept {
  const bool stuck = sent_.flying().empty() && !(queue_.empty() && sent_.lost().empty());
  if (!stuck) waiting_since_ns_ = 0;
  if (stuck && waiting_since_ns_ == 0) waiting_since_ns_ = context_.env.now_ns();
  const std::uint64_t due_ns = timer_due_ns();
  if (due_ns == 0) return timer_.cancel();
  if (timer_.armed() && armed_for_ns_ <= due_ns) return;
  armed_for_ns_ = due_ns;
  context_.env.timers().arm(timer_, due_ns);
}

void Reliable::on_timer() {
  look_for_pause();
  const std::uint64_t now_ns = context_.env.now_ns();
  const std::uint64_t due_ns = timer_due_ns();
  if (due_ns != 0 && due_ns <= now_ns) {
    if (sent_.flying().empty()) ++begged_;
    if (loss_due_ns_ != 0) {
      detect_lost();
    } else {
      on_probe_timeout();
    }
    waiting_since_ns_ = 0;
  }
  if (!ended_) resume();
  if (!ended_) arm_timer();
}

// Nothing came back for too long: something must, so something is sent (§6.2.4). Loss is not declared.
void Reliable::on_probe_timeout() {
  ++timeouts_;
  ++probe_timeouts_;
  if (peer_is_lost() || context_.gate.held_deep(context_.gate_bit)) return;
  const bool with_data = probe_with_data();
  if (!ended_ && (!with_data || timeouts_ > 1)) send_probe(probe_bytes, false);
}

bool Reliable::probe_with_data() {
  if (!sent_.make_room(context_.pool)) return false;
  if (!sent_.lost().empty()) return send_again(sent_.lost().front, true);
  std::uint32_t number = sent_.flying().front;
  while (number != 0 && !sent_.at(number).data) number = sent_.at(number).after;
  if (number != 0) return sent_.at(number).bytes <= mtu_.bytes() && send_again(number, true);
  return false;  // nothing under way: what waits has no credit, and a bare probe asks for it
}

// True when the peer was given up: so many probes and so much time without a sign, the time not ours.
bool Reliable::peer_is_lost() {
  const std::uint64_t silent_ns = context_.env.now_ns() - heard_ns_;
  const std::uint64_t late_ns = context_.env.late_ns() - late_at_heard_ns_;
  if (timeouts_ < timeouts_min || silent_ns < patience_ns_ + late_ns) return false;
  ended_ = true;
  drop_all();
  context_.events(
      {EventKind::peer_lost, Errc::timed_out, "reliable: nothing came from the peer for too long"});
  return true;
}

// Four times in `patience`: asks an idle peer for a sign.
void Reliable::keep_alive() {
  const std::uint64_t now_ns = context_.env.now_ns();
  context_.env.timers().arm(idle_timer_, now_ns + patience_ns_ / 4);
  search_mtu();
  if (!ended_ && sent_.next() == sent_.first()) sent_.clear();  // an idle link has no table
  const bool silent = now_ns - heard_ns_ >= patience_ns_ / 4;
  if (!ended_ && silent && sent_.flying().empty() && !context_.gate.held_deep(context_.gate_bit))
    send_probe(probe_bytes, false);
}

}  // namespace harness::layers
