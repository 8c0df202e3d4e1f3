// SPDX-License-Identifier: Apache-2.0
// Hold and writable, reserves, reserve and commit, quota, pause.
#include <harness/tests/conformance/transport_suite.hpp>

namespace harness::tests {

namespace {

constexpr std::uint32_t control_bytes = 64;

// Connected, with the far side paused and the near side held behind it. The number of frames that wait.
unsigned held(Trial& t, std::uint32_t bytes = 1000) {
  if (!t.connect()) return 0;
  t.far.endpoint->pause_receive(true);
  return t.fill(t.near, bytes);
}

void release(Trial& t) { t.far.endpoint->pause_receive(false); }

void holds_a_sender_whose_peer_takes_nothing(Trial& t) { held(t); }

void takes_a_largest_frame_while_held(Trial& t) {
  const unsigned waiting = held(t);
  if (waiting == 0) return;
  const std::string body = Trial::pattern(t.largest(t.near), 77);
  t.send(t.near, body);
  release(t);
  t.until([&] { return t.far.got.size() == waiting + 1; }, "a frame that was sent on the hold is lost");
  if (!t.far.got.empty())
    t.expect(t.far.got.back() == body, "the frame that was sent on the hold was changed");
}

void takes_control_frames_within_their_reserve_while_held(Trial& t) {
  const unsigned waiting = held(t);
  if (waiting == 0) return;
  t.send_patterned(t.near, t.largest(t.near), 1);  // the frame that a pump may still have had
  for (unsigned i = 0; i < Endpoint::control_reserve; ++i) {
    Message control = t.patterned(control_bytes, i);
    control.note().flags |= flag_control;
    t.near.down(control);
  }
  release(t);
  const unsigned all = waiting + 1 + Endpoint::control_reserve;
  t.until([&] { return t.far.got.size() == all; }, "a control frame is lost");
}

void reports_writable_when_there_is_room(Trial& t) {
  if (held(t) == 0) return;
  release(t);
  t.until([&] { return t.near.count(EventKind::writable) == 1; }, "the held sender never heard `writable`");
}

void reports_writable_once_a_hold(Trial& t) {
  if (held(t) == 0) return;
  release(t);
  t.until([&] { return t.near.count(EventKind::writable) != 0; }, "the held sender never heard `writable`");
  t.medium().rest();
  t.expect(t.near.count(EventKind::writable) == 1, "it heard it more than once");
}

void opens_the_gate_before_it_reports_writable(Trial& t) {
  if (held(t) == 0) return;
  release(t);
  if (!t.until([&] { return !t.near.heard.empty(); }, "the held sender heard nothing")) return;
  t.expect(!t.near.heard[0].gate_held, "the gate was still held when `writable` came");
  t.expect(!t.near.held(), "the gate is held although `writable` came");
}

void reports_no_writable_without_a_hold(Trial& t) {
  if (!t.connect()) return;
  for (unsigned i = 0; i < 30; ++i) t.send_patterned(t.near, 50, i);
  t.until([&] { return t.far.got.size() == 30; }, "not all frames arrived");
  t.expect(t.near.count(EventKind::writable) == 0, "nobody was held");
}

void holds_again_after_writable(Trial& t) {
  for (unsigned round = 0, all = 0; round < 3; ++round) {
    const unsigned waiting = round == 0 ? held(t) : (t.far.endpoint->pause_receive(true), t.fill(t.near));
    if (!t.expect(waiting != 0, "no hold in a later round")) return;
    all += waiting;
    release(t);
    if (!t.until([&] { return t.far.got.size() == all; }, "frames are lost")) return;
    if (!t.until([&] { return t.near.count(EventKind::writable) == round + 1; },
                 "no `writable` in a later round"))
      return;
  }
}

void loses_nothing_over_many_holds(Trial& t) {
  if (!t.connect()) return;
  constexpr unsigned frames = 3000;
  unsigned sent = 0;
  bool paused = false;
  while (sent < frames) {
    if (!t.near.held()) {
      t.send_patterned(t.near, 20 + sent % 700, sent);
      ++sent;
      continue;
    }
    paused = !paused;
    t.far.endpoint->pause_receive(paused);
    if (!paused && !t.until([&] { return !t.near.held(); }, "the hold never ends")) return;
  }
  t.far.endpoint->pause_receive(false);
  t.until([&] { return t.far.got.size() == frames; }, "some frames never arrived");
  for (unsigned i = 0; i < t.far.got.size(); ++i)
    if (!t.expect(t.far.got[i] == Trial::pattern(20 + i % 700, i),
                  "frame " + std::to_string(i) + " is wrong"))
      return;
}

void keeps_the_memory_of_a_held_link_bounded(Trial& t) {
  if (held(t, 100) == 0) return;
  const std::uint64_t frame = t.largest(t.near);
  t.expect(t.pool().held_bytes() <= (std::uint64_t{8} << 20) + 70 * frame,
           "a link that nobody reads holds too much");
}

// ---- reserve and commit ----

void sends_what_was_written_into_a_reserved_room(Trial& t) {
  if (!t.connect()) return;
  std::vector<std::string> bodies;
  for (const std::uint32_t bytes : {0u, 1u, 64u, 1000u, std::min(30'000u, t.largest(t.near))}) {
    bodies.push_back(Trial::pattern(bytes, bytes));
    const MutableBytes room = t.near.endpoint->reserve(bytes);
    if (!t.expect(room.size() == bytes, "the room has another size")) return;
    if (bytes != 0) std::memcpy(room.data(), bodies.back().data(), bytes);
    t.near.endpoint->commit();
    bodies.push_back("an ordinary frame between");
    t.send(t.near, bodies.back());
  }
  t.until([&] { return t.far.got.size() == bodies.size(); }, "not all frames arrived");
  t.expect_got(t.far, bodies);
}

void reserves_a_room_for_the_largest_frame(Trial& t) {
  if (!t.connect()) return;
  const std::uint32_t bytes = t.largest(t.near);
  const MutableBytes room = t.near.endpoint->reserve(bytes);
  if (!t.expect(room.size() == bytes, "there is no such room")) return;
  const std::string body = Trial::pattern(bytes, 5);
  std::memcpy(room.data(), body.data(), bytes);
  t.near.endpoint->commit();
  t.until([&] { return t.far.got.size() == 1; }, "it did not arrive");
  t.expect_got(t.far, {body});
}

void reserves_nothing_while_held(Trial& t) {
  if (held(t) == 0) return;
  t.expect(t.near.endpoint->reserve(10).empty(), "a room was given on a hold");
}

void reserves_nothing_beyond_the_largest_frame(Trial& t) {
  if (!t.connect()) return;
  t.expect(t.near.endpoint->reserve(t.largest(t.near) + 1).empty(), "a room larger than the largest frame");
}

void forgets_a_room_that_was_not_committed(Trial& t) {
  if (!t.connect()) return;
  const MutableBytes room = t.near.endpoint->reserve(100);
  if (!t.expect(room.size() == 100, "there is no room")) return;
  t.send(t.near, "after");
  t.until([&] { return !t.far.got.empty(); }, "nothing arrived");
  t.medium().rest();
  t.expect_got(t.far, {"after"});
}

// ---- quota ----

void charges_received_frames_to_the_quota(Trial& t) {
  if (!t.connect()) return;
  std::vector<Message> kept;
  t.far.take = [&](Message& message) { kept.push_back(std::move(message)); };
  for (unsigned i = 0; i < 10; ++i) t.send_patterned(t.near, 900, i);
  t.until([&] { return kept.size() == 10; }, "not all frames arrived");
  t.expect(t.far.quota->used_bytes() >= 10 * 900, "less is charged than is alive");
  kept.clear();
}

void returns_the_charge_with_the_message(Trial& t) {
  if (!t.connect()) return;
  for (unsigned i = 0; i < 10; ++i) t.send_patterned(t.near, 900, i);
  t.until([&] { return t.far.got.size() == 10; }, "not all frames arrived");
  t.medium().rest();
  t.expect(t.far.quota->used_bytes() == 0, "bytes of messages that are gone are still charged");
  t.expect(t.far.quota->peak_bytes() >= 900, "nothing was ever charged");
}

// Keeps what arrives until the quota is used up; returns how many frames that were.
struct Hoarder {
  static constexpr std::uint32_t bytes = 900;
  static constexpr unsigned frames = 400;
  std::vector<Message> kept;
  unsigned seen = 0;
  bool hoards = true;

  explicit Hoarder(Trial& trial) : t(trial) {
    t.far.quota = Quota::make(std::uint64_t{32} << 10);
    if (!t.connect()) return;
    t.far.take = [this](Message& message) {
      ++seen;
      if (hoards) kept.push_back(std::move(message));
    };
    for (unsigned i = 0; i < frames; ++i) {
      if (t.near.held()) t.medium().rest();
      if (t.near.held()) break;
      t.send_patterned(t.near, bytes, i);
      ++sent;
    }
    t.medium().rest();
  }
  ~Hoarder() { t.far.take = nullptr; }
  unsigned sent = 0;
  Trial& t;
};

void stops_receiving_when_the_quota_is_used_up(Trial& t) {
  Hoarder hoarder(t);
  t.expect(hoarder.seen != 0, "nothing was received at all");
  t.expect(hoarder.seen < hoarder.sent, "everything was received in spite of the quota");
  const Properties word = t.far.endpoint->facts().word;
  if (word.covers(property::reliable) && !word.covers(property::fifo))
    return t.skip("an unordered medium hands up what it gave credit for");
  t.expect(t.far.quota->used_bytes() <= (std::uint64_t{32} << 10) + 4096,
           "much more is alive than the quota");
}

void goes_on_when_the_quota_is_free_again(Trial& t) {
  Hoarder hoarder(t);
  const unsigned before = hoarder.seen;
  if (!t.expect(before < hoarder.sent, "the quota never stopped it")) return;
  hoarder.hoards = false;
  hoarder.kept.clear();
  t.until([&] { return hoarder.seen == hoarder.sent; }, "what waited never came");
}

void goes_on_when_a_little_of_the_quota_is_free_again(Trial& t) {
  Hoarder hoarder(t);
  if (!t.expect(hoarder.seen < hoarder.sent, "the quota never stopped it")) return;
  while (hoarder.kept.size() > 1 && hoarder.seen < hoarder.sent) {
    const unsigned before = hoarder.seen;
    hoarder.kept.erase(hoarder.kept.begin());
    if (!t.until([&] { return hoarder.seen > before || t.far.quota->exhausted(); }, "it stays asleep"))
      return;
  }
  hoarder.kept.clear();
  hoarder.hoards = false;
  t.until([&] { return hoarder.seen == hoarder.sent; }, "what waited never came");
}

void passes_setup_frames_when_the_quota_is_used_up(Trial& t) {
  t.far.quota = Quota::make(1);
  if (!t.connect()) return;
  std::vector<Message> kept;
  t.far.take = [&](Message& message) { kept.push_back(std::move(message)); };
  t.send(t.near, "fills the quota");
  t.until([&] { return kept.size() == 1; }, "the first frame did not arrive");
  t.setup(t.near, "still passes");
  t.until([&] { return t.far.setups.size() == 1; }, "a set-up frame waits for the quota of data");
  kept.clear();
}

// ---- pause ----

void hands_up_no_data_while_paused(Trial& t) {
  if (!t.connect()) return;
  t.far.endpoint->pause_receive(true);
  for (unsigned i = 0; i < 10; ++i) t.send(t.near, "wait");
  t.medium().rest();
  t.expect(t.far.got.empty(), "data was handed up to a paused receiver");
}

void hands_up_what_waited_after_the_pause(Trial& t) {
  if (!t.connect()) return;
  t.far.endpoint->pause_receive(true);
  std::vector<std::string> bodies;
  for (unsigned i = 0; i < 20; ++i) {
    bodies.push_back(Trial::pattern(10 + i * 100, i));
    t.send(t.near, bodies.back());
  }
  t.medium().rest();
  release(t);
  t.until([&] { return t.far.got.size() >= bodies.size(); }, "not all of what waited came");
  t.expect_got(t.far, bodies);
}

void passes_setup_frames_to_a_paused_receiver(Trial& t) {
  if (!t.connect()) return;
  t.far.endpoint->pause_receive(true);
  t.setup(t.near, "accept");
  t.until([&] { return t.far.setups.size() == 1; }, "a receiver that waits for no data cannot be set up");
}

void stops_at_once_when_paused_by_a_callback(Trial& t) {
  if (!t.connect()) return;
  t.far.take = [&](Message& message) {
    t.far.got.emplace_back(message.text());
    t.far.endpoint->pause_receive(true);
  };
  for (unsigned i = 0; i < 10; ++i) t.send(t.near, std::to_string(i));
  for (unsigned i = 0; i < 10; ++i) {
    t.until([&] { return t.far.got.size() > i; }, "the next frame did not come");
    t.medium().rest();
    if (!t.expect(t.far.got.size() == i + 1, "frames came after the callback paused")) return;
    release(t);
  }
  t.until([&] { return t.far.got.size() == 10; }, "not all frames arrived");
}

void sends_while_it_is_paused(Trial& t) {
  if (!t.connect()) return;
  t.far.endpoint->pause_receive(true);
  t.send(t.far, "out");
  t.until([&] { return t.near.got.size() == 1; }, "pausing one direction stopped the other");
}

}  // namespace

std::vector<Case> flow_cases() {
  return {
      {"HoldsASenderWhosePeerTakesNothing", holds_a_sender_whose_peer_takes_nothing, Defect::never_holds,
       property::flow_controlled},
      {"TakesALargestFrameWhileHeld", takes_a_largest_frame_while_held, Defect::drops_large_while_held,
       property::flow_controlled},
      {"TakesControlFramesWithinTheirReserveWhileHeld", takes_control_frames_within_their_reserve_while_held,
       Defect::drops_control_while_held, property::flow_controlled},
      {"ReportsWritableWhenThereIsRoom", reports_writable_when_there_is_room, Defect::never_writable,
       property::flow_controlled},
      {"ReportsWritableOnceAHold", reports_writable_once_a_hold, Defect::writable_twice,
       property::flow_controlled},
      {"OpensTheGateBeforeItReportsWritable", opens_the_gate_before_it_reports_writable,
       Defect::opens_the_gate_late, property::flow_controlled},
      {"ReportsNoWritableWithoutAHold", reports_no_writable_without_a_hold, Defect::writable_at_random},
      {"HoldsAgainAfterWritable", holds_again_after_writable, Defect::holds_once, property::flow_controlled},
      {"LosesNothingOverManyHolds", loses_nothing_over_many_holds, Defect::loses_after_writable},
      {"KeepsTheMemoryOfAHeldLinkBounded", keeps_the_memory_of_a_held_link_bounded,
       Defect::queues_without_bound, property::flow_controlled},
      {"SendsWhatWasWrittenIntoAReservedRoom", sends_what_was_written_into_a_reserved_room,
       Defect::commits_nothing},
      {"ReservesARoomForTheLargestFrame", reserves_a_room_for_the_largest_frame,
       Defect::reserves_small_rooms},
      {"ReservesNothingWhileHeld", reserves_nothing_while_held, Defect::reserves_always,
       property::flow_controlled},
      {"ReservesNothingBeyondTheLargestFrame", reserves_nothing_beyond_the_largest_frame,
       Defect::reserves_always},
      {"ForgetsARoomThatWasNotCommitted", forgets_a_room_that_was_not_committed,
       Defect::sends_reserved_rooms},
      {"ChargesReceivedFramesToTheQuota", charges_received_frames_to_the_quota, Defect::charges_nothing},
      {"ReturnsTheChargeWithTheMessage", returns_the_charge_with_the_message, Defect::leaks_received},
      {"StopsReceivingWhenTheQuotaIsUsedUp", stops_receiving_when_the_quota_is_used_up,
       Defect::ignores_the_quota},
      {"GoesOnWhenTheQuotaIsFreeAgain", goes_on_when_the_quota_is_free_again, Defect::sleeps_on_the_quota,
       property::flow_controlled},
      {"GoesOnWhenALittleOfTheQuotaIsFreeAgain", goes_on_when_a_little_of_the_quota_is_free_again,
       Defect::sleeps_on_the_quota, property::flow_controlled},
      {"PassesSetupFramesWhenTheQuotaIsUsedUp", passes_setup_frames_when_the_quota_is_used_up,
       Defect::sleeps_on_the_quota},
      {"HandsUpNoDataWhilePaused", hands_up_no_data_while_paused, Defect::ignores_pause},
      {"HandsUpWhatWaitedAfterThePause", hands_up_what_waited_after_the_pause, Defect::drops_while_paused},
      {"PassesSetupFramesToAPausedReceiver", passes_setup_frames_to_a_paused_receiver,
       Defect::pauses_setup_too},
      {"StopsAtOnceWhenPausedByACallback", stops_at_once_when_paused_by_a_callback, Defect::pauses_late},
      {"SendsWhileItIsPaused", sends_while_it_is_paused, Defect::pauses_sending_too},
  };
}

}  // namespace harness::tests
