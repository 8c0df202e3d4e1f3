// SPDX-License-Identifier: Apache-2.0
// The layer suite: what every layer of the catalogue owes its stack, whatever it does. A layer that is added
// to layers/all.cpp is in it; nothing has to be written here.
//
// Each case stands the layer alone between an application and a medium that gives what the contract requires,
// and judges by what the contract promises on top: a fault layer may lose, one that claims fifo may not
// disorder.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/stack/contract.hpp>
#include <harness/tests/support/allocations.hpp>
#include <harness/tests/support/pair.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::tests {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr Properties best = property::message | property::reliable | property::fifo |
                            property::no_duplicates | property::checked32 | property::channels |
                            property::death_immediate;

const Catalogue& everything() {
  static const Catalogue all = [] {
    Catalogue catalogue;
    layers::add_all(catalogue);
    return catalogue;
  }();
  return all;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const LayerType& type : everything().layers()) all.emplace_back(type.descriptor->name);
  return all;
}

/// Records the events that pass it.
class Observer {
 public:
  static constexpr Descriptor descriptor{.name = "observer", .summary = "records events"};
  Observer(const OptionValues&, LayerContext&) {}
  void on(const Event& event, Onward onward) {
    seen.push_back(event.kind);
    onward(event);
  }
  std::vector<EventKind> seen;
};

struct Names : Describer {
  std::vector<std::string> all;
  void value(std::string_view name, std::uint64_t) override { all.emplace_back(name); }
  void text(std::string_view name, std::string_view) override { all.emplace_back(name); }
};

std::string body_of(unsigned number, std::size_t bytes) {
  std::string body = std::to_string(number) + ':';
  body.resize(std::max(bytes, body.size()), static_cast<char>('a' + number % 26));
  return body;
}

class LayerSuite : public testing::TestWithParam<std::string> {
 protected:
  LayerSuite() : type_(*everything().layer(GetParam())), contract_(type_.descriptor->contract) {}

  [[nodiscard]] BoundLayer bound() const { return {&type_, OptionValues(type_.descriptor->options)}; }
  /// What it gives on a medium that gives `word`.
  [[nodiscard]] Properties promised(Properties word) const {
    return word.without(contract_.clears) | contract_.adds;
  }
  [[nodiscard]] bool promises(Properties what) const { return promised(best).covers(what); }

  /// Sends `count` messages from end 0, of sizes up to `bytes_max`, and waits for all that is to come.
  std::vector<std::string> talk(Pair& pair, unsigned count, std::size_t bytes_max, std::uint64_t seed) {
    std::vector<std::string> sent;
    Random random(seed);
    for (unsigned i = 0; i < count; ++i) sent.push_back(body_of(i, random.below(bytes_max + 1)));
    pair.send_all(0, count, [&](unsigned i) { return sent[i]; });
    pair.advance(200 * ms);
    return sent;
  }
  /// Judges what end 1 got of `sent` by what is promised.
  void judge(const Pair& pair, const std::vector<std::string>& sent) const {
    std::set<std::string> came;
    std::size_t last = 0;
    for (const Delivered& delivered : pair.ends[1].delivered) {
      const auto at = std::find(sent.begin(), sent.end(), delivered.body);
      if (at == sent.end()) {
        EXPECT_FALSE(promises(property::checked16)) << "nobody sent " << delivered.body.substr(0, 20);
        continue;
      }
      const auto index = static_cast<std::size_t>(at - sent.begin());
      if (promises(property::fifo)) {
        EXPECT_GE(index, last) << "out of order";
      }
      if (!came.insert(delivered.body).second) {
        EXPECT_FALSE(promises(property::no_duplicates)) << "twice: " << index;
      }
      last = index;
    }
    if (promises(property::reliable) && promises(property::checked16)) {
      EXPECT_EQ(came.size(), sent.size());
    }
    EXPECT_GT(came.size(), sent.size() / 2) << "a layer that lets nothing through proves nothing";
  }
  void audit(const Pair& pair) const {
    for (const unsigned side : {0u, 1u}) {
      EXPECT_EQ(pair.wires[side].sent_while_held, 0u);
      EXPECT_EQ(pair.wires[side].too_large, 0u);
      if (!contract_.emits_control) {
        EXPECT_EQ(pair.wires[side].controls, 0u);
      }
      EXPECT_EQ(pair.ends[side].quota->used_bytes(), 0u);
      EXPECT_FALSE(pair.ends[side].gate.owes_delivery());
      EXPECT_EQ(pair.ends[side].count(EventKind::corrupt) + pair.ends[side].count(EventKind::peer_lost), 0u);
      EXPECT_EQ(pair.ends[side].count(EventKind::violated), 0u);
    }
  }

