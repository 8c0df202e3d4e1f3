// SPDX-License-Identifier: Apache-2.0
// compress: methods, stored messages, offloaded work in order, hostile lengths.
#include <gtest/gtest.h>

#include <harness/layers/compress.hpp>
#include <harness/layers/frag.hpp>
#include <harness/tests/support/pair.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::OptionList;
using tests::Pair;

constexpr std::uint64_t quota = 64 << 20;

std::string words(std::size_t bytes) {
  std::string made;
  for (std::size_t i = 0; made.size() < bytes; ++i)
    made += "message " + std::to_string(i % 97) + " of many; ";
  made.resize(bytes);
  return made;
}

std::string noise(std::size_t bytes, std::uint64_t seed = 1) {
  Random random(seed);
  std::string made(bytes, '\0');
  for (char& c : made) c = static_cast<char>(random.next());
  return made;
}

std::string packed(wire::CompressMethod method, std::uint32_t original, std::string_view bytes) {
  std::string frame(wire::bytes_of<wire::CompressPacked>, '\0');
  wire::encode(wire::CompressPacked{method, original}, reinterpret_cast<std::byte*>(frame.data()));
  return frame.append(bytes);
}

class CompressBy : public ::testing::TestWithParam<OptionList> {};

TEST_P(CompressBy, EverySizeComesBackAsItWas) {
  Pair pair({layer<Compress>(GetParam()), layer<Frag>()}, {.quota_bytes = quota});
  const std::size_t sizes[] = {
      0,      1,       15,       16, 127, 128, 129, 1000, 4095, 8192, 8193, 24 << 10, (24 << 10) + 1,
      70'000, 300'000, 1'000'000};
  unsigned sent = 0;
  for (const std::size_t size : sizes)
    for (const std::string& body : {words(size), noise(size)}) {
      pair.send_all(0, 1, [&](unsigned) { return body; });
      ASSERT_EQ(pair.ends[1].delivered.size(), ++sent) << size;
      ASSERT_EQ(pair.ends[1].delivered.back().body, body) << size;
    }
  EXPECT_GT(pair.ends[0].value("compress", "packed_messages"), 5u);
  EXPECT_GT(pair.ends[0].value("compress", "offloaded"), 3u);
  EXPECT_LT(pair.ends[0].value("compress", "packed_bytes"),
            pair.ends[0].value("compress", "original_bytes") / 3);
}

INSTANTIATE_TEST_SUITE_P(Compress, CompressBy,
                         ::testing::Values(OptionList{}, OptionList{{Compress::method, 1}},
                                           OptionList{{Compress::method, 1}, {Compress::level, 9}}));

