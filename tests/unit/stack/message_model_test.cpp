// SPDX-License-Identifier: Apache-2.0
// Messages against a model: headers and body as plain byte vectors. Random operations on a handful of
// messages that share slabs, over pools with and without memory; afterwards every slab is back and every
// quota at zero.
#include <harness/stack/message.hpp>

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include <harness/stack/random.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness {
namespace {

using Plain = std::vector<std::byte>;

struct Pair {
  Message message;
  Plain headers;
  Plain body;
};

class MessageModel {
 public:
  MessageModel(std::uint64_t seed, std::uint64_t pool_limit_bytes)
      : random_(seed), limited_(pool_limit_bytes < (1u << 30)), pool_(pool_limit_bytes) {}

  void step() {
    Pair& at = pairs_[random_.below(pairs_.size())];
    if (!at.message) {
      make(at);
    } else {
      change(at);
    }
    compare(at);
    if (++steps_ % 8 == 0)
      for (const Pair& each : pairs_) compare(each);
  }
  void finish() {
    for (Pair& each : pairs_) each.message.reset();
    EXPECT_EQ(pool_.alive_count(), 0u);
    EXPECT_EQ(quota_->used_bytes(), 0u);
    EXPECT_GT(quota_->peak_bytes(), 0u);
  }
  [[nodiscard]] unsigned refusals() const { return refusals_; }

 private:
  Plain bytes(std::uint64_t count) {
    Plain all(count);
    std::uint64_t word = random_.next();
    for (std::byte& each : all) each = static_cast<std::byte>((word = word * 0x9e3779b97f4a7c15u + 1) >> 56);
    return all;
  }
  std::uint32_t size() {
    const std::uint64_t limit =
        std::array<std::uint64_t, 6>{1, 16, 200, 1400, 5000, 30'000}[random_.below(6)];
    return static_cast<std::uint32_t>(random_.below(limit));
  }
  bool refused(bool failed) {
    if (failed) {
      EXPECT_TRUE(limited_) << "refused with memory at hand";
      ++refusals_;
    }
    return failed;
  }

  void make(Pair& to) {
    const Plain body = bytes(size());
    const auto count = static_cast<std::uint32_t>(body.size());
    switch (random_.below(4)) {
      case 0: to.message = Message::copy_of(pool_, body); break;
      case 1: {
        to.message = Message::make_detached(count);
        std::copy(body.begin(), body.end(), to.message.writable().begin());
        break;
      }
      case 2: {
        Slab* slab = pool_.allocate(count + 20, random_.below(2) == 0 ? quota_.get() : nullptr);
        if (slab != nullptr) {
          std::copy(body.begin(), body.end(), slab->bytes() + 20);
          to.message = Message::received(slab, 20, count);
        }
        break;
      }
      default: {
        to.message = Message::make(pool_, count, random_.below(2) == 0 ? quota_.get() : nullptr);
        if (to.message) std::copy(body.begin(), body.end(), to.message.writable().begin());
      }
    }
    if (refused(!to.message)) return;
    to.body = body;
    to.headers.clear();
  }

  void change(Pair& at) {
    switch (random_.below(11)) {
      case 0: return push(at);
      case 1:
      case 2: return pull(at);
      case 3: return slice(at);
      case 4: return share(at);
      case 5:
      case 6: return append(at);
      case 7: return truncate(at);
      case 8: return receive(at);
      case 9: return gather(at);
      default: return move_or_drop(at);
    }
  }

  void push(Pair& at) {
    const auto count = static_cast<std::uint32_t>(random_.below(random_.below(8) == 0 ? 300 : 24));
    if (refused(!at.message.make_head_room(count))) return;
    const Plain header = bytes(count);
    std::copy(header.begin(), header.end(), at.message.push(count));
    at.headers.insert(at.headers.begin(), header.begin(), header.end());
  }
  void pull(Pair& at) {
    const auto count =
        static_cast<std::uint32_t>(random_.below(random_.below(2) == 0 ? 16 : at.body.size() + 5));
    const std::byte* peeked = at.message.peek(count);
    if (count > at.body.size()) {
      EXPECT_EQ(peeked, nullptr);
      return;
    }
    if (refused(peeked == nullptr)) return;
    EXPECT_TRUE(std::equal(peeked, peeked + count, at.body.begin()));
    if (random_.below(2) == 0) return;
    EXPECT_EQ(at.message.pull(count), peeked);
    at.body.erase(at.body.begin(), at.body.begin() + count);
  }
  Pair& other() { return pairs_[random_.below(pairs_.size())]; }
  void slice(Pair& at) {
    const auto from = static_cast<std::uint32_t>(random_.below(at.body.size() + 1));
    const auto count = static_cast<std::uint32_t>(random_.below(at.body.size() - from + 1));
    const bool copied = random_.below(3) == 0;
    Message part =
        copied ? at.message.copied_slice(pool_, from, count) : at.message.slice(pool_, from, count);
    if (refused(!part)) return;
    EXPECT_TRUE(!copied || part.contiguous());
    EXPECT_GE(part.head_room(), Message::headroom_bytes);
    const Plain body(at.body.begin() + from, at.body.begin() + from + count);
    Pair& to = other();
    to.message = std::move(part);
    to.headers.clear();
    to.body = body;
  }
  void share(Pair& at) {
    Message twin = at.message.share(pool_);
    if (refused(!twin)) return;
    EXPECT_GE(twin.head_room(), Message::headroom_bytes);
    Pair& to = other();
    const Plain headers = at.headers;
    const Plain body = at.body;
    to.message = std::move(twin);
    to.headers = headers;
    to.body = body;
  }
  void append(Pair& at) {
    Pair& tail = other();
    if (&tail == &at || !tail.message || at.body.size() + tail.body.size() > 100'000) return;
    if (refused(!at.message.append(pool_, std::move(tail.message)))) return;
    EXPECT_FALSE(tail.message);
    at.body.insert(at.body.end(), tail.body.begin(), tail.body.end());
  }
  void truncate(Pair& at) {
    const auto count = static_cast<std::uint32_t>(random_.below(at.body.size() + 1));
    at.message.truncate(count);
    at.body.resize(count);
  }
  void receive(Pair& at) {
    at.message.note().channel = 7;
    if (!at.message.scattered_head() && random_.below(2) == 0) {
      alignas(Message) std::array<std::byte, sizeof(Message)> raw;  // NOLINT: written by receive_at
      auto* const there = reinterpret_cast<Message*>(raw.data());
      at.message.receive_at(there, 0);
      EXPECT_FALSE(at.message);
      at.message = std::move(*there);
      std::destroy_at(there);
    } else if (refused(!at.message.as_received(pool_))) {
      return;
    }
    EXPECT_EQ(at.message.note().channel, 0);
    at.body.insert(at.body.begin(), at.headers.begin(), at.headers.end());
    at.headers.clear();
  }
  void gather(Pair& at) {
    if (random_.below(2) == 0) return at.message.charge(*quota_);
    if (!at.headers
             // of a message under way the bytes are asked for by copy_to, or the body alone detached
             .empty()) {
      const Message copy = at.message.detached();
      EXPECT_TRUE(std::equal(at.body.begin(), at.body.end(), copy.front().begin(), copy.front().end()));
      return;
    }
    const Bytes run = at.message.gathered(pool_);
    if (run.size() != at.body.size()) {
      refused(true);
      return;
    }
    EXPECT_TRUE(std::equal(run.begin(), run.end(), at.body.begin()));
  }
  void move_or_drop(Pair& at) {
    Pair& to = other();
    if (&to == &at || random_.below(2) == 0) {
      at.message.reset();
      EXPECT_FALSE(at.message);
      return;
    }
    to.message = std::move(at.message);
    to.headers = at.headers;
    to.body = at.body;
    EXPECT_FALSE(at.message);
  }

  void compare(const Pair& pair) {
    if (!pair.message) return;
    Plain whole = pair.headers;
    whole.insert(whole.end(), pair.body.begin(), pair.body.end());
    ASSERT_EQ(pair.message.header_size(), pair.headers.size());
    ASSERT_EQ(pair.message.body_size(), pair.body.size());
    ASSERT_EQ(pair.message.size(), whole.size());
    Plain copied(whole.size());
    if (!whole.empty()) pair.message.copy_to(copied.data());
    ASSERT_TRUE(copied == whole);
    Plain visited;
    unsigned runs = 0;
    pair.message.each_run([&](Bytes run) {
      EXPECT_FALSE(run.empty());
      visited.insert(visited.end(), run.begin(), run.end());
      ++runs;
      return true;
    });
    ASSERT_TRUE(visited == whole);
    if (pair.message.contiguous()) {
      EXPECT_LE(runs, 1u);
    }
  }

  Random random_;
  bool limited_;
  Pool pool_;
  Quota::Owner quota_ = Quota::make(1 << 20);
  std::array<Pair, 8> pairs_;
  unsigned refusals_ = 0;
  unsigned steps_ = 0;
};

TEST(Message, DoesWhatPlainByteVectorsWouldDo) {
  const std::uint64_t first = tests::seed(1);
  for (std::uint64_t seed = first; seed < first + 150 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "rerun: HARNESS_SEED=" << seed);
    MessageModel model(seed, std::uint64_t{1} << 30);
    for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) model.step();
    model.finish();
    EXPECT_EQ(model.refusals(), 0u);
  }
}

TEST(Message, KeepsASlabThatHoldsItsHeadersAndItsBodyApart) {
  Pool pool;
  Message message = Message::copy_of(pool, "0123456789 the rest");
  std::memcpy(message.push(4), "head", 4);
  message.pull(11);
  ASSERT_TRUE(message.as_received(pool));
  message.pull(4);
  ASSERT_NE(message.peek(1), nullptr);  // the piece of the headers goes
  Message other = Message::copy_of(pool, "something else that is written over what was freed");
  EXPECT_EQ(message.text(), "the rest");
}

TEST(Message, WhatIsPlacedElsewhereIsReadAndCopiedButNotKept) {
  std::string region = "what stands in a region";
  const MutableBytes placed{reinterpret_cast<std::byte*>(region.data()), region.size()};
  Pool pool;
  {
    Slab* const slab = pool.allocate(4);
    std::memcpy(slab->bytes(), "head", 4);
    Message message = Message::received_placed(pool, slab, 4, placed);
    EXPECT_EQ(message.size(), 4 + region.size());
    EXPECT_FALSE(message.stands_at(placed.data())) << "its header is still there";
    EXPECT_EQ(as_text(Bytes(message.peek(4), 4)), "head");
    EXPECT_FALSE(message.share(pool));
    EXPECT_FALSE(message.slice(pool, 2, 10));
    EXPECT_FALSE(message.reference(pool, 0, 10));
    EXPECT_EQ(message.copied_slice(pool, 2, 6).text(), "adwhat");
    message.drop_front(4);
    EXPECT_TRUE(message.stands_at(placed.data()));
    EXPECT_FALSE(message.stands_at(placed.data() + 1));
    EXPECT_EQ(message.detached().text(), region);
    ASSERT_NE(message.pull(5), nullptr) << "a copy, when somebody takes headers from it after all";
    EXPECT_FALSE(message.stands_at(placed.data()));
    EXPECT_EQ(as_text(message.gathered(pool)), region.substr(5));
    region.assign(region.size(), '#');
    EXPECT_EQ(message.text(), "stands in a region");
  }
  EXPECT_EQ(pool.alive_count(), 0u);
}

TEST(Message, IsUnchangedWhenThePoolRefuses) {
  const std::uint64_t first = tests::seed(1);
  unsigned refusals = 0;
  for (std::uint64_t seed = first; seed < first + 150 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "rerun: HARNESS_SEED=" << seed);
    MessageModel model(seed, 150'000);
    for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) model.step();
    model.finish();
    refusals += model.refusals();
  }
  EXPECT_GT(refusals, 150u);
}

}  // namespace
}  // namespace harness
