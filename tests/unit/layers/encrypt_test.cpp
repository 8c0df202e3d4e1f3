// SPDX-License-Identifier: Apache-2.0
// encrypt in a stack: sealed in place or by one copy, nothing readable on the wire, what happens to what does
// not open, keys renewed under loss and disorder, and a stack without keys.
#include <gtest/gtest.h>

#include <harness/layers/encrypt.hpp>
#include <harness/layers/frag.hpp>
#include <harness/layers/order.hpp>
#include <harness/layers/reliable.hpp>
#include <harness/tests/support/pair.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/test_authority.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Medium;
using tests::Pair;

constexpr Properties lossy = property::message | property::checked16;
constexpr std::uint64_t ms = 1'000'000;

std::string bytes_of(const Message& frame) {
  std::string bytes(frame.size(), '\0');
  frame.copy_to(reinterpret_cast<std::byte*>(bytes.data()));
  return bytes;
}

/// The frame that `body` becomes on the wire; it does not arrive.
std::string frame_of(Pair& pair, const std::string& body, unsigned from = 0) {
  std::string frame;
  pair.wires[from].filter = [&](Message& sent) {
    frame = bytes_of(sent);
    return false;
  };
  EXPECT_EQ(pair.ends[from].send(body), Errc::ok);
  pair.wires[from].filter = {};
  return frame;
}

TEST(Encrypt, NothingOfAMessageIsReadableOnTheWire) {
  const std::string canary = "a canary of thirty-two bytes 4711";
  Pair pair({layer<Order>(), layer<Encrypt>()});
  std::string wire;
  pair.wires[0].filter = [&](Message& sent) {
    wire += bytes_of(sent);
    return true;
  };
  pair.send_all(0, 100, [&](unsigned i) { return std::string(i, '.') + canary; });
  ASSERT_EQ(pair.ends[1].delivered.size(), 100u);
  EXPECT_EQ(pair.ends[1].body(0), canary);
  EXPECT_EQ(wire.find(canary.substr(0, 8)), std::string::npos);
}

TEST(Encrypt, EqualMessagesBecomeUnequalRecordsInBothDirections) {
  Pair pair({layer<Encrypt>()});
  std::set<std::string> texts;
  for (const unsigned from : {0u, 1u, 0u, 1u}) texts.insert(frame_of(pair, "the same", from).substr(24));
  EXPECT_EQ(texts.size(), 4u);
}

TEST(Encrypt, SealsInPlaceWhatIsNobodyElsesAndCopiesTheRest) {
  Pair pair({layer<Encrypt>()}, {.copies = false});
  ASSERT_EQ(pair.ends[0].send("mine alone"), Errc::ok);
  pair.run();
  EXPECT_EQ(pair.ends[0].value("encrypt", "copied_messages"), 0u);
  EXPECT_EQ(pair.ends[1].value("encrypt", "copied_messages"), 0u);

  Message shared = Message::copy_of(pair.engine.pool(), "kept by its sender");
  ASSERT_EQ(pair.ends[0].stack->send(shared.share(pair.engine.pool())), Errc::ok);
  pair.run();
  EXPECT_EQ(shared.text(), "kept by its sender") << "a shared body is not written to";
  EXPECT_EQ(pair.ends[0].value("encrypt", "copied_messages"), 1u);
  Message pieces = Message::copy_of(pair.engine.pool(), "first piece, ");
  ASSERT_TRUE(pieces.append(pair.engine.pool(), Message::copy_of(pair.engine.pool(), "second piece")));
  ASSERT_EQ(pair.ends[0].stack->send(std::move(pieces)), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 3u);
  EXPECT_EQ(pair.ends[1].body(1), "kept by its sender");
  EXPECT_EQ(pair.ends[1].body(2), "first piece, second piece");
}

TEST(Encrypt, OpensAFrameThatSharesItsSlabOrLiesInPieces) {
  Pair pair({layer<Encrypt>()}, {.copies = false});
  const std::string frame = frame_of(pair, "alone in no slab");
  Message whole = Message::copy_of(pair.engine.pool(), frame);
  Message other = whole.share(pair.engine.pool());
  const Entry up = pair.ends[1].stack->up();
  up.fn(up.self, up.next, other.c());
  EXPECT_EQ(bytes_of(whole), frame) << "the other holder's bytes stay";
  const std::string next = frame_of(pair, "in three pieces");
  Message pieces = Message::copy_of(pair.engine.pool(), next.substr(0, 5));
  ASSERT_TRUE(pieces.append(pair.engine.pool(), Message::copy_of(pair.engine.pool(), next.substr(5, 25))));
  ASSERT_TRUE(pieces.append(pair.engine.pool(), Message::copy_of(pair.engine.pool(), next.substr(30))));
  up.fn(up.self, up.next, pieces.c());
  ASSERT_EQ(pair.ends[1].delivered.size(), 2u);
  EXPECT_EQ(pair.ends[1].body(0), "alone in no slab");
  EXPECT_EQ(pair.ends[1].body(1), "in three pieces");
}

