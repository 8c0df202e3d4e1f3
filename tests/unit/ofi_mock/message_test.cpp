// SPDX-License-Identifier: Apache-2.0
// Messages: order, buffers that are touched too early, queues that are full, receives that are missing.
#include <harness/tests/unit/ofi_mock/sides.hpp>

namespace harness::tests {
namespace {

// Both providers keep these rules, and mock-cxi also with long keys.
struct Flavour {
  const char* name;
  const char* provider;
  const char* knobs;
};
class OfiMockMessages : public ::testing::TestWithParam<Flavour> {
 protected:
  static std::string with(const char* more) { return std::string("eagain=0,") + more + GetParam().knobs; }
};
INSTANTIATE_TEST_SUITE_P(All, OfiMockMessages,
                         ::testing::Values(Flavour{"verbs", verbs, ""}, Flavour{"cxi", cxi, ""},
                                           Flavour{"raw", cxi, ",raw=1"}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_P(OfiMockMessages, BytesArriveWithTheirSource) {
  Pair pair(GetParam().provider, with("seed=3").c_str());
  const Pages from(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  from.fill('x');
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 4096, to.descriptor(), FI_ADDR_UNSPEC, mark(7)), 0);
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, from.descriptor(), pair.to_b, mark(8)), 0);
  ASSERT_TRUE(pair.until([&] { return pair.b->count(FI_RECV) == 1 && pair.a->count(FI_SEND) == 1; }));
  EXPECT_EQ(pair.b->done[0].op_context, mark(7));
  EXPECT_EQ(pair.b->done[0].flags, FI_RECV | FI_MSG);
  EXPECT_EQ(pair.b->done[0].len, 100u);
  EXPECT_EQ(pair.b->sources[0], pair.to_a);
  EXPECT_EQ(pair.a->done[0].op_context, mark(8));
  EXPECT_EQ(pair.a->done[0].flags, FI_SEND | FI_MSG);
  EXPECT_TRUE(to.all('x', 0, 100));
}

TEST_P(OfiMockMessages, BehindTheMessageTheReceiveIsPoison) {
  Pair pair(GetParam().provider, with("seed=3").c_str());
  const Pages from(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  to.fill('o');
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 3000, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, from.descriptor(), pair.to_b, nullptr), 0);
  ASSERT_TRUE(pair.until([&] { return pair.b->count(FI_RECV) == 1; }));
  EXPECT_TRUE(to.all(0xdb, 100, 3000)) << "read beyond the length";
  EXPECT_TRUE(to.all('o', 3000, 4096)) << "what was not posted is the user's";
}

TEST_P(OfiMockMessages, AReceiveReadBeforeItsCompletionIsPoison) {
  Pair pair(GetParam().provider, with("late=64,seed=5").c_str());
  const Pages from(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 100, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, from.descriptor(), pair.to_b, nullptr), 0);
  ASSERT_TRUE(pair.until([&] { return to.all(0xdb, 0, 100) || pair.b->count(FI_RECV) == 1; }));
  EXPECT_EQ(pair.b->count(FI_RECV), 0u);
}

TEST_P(OfiMockMessages, ASendBufferThatIsReusedBeforeItsCompletionArrivesCorrupt) {
  Pair pair(GetParam().provider, with("seed=3").c_str());
  const Pages from(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  from.fill('x');
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 100, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, from.descriptor(), pair.to_b, nullptr), 0);
  from.fill('!');
  ASSERT_TRUE(pair.until([&] { return pair.b->count(FI_RECV) == 1; }));
  EXPECT_TRUE(to.all('!', 0, 100));
}

TEST_P(OfiMockMessages, ABufferThatWasInjectedMayBeReusedAtOnceAndHasNoCompletion) {
  Pair pair(GetParam().provider, with("seed=3").c_str());
  const Pages to(*pair.b, 4096);
  char bytes[64];  // not registered either
  memset(bytes, 'x', sizeof bytes);
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 100, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_EQ(fi_inject(pair.a->ep, bytes, sizeof bytes, pair.to_b), 0);
  memset(bytes, '!', sizeof bytes);
  ASSERT_TRUE(pair.until([&] { return pair.b->count(FI_RECV) == 1; }));
  pair.rest();
  EXPECT_TRUE(to.all('x', 0, 64));
  EXPECT_TRUE(pair.a->done.empty());
}

TEST_P(OfiMockMessages, MoreThanTheInjectSizeIsRefused) {
  Pair pair(GetParam().provider, with("seed=3").c_str());
  char bytes[256] = {};
  EXPECT_EQ(fi_inject(pair.a->ep, bytes, pair.a->info->tx_attr->inject_size + 1, pair.to_b), -FI_EMSGSIZE);
}

