// SPDX-License-Identifier: Apache-2.0
// Closing, dying, and what callbacks may do.
#include <harness/tests/conformance/transport_suite.hpp>

namespace harness::tests {

namespace {

constexpr std::uint64_t linger_ns = 60'000'000'000;  // longer than a case may take

bool hears_the_end(Trial& t, End& end) {
  return t.until([&] { return end.count(EventKind::peer_lost) != 0; }, "the end of the peer was not told");
}

void sends_everything_that_was_accepted_before_close(Trial& t) {
  if (!t.connect()) return;
  std::vector<std::string> bodies;
  for (unsigned i = 0; i < 60 && !t.near.held(); ++i) {
    bodies.push_back(Trial::pattern(i % 7 * 900 + 1, i));
    t.send(t.near, bodies.back());
  }
  t.near.endpoint->close(linger_ns);
  t.until([&] { return t.far.got.size() >= bodies.size(); },
          "frames that were accepted before close are lost");
  t.expect_got(t.far, bodies);
}

void sends_on_after_its_endpoint_is_destroyed(Trial& t) {
  if (!t.connect()) return;
  t.far.endpoint->pause_receive(true);
  const unsigned waiting = t.fill(t.near, 2000);
  t.near.endpoint->close(linger_ns);
  t.near.endpoint.reset();
  t.far.endpoint->pause_receive(false);
  t.until([&] { return t.far.got.size() == waiting; }, "frames went with the endpoint that had sent them");
}

void tells_an_orderly_close_by_its_code(Trial& t) {
  if (!t.connect()) return;
  t.near.endpoint->close(linger_ns);
  if (hears_the_end(t, t.far)) t.expect(t.far.heard.back().code == Errc::closed, "the code is not `closed`");
}

void tells_a_death_by_its_code(Trial& t) {
  if (!t.connect()) return;
  t.near.endpoint.reset();
  if (hears_the_end(t, t.far))
    t.expect(t.far.heard.back().code == Errc::peer_lost, "the code is not `peer_lost`");
}

void says_why_a_link_ended(Trial& t) {
  if (!t.connect()) return;
  t.near.endpoint.reset();
  if (hears_the_end(t, t.far)) t.expect(!t.far.heard.back().detail.empty(), "the event has no detail");
}

void delivers_what_came_before_the_end_first(Trial& t) {
  if (!t.connect()) return;
  std::size_t before_end = 0;
  t.far.on_event = [&](const Event&) { before_end = t.far.got.size(); };
  for (unsigned i = 0; i < 30; ++i) t.send_patterned(t.near, 100, i);
  t.near.endpoint->close(linger_ns);
  if (hears_the_end(t, t.far)) t.expect(before_end == 30, "the end overtook data");
}

void reports_the_end_once(Trial& t) {
  if (!t.connect()) return;
  t.near.endpoint->close(linger_ns);
  hears_the_end(t, t.far);
  t.near.endpoint.reset();
  t.medium().rest();
  t.expect(t.far.heard.size() == 1, "the end was told more than once");
}

void is_silent_after_close(Trial& t) {
  if (!t.connect()) return;
  for (unsigned i = 0; i < 10; ++i) t.send(t.far, "on its way");
  t.setup(t.far, "too");
  t.near.endpoint->close(linger_ns);
  t.near.calls = 0;
  t.medium().rest();
  t.far.endpoint.reset();
  t.medium().rest();
  t.expect(t.near.calls == 0, "a closed endpoint called its receiver");
}

void is_not_drained_while_frames_wait(Trial& t) {
  if (!t.connect()) return;
  t.far.endpoint->pause_receive(true);
  t.fill(t.near);
  t.expect(!t.near.endpoint->drained(), "frames wait and it says that all have left");
}

void is_drained_when_everything_has_left(Trial& t) {
  if (!t.connect()) return;
  t.far.endpoint->pause_receive(true);
  t.fill(t.near);
  t.near.endpoint->close(linger_ns);
  t.far.endpoint->pause_receive(false);
  t.until([&] { return t.near.endpoint->drained(); }, "everything has left and it says that frames wait");
}

// Whoever closed it may look at it later than its transport forgets it.
void is_drained_when_it_was_cut_off(Trial& t) {
  if (!t.connect()) return;
  t.near.endpoint->close(0);
  t.medium().rest();
  t.expect(t.near.endpoint->drained(), "nothing is left and it says that frames wait");
  t.near.endpoint->close(0);
}

void may_be_closed_inside_its_data_callback(Trial& t) {
  if (!t.connect()) return;
  t.far.take = [&](Message&) { t.far.endpoint->close(linger_ns); };
  for (unsigned i = 0; i < 20; ++i) t.send(t.near, "the first one closes");
  hears_the_end(t, t.near);
  t.expect(t.far.calls == 1, "a closed endpoint called its receiver");
}

void may_be_cut_off_inside_its_data_callback(Trial& t) {
  if (!t.connect()) return;
  t.far.take = [&](Message&) { t.far.endpoint->close(0); };
  for (unsigned i = 0; i < 20; ++i) t.send(t.near, "the first one ends it, and nothing is waited for");
  hears_the_end(t, t.near);
  t.medium().rest();
  t.expect(t.far.calls == 1, "a closed endpoint called its receiver");
}

void may_be_closed_inside_its_setup_callback(Trial& t) {
  if (!t.connect()) return;
  Receiver receiver;
  receiver.self = &t.far;
  receiver.setup = [](void* self, Message&) {
    auto* far = static_cast<End*>(self);
    ++far->calls;
    far->endpoint->close(linger_ns);
  };
  t.far.endpoint->attach(receiver);
  for (unsigned i = 0; i < 3; ++i) t.setup(t.near, "refused");
  hears_the_end(t, t.near);
  t.expect(t.far.calls == 1, "a closed endpoint called its receiver");
}

void may_be_closed_inside_its_event_callback(Trial& t) {
  if (!t.connect()) return;
  t.far.on_event = [&](const Event&) { t.far.endpoint->close(linger_ns); };
  t.near.endpoint.reset();
  hears_the_end(t, t.far);
  t.medium().rest();
  t.expect(t.far.calls == 1, "a closed endpoint called its receiver");
}

void may_be_closed_inside_its_writable_callback(Trial& t) {
  if (!t.connect()) return;
  t.near.on_event = [&](const Event&) { t.near.endpoint->close(linger_ns); };
  t.far.endpoint->pause_receive(true);
  const unsigned waiting = t.fill(t.near);
  t.far.endpoint->pause_receive(false);
  t.until([&] { return t.far.got.size() == waiting; }, "frames that were accepted before close are lost");
  if (hears_the_end(t, t.far)) t.expect(t.far.heard.back().code == Errc::closed, "the code is not `closed`");
}

void may_be_closed_twice(Trial& t) {
  if (!t.connect()) return;
  t.send(t.near, "last words");
  t.near.endpoint->close(linger_ns);
  t.near.endpoint->close(linger_ns);
  t.until([&] { return t.far.got.size() == 1; }, "the second close lost a frame");
  if (hears_the_end(t, t.far)) t.expect(t.far.heard.back().code == Errc::closed, "the code is not `closed`");
}

void may_be_closed_by_both_sides_at_once(Trial& t) {
  if (!t.connect()) return;
  t.near.endpoint->close(linger_ns);
  t.far.endpoint->close(linger_ns);
  t.near.calls = t.far.calls = 0;
  t.until([&] { return t.near.endpoint->drained() && t.far.endpoint->drained(); },
          "one of them never drains");
  t.medium().rest();
  t.expect(t.near.calls + t.far.calls == 0, "a closed endpoint called its receiver");
}

void lets_a_callback_destroy_the_other_end(Trial& t) {
  if (!t.connect()) return;
  t.far.take = [&](Message&) { t.near.endpoint.reset(); };
  t.send(t.near, "the receiver destroys the sender");
  t.send(t.near, "and this may still come");
  hears_the_end(t, t.far);
}

void may_close_before_it_is_connected(Trial& t) {
  t.acceptance.first = &t.far;
  const std::string bound = t.listen();
  auto dialled = t.transport().dial(bound);
  if (!t.expect(dialled.has_value(), "the dial failed")) return;
  t.near.adopt(std::move(*dialled));
  t.near.endpoint->close(linger_ns);
  t.medium().rest();
  t.expect(t.near.calls == 0, "a closed endpoint called its receiver");
}

void holds_the_gate_after_the_end(Trial& t) {
  if (!t.connect()) return;
  t.near.endpoint.reset();
  if (hears_the_end(t, t.far)) t.expect(t.far.held(), "there is nobody to send to and the gate is open");
}

void refuses_setup_frames_after_the_end(Trial& t) {
  if (!t.connect()) return;
  t.near.endpoint.reset();
  if (hears_the_end(t, t.far))
    t.expect(t.setup(t.far, "to nobody") == Errc::closed, "the code is not `closed`");
}

void refuses_setup_frames_after_close(Trial& t) {
  if (!t.connect()) return;
  t.near.endpoint->close(linger_ns);
  t.expect(t.setup(t.near, "too late") == Errc::closed, "the code is not `closed`");
}

void discards_data_after_the_end_without_harm(Trial& t) {
  if (!t.connect()) return;
  t.near.endpoint.reset();
  hears_the_end(t, t.far);
  for (unsigned i = 0; i < 5; ++i) t.send_patterned(t.far, 3000 * i, i);
  t.medium().rest();
  t.expect(t.pool().alive_count() == 0, "frames to nobody are still alive");
}

void forgets_what_waits_when_it_is_destroyed(Trial& t) {
  if (!t.connect()) return;
  t.far.endpoint->pause_receive(true);
  t.fill(t.near);
  t.near.endpoint.reset();
  t.far.endpoint.reset();
  t.medium().rest();
  t.expect(t.pool().alive_count() == 0, "frames of a link that is gone are still alive");
}

void may_be_dialled_again_after_an_end(Trial& t) {
  if (!t.connect()) return;
  t.near.endpoint->close(linger_ns);
  hears_the_end(t, t.far);
  t.near.endpoint.reset();
  t.far.endpoint.reset();
  t.far.got.clear();
  auto dialled = t.transport().dial(t.address);
  if (!t.expect(dialled.has_value(), "the dial failed")) return;
  t.near.adopt(std::move(*dialled));
  t.until([&] { return t.far.endpoint != nullptr; }, "the second dial was not accepted");
  t.send(t.near, "second life");
  t.until([&] { return t.far.got.size() == 1; }, "nothing came over the second link");
}

}  // namespace

std::vector<Case> end_cases() {
  return {
      {"SendsEverythingThatWasAcceptedBeforeClose", sends_everything_that_was_accepted_before_close,
       Defect::drops_on_close},
      {"SendsOnAfterItsEndpointIsDestroyed", sends_on_after_its_endpoint_is_destroyed, Defect::drops_on_close,
       property::flow_controlled},
      {"TellsAnOrderlyCloseByItsCode", tells_an_orderly_close_by_its_code, Defect::changes_codes,
       property::death_within},
      {"TellsADeathByItsCode", tells_a_death_by_its_code, Defect::calls_deaths_orderly,
       property::death_within},
      {"SaysWhyALinkEnded", says_why_a_link_ended, Defect::drops_details, property::death_within},
      {"DeliversWhatCameBeforeTheEndFirst", delivers_what_came_before_the_end_first,
       Defect::tells_the_end_early, property::death_within},
      {"ReportsTheEndOnce", reports_the_end_once, Defect::ends_twice, property::death_within},
      {"IsSilentAfterClose", is_silent_after_close, Defect::talks_after_close},
      {"IsNotDrainedWhileFramesWait", is_not_drained_while_frames_wait, Defect::always_drained,
       property::flow_controlled},
      {"IsDrainedWhenEverythingHasLeft", is_drained_when_everything_has_left, Defect::never_drained,
       property::flow_controlled},
      {"IsDrainedWhenItWasCutOff", is_drained_when_it_was_cut_off, Defect::never_drained},
      {"MayBeClosedInsideItsDataCallback", may_be_closed_inside_its_data_callback, Defect::talks_after_close,
       property::death_within},
      {"MayBeCutOffInsideItsDataCallback", may_be_cut_off_inside_its_data_callback, Defect::talks_after_close,
       property::death_within},
      {"MayBeClosedInsideItsSetupCallback", may_be_closed_inside_its_setup_callback,
       Defect::talks_after_close, property::death_within},
      {"MayBeClosedInsideItsEventCallback", may_be_closed_inside_its_event_callback, Defect::ends_twice,
       property::death_within},
      {"MayBeClosedInsideItsWritableCallback", may_be_closed_inside_its_writable_callback,
       Defect::drops_on_close, property::flow_controlled},
      {"MayBeClosedTwice", may_be_closed_twice, Defect::dies_of_a_second_close, property::death_within},
      {"MayBeClosedByBothSidesAtOnce", may_be_closed_by_both_sides_at_once, Defect::never_drained},
      {"LetsACallbackDestroyTheOtherEnd", lets_a_callback_destroy_the_other_end, Defect::swallows_losses,
       property::death_within},
      {"MayCloseBeforeItIsConnected", may_close_before_it_is_connected, Defect::talks_after_close},
      {"HoldsTheGateAfterTheEnd", holds_the_gate_after_the_end, Defect::opens_the_gate_at_the_end,
       property::death_within},
      {"RefusesSetupFramesAfterTheEnd", refuses_setup_frames_after_the_end, Defect::takes_any_setup,
       property::death_within},
      {"RefusesSetupFramesAfterClose", refuses_setup_frames_after_close, Defect::takes_any_setup},
      {"DiscardsDataAfterTheEndWithoutHarm", discards_data_after_the_end_without_harm,
       Defect::keeps_dead_letters, property::death_within},
      {"ForgetsWhatWaitsWhenItIsDestroyed", forgets_what_waits_when_it_is_destroyed,
       Defect::keeps_dead_letters, property::flow_controlled},
      {"MayBeDialledAgainAfterAnEnd", may_be_dialled_again_after_an_end, Defect::dials_once,
       property::death_within},
  };
}

}  // namespace harness::tests
