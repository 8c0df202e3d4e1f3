// SPDX-License-Identifier: Apache-2.0
// One-sided operations: when bytes are read and written, what waits for what, immediates, atomics.
#include <harness/tests/unit/ofi_mock/sides.hpp>

namespace harness::tests {
namespace {

// Two sides with a region each; what is posted goes from a's to b's.
struct Field : Pair {
  Field(const char* provider, const char* knobs)
      : Pair(provider, knobs), from(*a, 16384), to(*b, 16384), key(to.key_for(*a)) {}
  ssize_t write(std::size_t source, std::size_t bytes, std::size_t target, void* context) {
    return fi_write(a->ep, from.at(source), bytes, from.descriptor(), to_b, to.address(target), key, context);
  }
  ssize_t write_with(std::uint64_t flags, std::size_t source, std::size_t bytes, std::size_t target) {
    iovec piece{from.at(source), bytes};
    const fi_rma_iov there{to.address(target), bytes, key};
    void* descriptor = from.descriptor();
    const fi_msg_rma message{&piece, &descriptor, 1, to_b, &there, 1, nullptr, 0};
    return fi_writemsg(a->ep, &message, flags);
  }
  ssize_t receive(void* context) {
    return fi_recv(b->ep, to.at(8192), 64, to.descriptor(), FI_ADDR_UNSPEC, context);
  }
  Pages from;
  Pages to;
  std::uint64_t key;
};

TEST(OfiMockWrite, CompletesBeforeItLandsUnlessDeliveryIsAskedFor) {
  bool ever_before = false;
  Field field(verbs, "eagain=0,late=32,seed=4");
  for (int i = 1; i <= 20; ++i) {
    const bool delivered = i > 10;
    field.from.fill(i);
    ASSERT_EQ(field.write_with(delivered ? FI_DELIVERY_COMPLETE : 0, 0, 64, 0), 0);
    ASSERT_TRUE(field.until([&] { return field.a->done.size() == static_cast<std::size_t>(i); }));
    ever_before = ever_before || !field.to.all(i, 0, 64);
    if (delivered) {
      EXPECT_TRUE(field.to.all(i, 0, 64));
    }
    field.rest(100);
    EXPECT_TRUE(field.to.all(i, 0, 64));
  }
  EXPECT_TRUE(ever_before);
}

TEST(OfiMockWrite, ALiarAcceptsDeliveryAndDoesNotKeepIt) {
  Field field(verbs, "eagain=0,late=32,seed=4,liar=1");
  bool lied = false;
  for (int i = 1; i <= 10; ++i) {
    field.from.fill(i);
    ASSERT_EQ(field.write_with(FI_DELIVERY_COMPLETE, 0, 64, 0), 0);
    ASSERT_TRUE(field.until([&] { return field.a->done.size() == static_cast<std::size_t>(i); }));
    lied = lied || !field.to.all(i, 0, 64);
    field.rest(100);
  }
  EXPECT_TRUE(lied);
}

TEST(OfiMockWrite, TheSourceIsReadAtTheEndAndNotAtThePost) {
  Field field(cxi, "eagain=0");
  field.from.fill('x');
  ASSERT_EQ(field.write(0, 64, 0, nullptr), 0);
  field.from.fill('!');
  ASSERT_TRUE(field.until([&] { return field.a->done.size() == 1; }));
  field.rest(100);
  EXPECT_TRUE(field.to.all('!', 0, 64));
  ASSERT_EQ(fi_inject_write(field.a->ep, field.from.at(), 64, field.to_b, field.to.address(), field.key), 0);
  field.from.fill('?');
  field.rest(100);
  EXPECT_TRUE(field.to.all('!', 0, 64)) << "what was injected may be reused";
  EXPECT_EQ(field.a->done.size(), 1u);
}

TEST(OfiMockRead, TheDestinationIsPoisonUntilTheCompletion) {
  Field field(verbs, "eagain=0,late=64,seed=5");
  field.to.fill('x');
  ASSERT_EQ(fi_read(field.a->ep, field.from.at(), 64, field.from.descriptor(), field.to_b, field.to.address(),
                    field.key, nullptr),
            0);
  bool poisoned = false;
  ASSERT_TRUE(field.until([&] {
    poisoned = poisoned || field.from.all(0xdb, 0, 64);
    return field.a->count(FI_READ | FI_RMA) == 1;
  }));
  EXPECT_TRUE(poisoned);
  EXPECT_TRUE(field.from.all('x', 0, 64));
  EXPECT_TRUE(field.from.all(0, 64, 4096));
}

TEST(OfiMockRead, ALargeOneArrivesWhole) {
  constexpr std::size_t bytes = 1 << 20;
  Pair pair(cxi, "eagain=0,raw=1");
  const Pages into(*pair.a, bytes);
  Pages of(*pair.b, bytes);
  for (std::size_t i = 0; i < bytes; ++i) *of.at(i) = static_cast<std::byte>(i * 7 >> 4);
  ASSERT_EQ(fi_read(pair.a->ep, into.at(), bytes, nullptr, pair.to_b, 0, of.key_for(*pair.a), nullptr), 0);
  ASSERT_TRUE(pair.until([&] { return pair.a->done.size() == 1; }));
  EXPECT_EQ(memcmp(into.at(), of.at(), bytes), 0);
}

// Whether the first of two writes to one place is ever the one that stays.
bool writes_overtake(const char* provider, std::uint64_t flags) {
  for (int seed = 1; seed < 40; ++seed) {
    Field field(provider, ("eagain=0,late=16,seed=" + std::to_string(seed)).c_str());
    memset(field.from.at(0), 'a', 64);
    memset(field.from.at(64), 'b', 64);
    EXPECT_EQ(field.write_with(0, 0, 64, 0), 0);
    EXPECT_EQ(field.write_with(flags, 64, 64, 0), 0);
    EXPECT_TRUE(field.until([&] { return field.a->done.size() == 2; }));
    field.rest(200);
    if (field.to.all('a', 0, 64)) return true;
  }
  return false;
}

TEST(OfiMockOrder, WritesKeepTheirOrderOnVerbsAndNotOnCxiUnlessFenced) {
  EXPECT_FALSE(writes_overtake(verbs, 0));
  EXPECT_TRUE(writes_overtake(cxi, 0));
  EXPECT_FALSE(writes_overtake(cxi, FI_FENCE));
  Field field(verbs, "eagain=0");
  EXPECT_EQ(field.write_with(FI_FENCE, 0, 8, 0), -FI_EBADFLAGS) << "verbs has none";
}

// Whether a message posted behind a write is ever received before the bytes of the write are there.
bool message_overtakes_write(const char* provider) {
  for (int seed = 1; seed < 40; ++seed) {
    Field field(provider, ("eagain=0,late=16,seed=" + std::to_string(seed)).c_str());
    field.from.fill('x');
    EXPECT_EQ(field.receive(nullptr), 0);
    EXPECT_EQ(field.write(0, 64, 0, nullptr), 0);
    EXPECT_EQ(fi_send(field.a->ep, field.from.at(), 8, field.from.descriptor(), field.to_b, nullptr), 0);
    EXPECT_TRUE(field.until([&] { return field.b->count(FI_RECV) == 1; }));
    const bool overtaken = !field.to.all('x', 0, 64);
    field.rest(200);
    if (overtaken) return true;
  }
  return false;
}

TEST(OfiMockOrder, AMessageOvertakesAWriteOnCxiAlone) {
  EXPECT_FALSE(message_overtakes_write(verbs));
  EXPECT_TRUE(message_overtakes_write(cxi));
}

// Whether a read posted behind a write ever sees what was there before.
bool read_overtakes_write(const char* provider) {
  for (int seed = 1; seed < 40; ++seed) {
    Field field(provider, ("eagain=0,late=16,seed=" + std::to_string(seed)).c_str());
    field.from.fill('x');
    EXPECT_EQ(field.write(0, 64, 0, nullptr), 0);
    EXPECT_EQ(fi_read(field.a->ep, field.from.at(8192), 64, field.from.descriptor(), field.to_b,
                      field.to.address(), field.key, nullptr),
              0);
    EXPECT_TRUE(field.until([&] { return field.a->done.size() == 2; }));
    if (!field.from.all('x', 8192, 8256)) return true;
  }
  return false;
}

TEST(OfiMockOrder, AReadFlushesAWriteOnVerbsAndNotOnCxi) {
  EXPECT_FALSE(read_overtakes_write(verbs));
  EXPECT_TRUE(read_overtakes_write(cxi));
}

TEST(OfiMockImmediates, AWriteWithOneTakesAReceiveOnVerbs) {
  Field field(verbs, "eagain=0,late=8");
  field.from.fill('x');
  const auto post = [&](std::uint64_t data) {
    return fi_writedata(field.a->ep, field.from.at(), 64, field.from.descriptor(), data, field.to_b,
                        field.to.address(), field.key, nullptr);
  };
  EXPECT_EQ(post(std::uint64_t{1} << 32), -FI_EINVAL) << "4 bytes";
  ASSERT_EQ(post(0xfedcba98), 0);
  field.rest();
  EXPECT_TRUE(field.b->done.empty()) << "no receive is posted";
  EXPECT_TRUE(field.to.all(0, 0, 64));
  ASSERT_EQ(field.receive(mark(5)), 0);
  ASSERT_TRUE(field.until([&] { return field.b->done.size() == 1; }));
  EXPECT_EQ(field.b->done[0].flags, FI_RMA | FI_REMOTE_WRITE | FI_REMOTE_CQ_DATA);
  EXPECT_EQ(field.b->done[0].op_context, mark(5));
  EXPECT_EQ(field.b->done[0].data, 0xfedcba98u);
  EXPECT_EQ(field.b->done[0].len, 64u);
  EXPECT_TRUE(field.to.all('x', 0, 64)) << "the bytes are there when it is seen";
}

TEST(OfiMockImmediates, CxiHasNoWriteWithOne) {
  Field field(cxi, "eagain=0");
  EXPECT_EQ(fi_writedata(field.a->ep, field.from.at(), 64, nullptr, 1, field.to_b, 0, field.key, nullptr),
            -FI_ENOSYS);
  EXPECT_EQ(fi_inject_writedata(field.a->ep, field.from.at(), 8, 1, field.to_b, 0, field.key), -FI_ENOSYS);
  EXPECT_EQ(field.write_with(FI_REMOTE_CQ_DATA, 0, 8, 0), -FI_ENOSYS);
}

TEST(OfiMockImmediates, TheWriteThatIsRefusedTakesNoReceive) {
  Field field(verbs, "eagain=0");
  ASSERT_EQ(field.receive(nullptr), 0);
  ASSERT_EQ(fi_writedata(field.a->ep, field.from.at(), 64, field.from.descriptor(), 1, field.to_b,
                         field.to.address(), field.key + 1, nullptr),
            0);
  ASSERT_TRUE(field.until([&] { return field.a->failed.size() == 1; }));
  EXPECT_EQ(field.a->failed[0].entry.err, FI_EACCES);
  field.rest(100);
  EXPECT_TRUE(field.b->done.empty());
  EXPECT_TRUE(field.b->failed.empty());
}

class OfiMockAtomics : public ::testing::TestWithParam<const char*> {
 protected:
  OfiMockAtomics() : field(GetParam(), "eagain=0,late=8") {}
  std::uint64_t& word(const Pages& pages, std::size_t at) {
    return *reinterpret_cast<std::uint64_t*>(pages.at(at));
  }
  // The word at b before; b's word is at 0, our operand at 0, comparand at 8, result at 16.
  std::uint64_t fetch(fi_op action, std::uint64_t operand) {
    word(field.from, 0) = operand;
    EXPECT_EQ(fi_fetch_atomic(field.a->ep, field.from.at(), 1, field.from.descriptor(), field.from.at(16),
                              field.from.descriptor(), field.to_b, field.to.address(), field.key, FI_UINT64,
                              action, nullptr),
              0);
    finish();
    return word(field.from, 16);
  }
  std::uint64_t swap_if(std::uint64_t operand, std::uint64_t comparand) {
    word(field.from, 0) = operand;
    word(field.from, 8) = comparand;
    EXPECT_EQ(fi_compare_atomic(field.a->ep, field.from.at(), 1, field.from.descriptor(), field.from.at(8),
                                field.from.descriptor(), field.from.at(16), field.from.descriptor(),
                                field.to_b, field.to.address(), field.key, FI_UINT64, FI_CSWAP, nullptr),
              0);
    finish();
    return word(field.from, 16);
  }
  ssize_t add(std::size_t at, std::uint64_t key) {
    return fi_atomic(field.a->ep, field.from.at(), 1, field.from.descriptor(), field.to_b,
                     field.to.address(at), key, FI_UINT64, FI_SUM, nullptr);
  }
  void post_add(std::size_t result_at) {
    word(field.from, 0) = 1;
    EXPECT_EQ(fi_fetch_atomic(field.a->ep, field.from.at(), 1, field.from.descriptor(),
                              field.from.at(result_at), field.from.descriptor(), field.to_b,
                              field.to.address(), field.key, FI_UINT64, FI_SUM, nullptr),
              0);
  }
  void finish() {
    const std::size_t before = field.a->done.size();
    EXPECT_TRUE(field.until([&] { return field.a->done.size() > before; }));
  }
  Field field;
};
INSTANTIATE_TEST_SUITE_P(All, OfiMockAtomics, ::testing::Values(verbs, cxi),
                         [](const auto& one) { return std::string(one.param == verbs ? "verbs" : "cxi"); });

TEST_P(OfiMockAtomics, SumSwapReadAndCompareReturnWhatWasThere) {
  word(field.to, 0) = 40;
  EXPECT_EQ(fetch(FI_SUM, 2), 40u);
  EXPECT_EQ(word(field.to, 0), 42u);
  EXPECT_EQ(fetch(FI_ATOMIC_WRITE, 7), 42u);
  EXPECT_EQ(fetch(FI_ATOMIC_READ, 99), 7u);
  EXPECT_EQ(swap_if(8, 6), 7u) << "not equal";
  EXPECT_EQ(word(field.to, 0), 7u);
  EXPECT_EQ(swap_if(8, 7), 7u);
  EXPECT_EQ(word(field.to, 0), 8u);
  word(field.from, 0) = 3;
  ASSERT_EQ(add(0, field.key), 0);
  finish();
  field.rest(100);
  EXPECT_EQ(word(field.to, 0), 11u);
}

TEST_P(OfiMockAtomics, OneBesideItsAlignmentOrItsRegionIsRefused) {
  for (const std::size_t at : {std::size_t{4}, std::size_t{16384 - 4}}) {
    field.a->failed.clear();
    ASSERT_EQ(add(at, field.key), 0);
    ASSERT_TRUE(field.until([&] { return field.a->failed.size() == 1; }));
    EXPECT_EQ(field.a->failed[0].entry.err, at == 4 ? FI_EINVAL : FI_EACCES);
  }
  EXPECT_TRUE(field.to.all(0, 0, 16384));
}

TEST_P(OfiMockAtomics, WhatTheProcessorDoesBetweenLoadAndStoreIsLost) {
  unsigned lost = 0;
  for (unsigned round = 0; round < 50; ++round) {
    std::uint64_t& there = word(field.to, 0) = 0;
    std::uint64_t adds = 0;
    const std::size_t before = field.a->done.size();
    post_add(16);
    ASSERT_TRUE(field.until([&] {
      there += std::uint64_t{1} << 32;
      ++adds;
      return field.a->done.size() > before;
    }));
    EXPECT_EQ(there & 0xffffffff, 1u);
    lost += there >> 32 != adds ? 1u : 0u;
  }
  EXPECT_NE(lost, 0u);
}

TEST_P(OfiMockAtomics, ThoseOnOneWordWaitForEachOther) {
  std::vector<bool> found(160);
  for (unsigned round = 0; round < 20; ++round) {
    const std::size_t before = field.a->done.size();
    for (unsigned i = 0; i < 8; ++i) post_add(64 + i * 8);
    ASSERT_TRUE(field.until([&] { return field.a->done.size() == before + 8; }));
    for (unsigned i = 0; i < 8; ++i) {
      const std::uint64_t value = word(field.from, 64 + i * 8);
      ASSERT_LT(value, found.size());
      EXPECT_FALSE(found[value]) << value;
      found[value] = true;
    }
  }
  EXPECT_EQ(word(field.to, 0), 160u);
}

TEST_P(OfiMockAtomics, AKeyThatIsClosedInBetweenEndsItNotDone) {
  unsigned refused = 0;
  for (unsigned looks = 0; looks < 60; ++looks) {
    Field one(GetParam(), "eagain=0,late=8");
    word(one.from, 0) = 1;
    ASSERT_EQ(fi_fetch_atomic(one.a->ep, one.from.at(), 1, one.from.descriptor(), one.from.at(16),
                              one.from.descriptor(), one.to_b, one.to.address(), one.key, FI_UINT64, FI_SUM,
                              nullptr),
              0);
    one.rest(looks);
    one.to.unregister();
    const std::uint64_t then = word(one.to, 0);
    ASSERT_TRUE(one.until([&] { return !one.a->done.empty() || !one.a->failed.empty(); }));
    EXPECT_EQ(word(one.to, 0), then);
    EXPECT_EQ(then, one.a->done.empty() ? 0u : 1u);
    refused += one.a->failed.empty() ? 0u : 1u;
  }
  EXPECT_NE(refused, 0u);
  EXPECT_NE(refused, 60u);
}

TEST_P(OfiMockAtomics, CxiBringsTheFormerWordWithoutDeliveryComplete) {
  const fi_ioc from{field.from.at(), 1};
  fi_ioc into{field.from.at(16), 1};
  void* descriptor = field.from.descriptor();
  const fi_rma_ioc there{field.to.address(), 1, field.key};
  const fi_msg_atomic message{.msg_iov = &from,
                              .desc = &descriptor,
                              .iov_count = 1,
                              .addr = field.to_b,
                              .rma_iov = &there,
                              .rma_iov_count = 1,
                              .datatype = FI_UINT64,
                              .op = FI_SUM,
                              .context = nullptr,
                              .data = 0};
  EXPECT_EQ(fi_fetch_atomicmsg(field.a->ep, &message, &into, &descriptor, 1, FI_DELIVERY_COMPLETE),
            GetParam() == cxi ? -FI_EOPNOTSUPP : 0);
}

TEST_P(OfiMockAtomics, WhatIsNotThereSaysSo) {
  std::size_t count = 0;
  fid_ep* ep = field.a->ep;
  EXPECT_EQ(fi_atomicvalid(ep, FI_UINT64, FI_SUM, &count), 0);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(fi_fetch_atomicvalid(ep, FI_UINT64, FI_ATOMIC_READ, &count), 0);
  EXPECT_EQ(fi_compare_atomicvalid(ep, FI_UINT64, FI_CSWAP, &count), 0);
  EXPECT_EQ(fi_atomicvalid(ep, FI_UINT64, FI_BXOR, &count), -FI_EOPNOTSUPP);
  EXPECT_EQ(fi_atomicvalid(ep, FI_INT32, FI_SUM, &count), -FI_EOPNOTSUPP);
  EXPECT_EQ(fi_compare_atomicvalid(ep, FI_UINT64, FI_SUM, &count), -FI_EOPNOTSUPP);
  EXPECT_EQ(fi_atomic(ep, field.from.at(), 1, field.from.descriptor(), field.to_b, 0, field.key, FI_UINT64,
                      FI_BXOR, nullptr),
            -FI_EOPNOTSUPP);
  EXPECT_EQ(fi_atomic(ep, field.from.at(), 2, field.from.descriptor(), field.to_b, 0, field.key, FI_UINT64,
                      FI_SUM, nullptr),
            -FI_E2BIG);
}

TEST(OfiMockCaps, WhatWasNotAskedForIsNotThere) {
  Pair pair(verbs, "eagain=0", {.caps = FI_MSG});
  const Pages memory(*pair.a, 4096);
  EXPECT_EQ(fi_write(pair.a->ep, memory.at(), 8, memory.descriptor(), pair.to_b, 0, 0, nullptr),
            -FI_EOPNOTSUPP);
  EXPECT_EQ(
      fi_atomic(pair.a->ep, memory.at(), 1, memory.descriptor(), pair.to_b, 0, 0, FI_UINT64, FI_SUM, nullptr),
      -FI_EOPNOTSUPP);
}

TEST(OfiMockCaps, AtomicsMayBeMissingOrRefused) {
  fi_atomic_attr limits{};
  Pair missing(verbs, "eagain=0,atomics=0");
  EXPECT_EQ(missing.a->info->caps & FI_ATOMIC, 0u);
  Pair refused(verbs, "eagain=0,atomics=2");
  EXPECT_NE(refused.a->info->caps & FI_ATOMIC, 0u);
  EXPECT_EQ(fi_query_atomic(refused.a->domain, FI_UINT64, FI_SUM, &limits, FI_FETCH_ATOMIC), -FI_EOPNOTSUPP);
  for (Pair* pair : {&missing, &refused}) {
    const Pages memory(*pair->a, 4096);
    EXPECT_EQ(fi_atomic(pair->a->ep, memory.at(), 1, memory.descriptor(), pair->to_b, 0, 0, FI_UINT64, FI_SUM,
                        nullptr),
              -FI_EOPNOTSUPP);
  }
}

}  // namespace
}  // namespace harness::tests