TEST_P(OfiMockMessages, ASendCompletesBeforeItsBytesArriveUnlessDeliveryIsAskedFor) {
  Pair pair(GetParam().provider, with("late=64,seed=5").c_str());
  const Pages from(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  bool ever_before = false;
  for (std::size_t i = 1; i <= 20; ++i) {
    const bool delivered = i > 10;
    iovec piece{from.at(), 100};
    void* descriptor = from.descriptor();
    const fi_msg message{&piece, &descriptor, 1, pair.to_b, nullptr, 0};
    ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 100, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
    ASSERT_EQ(fi_sendmsg(pair.a->ep, &message, delivered ? FI_DELIVERY_COMPLETE : 0), 0);
    ASSERT_TRUE(pair.until([&] { return pair.a->count(FI_SEND) == i; }));
    ever_before = ever_before || pair.b->count(FI_RECV) < i;
    if (delivered) pair.b->look();
    if (delivered) {
      EXPECT_EQ(pair.b->count(FI_RECV), i) << "delivery was promised";
    }
    ASSERT_TRUE(pair.until([&] { return pair.b->count(FI_RECV) == i; }));
  }
  EXPECT_TRUE(ever_before);
}

TEST_P(OfiMockMessages, MessagesMatchReceivesInTheOrderOfTheSends) {
  Pair pair(GetParam().provider, with("late=32,seed=9").c_str());
  const Pages from(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  for (std::size_t i = 0; i < 200; ++i) {
    const std::size_t slot = i % 8;
    ASSERT_TRUE(pair.until([&] { return pair.a->done.size() + 8 > i && pair.b->done.size() == i / 8 * 8; }) ||
                slot != 0);
    *from.at(slot) = static_cast<std::byte>(i);
    ASSERT_EQ(pair.post([&] {
      return fi_recv(pair.b->ep, to.at(slot), 1, to.descriptor(), FI_ADDR_UNSPEC, mark(i));
    }),
              0);
    ASSERT_EQ(pair.post([&] {
      return fi_send(pair.a->ep, from.at(slot), 1, from.descriptor(), pair.to_b, mark(i));
    }),
              0);
    if (slot != 7) continue;
    ASSERT_TRUE(pair.until([&] { return pair.b->done.size() == i + 1 && pair.a->done.size() == i + 1; }));
    for (std::size_t k = 0; k < 8; ++k) ASSERT_EQ(*to.at(k), static_cast<std::byte>(i - 7 + k));
  }
}

TEST_P(OfiMockMessages, AMissingDescriptorIsAnErrorWhereTheBufferIsLocal) {
  Pair pair(GetParam().provider, with("seed=3").c_str());
  const Pages from(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 100, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, nullptr, pair.to_b, mark(8)), 0);
  pair.rest();
  const bool local = pair.a->wants(FI_MR_LOCAL);
  ASSERT_EQ(pair.a->failed.size(), local ? 1u : 0u);
  EXPECT_EQ(pair.b->count(FI_RECV), local ? 0u : 1u);
  if (!local) return;
  EXPECT_EQ(pair.a->failed[0].entry.err, FI_EINVAL);
  EXPECT_EQ(pair.a->failed[0].entry.op_context, mark(8));
  EXPECT_EQ(pair.a->failed[0].words, "FI_MR_LOCAL: a buffer without descriptor");
}

TEST_P(OfiMockMessages, NoMoreOperationsThanTheQueueHolds) {
  Pair pair(GetParam().provider, with("tx=3,rx=2").c_str());
  const Pages memory(*pair.a, 4096);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(fi_send(pair.a->ep, memory.at(), 1, memory.descriptor(), pair.to_b, nullptr), 0);
  EXPECT_EQ(fi_send(pair.a->ep, memory.at(), 1, memory.descriptor(), pair.to_b, nullptr), -FI_EAGAIN);
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(fi_recv(pair.a->ep, memory.at(), 1, memory.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  EXPECT_EQ(fi_recv(pair.a->ep, memory.at(), 1, memory.descriptor(), FI_ADDR_UNSPEC, nullptr), -FI_EAGAIN);
}

TEST_P(OfiMockMessages, PostsAreRefusedAsOftenAsTheSeedSays) {
  Pair pair(GetParam().provider, (std::string("eagain=0.5,tx=4096,seed=2") + GetParam().knobs).c_str());
  const Pages memory(*pair.a, 4096);
  int refused = 0;
  for (int i = 0; i < 400; ++i)
    refused += fi_send(pair.a->ep, memory.at(), 1, memory.descriptor(), pair.to_b, nullptr) != 0 ? 1 : 0;
  EXPECT_GT(refused, 150);
  EXPECT_LT(refused, 250);
}

TEST_P(OfiMockMessages, AnOperationThatTheSeedFailsEndsWithEioAndNothingArrives) {
  Pair pair(GetParam().provider, with("errors=1").c_str());
  const Pages from(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  to.fill('o');
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 100, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, from.descriptor(), pair.to_b, mark(8)), 0);
  ASSERT_EQ(fi_inject(pair.a->ep, from.at(), 8, pair.to_b), 0);
  ASSERT_TRUE(pair.until([&] { return pair.a->failed.size() == 2; })) << "an injected one tells errors too";
  EXPECT_EQ(pair.a->failed[0].entry.err, FI_EIO);
  pair.rest();
  EXPECT_TRUE(to.all('o', 0, 4096));
}

TEST_P(OfiMockMessages, AMessageWithoutAReceiveWaitsForOneAndAfterSoManyTicksFails) {
  Pair pair(GetParam().provider, with("rnr=500").c_str());
  const Pages from(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, from.descriptor(), pair.to_b, mark(1)), 0);
  pair.rest(200);
  EXPECT_TRUE(pair.a->done.empty());
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 100, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_TRUE(pair.until([&] { return pair.b->count(FI_RECV) == 1 && pair.a->count(FI_SEND) == 1; }));
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, from.descriptor(), pair.to_b, mark(2)), 0);
  ASSERT_TRUE(pair.until([&] { return pair.a->failed.size() == 1; }));
  EXPECT_EQ(pair.a->failed[0].entry.err, FI_ENORX);
  EXPECT_EQ(pair.a->failed[0].entry.op_context, mark(2));
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 100, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  pair.rest();
  EXPECT_EQ(pair.b->count(FI_RECV), 1u) << "what was given up does not come later";
}

