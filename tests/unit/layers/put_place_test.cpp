// SPDX-License-Identifier: Apache-2.0
// put and frag where the medium receives bodies straight into regions: what is placed, and what is not.
#include <harness/layers/checksum.hpp>
#include <harness/layers/encrypt.hpp>
#include <harness/tests/unit/layers/put_fixture.hpp>

namespace harness::layers {
namespace {

using tests::bytes_of, tests::layer, tests::PutTest;

constexpr PutOptions delivered{.done = Done::delivered};

struct PutPlaceTest : PutTest {
  // The region is the middle of the memory, so that a byte beside it is seen.
  void open_placing() {
    open({layer<Order>(), layer<Put>(), layer<Frag>()}, {.max_message = 8192, .place_bytes_min = 1});
    region_ = *pair_->ends[1].regions->expose(as_writable(memory_).subspan(middle, middle), Access::all);
  }
  std::string inside() const { return memory_.substr(middle, middle); }
  std::string outside() const { return memory_.substr(0, middle) + memory_.substr(2 * middle); }
  std::uint64_t placed() const { return pair_->wires[0].placed; }
  // A write as a peer may make it up, behind the header of frag.
  std::vector<std::byte> frame(wire::PutOp op, const wire::PutWrite& write, std::size_t bytes) {
    const std::size_t head = 4 + Put::op_bytes + wire::write_bytes_of(op);
    std::vector<std::byte> made(head + bytes, std::byte{'x'});
    std::byte* at = made.data();
    wire::encode(wire::FragWhole{}, at);
    wire::encode(op, at + 4);
    wire::encode(write.place, at + 4 + Put::op_bytes);
    if (wire::signals_word(op)) {
      wire::encode(write.word, at + 4 + Put::op_bytes + Put::place_bytes);
      wire::encode(write.value, at + 4 + Put::op_bytes + 2 * Put::place_bytes);
    }
    return made;
  }