  /// `end` goes on in a new stack, whose layer takes the state of the old one.
  void move_to_new_stack(Pair::End& end, Gate& gate, const Medium& medium) {
    const Foundation foundation{.engine = end.pair->engine,
                                .bottom = end.stack->bottom(),
                                .facts = {medium.word, medium.max_message, {}},
                                .gate = gate,
                                .quota = end.quota.get(),
                                .role = end.index == 0 ? Role::initiator : Role::responder,
                                .max_message = end.stack->max_message(),
                                .peer_quota_bytes = medium.quota_bytes};
    auto next = Stack::build(end.stack->spec(), foundation, &deliver, &notify, &end);
    ASSERT_TRUE(next);
    ASSERT_TRUE(type_.take_state((*next)->layer(0), end.stack->layer(0)));
    EXPECT_FALSE(end.gate.owes_delivery()) << "what waited went over";
    end.stack = std::move(*next);
  }
  static void deliver(void* self, Message& message) {
    std::string body(message.size(), '\0');
    message.copy_to(reinterpret_cast<std::byte*>(body.data()));
    static_cast<Pair::End*>(self)->delivered.push_back({std::move(body), message.note().channel});
  }
  static void notify(void* self, const Event& event) {
    static_cast<Pair::End*>(self)->events.emplace_back(event.kind, event.code);
  }

  const LayerType& type_;
  const Contract& contract_;
};

TEST_P(LayerSuite, GivesOnTopWhatItsContractSays) {
  for (std::uint64_t round = 0; round < 5; ++round) {
    Pair pair({bound()}, {.word = best, .seed = seed(1) + round});
    const auto sent = talk(pair, 200, 700, seed(1) + round);
    judge(pair, sent);
    audit(pair);
  }
}

TEST_P(LayerSuite, SendsNothingWhileItIsHeldAndGoesOnAfterwards) {
  Pair pair({bound()}, {.word = best, .capacity_frames = 2});
  const auto sent = talk(pair, 150, pair.ends[0].stack->max_message() > 100'000 ? 9'000 : 600, 3);
  judge(pair, sent);
  audit(pair);
}

TEST_P(LayerSuite, TakesItsLargestMessageAndAnEmptyOne) {
  Pair pair({bound()}, {.word = best, .max_link_message = 0});
  const std::uint32_t largest = std::min<std::uint32_t>(pair.ends[0].stack->max_message(), 300'000);
  unsigned came = 0;
  pair.ends[1].on_message = [&](Message& message) {
    came += message.body_size() == largest || message.body_size() == 0 ? 1u : 0u;
  };
  pair.send_all(0, 40, [&](unsigned i) { return std::string(i % 2 == 0 ? largest : 0, 'x'); });
  pair.advance(200 * ms);
  audit(pair);
  EXPECT_GE(came, promises(property::reliable) ? 40u : 20u);
}

TEST_P(LayerSuite, ItsHeaderIsNoLargerThanItsDescriptorSays) {
  Pair pair({bound()}, {.word = best});
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{64}, std::size_t{500}}) {
    pair.wires[0].data_bytes = 0;
    ASSERT_EQ(pair.ends[0].send(body_of(1, bytes)), Errc::ok);
    EXPECT_LE(pair.wires[0].data_bytes, std::max<std::size_t>(bytes, 2) + type_.descriptor->header_bytes_max);
    pair.run();
  }
}

TEST_P(LayerSuite, SurvivesAnyBytesFromBelow) {
  Random random(seed(7));
  for (const Properties word : {best, contract_.requires_below | property::message}) {
    for (unsigned round = 0; round < 40; ++round) {
      Pair pair({bound()}, {.word = word, .quota_bytes = 256 << 10, .seed = random.next()});
      std::vector<std::string> real;  // frames as they are on the wire
      pair.wires[0].filter = [&](Message& frame) {
        if (real.size() < 50)
          real.emplace_back(frame.front().size(), '\0'),
              frame.copy_to(reinterpret_cast<std::byte*>(real.back().data()));
        return true;
      };
      pair.send_all(0, 10, [&](unsigned i) { return body_of(i, random.below(2000) % 900); });
      pair.wires[0].filter = {};
      ASSERT_FALSE(real.empty());
      for (unsigned i = 0; i < 100; ++i) {
        std::string frame = real[random.below(real.size())];
        if (random.below(3) == 0) frame.assign(random.below(40), '\0');
        for (std::uint64_t n = random.between(1, 8); n > 0 && !frame.empty(); --n)
          frame[random.below(frame.size())] = static_cast<char>(random.next());
        if (random.below(4) == 0) frame.resize(random.below(frame.size() + 1));
        pair.inject(1, as_bytes(frame));
        ASSERT_LE(pair.ends[1].quota->used_bytes(), std::uint64_t{512} << 10);
      }
      ASSERT_LE(pair.engine.pool().held_bytes(), std::uint64_t{32} << 20) << "memory for a stranger's word";
      pair.advance(100 * ms);
      pair.ends[1].stack->event({EventKind::peer_lost, Errc::closed});
      pair.ends[1].kept.clear();
      EXPECT_EQ(pair.ends[1].quota->used_bytes(), 0u) << "what is kept goes when the link does";
    }
  }
}