TEST(Compress, SendsFewerBytesOfAMessageThatShrinks) {
  Pair pair({layer<Compress>()}, {.max_message = 65536});
  ASSERT_EQ(pair.ends[0].send(words(10'000)), Errc::ok);
  EXPECT_LT(pair.wires[0].data_bytes, 2000u);
}

TEST(Compress, CostsOneByteOfAMessageThatDoesNotShrink) {
  Pair pair({layer<Compress>()}, {.max_message = 65536});
  ASSERT_EQ(pair.ends[0].send(noise(10'000)), Errc::ok);
  EXPECT_EQ(pair.wires[0].data_bytes, 10'001u);
}

TEST(Compress, StopsTryingWhileNothingShrinksAndFindsOutWhenItDoesAgain) {
  Pair pair({layer<Compress>()}, {.max_message = 65536});
  for (unsigned i = 0; i < 200; ++i) {
    pair.ends[0].send(noise(5000, i + 1));
    pair.run();
  }
  EXPECT_EQ(pair.ends[0].value("compress", "stored_messages"), 200u);
  for (unsigned i = 0; i < 100; ++i) {
    pair.ends[0].send(words(5000));
    pair.run();
  }
  EXPECT_GT(pair.ends[0].value("compress", "packed_messages"), 36u);
  EXPECT_EQ(pair.ends[1].delivered.size(), 300u);
}

TEST(Compress, UnpacksEitherMethodWhateverItsOwnIs) {
  Pair lz4({layer<Compress>()}, {.max_message = 65536});
  Pair zstd({layer<Compress>({{Compress::method, 1}})}, {.max_message = 65536});
  std::string frame;
  zstd.wires[0].filter = [&](Message& sent) {
    frame.assign(sent.size(), '\0');
    sent.copy_to(reinterpret_cast<std::byte*>(frame.data()));
    return false;
  };
  ASSERT_EQ(zstd.ends[0].send(words(3000)), Errc::ok);
  lz4.inject(1, as_bytes(frame));
  ASSERT_EQ(lz4.ends[1].delivered.size(), 1u);
  EXPECT_EQ(lz4.ends[1].body(0), words(3000));
}

TEST(Compress, AMessageInWorkHoldsItsChannelAndNoOther) {
  Pair pair({layer<Compress>()}, {.max_message = 1 << 20, .quota_bytes = quota});
  ASSERT_EQ(pair.ends[0].send(words(100'000), 1), Errc::ok);
  EXPECT_EQ(pair.ends[0].send("after", 1), Errc::would_block);
  EXPECT_EQ(pair.ends[0].send("other", 2), Errc::ok);
  pair.step();
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[1].body(0), "other");
  pair.run();
  EXPECT_EQ(pair.ends[0].count(EventKind::writable), 1u);
  EXPECT_EQ(pair.ends[1].delivered.size(), 2u);
}

TEST(Compress, ReceivedMessagesWaitBehindOneInWork) {
  Pair pair({layer<Compress>(), layer<Frag>()}, {.max_message = 1 << 20, .quota_bytes = quota});
  pair.wires[0].stuck = true;
  ASSERT_EQ(pair.ends[0].send(words(400'000)), Errc::ok);
  pair.engine.poll();  // packed and on the wire
  for (const char* body : {"one", "two"}) ASSERT_EQ(pair.ends[0].send(body), Errc::ok);
  ASSERT_EQ(pair.ends[0].send(words(2000)), Errc::ok);
  pair.wires[0].stuck = false;
  while (pair.step() != 0) {
  }
  EXPECT_TRUE(pair.ends[1].delivered.empty());  // nothing was unpacked yet
  EXPECT_TRUE(pair.ends[1].gate.owes_delivery()) << "a closing link waits for it";
  pair.run();
  EXPECT_FALSE(pair.ends[1].gate.owes_delivery());
  ASSERT_EQ(pair.ends[1].delivered.size(), 4u);
  EXPECT_EQ(pair.ends[1].body(0), words(400'000));
  EXPECT_EQ(pair.ends[1].body(1), "one");
  EXPECT_EQ(pair.ends[1].body(3), words(2000));
}

TEST(Compress, SendsAsItIsWhatNoWorkerTakes) {
  Pair pair({layer<Compress>()}, {.max_message = 1 << 20, .quota_bytes = quota});
  pair.engine.jobs = Env::offload_max;
  ASSERT_EQ(pair.ends[0].send(words(100'000)), Errc::ok);
  pair.engine.jobs = 0;
  pair.advance(2'000'000);
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[0].value("compress", "stored_messages"), 1u);
}

TEST(Compress, SurvivesItsOwnEndWhileAJobRuns) {
  tests::ManualEngine* engine = nullptr;
  auto pair = std::make_unique<Pair>(std::vector{layer<Compress>()},
                                     tests::Medium{.max_message = 1 << 20, .quota_bytes = quota});
  engine = &pair->engine;
  ASSERT_EQ(pair->ends[0].send(words(100'000)), Errc::ok);
  pair->ends[0].stack.reset();
  EXPECT_EQ(engine->pool().alive_count(), 3u);  // work, input and output of the job
  engine->poll();
  EXPECT_EQ(engine->pool().alive_count(), 0u);
}

TEST(Compress, GivesEverythingBackWhenThePeerIsLost) {
  Pair pair({layer<Compress>()}, {.max_message = 1 << 20, .quota_bytes = quota});
  ASSERT_EQ(pair.ends[0].send(words(100'000)), Errc::ok);
  pair.ends[0].stack->event({EventKind::peer_lost, Errc::peer_lost});
  EXPECT_EQ(pair.ends[0].gate.word() >> 32, 0u);
  pair.engine.poll();
  EXPECT_EQ(pair.engine.pool().alive_count(), 0u);
}

TEST(Compress, FlushesWorkBeforeItPassesACloseOn) {
  Pair pair({layer<Compress>()}, {.max_message = 1 << 20, .quota_bytes = quota});
  ASSERT_EQ(pair.ends[0].send(words(100'000), 2), Errc::ok);
  pair.ends[0].stack->event({EventKind::close});
  EXPECT_NE(pair.ends[0].gate.word() >> 32, 0u);
  pair.run();
  EXPECT_EQ(pair.ends[0].gate.word() >> 32, 0u);
  EXPECT_EQ(pair.ends[1].delivered.size(), 1u);
}

TEST(Compress, NeverSendsIntoAHeldLinkAndKeepsEveryMessage) {
  Pair pair({layer<Compress>(), layer<Frag>()}, {.quota_bytes = quota, .capacity_frames = 3});
  pair.send_all(0, 60, [](unsigned i) { return words(i * 1500); });
  ASSERT_EQ(pair.ends[1].delivered.size(), 60u);
  for (unsigned i = 0; i < 60; ++i) EXPECT_EQ(pair.ends[1].body(i), words(i * 1500));
  EXPECT_EQ(pair.wires[0].sent_while_held, 0u);
}

struct BadFrame {
  const char* name;
  std::string frame;
};
class CompressRefuses : public ::testing::TestWithParam<BadFrame> {};

TEST_P(CompressRefuses, TheFrameBeforeItTakesMemory) {
  for (const bool reliable : {true, false}) {
    Pair pair({layer<Compress>()},
              {.word = reliable ? property::message | property::reliable : property::message,
               .max_link_message = 1 << 20});
    pair.inject(1, as_bytes(GetParam().frame));
    pair.run();
    EXPECT_TRUE(pair.ends[1].delivered.empty());
    EXPECT_EQ(pair.ends[1].value("compress", "damaged_messages"), 1u);
    EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), reliable ? 1u : 0u);
    EXPECT_LT(pair.ends[1].quota->peak_bytes(), 100'000u);
    EXPECT_EQ(pair.ends[1].quota->used_bytes(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Compress, CompressRefuses,
    ::testing::Values(
        BadFrame{"empty", ""}, BadFrame{"unknown_method", "\x09zzzzzzz"},
        BadFrame{"no_length", std::string("\x01\x10", 2)},
        BadFrame{"no_bytes", packed(wire::CompressMethod::lz4, 100, "")},
        BadFrame{"length_zero", packed(wire::CompressMethod::lz4, 0, "xyz")},
        BadFrame{"length_huge", packed(wire::CompressMethod::zstd, 0xffffffff, std::string(500, 'x'))},
        BadFrame{"length_above_the_largest", packed(wire::CompressMethod::zstd, (1 << 20) + 129, "xyz")},
        BadFrame{"length_beyond_lz4", packed(wire::CompressMethod::lz4, 1 << 20, "xyzxyz")},
        BadFrame{"larger_than_its_original", packed(wire::CompressMethod::lz4, 10, std::string(50, 'x'))},
        BadFrame{"garbage_lz4", packed(wire::CompressMethod::lz4, 1000, noise(300))},
        BadFrame{"garbage_zstd", packed(wire::CompressMethod::zstd, 1000, noise(300))}),
    [](const auto& param) { return param.param.name; });

TEST(Compress, RefusesAPackedMessageThatIsShorterThanItSays) {
  Pair pair({layer<Compress>()}, {.max_message = 65536});
  std::string frame;
  pair.wires[0].filter = [&](Message& sent) {
    frame.assign(sent.size(), '\0');
    sent.copy_to(reinterpret_cast<std::byte*>(frame.data()));
    return false;
  };
  ASSERT_EQ(pair.ends[0].send(words(3000)), Errc::ok);
  frame[1] = static_cast<char>(frame[1] + 1);  // 3001
  pair.inject(1, as_bytes(frame));
  EXPECT_TRUE(pair.ends[1].delivered.empty());
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 1u);
}

TEST(Compress, UnpacksALargeDamagedMessageAwayFromTheEngineAndRefusesIt) {
  Pair pair({layer<Compress>()}, {.max_message = 1 << 20, .quota_bytes = quota});
  pair.inject(1, as_bytes(packed(wire::CompressMethod::zstd, 500'000, noise(400))));
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u);
  pair.run();
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 1u);
  EXPECT_EQ(pair.ends[1].quota->used_bytes(), 0u);
}

}  // namespace
}  // namespace harness::layers