TEST(Encrypt, OverALossyLayerWhatDoesNotOpenIsDroppedAndCounted) {
  Pair pair({layer<Encrypt>()}, {.word = lossy});
  const std::string frame = frame_of(pair, "sixteen bytes ok");
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    std::string changed = frame;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    pair.inject(1, as_bytes(changed));
  }
  for (std::size_t left = 0; left < frame.size(); ++left) pair.inject(1, as_bytes(frame.substr(0, left)));
  pair.inject(1, as_bytes(frame + "z"));
  EXPECT_TRUE(pair.ends[1].delivered.empty());
  EXPECT_EQ(pair.ends[1].value("encrypt", "malformed_records"), 24u);
  pair.inject(1, as_bytes(frame));
  pair.inject(1, as_bytes(frame));
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[1].value("encrypt", "replayed_records"), 1u);
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u) << "a stranger cannot close the link";
  EXPECT_GT(pair.ends[1].value("encrypt", "forged_records"), 300u);
}

TEST(Encrypt, ARecordSentBackIsRefused) {
  Pair pair({layer<Encrypt>()}, {.word = lossy});
  const std::string frame = frame_of(pair, "to the peer");
  pair.inject(0, as_bytes(frame));
  EXPECT_TRUE(pair.ends[0].delivered.empty());
  EXPECT_EQ(pair.ends[0].value("encrypt", "forged_records"), 1u);
}

TEST(Encrypt, OverAReliableLayerItClosesTheLinkAndHandsUpNothingAfterIt) {
  for (const bool cut : {false, true}) {
    Pair pair({layer<Encrypt>()});
    std::string first = frame_of(pair, "first");
    const std::string second = frame_of(pair, "second");
    if (!cut) {
      first.back() = static_cast<char>(first.back() ^ 1);
      pair.inject(1, as_bytes(first));
    }
    pair.inject(1, as_bytes(second));  // whole, but one is missing before it
    pair.inject(1, as_bytes(second));
    EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 1u);
    EXPECT_TRUE(pair.ends[1].delivered.empty());
    EXPECT_EQ(pair.ends[1].value("encrypt", cut ? "missing_records" : "forged_records"), 1u);
  }
}

TEST(Encrypt, ARepeatedFrameOfAReliableLayerThatMayRepeatIsNoDamage) {
  Pair pair({layer<Encrypt>()}, {.word = property::message | property::reliable});
  const std::string frame = frame_of(pair, "once");
  pair.inject(1, as_bytes(frame));
  pair.inject(1, as_bytes(frame));
  EXPECT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u);
}

TEST(Encrypt, ARepeatedFrameIsNoDamageAlsoWhenItsKeyIsGone) {
  Pair pair({layer<Encrypt>({{Encrypt::rekey_records, 1}})},
            {.word = property::message | property::reliable});
  std::string frames[3];
  for (std::string& frame : frames) {
    frame = frame_of(pair, "once");
    pair.inject(1, as_bytes(frame));
    pair.advance(1'000 * ms);
  }
  ASSERT_EQ(pair.ends[1].value("encrypt", "receive_epoch"), 2u);
  pair.inject(1, as_bytes(frames[0]));
  EXPECT_EQ(pair.ends[1].delivered.size(), 3u);
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u);
}