  static constexpr std::size_t middle = 16 * 1024;
};

TEST_F(PutPlaceTest, ThePiecesOfAPutAreReceivedWhereTheyBelong) {
  open_placing();
  Operation put;
  const std::string source = bytes_of(5000);
  ASSERT_EQ(origin_->put(put, region_, 100, as_bytes(source), delivered), Errc::ok);
  pair_->run();
  EXPECT_EQ(put.code(), Errc::ok);
  EXPECT_EQ(placed(), 1u);
  EXPECT_EQ(memory_.substr(middle + 100, 5000), source);
  EXPECT_EQ(outside(), std::string(outside().size(), '.'));
  EXPECT_EQ(pair_->ends[1].value("put", "bytes_in"), 5000u);
  EXPECT_EQ(pair_->ends[1].quota->used_bytes(), 0u);
  EXPECT_EQ(pair_->engine.pool().alive_count(), 0u);
}

TEST_F(PutPlaceTest, TheirSignalsComeAfterTheLastByte) {
  open_placing();
  memory_.assign(memory_.size(), '\0');
  std::string seen;
  pair_->ends[1].regions->on_signal([&](std::uint64_t, std::uint16_t) { seen = inside().substr(0, 6000); });
  Operation first, second;
  const Signal word{
      .kind = Signal::Kind::word, .op = SignalOp::add, .region = region_, .offset = 8192, .value = 7};
  ASSERT_EQ(origin_->put(first, region_, 0, keep(bytes_of(6000)), {.signal = word}), Errc::ok);
  pair_->run();
  EXPECT_EQ(this->word(middle + 8192), 7u);
  const Signal immediate{.kind = Signal::Kind::immediate, .immediate = 3};
  ASSERT_EQ(origin_->put(second, region_, 0, keep(bytes_of(6000, 'b')), {.signal = immediate}), Errc::ok);
  pair_->run();
  EXPECT_EQ(seen, bytes_of(6000, 'b'));
  EXPECT_EQ(placed(), 2u);
}

TEST_F(PutPlaceTest, WhatWouldBeRefusedIsNotPlaced) {
  open_placing();
  const auto only_read =
      pair_->ends[1].regions->expose(as_writable(memory_).subspan(0, middle), Access::read).value();
  const auto only_written =
      pair_->ends[1].regions->expose(as_writable(memory_).subspan(0, middle), Access::write).value();
  const std::string before = memory_;
  const std::uint64_t key = region_.key;
  const wire::PutPlace good{key, 0};
  struct Case {
    const char* what;
    std::uint8_t kind;
    wire::PutWrite write;
  };
  const Case cases[] = {
      {"a key that is none", 0, {.place = {key ^ 1u << 20, 0}, .word = {}, .value = {}}},
      {"beyond the end", 0, {.place = {key, middle - 999}, .word = {}, .value = {}}},
      {"an offset that wraps", 0, {.place = {key, ~std::uint64_t{0} - 10}, .word = {}, .value = {}}},
      {"read-only", 0, {.place = {only_read.key, 0}, .word = {}, .value = {}}},
      {"a word of no region", wire::put_set, {.place = good, .word = {1, 0}, .value = {}}},
      {"a word that is none", wire::put_set, {.place = good, .word = {only_written.key, 0}, .value = {}}},
      {"a word across the end", wire::put_add, {.place = good, .word = {key, middle - 4}, .value = {}}},
      {"a word that is not aligned", wire::put_add, {.place = good, .word = {key, 12}, .value = {}}},
  };
  std::uint64_t number = 0;
  for (const Case& one : cases) {
    pair_->inject(1, frame({.kind = one.kind, .number = number++}, one.write, 1000));
    EXPECT_EQ(placed(), 0u) << one.what;
    EXPECT_EQ(memory_, before) << one.what;
  }
  EXPECT_EQ(pair_->ends[1].value("put", "refusals_sent"), std::size(cases));
  EXPECT_EQ(pair_->ends[1].count(EventKind::corrupt), 0u);
}

TEST_F(PutPlaceTest, APieceThatHasToWaitIsNotPlaced) {
  open_placing();
  const wire::PutWrite write{.place = {region_.key, 0}, .word = {}, .value = {}};
  pair_->inject(1, frame({.number = 1, .after = 1}, write, 1000));
  EXPECT_EQ(placed(), 0u);
  EXPECT_EQ(inside(), std::string(middle, '.'));
  pair_->inject(1, frame({.number = 0}, {.place = {region_.key, 2000}, .word = {}, .value = {}}, 10));
  EXPECT_EQ(placed(), 1u);
  EXPECT_EQ(inside().substr(0, 1000), std::string(1000, 'x'));
}

TEST_F(PutPlaceTest, WhatCannotBeIsNotPlacedAndClosesTheLink) {
  const wire::PutOp impossible[] = {{.number = 0}, {.number = 5, .after = 6}, {.number = 1 << 20}};
  for (const wire::PutOp& op : impossible) {
    open_placing();
    const wire::PutWrite write{.place = {region_.key, 0}, .word = {}, .value = {}};
    pair_->inject(1, frame({.number = 0}, {.place = {region_.key, 8000}, .word = {}, .value = {}}, 10));
    pair_->inject(1, frame(op, write, 1000));
    EXPECT_EQ(placed(), 1u);
    EXPECT_EQ(inside().substr(0, 1000), std::string(1000, '.'));
    EXPECT_EQ(pair_->ends[1].count(EventKind::corrupt), 1u);
  }
}

TEST_F(PutPlaceTest, HeadersThatAreCutShortAreNotPlaced) {
  const wire::PutOp op{.kind = wire::put_set, .number = 0};
  open_placing();
  const wire::PutWrite write{.place = {region_.key, 0}, .word = {region_.key, 0}, .value = {}};
  const std::vector<std::byte> whole = frame(op, write, 0);
  for (std::size_t bytes = 0; bytes <= whole.size(); ++bytes) {
    open_placing();
    pair_->inject(1, Bytes(whole).first(bytes));
    EXPECT_EQ(placed(), 0u) << bytes;
  }
}

TEST_F(PutPlaceTest, NothingIsWrittenAfterARevokeInTheMiddle) {
  open_placing();
  std::string after;
  pair_->wires[0].amid = [&] {
    EXPECT_EQ(pair_->ends[1].regions->revoke(region_), Errc::ok);
    memory_.assign(memory_.size(), '#');
  };
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(5000)), delivered), Errc::ok);
  pair_->run();
  EXPECT_EQ(placed(), 1u);
  EXPECT_EQ(put.code(), Errc::not_found);
  EXPECT_EQ(memory_, std::string(memory_.size(), '#'));
  EXPECT_EQ(pair_->engine.pool().alive_count(), 0u);
}

