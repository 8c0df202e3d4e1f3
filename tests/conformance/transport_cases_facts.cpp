// SPDX-License-Identifier: Apache-2.0
// What a transport says about itself, and what it costs when nothing is wrong.
#include <harness/tests/conformance/transport_suite.hpp>

#include <harness/tests/support/allocations.hpp>
#include <harness/tests/support/described.hpp>

namespace harness::tests {

namespace {

void states_the_facts_of_its_type(Trial& t) {
  if (!t.connect()) return;
  const TransportType& type = t.medium().type();
  t.expect(type.name == t.transport().name(), "the type has another name");
  t.expect(!type.summary.empty(), "the type has no summary");
  for (const End* end : {&t.near, &t.far}) {
    const Facts& facts = end->endpoint->facts();
    t.expect(facts.max_message != 0, "no frame fits");
    t.expect(facts.word.covers(property::message), "frames keep their boundaries on every transport");
    t.expect(facts.word.covers(type.facts(OptionValues(type.options), {}).word),
             "an endpoint gives less than its type");
  }
}

void follows_the_options_it_is_configured_with(Trial& t) {
  if (!t.connect()) return;
  const TransportType& type = t.medium().type();
  OptionValues options(type.options);
  std::size_t frame = 0;
  while (frame < type.options.size() && type.options[frame].name != "frame") ++frame;
  if (frame == type.options.size()) return t.skip("the transport has no option `frame`");
  const std::int64_t bytes = type.options[frame].standard / 2;
  options.set(frame, bytes);
  t.expect(t.near.endpoint->configure(options) == Errc::ok, "the options were refused");
  t.expect(t.far.endpoint->configure(options) == Errc::ok, "the options were refused at the other end");
  t.expect(t.near.endpoint->facts().max_message == bytes, "facts() does not follow the option");
  const std::string body = Trial::pattern(static_cast<std::uint32_t>(bytes), 1);
  t.send(t.near, body);
  t.until([&] { return !t.far.got.empty(); }, "the largest frame did not arrive");
  t.expect_got(t.far, {body});
}

void names_its_peer_as_one_would_dial_it(Trial& t) {
  if (!t.connect()) return;
  const std::string prefix = std::string(t.transport().name()) + ":";
  t.expect(t.near.endpoint->peer_address() == prefix + t.address, "it is not the address that was dialled");
  t.expect(t.far.endpoint->peer_address().starts_with(prefix), "the transport's name is missing");
}

void counts_data_frames_and_no_others(Trial& t) {
  if (!t.connect()) return;
  t.setup(t.near, "not counted");
  for (unsigned i = 0; i < 7; ++i) t.send(t.near, "counted");
  const MutableBytes room = t.near.endpoint->reserve(4);
  if (!room.empty()) std::memset(room.data(), 0, room.size());
  t.near.endpoint->commit();
  t.until([&] { return t.far.order.size() == 9; }, "not all frames arrived");
  t.expect(t.near.endpoint->frames_sent() == 8, "eight data frames were sent");
  t.expect(t.far.endpoint->frames_received() == 8, "eight data frames were received");
  t.expect(t.far.endpoint->frames_sent() == 0, "none was sent back");
}

void describes_what_it_carried(Trial& t) {
  if (!t.connect()) return;
  for (unsigned i = 0; i < 5; ++i) t.send_patterned(t.near, 100, i);
  t.until([&] { return t.far.got.size() == 5; }, "not all frames arrived");
  Described near(*t.near.endpoint), far(*t.far.endpoint);
  t.expect(near.values["frames_out"] == 5 && far.values["frames_in"] == 5,
           "frames_out and frames_in are not five");
  t.expect(near.values["bytes_out"] >= 500 && far.values["bytes_in"] >= 500,
           "bytes_out and bytes_in are too small");
}

void finds_nothing_to_do_when_nothing_happens(Trial& t) {
  if (!t.connect()) return;
  t.send(t.near, "one");
  t.until([&] { return t.far.got.size() == 1; }, "it did not arrive");
  t.medium().rest();
  unsigned done = 0;
  for (unsigned i = 0; i < 5; ++i) done += t.transport().poll(256);
  t.expect(done == 0, "an idle transport says that it works");
}

void allocates_nothing_after_warm_up(Trial& t) {
  if (!t.medium().is_measured()) return t.skip("a simulated network allocates");
  if (!t.connect()) return;
  for (End* end : {&t.near, &t.far}) end->heard.reserve(1000);  // the suite's own record of holds
  unsigned arrived = 0;
  unsigned expected = 0;
  t.far.take = [&](Message& message) { t.far.down(message); };
  t.near.take = [&](Message&) { ++arrived; };
  const std::function<bool()> all = [&] { return arrived >= expected; };
  const std::uint32_t large = std::min<std::uint32_t>(t.largest(t.near), 100'000);
  const auto round = [&] {
    expected += 12;
    for (unsigned i = 0; i < 12; ++i) {
      Message message = Message::make(t.pool(), i % 6 == 5 ? large : 64 + i * 100);
      std::memset(message.writable().data(), 0, message.body_size());
      t.near.down(message);
    }
    t.medium().until(all);
  };
  for (unsigned i = 0; i < 30; ++i) round();
  const std::uint64_t grown = t.pool().grown_count();
  const std::uint64_t allocations = allocation_count();
  for (unsigned i = 0; i < 30; ++i) round();
  const std::uint64_t made = allocation_count() - allocations;
  t.expect(made == 0, std::to_string(made) + " allocations for 360 messages and their echoes");
  t.expect(t.pool().grown_count() == grown, "the pool went on growing");
  t.expect(all(), "not all echoes came back");
}

}  // namespace

std::vector<Case> fact_cases() {
  return {
      {"StatesTheFactsOfItsType", states_the_facts_of_its_type, Defect::states_weak_facts},
      {"FollowsTheOptionsItIsConfiguredWith", follows_the_options_it_is_configured_with,
       Defect::ignores_configure},
      {"NamesItsPeerAsOneWouldDialIt", names_its_peer_as_one_would_dial_it, Defect::misnames_its_peer},
      {"CountsDataFramesAndNoOthers", counts_data_frames_and_no_others, Defect::counts_everything},
      {"DescribesWhatItCarried", describes_what_it_carried, Defect::describes_nothing},
      {"FindsNothingToDoWhenNothingHappens", finds_nothing_to_do_when_nothing_happens, Defect::always_busy},
      {"AllocatesNothingAfterWarmUp", allocates_nothing_after_warm_up, Defect::allocates},
  };
}

}  // namespace harness::tests