TEST_P(LayerSuite, AllocatesNothingAfterWarmUp) {
  Pair pair({bound()}, {.word = best});
  std::uint64_t got = 0;
  pair.ends[1].on_message = [&](Message&) { ++got; };
  const std::string body(64, 'x');
  const auto lap = [&] {
    for (unsigned i = 0; i < 200; ++i) {
      ASSERT_EQ(pair.ends[0].send(body), Errc::ok);
      pair.run();
      if (i % 16 == 15) pair.advance(10'000);  // acknowledgements go in a turn of their own
    }
    pair.advance(20 * ms);
  };
  for (unsigned i = 0; i < 3; ++i) lap();
  const std::uint64_t before = allocation_count();
  const std::uint64_t grown = pair.engine.pool().grown_count();
  for (unsigned i = 0; i < 3; ++i) lap();
  EXPECT_EQ(allocation_count() - before, 0u);
  EXPECT_EQ(pair.engine.pool().grown_count(), grown);
  EXPECT_GT(got, 600u);
}

TEST_P(LayerSuite, DescribesItselfByStableNames) {
  Pair pair({bound()}, {.word = best});
  const auto describe = [&] {
    Names now;
    type_.describe(pair.ends[1].stack->layer(0), now);
    return now.all;
  };
  ASSERT_NE(type_.describe, nullptr);
  const auto before = describe();
  talk(pair, 30, 400, 1);
  EXPECT_EQ(describe(), before);
  EXPECT_FALSE(before.empty());
  EXPECT_EQ(std::set<std::string>(before.begin(), before.end()).size(), before.size());
  for (const std::string& name : before)
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string::npos) << name;
}

TEST_P(LayerSuite, EventsPassItOnceEachWay) {
  for (const EventKind kind : {EventKind::up, EventKind::writable, EventKind::peer_lost, EventKind::corrupt,
                               EventKind::closed, EventKind::violated}) {
    Pair pair({layer<Observer>(), bound()}, {.word = best});
    auto& above = *static_cast<Observer*>(pair.ends[1].stack->layer(0));
    above.seen.clear();
    pair.ends[1].stack->event({kind});
    const bool resumes = contract_.adds.covers(property::resumable) &&
                         (kind == EventKind::peer_lost || kind == EventKind::corrupt);
    EXPECT_EQ(above.seen, std::vector<EventKind>{resumes ? EventKind::resuming : kind});
  }
  for (const EventKind kind : {EventKind::close, EventKind::pause, EventKind::resume}) {
    Pair pair({bound(), layer<Observer>()}, {.word = best});
    auto& below = *static_cast<Observer*>(pair.ends[1].stack->layer(1));
    below.seen.clear();
    pair.ends[1].stack->event({kind});
    const bool takes = kind != EventKind::close &&
                       contract_.adds.intersects(property::flow_controlled | property::put_emulated);
    EXPECT_EQ(below.seen, takes ? std::vector<EventKind>{} : std::vector<EventKind>{kind})
        << "who gives credit for the link stops it; one-sided operations go on meanwhile";
  }
}

TEST_P(LayerSuite, APauseOfAChannelIsForWhoGivesChannels) {
  Pair pair({bound(), layer<Observer>()}, {.word = best});
  auto& below = *static_cast<Observer*>(pair.ends[1].stack->layer(1));
  below.seen.clear();
  pair.ends[1].stack->event({EventKind::pause, Errc::ok, {}, 3});
  EXPECT_EQ(below.seen.size(), contract_.adds.intersects(property::channels) ? 0u : 1u);
}

// A full swap to the same layer: both ends go on in a new stack, with what the old one knew and still held.
// Above a pump one large message is unfinished at the swap: cut, being packed, or without room below.
TEST_P(LayerSuite, AFullSwapLosesNothing) {
  if (type_.take_state == nullptr) {
    EXPECT_NE(type_.descriptor->swap, SwapClass::full) << "a full swap needs take_state";
    return;  // stateless: a new one is as good as the old one
  }
  const Medium medium{.word = best, .max_message = 100'000};
  Pair pair({bound()}, medium);
  std::vector<std::string> sent;
  const auto say = [&](std::size_t bytes) {
    sent.push_back(body_of(static_cast<unsigned>(sent.size()), bytes));
    if (pair.ends[0].send(sent.back()) != Errc::ok) sent.pop_back();
  };
  for (unsigned i = 0; i < 40; ++i) say(40), pair.run();
  pair.hold(0, true);
  say(std::min<std::size_t>(pair.ends[0].stack->max_message(), 150'000));
  EXPECT_EQ(sent.size(), type_.descriptor->pump ? 41u : 40u);
  std::array<Gate, 2> gates;
  for (const unsigned side : {0u, 1u}) move_to_new_stack(pair.ends[side], gates[side], medium);
  pair.hold(0, false);
  pair.advance(ms);
  for (unsigned i = 0; i < 40; ++i) say(40), pair.advance(ms / 10);
  EXPECT_GE(sent.size(), 80u);
  pair.advance(200 * ms);
  judge(pair, sent);
  audit(pair);
  for (Pair::End& end : pair.ends) end.stack.reset();  // before its gate
}

INSTANTIATE_TEST_SUITE_P(Every, LayerSuite, testing::ValuesIn(names()),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace harness::tests