TEST_F(PutPlaceTest, ARevokeOfAnotherRegionChangesNothing) {
  open_placing();
  const auto other = pair_->ends[1].regions->expose(as_writable(memory_), Access::all).value();
  pair_->wires[0].amid = [&] { EXPECT_EQ(pair_->ends[1].regions->revoke(other), Errc::ok); };
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(5000)), delivered), Errc::ok);
  pair_->run();
  EXPECT_EQ(put.code(), Errc::ok);
  EXPECT_EQ(inside().substr(0, 5000), bytes_of(5000));
}

TEST_F(PutPlaceTest, MessagesAndPartsAreNotPlaced) {
  open_placing();
  ASSERT_EQ(pair_->ends[0].send(bytes_of(6000)), Errc::ok);
  Operation put;  // one piece of 40,000 bytes is cut by frag
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(middle)), delivered), Errc::ok);
  pair_->run();
  EXPECT_EQ(put.code(), Errc::ok);
  EXPECT_EQ(placed(), 0u);
  EXPECT_EQ(inside(), bytes_of(middle));
  EXPECT_EQ(pair_->ends[1].body(0), bytes_of(6000));
}

TEST_F(PutPlaceTest, NothingIsPlacedWhileSomebodyWatches) {
  open_placing();
  std::size_t seen = 0;
  Tap tap([](void* self, Tap::Direction,
             const Message& message) { *static_cast<std::size_t*>(self) += message.body_size(); },
          &seen);
  ASSERT_TRUE(pair_->ends[1].stack->add_tap(2, tap));
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(5000))), Errc::ok);
  pair_->run();
  EXPECT_EQ(placed(), 0u);
  EXPECT_GT(seen, 5000u);
  pair_->ends[1].stack->remove_tap(tap);
}

// ---- which stacks ask ----

TEST_F(PutPlaceTest, AStackWithoutPutIsNotAsked) {
  tests::Pair pair({layer<Order>(), layer<Frag>()});
  EXPECT_EQ(pair.ends[1].stack->placer().fn, nullptr);
}

TEST_F(PutPlaceTest, ALayerBelowThatLooksAtTheBytesStopsIt) {
  const std::vector<std::vector<BoundLayer>> stacks{
      {layer<Put>(), layer<Checksum>()}, {layer<Put>(), layer<Reliable>()}, {layer<Put>(), layer<Encrypt>()}};
  for (const auto& layers : stacks) {
    tests::Pair pair(layers, {.max_message = 8192, .place_bytes_min = 1});
    EXPECT_EQ(pair.ends[1].stack->placer().fn, nullptr) << layers[1].type->descriptor->name;
  }
}

TEST_F(PutPlaceTest, LayersAboveDoNotMatter) {
  for (std::vector<BoundLayer> layers :
       {std::vector<BoundLayer>{layer<Put>()}, {layer<Order>(), layer<Put>()}}) {
    tests::Pair pair(std::move(layers), {.max_message = 8192});
    EXPECT_NE(pair.ends[1].stack->placer().fn, nullptr);
  }
}

}  // namespace
}  // namespace harness::layers
