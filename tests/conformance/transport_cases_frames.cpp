// SPDX-License-Identifier: Apache-2.0
// Data frames: sizes, bytes, order, number, and whose they are.
#include <harness/tests/conformance/transport_suite.hpp>

#include <algorithm>

#include <harness/tests/support/seed.hpp>

namespace harness::tests {

namespace {

// Sends these sizes one by one and expects the same bodies back.
void carry(Trial& t, const std::vector<std::uint32_t>& sizes) {
  if (!t.connect()) return;
  std::vector<std::string> bodies;
  for (const std::uint32_t bytes : sizes) {
    if (bytes > t.largest(t.near)) continue;
    bodies.push_back(Trial::pattern(bytes, static_cast<unsigned>(bodies.size())));
    if (!t.until([&] { return !t.near.held(); }, "the hold never ends")) return;
    t.send(t.near, bodies.back());
  }
  t.until([&] { return t.far.got.size() >= bodies.size(); }, "not all frames arrived");
  t.expect_got(t.far, bodies);
}

void carries_an_empty_frame(Trial& t) { carry(t, {0, 0, 5, 0}); }
void carries_a_frame_of_one_byte(Trial& t) { carry(t, {1, 1, 1}); }

void carries_frames_around_every_slab_size(Trial& t) {
  std::vector<std::uint32_t> sizes;
  for (std::uint32_t size_class = 0; size_class < Pool::large; ++size_class)
    for (const std::uint32_t less :
         {0u, 8u, 128u, 136u})  // bare, with a frame header, with headroom, with both
      for (const std::uint32_t around : {0u, 1u, 2u})
        sizes.push_back(Pool::capacity_of(size_class) - less - 1 + around);
  carry(t, sizes);
}

void carries_frames_around_the_copy_limits(Trial& t) {
  std::vector<std::uint32_t> sizes;
  for (const std::uint32_t limit : {56u, 64u, 1500u, 4096u, 8192u, 65536u, 131072u})
    for (std::uint32_t bytes = limit - 9; bytes <= limit + 9; ++bytes) sizes.push_back(bytes);
  carry(t, sizes);
}

void carries_the_largest_frame(Trial& t) {
  if (!t.connect()) return;
  const std::string body = Trial::pattern(t.largest(t.near), 9);
  t.send(t.near, body);
  t.until([&] { return !t.far.got.empty(); }, "it did not arrive");
  t.expect_got(t.far, {body});
}

void changes_no_byte(Trial& t) { carry(t, std::vector<std::uint32_t>(50, 777)); }

void puts_headers_before_the_body(Trial& t) {
  if (!t.connect()) return;
  Message message = Message::copy_of(t.pool(), "body");
  std::memcpy(message.push(6), "second", 6);
  std::memcpy(message.push(5), "first", 5);
  t.near.down(message);
  t.until([&] { return !t.far.got.empty(); }, "it did not arrive");
  t.expect_got(t.far, {"firstsecondbody"});
}

void carries_headers_that_lie_apart_from_the_body(Trial& t) {
  if (!t.connect()) return;
  const std::uint32_t bytes = std::min<std::uint32_t>(20'000, t.largest(t.near) - 8);
  const Message body = t.patterned(bytes, 1);
  for (unsigned i = 0; i < 3; ++i) {
    Message part = body.slice(t.pool(), i, 1000);
    std::memcpy(part.push(4), "head", 4);
    t.near.down(part);
  }
  t.until([&] { return t.far.got.size() == 3; }, "they did not arrive");
  const std::string whole = Trial::pattern(bytes, 1);
  t.expect_got(t.far, {"head" + whole.substr(0, 1000), "head" + whole.substr(1, 1000),
                       "head" + whole.substr(2, 1000)});
}

void gathers_bodies_of_many_pieces(Trial& t) {
  if (!t.connect()) return;
  for (const std::uint32_t piece_bytes : {7u, 150u}) {
    std::string whole = "start";
    Message message = Message::copy_of(t.pool(), whole);
    for (unsigned i = 0; i < 100 && whole.size() + piece_bytes <= t.largest(t.near); ++i) {
      const std::string piece = Trial::pattern(piece_bytes, i);
      t.expect(message.append(t.pool(), Message::copy_of(t.pool(), piece)), "the pool is empty");
      whole += piece;
    }
    t.far.got.clear();
    t.near.down(message);
    t.until([&] { return !t.far.got.empty(); }, "it did not arrive");
    t.expect_got(t.far, {whole});
  }
}

void leaves_a_shared_body_as_it_is(Trial& t) {
  if (!t.connect()) return;
  const std::uint32_t bytes = std::min<std::uint32_t>(30'000, t.largest(t.near) - 8);
  const Message mine = t.patterned(bytes, 4);
  for (int i = 0; i < 3; ++i) {
    Message copy = mine.share(t.pool());
    std::memcpy(copy.push(3), "abc", 3);
    t.near.down(copy);
  }
  t.until([&] { return t.far.got.size() == 3; }, "they did not arrive");
  t.expect(mine.front().size() == bytes && as_text(mine.front()) == Trial::pattern(bytes, 4),
           "the sender's body was changed");
}

void keeps_the_boundaries_of_frames(Trial& t) {
  if (!t.connect()) return;
  std::vector<std::string> bodies;
  for (unsigned i = 0; i < 30; ++i) bodies.push_back(Trial::pattern(i % 4 * 10 + 1, i));
  for (const std::string& body : bodies) t.send(t.near, body);
  t.until([&] { return t.far.got.size() >= bodies.size(); }, "fewer frames arrived than were sent");
  t.medium().rest();
  t.expect_got(t.far, bodies);
}

void hands_up_frames_without_annotation(Trial& t) {
  if (!t.connect()) return;
  Annotation note{};
  bool seen = false;
  t.far.take = [&](Message& message) {
    note = message.note();
    seen = true;
  };
  Message message = Message::copy_of(t.pool(), "noted");
  message.note() = {1, 2, 3, 4, flag_control, 5};
  t.near.down(message);
  t.until([&] { return seen; }, "it did not arrive");
  t.expect(note.to == 0 && note.from == 0 && note.channel == 0 && note.priority == 0 && note.flags == 0,
           "something of the sender's annotation crossed the medium");
}

void delivers_no_frame_twice(Trial& t) {
  if (!t.connect()) return;
  for (unsigned i = 0; i < 50; ++i) t.send_patterned(t.near, 40, i);
  t.until([&] { return t.far.got.size() >= 50; }, "not all frames arrived");
  t.medium().rest();
  t.expect(t.far.got.size() == 50, "more frames arrived than were sent");
}

void keeps_the_order_of_frames(Trial& t) {
  if (!t.connect()) return;
  if (!t.near.endpoint->facts().word.covers(property::fifo)) return t.skip("the medium keeps no order");
  std::vector<std::string> bodies;
  for (unsigned i = 0; i < 60; ++i) bodies.push_back(std::to_string(i));
  for (const std::string& body : bodies) {
    t.until([&] { return !t.near.held(); }, "the hold never ends");
    t.send(t.near, body);
  }
  t.until([&] { return t.far.got.size() == bodies.size(); }, "not all frames arrived");
  t.expect_got(t.far, bodies);
}

void keeps_the_order_of_small_and_large_frames(Trial& t) {
  if (!t.connect()) return;
  if (!t.near.endpoint->facts().word.covers(property::fifo)) return t.skip("the medium keeps no order");
  const std::uint32_t large = t.largest(t.near);
  std::vector<std::string> bodies;
  for (unsigned i = 0; i < 24; ++i) bodies.push_back(Trial::pattern(i % 3 == 0 ? large - i : 20 + i, i));
  for (const std::string& body : bodies) {
    t.until([&] { return !t.near.held(); }, "the hold never ends");
    t.send(t.near, body);
  }
  t.until([&] { return t.far.got.size() == bodies.size(); }, "not all frames arrived");
  t.expect_got(t.far, bodies);
}

void loses_nothing_in_a_long_run(Trial& t) {
  if (!t.connect()) return;
  if (!t.near.endpoint->facts().word.covers(property::reliable)) return t.skip("the medium may lose frames");
  constexpr unsigned frames = 5000;
  Random random(seed(20260731));
  unsigned arrived = 0;
  bool right = true;
  t.far.take = [&](Message& message) {
    const Bytes body = message.gathered(t.pool());
    right = right && body.size() >= 4 && load<std::uint32_t>(body.data()) == arrived;
    ++arrived;
  };
  for (std::uint32_t i = 0; i < frames; ++i) {
    if (!t.until([&] { return !t.near.held(); }, "the hold never ends")) return;
    const auto bytes =
        static_cast<std::uint32_t>(4 + random.below(random.below(20) == 0 ? t.largest(t.near) - 4 : 300));
    Message message = Message::make(t.pool(), bytes);
    store<std::uint32_t>(message.writable().data(), i);
    t.near.down(message);
    if (random.below(50) == 0) t.engine().poll();
  }
  t.until([&] { return arrived == frames; }, "some frames never arrived");
  t.expect(right, "a frame is missing, changed or out of its place");
}

void carries_frames_both_ways_at_once(Trial& t) {
  if (!t.connect()) return;
  std::vector<std::string> there, back;
  for (unsigned i = 0; i < 40; ++i) {
    there.push_back(Trial::pattern(100 + i, i));
    back.push_back(Trial::pattern(300 - i, 1000 + i));
    t.send(t.near, there.back());
    t.send(t.far, back.back());
  }
  t.until([&] { return t.far.got.size() >= 40 && t.near.got.size() >= 40; }, "not all frames arrived");
  t.expect_got(t.far, there);
  t.expect_got(t.near, back);
}

void delivers_in_poll_and_never_inside_a_send(Trial& t) {
  if (!t.connect()) return;
  t.medium().rest();
  for (unsigned i = 0; i < 20; ++i) t.send(t.near, "later");
  t.expect(t.far.got.empty(), "a frame was delivered while its sender was still sending");
  t.until([&] { return t.far.got.size() == 20; }, "not all frames arrived");
}

void leaves_a_received_message_to_its_receiver(Trial& t) {
  if (!t.connect()) return;
  std::vector<Message> kept;
  t.far.take = [&](Message& message) { kept.push_back(std::move(message)); };
  for (unsigned i = 0; i < 30; ++i) t.send_patterned(t.near, 90 + 300 * (i % 2), i);
  t.until([&] { return kept.size() == 30; }, "not all frames arrived");
  for (unsigned i = 0; i < kept.size(); ++i) {
    std::string body(kept[i].size(), '\0');
    kept[i].copy_to(reinterpret_cast<std::byte*>(body.data()));
    t.expect(body == Trial::pattern(90 + 300 * (i % 2), i), "a message that was kept has changed since");
  }
}

void takes_a_received_message_back(Trial& t) {
  if (!t.connect()) return;
  t.far.take = [&](Message& message) { t.far.down(message); };
  const std::vector<std::string> bodies = {"small", Trial::pattern(std::min(20'000u, t.largest(t.near)), 1)};
  for (const std::string& body : bodies) t.send(t.near, body);
  t.until([&] { return t.near.got.size() == bodies.size(); }, "the echo did not come");
  t.expect_got(t.near, bodies);
}

void destroys_what_its_receiver_leaves(Trial& t) {
  if (!t.connect()) return;
  unsigned seen = 0;
  t.far.take = [&](Message&) { ++seen; };
  for (unsigned i = 0; i < 20; ++i) t.send_patterned(t.near, 500, i);
  t.until([&] { return seen == 20; }, "not all frames arrived");
  t.medium().rest();
  t.expect(t.pool().alive_count() == 0, "messages that nobody wanted are still alive");
}

void serves_many_links_without_mixing_them_up(Trial& t) {
  constexpr std::size_t links = 60;
  const std::string bound = t.listen();
  std::vector<End> dialled(links), accepted(links);
  for (End& end : dialled) {
    auto endpoint = t.transport().dial(bound);
    if (!t.expect(endpoint.has_value(), "a dial failed")) return;
    end.adopt(std::move(*endpoint));
  }
  if (!t.until([&] { return t.acceptance.waiting.size() == links; }, "some dials were never accepted"))
    return;
  for (std::size_t i = 0; i < links; ++i) accepted[i].adopt(std::move(t.acceptance.waiting[i]));
  for (std::size_t i = 0; i < links; ++i) t.send(dialled[i], "from " + std::to_string(i));
  const auto all = [](const std::vector<End>& ends) {
    return std::all_of(ends.begin(), ends.end(), [](const End& end) { return end.got.size() == 1; });
  };
  if (!t.until([&] { return all(accepted); }, "not every link carried its frame")) return;
  for (End& end : accepted) t.send(end, "to " + end.got[0].substr(5));
  t.until([&] { return all(dialled); }, "not every link carried its answer");
  for (std::size_t i = 0; i < links && !dialled[i].got.empty(); ++i)
    t.expect(dialled[i].got[0] == "to " + std::to_string(i), "an answer came over another link");
}

}  // namespace

std::vector<Case> frame_cases() {
  return {
      {"CarriesAnEmptyFrame", carries_an_empty_frame, Defect::drops_empty_frames},
      {"CarriesAFrameOfOneByte", carries_a_frame_of_one_byte, Defect::pads_tiny_frames},
      {"CarriesFramesAroundEverySlabSize", carries_frames_around_every_slab_size, Defect::cuts_full_slabs},
      {"CarriesFramesAroundTheCopyLimits", carries_frames_around_the_copy_limits, Defect::cuts_at_8_kib},
      {"CarriesTheLargestFrame", carries_the_largest_frame, Defect::cuts_the_largest},
      {"ChangesNoByte", changes_no_byte, Defect::flips_a_bit},
      {"PutsHeadersBeforeTheBody", puts_headers_before_the_body, Defect::drops_headers},
      {"CarriesHeadersThatLieApartFromTheBody", carries_headers_that_lie_apart_from_the_body,
       Defect::drops_headers_apart},
      {"GathersBodiesOfManyPieces", gathers_bodies_of_many_pieces, Defect::sends_the_first_piece},
      {"LeavesASharedBodyAsItIs", leaves_a_shared_body_as_it_is, Defect::scribbles_on_bodies},
      {"KeepsTheBoundariesOfFrames", keeps_the_boundaries_of_frames, Defect::joins_frames},
      {"HandsUpFramesWithoutAnnotation", hands_up_frames_without_annotation, Defect::carries_annotations},
      {"DeliversNoFrameTwice", delivers_no_frame_twice, Defect::duplicates},
      {"KeepsTheOrderOfFrames", keeps_the_order_of_frames, Defect::swaps_neighbours},
      {"KeepsTheOrderOfSmallAndLargeFrames", keeps_the_order_of_small_and_large_frames,
       Defect::delays_large_frames},
      {"LosesNothingInALongRun", loses_nothing_in_a_long_run, Defect::loses_one_in_a_thousand},
      {"CarriesFramesBothWaysAtOnce", carries_frames_both_ways_at_once, Defect::deaf_dialler},
      {"DeliversInPollAndNeverInsideASend", delivers_in_poll_and_never_inside_a_send, Defect::polls_in_send},
      {"LeavesAReceivedMessageToItsReceiver", leaves_a_received_message_to_its_receiver,
       Defect::reuses_slabs},
      {"TakesAReceivedMessageBack", takes_a_received_message_back, Defect::drops_without_headroom},
      {"DestroysWhatItsReceiverLeaves", destroys_what_its_receiver_leaves, Defect::leaks_received},
      {"ServesManyLinksWithoutMixingThemUp", serves_many_links_without_mixing_them_up, Defect::mixes_links,
       property::reliable},
  };
}

}  // namespace harness::tests