TEST(Encrypt, KeysAreRenewedUnderLossDuplicationAndDisorder) {
  for (std::uint64_t round = 0; round < 10; ++round) {
    Pair pair(
        {layer<Order>(), layer<Frag>(), layer<Reliable>(), layer<Encrypt>({{Encrypt::rekey_records, 7}})},
        {.word = lossy,
         .max_message = 1400,
         .drop_ppm = 50'000,
         .duplicate_ppm = 50'000,
         .reorder_ppm = 200'000,
         .seed = tests::seed(31) + round});
    const auto text = [](unsigned i) { return std::to_string(i) + std::string(i * 7 % 3000, 'x'); };
    for (unsigned batch = 0; batch < 400; batch += 20) {
      for (const unsigned from : {0u, 1u})
        pair.send_all(from, 20, [&](unsigned i) { return text(batch + i); });
      pair.advance(1'000 * ms);
    }
    pair.advance(5'000 * ms);
    for (const unsigned at : {0u, 1u}) {
      ASSERT_EQ(pair.ends[at].delivered.size(), 400u);
      for (unsigned i = 0; i < 400; ++i) ASSERT_EQ(pair.ends[at].body(i), text(i));
      EXPECT_GE(pair.ends[at].value("encrypt", "send_epoch"), 15u);
      EXPECT_GT(pair.ends[at].value("encrypt", "replayed_records"), 0u) << "the medium did repeat";
      EXPECT_EQ(pair.ends[at].value("encrypt", "forged_records"), 0u);
    }
  }
}

TEST(Encrypt, TheKeyOfTheEpochBeforeGoesASecondAfterTheStep) {
  Pair pair({layer<Encrypt>({{Encrypt::rekey_records, 2}})}, {.word = lossy});
  const std::string late[] = {frame_of(pair, "0"), frame_of(pair, "1")};
  pair.advance(1'000 * ms);
  pair.send_all(0, 1, [](unsigned) { return "2"; });  // epoch 1
  pair.advance(999 * ms);
  pair.inject(1, as_bytes(late[0]));
  ASSERT_EQ(pair.ends[1].delivered.size(), 2u);
  pair.advance(2 * ms);
  pair.inject(1, as_bytes(late[1]));
  EXPECT_EQ(pair.ends[1].delivered.size(), 2u);
  EXPECT_EQ(pair.ends[1].value("encrypt", "stale_records"), 1u);
}

TEST(Encrypt, EachSuiteCanBeAskedForAndBothEndsMustAsk) {
  for (const auto suite : {Encrypt::SuiteChoice::aes, Encrypt::SuiteChoice::chacha}) {
    Pair pair({layer<Encrypt>({{Encrypt::suite, static_cast<std::int64_t>(suite)}})});
    pair.send_all(0, 20, [](unsigned i) { return std::string(i * 50, 'x'); });
    EXPECT_EQ(pair.ends[1].delivered.size(), 20u);
  }
}

TEST(Encrypt, LeavesOutTheEnginesThatItsStackForbids) {
  using namespace encryption;
  for (const auto engines : {Engines::fastest, Engines::standard, Engines::openssl}) {
    Pair pair({layer<Encrypt>({{Encrypt::engine, static_cast<std::int64_t>(engines)}})});
    pair.send_all(0, 20, [](unsigned i) { return std::string(i * 50, 'x'); });
    EXPECT_EQ(pair.ends[1].delivered.size(), 20u);
    const Suite agreed = has_aes() ? Suite::aes : Suite::chacha;
    EXPECT_EQ(pair.ends[0].value("encrypt", "large_from_bytes"), plan_for({agreed, engines}).small_below);
  }
}

TEST(Encrypt, AStackWithoutAHandshakeIsRefusedInThreeParts) {
  tests::ManualEngine engine;
  Gate gate;
  StackSpec spec;
  spec.layers = {layer<Encrypt>()};
  const Foundation foundation{
      .engine = engine, .bottom = {}, .facts = {property::message, 1000, {}}, .gate = gate};
  const auto built = Stack::build(spec, foundation, nullptr, nullptr, nullptr);
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error().code, Errc::denied);
  EXPECT_FALSE(built.error().because.empty());
  EXPECT_FALSE(built.error().advice.empty());
}

// The same keys twice would be the same nonces twice: the second stack passes nothing.
TEST(Encrypt, KeysServeOneStackOnly) {
  const LayerType type = layer_type<Encrypt>();
  const auto hands = tests::shaken_hands(type);
  tests::ManualEngine engine;
  unsigned frames = 0;
  const auto count = [](void* self, const Entry*, harness_message*) { ++*static_cast<unsigned*>(self); };
  for (unsigned i = 0; i < 2; ++i) {
    Gate gate;
    StackSpec spec;
    spec.layers = {{&type, OptionValues(type.descriptor->options)}};
    const Foundation foundation{.engine = engine,
                                .bottom = {count, &frames, nullptr},
                                .facts = {property::message, 1000, {}},
                                .gate = gate,
                                .handshake = hands[0].get()};
    const auto built =
        Stack::build(spec, foundation, [](void*, Message&) {}, [](void*, const Event&) {}, nullptr);
    ASSERT_TRUE(built);
    Message message = Message::copy_of(engine.pool(), "text");
    EXPECT_EQ((*built)->send(std::move(message)), Errc::ok);
    EXPECT_EQ(frames, 1u);
  }
}

}  // namespace
}  // namespace harness::layers