TEST_P(OfiMockMessages, APeerThatIsGoneFailsWhatWaitsForIt) {
  Pair pair(GetParam().provider, with("seed=3").c_str());
  const Pages from(*pair.a, 4096);
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, from.descriptor(), pair.to_b, mark(1)), 0);
  for (int i = 0; i < 100; ++i) pair.a->look();
  pair.b->close_endpoint();
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, from.descriptor(), pair.to_b, mark(2)), 0);
  for (int i = 0; i < 2000; ++i) pair.a->look();
  ASSERT_EQ(pair.a->failed.size(), 2u);
  EXPECT_EQ(pair.a->failed[0].entry.err, FI_EHOSTUNREACH);
}

TEST_P(OfiMockMessages, AReceiveIsCancelledOnce) {
  Pair pair(GetParam().provider, with("seed=3").c_str());
  const Pages to(*pair.b, 4096);
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 100, to.descriptor(), FI_ADDR_UNSPEC, mark(5)), 0);
  EXPECT_EQ(fi_cancel(&pair.b->ep->fid, mark(6)), -FI_ENOENT);
  EXPECT_EQ(fi_cancel(&pair.b->ep->fid, mark(5)), 0);
  EXPECT_EQ(fi_cancel(&pair.b->ep->fid, mark(5)), -FI_ENOENT);
  pair.b->look();
  ASSERT_EQ(pair.b->failed.size(), 1u);
  EXPECT_EQ(pair.b->failed[0].entry.err, FI_ECANCELED);
  EXPECT_EQ(pair.b->failed[0].entry.op_context, mark(5));
}

TEST_P(OfiMockMessages, AMessageMayGoToOneself) {
  Pair pair(GetParam().provider, with("seed=3").c_str());
  const fi_addr_t self = pair.a->know(*pair.a);
  const Pages memory(*pair.a, 4096);
  memory.fill('x');
  ASSERT_EQ(fi_recv(pair.a->ep, memory.at(2048), 100, memory.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_EQ(fi_send(pair.a->ep, memory.at(), 100, memory.descriptor(), self, nullptr), 0);
  ASSERT_TRUE(pair.until([&] { return pair.a->count(FI_RECV) == 1; }));
  EXPECT_TRUE(memory.all('x', 2048, 2148));
}

TEST_P(OfiMockMessages, AMegabyteArrivesWhole) {
  constexpr std::size_t bytes = 1 << 20;
  Pair pair(GetParam().provider, with("late=2").c_str());
  const Pages from(*pair.a, bytes);
  const Pages to(*pair.b, bytes);
  for (std::size_t i = 0; i < bytes; ++i) *from.at(i) = static_cast<std::byte>(i * 31 >> 3);
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), bytes, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), bytes, from.descriptor(), pair.to_b, nullptr), 0);
  ASSERT_TRUE(pair.until([&] { return pair.b->count(FI_RECV) == 1; }));
  EXPECT_EQ(memcmp(from.at(), to.at(), bytes), 0);
}

}  // namespace
}  // namespace harness::tests
