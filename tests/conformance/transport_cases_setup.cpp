// SPDX-License-Identifier: Apache-2.0
// Listening, dialling, accepting, and set-up frames.
#include <harness/tests/conformance/transport_suite.hpp>

namespace harness::tests {

namespace {

bool three_parts(const Error& error) {
  return !error.what.empty() && !error.because.empty() && !error.advice.empty();
}

void returns_an_address_that_can_be_dialled(Trial& t) { t.connect(); }

void refuses_to_listen_twice_on_one_address(Trial& t) {
  const std::string bound = t.listen();
  const auto again = t.transport().listen(bound, t.acceptance);
  if (t.expect(!again, "the second listener was accepted"))
    t.expect(again.error().code == Errc::exists, "the code is not `exists`");
}

void explains_an_address_in_use_in_three_parts(Trial& t) {
  const std::string bound = t.listen();
  const auto again = t.transport().listen(bound, t.acceptance);
  t.expect(!again && three_parts(again.error()), "the error lacks one of its three parts");
}

void refuses_to_dial_a_malformed_address(Trial& t) {
  const auto dialled = t.transport().dial(t.medium().malformed_address());
  if (t.expect(!dialled, "the dial was taken"))
    t.expect(dialled.error().code == Errc::invalid && three_parts(dialled.error()),
             "no error `invalid` in three parts");
}

void dials_without_waiting_for_the_peer(Trial& t) {
  t.address = t.listen();
  auto dialled = t.transport().dial(t.address);
  if (!t.expect(dialled.has_value(), "the dial failed")) return;
  t.near.adopt(std::move(*dialled));
  t.expect(t.acceptance.calls == 0, "the peer was called from inside dial");
}

void tells_that_nobody_answers(Trial& t) {
  auto dialled = t.transport().dial(t.medium().nobodys_address());
  if (!t.expect(dialled.has_value(), "the dial failed at once")) return;
  t.near.adopt(std::move(*dialled));
  t.until([&] { return t.near.count(EventKind::peer_lost) != 0; }, "no peer_lost came");
}

void says_unreachable_when_nobody_answers(Trial& t) {
  tells_that_nobody_answers(t);
  if (t.near.heard.empty()) return;
  t.expect(t.near.heard[0].code == Errc::unreachable, "the code is not `unreachable`");
}

void says_why_a_dial_failed(Trial& t) {
  tells_that_nobody_answers(t);
  if (!t.near.heard.empty()) t.expect(!t.near.heard[0].detail.empty(), "the event has no detail");
}

void may_be_dialled_again_after_a_failure(Trial& t) {
  tells_that_nobody_answers(t);
  t.near.endpoint.reset();
  t.near.heard.clear();
  if (!t.connect()) return;
  t.send(t.near, "second attempt");
  t.until([&] { return t.far.got.size() == 1; }, "nothing came through the second attempt");
}

void accepts_many_dials(Trial& t) {
  constexpr std::size_t dials = 100;
  const std::string bound = t.listen();
  std::vector<std::unique_ptr<Endpoint>> mine;
  for (std::size_t i = 0; i < dials; ++i) {
    auto dialled = t.transport().dial(bound);
    if (t.expect(dialled.has_value(), "a dial failed")) mine.push_back(std::move(*dialled));
  }
  t.until([&] { return t.acceptance.waiting.size() == dials; }, "some dials were never accepted");
}

void bears_a_dialler_that_goes_before_it_is_accepted(Trial& t) {
  t.acceptance.first = &t.far;
  const std::string bound = t.listen();
  auto dialled = t.transport().dial(bound);
  if (!t.expect(dialled.has_value(), "the dial failed")) return;
  dialled->reset();
  t.medium().rest();
  if (t.far.endpoint != nullptr)
    t.until([&] { return t.far.count(EventKind::peer_lost) == 1; },
            "the accepted end never heard that it is alone");
}

// ---- set-up frames ----

void carries_setup_frames(Trial& t) {
  if (!t.connect()) return;
  t.expect(t.setup(t.near, "hello") == Errc::ok, "the set-up frame was refused");
  t.until([&] { return t.far.setups.size() == 1; }, "the set-up frame did not arrive");
  t.expect(t.setup(t.far, "accept") == Errc::ok, "the answer was refused");
  t.until([&] { return t.near.setups.size() == 1; }, "the answer did not arrive");
  t.expect(t.far.setups == std::vector<std::string>{"hello"}, "the set-up frame was changed");
  t.expect(t.near.setups == std::vector<std::string>{"accept"}, "the answer was changed");
}

void takes_a_setup_frame_right_after_the_dial(Trial& t) {
  t.acceptance.first = &t.far;
  t.address = t.listen();
  auto dialled = t.transport().dial(t.address);
  if (!t.expect(dialled.has_value(), "the dial failed")) return;
  t.near.adopt(std::move(*dialled));
  t.expect(t.setup(t.near, "hello at once") == Errc::ok, "the set-up frame was refused");
  t.until([&] { return t.far.setups.size() == 1; }, "the set-up frame did not arrive");
}

void keeps_setup_and_data_apart(Trial& t) {
  if (!t.connect()) return;
  t.setup(t.near, "set-up");
  t.send(t.near, "data");
  t.until([&] { return t.far.order.size() == 2; }, "two frames did not arrive");
  t.expect(t.far.setups == std::vector<std::string>{"set-up"}, "the set-up frame came as something else");
  t.expect_got(t.far, {"data"});
}

void keeps_setup_frames_in_their_place(Trial& t) {
  if (!t.connect()) return;
  if (!t.near.endpoint->facts().word.covers(property::fifo)) return t.skip("the medium keeps no order");
  t.send(t.near, "before");
  t.setup(t.near, "between");
  t.send(t.near, "after");
  t.send(t.near, "later");
  t.setup(t.near, "last");
  t.until([&] { return t.far.order.size() == 5; }, "five frames did not arrive");
  t.expect(t.far.order == "dsdds", "they came in another order: " + t.far.order);
}

void carries_a_large_setup_frame(Trial& t) {
  if (!t.connect()) return;
  const std::uint32_t bytes = std::min<std::uint32_t>(72 * 1024, t.largest(t.near));  // the longest HELLO
  const std::string body = Trial::pattern(bytes, 3);
  t.expect(t.setup(t.near, body) == Errc::ok, "it was refused");
  t.until([&] { return t.far.setups.size() == 1; }, "it did not arrive");
  if (!t.far.setups.empty()) t.expect(t.far.setups[0] == body, "it was changed");
}

void takes_setup_frames_while_held(Trial& t) {
  if (!t.connect()) return;
  t.far.endpoint->pause_receive(true);
  t.fill(t.near);
  t.expect(t.setup(t.near, "urgent") == Errc::ok, "a set-up frame was refused because of the hold");
  t.far.endpoint->pause_receive(false);
  t.until([&] { return t.far.setups.size() == 1; }, "it did not arrive");
}

void refuses_setup_frames_beyond_the_reserve(Trial& t) {
  if (!t.connect()) return;
  t.far.endpoint->pause_receive(true);
  t.fill(t.near);
  Errc code = Errc::ok;
  for (int i = 0; i < 100 && code == Errc::ok; ++i) code = t.setup(t.near, "set-up");
  t.expect(code == Errc::exhausted, "a hundred set-up frames wait behind a hold");
}

void leaves_a_refused_setup_frame_to_the_caller(Trial& t) {
  if (!t.connect()) return;
  t.far.endpoint->pause_receive(true);
  t.fill(t.near);
  while (t.setup(t.near, "set-up") == Errc::ok) {
  }
  Message frame = Message::copy_of(t.pool(), "still mine");
  t.expect(t.near.endpoint->send_setup(std::move(frame)) != Errc::ok, "it was taken after all");
  t.expect(frame && frame.text() == "still mine", "the refused frame is gone");  // NOLINT: moved only on ok
}

void frees_the_setup_reserve_when_frames_have_left(Trial& t) {
  if (!t.connect()) return;
  for (unsigned i = 0; i < 40; ++i) {
    if (!t.expect(t.setup(t.near, "again") == Errc::ok, "refused although the earlier ones have arrived"))
      return;
    if (!t.until([&] { return t.far.setups.size() == i + 1; }, "a set-up frame did not arrive")) return;
  }
}

}  // namespace

std::vector<Case> setup_cases() {
  return {
      {"ReturnsAnAddressThatCanBeDialled", returns_an_address_that_can_be_dialled,
       Defect::returns_another_address},
      {"RefusesToListenTwiceOnOneAddress", refuses_to_listen_twice_on_one_address, Defect::listens_twice},
      {"ExplainsAnAddressInUseInThreeParts", explains_an_address_in_use_in_three_parts,
       Defect::gives_no_advice},
      {"RefusesToDialAMalformedAddress", refuses_to_dial_a_malformed_address, Defect::dials_anything},
      {"DialsWithoutWaitingForThePeer", dials_without_waiting_for_the_peer, Defect::polls_in_dial},
      {"TellsThatNobodyAnswers", tells_that_nobody_answers, Defect::swallows_losses, property::death_within},
      {"SaysUnreachableWhenNobodyAnswers", says_unreachable_when_nobody_answers, Defect::changes_codes,
       property::death_within},
      {"SaysWhyADialFailed", says_why_a_dial_failed, Defect::drops_details, property::death_within},
      {"MayBeDialledAgainAfterAFailure", may_be_dialled_again_after_a_failure, Defect::dials_once,
       property::death_within},
      {"AcceptsManyDials", accepts_many_dials, Defect::forgets_a_dial, property::reliable},
      {"BearsADiallerThatGoesBeforeItIsAccepted", bears_a_dialler_that_goes_before_it_is_accepted,
       Defect::swallows_losses},
      {"CarriesSetupFrames", carries_setup_frames, Defect::drops_setup},
      {"TakesASetupFrameRightAfterTheDial", takes_a_setup_frame_right_after_the_dial,
       Defect::drops_early_setup},
      {"KeepsSetupAndDataApart", keeps_setup_and_data_apart, Defect::hands_setup_up_as_data},
      {"KeepsSetupFramesInTheirPlace", keeps_setup_frames_in_their_place, Defect::sends_setup_first},
      {"CarriesALargeSetupFrame", carries_a_large_setup_frame, Defect::cuts_long_setup},
      {"TakesSetupFramesWhileHeld", takes_setup_frames_while_held, Defect::refuses_setup_while_held,
       property::flow_controlled},
      {"RefusesSetupFramesBeyondTheReserve", refuses_setup_frames_beyond_the_reserve, Defect::takes_any_setup,
       property::flow_controlled},
      {"LeavesARefusedSetupFrameToTheCaller", leaves_a_refused_setup_frame_to_the_caller,
       Defect::eats_refused_setup, property::flow_controlled},
      {"FreesTheSetupReserveWhenFramesHaveLeft", frees_the_setup_reserve_when_frames_have_left,
       Defect::never_frees_setup},
  };
}

}  // namespace harness::tests
