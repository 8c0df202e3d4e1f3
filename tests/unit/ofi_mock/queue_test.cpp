// SPDX-License-Identifier: Apache-2.0
// Where the two providers differ in messages (truncation, many messages a receive, order of completions), and
// completion queues: formats, overruns, errors, descriptors to sleep on.
#include <poll.h>

#include <harness/tests/unit/ofi_mock/sides.hpp>

namespace harness::tests {
namespace {

ssize_t receive_many(Pair& pair, const Pages& to, std::size_t bytes, void* context) {
  iovec piece{to.at(), bytes};
  void* descriptor = to.descriptor();
  const fi_msg message{&piece, &descriptor, 1, FI_ADDR_UNSPEC, context, 0};
  return fi_recvmsg(pair.b->ep, &message, FI_MULTI_RECV);
}

TEST(OfiMockTruncation, OnVerbsBothEndsHaveAnErrorAndNoByteIsWritten) {
  Pair pair(verbs, "eagain=0");
  const Pages from(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 60, to.descriptor(), FI_ADDR_UNSPEC, mark(1)), 0);
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, from.descriptor(), pair.to_b, mark(2)), 0);
  ASSERT_TRUE(pair.until([&] { return !pair.a->failed.empty() && !pair.b->failed.empty(); }));
  EXPECT_EQ(pair.b->failed[0].entry.err, FI_ETRUNC);
  EXPECT_EQ(pair.b->failed[0].entry.olen, 100u);
  EXPECT_EQ(pair.b->failed[0].entry.op_context, mark(1));
  EXPECT_EQ(pair.a->failed[0].entry.err, FI_ETRUNC);
  EXPECT_TRUE(to.all(0xdb, 0, 60));
}

TEST(OfiMockTruncation, OnCxiTheReceiverAloneHasAnErrorAndWhatFits) {
  Pair pair(cxi, "eagain=0");
  const Pages from(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  from.fill('x');
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 60, nullptr, FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, nullptr, pair.to_b, nullptr), 0);
  ASSERT_TRUE(pair.until([&] { return pair.a->count(FI_SEND) == 1 && !pair.b->failed.empty(); }));
  EXPECT_EQ(pair.b->failed[0].entry.err, FI_ETRUNC);
  EXPECT_EQ(pair.b->failed[0].entry.olen, 40u);
  EXPECT_TRUE(to.all('x', 0, 60));
  EXPECT_TRUE(to.all(0, 60, 4096));
}

TEST(OfiMockMultiReceive, OneBufferTakesMessagesUntilLessThanTheMinimumIsLeft) {
  Pair pair(cxi, "eagain=0,late=32,seed=4");
  const Pages from(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  std::size_t least = 200;
  ASSERT_EQ(fi_setopt(&pair.b->ep->fid, FI_OPT_ENDPOINT, FI_OPT_MIN_MULTI_RECV, &least, sizeof least), 0);
  ASSERT_EQ(receive_many(pair, to, 1000, mark(3)), 0);
  for (int i = 0; i < 5; ++i) {
    memset(from.at(static_cast<std::size_t>(i) * 200), 'a' + i, 200);
    ASSERT_EQ(
        fi_send(pair.a->ep, from.at(static_cast<std::size_t>(i) * 200), 170, nullptr, pair.to_b, nullptr), 0);
  }
  ASSERT_TRUE(pair.until([&] { return pair.b->count(FI_RECV) == 5 && pair.b->count(FI_MULTI_RECV) == 1; }));
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(to.all('a' + i, static_cast<std::size_t>(i) * 170, static_cast<std::size_t>(i + 1) * 170));
  EXPECT_TRUE(to.all(0xdb, 850, 1000));
  EXPECT_NE(pair.b->done.back().flags & FI_MULTI_RECV, 0u) << "released by the last to land";
  for (const fi_cq_data_entry& entry : pair.b->done) EXPECT_EQ(entry.op_context, mark(3));
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 10, nullptr, pair.to_b, nullptr), 0);
  pair.rest();
  EXPECT_EQ(pair.b->count(FI_RECV), 5u) << "a sixth has no receive";
}

TEST(OfiMockMultiReceive, TheReleaseComesWithAMessageOrByItself) {
  bool joined = false;
  bool alone = false;
  for (int seed = 1; seed < 30 && !(joined && alone); ++seed) {
    Pair pair(cxi, ("eagain=0,seed=" + std::to_string(seed)).c_str());
    const Pages memory(*pair.a, 4096);
    const Pages to(*pair.b, 4096);
    ASSERT_EQ(receive_many(pair, to, 100, nullptr), 0);
    ASSERT_EQ(fi_send(pair.a->ep, memory.at(), 90, nullptr, pair.to_b, nullptr), 0);
    ASSERT_TRUE(pair.until([&] { return pair.b->count(FI_MULTI_RECV) == 1; }));
    (pair.b->done.back().flags == FI_MULTI_RECV ? alone : joined) = true;
  }
  EXPECT_TRUE(joined);
  EXPECT_TRUE(alone);
}

TEST(OfiMockMultiReceive, VerbsHasNone) {
  Pair pair(verbs, "eagain=0");
  const Pages to(*pair.b, 4096);
  EXPECT_EQ(receive_many(pair, to, 1000, nullptr), -FI_EOPNOTSUPP);
}

// Whether eight receives, posted in order, ever complete in another one.
bool receives_overtake(const char* provider) {
  for (int seed = 1; seed < 20; ++seed) {
    Pair pair(provider, ("eagain=0,late=32,seed=" + std::to_string(seed)).c_str());
    const Pages memory(*pair.a, 4096);
    const Pages to(*pair.b, 4096);
    for (std::uintptr_t i = 0; i < 8; ++i) {
      EXPECT_EQ(fi_recv(pair.b->ep, to.at(), 1, to.descriptor(), FI_ADDR_UNSPEC, mark(i)), 0);
      EXPECT_EQ(fi_send(pair.a->ep, memory.at(), 1, memory.descriptor(), pair.to_b, mark(i)), 0);
    }
    EXPECT_TRUE(pair.until([&] { return pair.b->done.size() == 8; }));
    for (std::uintptr_t i = 0; i < pair.b->done.size(); ++i)
      if (number_of(pair.b->done[i].op_context) != i) return true;
  }
  return false;
}

TEST(OfiMockOrder, ReceivesCompleteInOrderOnVerbsAndInAnyOnCxi) {
  EXPECT_FALSE(receives_overtake(verbs));
  EXPECT_TRUE(receives_overtake(cxi));
}

TEST(OfiMockOrder, SendsCompleteInAnyOrder) {
  bool overtaken = false;
  Pair pair(cxi, "eagain=0,late=32");
  const Pages memory(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  for (std::uintptr_t i = 0; i < 8; ++i) {
    ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 1, nullptr, FI_ADDR_UNSPEC, nullptr), 0);
    ASSERT_EQ(fi_send(pair.a->ep, memory.at(), 1, nullptr, pair.to_b, mark(i)), 0);
  }
  ASSERT_TRUE(pair.until([&] { return pair.a->done.size() == 8; }));
  for (std::uintptr_t i = 0; i < 8; ++i) overtaken = overtaken || number_of(pair.a->done[i].op_context) != i;
  EXPECT_TRUE(overtaken);
}

TEST(OfiMockImmediates, TravelWithMessagesAndAreNarrowOnVerbs) {
  for (const char* provider : {verbs, cxi}) {
    Pair pair(provider, "eagain=0");
    const Pages memory(*pair.a, 4096);
    const Pages to(*pair.b, 4096);
    const std::uint64_t wide = std::uint64_t{1} << 32;
    const ssize_t taken =
        fi_senddata(pair.a->ep, memory.at(), 4, memory.descriptor(), wide, pair.to_b, nullptr);
    EXPECT_EQ(taken, provider == verbs ? -FI_EINVAL : 0);
    const std::uint64_t data = provider == verbs ? 0xffffffff : wide;
    if (taken != 0) {
      ASSERT_EQ(fi_senddata(pair.a->ep, memory.at(), 4, memory.descriptor(), data, pair.to_b, nullptr), 0);
    }
    ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 4, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
    ASSERT_TRUE(pair.until([&] { return pair.b->count(FI_REMOTE_CQ_DATA | FI_RECV) == 1; }));
    EXPECT_EQ(pair.b->done[0].data, data);
  }
}

TEST(OfiMockQueue, OneThatIsTooSmallOverrunsOnVerbsForGood) {
  Pair pair(verbs, "eagain=0,cq=4", {.cq = 0});
  const Pages memory(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 1, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
    ASSERT_EQ(fi_send(pair.a->ep, memory.at(), 1, memory.descriptor(), pair.to_b, nullptr), 0);
  }
  for (int i = 0; i < 2000; ++i) pair.a->look(), fi_cq_read(pair.b->cq, nullptr, 0);
  pair.b->look();
  EXPECT_EQ(pair.b->broken, -FI_EOVERRUN);
}

TEST(OfiMockQueue, OneThatIsTooSmallStallsOnCxi) {
  Pair pair(cxi, "eagain=0,cq=4", {.cq = 0});
  const Pages memory(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 1, nullptr, FI_ADDR_UNSPEC, nullptr), 0);
    ASSERT_EQ(fi_send(pair.a->ep, memory.at(), 1, nullptr, pair.to_b, nullptr), 0);
  }
  for (int i = 0; i < 2000; ++i) pair.a->look(), fi_cq_read(pair.b->cq, nullptr, 0);
  ASSERT_TRUE(pair.until([&] { return pair.b->done.size() == 8; }));
  EXPECT_EQ(pair.b->broken, 0);
}

TEST(OfiMockQueue, EveryFormatHasWhatItSays) {
  Pair pair(verbs, "eagain=0");
  const Pages memory(*pair.a, 4096);
  for (const fi_cq_format format :
       {FI_CQ_FORMAT_CONTEXT, FI_CQ_FORMAT_MSG, FI_CQ_FORMAT_DATA, FI_CQ_FORMAT_TAGGED}) {
    Side side(verbs, {.format = format});
    const Pages to(side, 4096);
    const fi_addr_t there = pair.a->know(side);
    ASSERT_EQ(fi_recv(side.ep, to.at(), 4, to.descriptor(), FI_ADDR_UNSPEC, mark(9)), 0);
    ASSERT_EQ(fi_senddata(pair.a->ep, memory.at(), 4, memory.descriptor(), 77, there, nullptr), 0);
    fi_cq_tagged_entry entry{};
    ssize_t got = -FI_EAGAIN;
    for (int i = 0; i < 10'000 && got == -FI_EAGAIN; ++i) {
      pair.a->look();
      got = fi_cq_read(side.cq, &entry, 1);
    }
    ASSERT_EQ(got, 1);
    EXPECT_EQ(entry.op_context, mark(9));
    EXPECT_EQ(entry.len, format >= FI_CQ_FORMAT_MSG ? 4u : 0u);
    EXPECT_EQ(entry.data, format >= FI_CQ_FORMAT_DATA ? 77u : 0u);
  }
}

TEST(OfiMockQueue, AnErrorStopsTheReaderUntilItIsTakenAndBringsItsData) {
  Pair pair(verbs, "eagain=0,errors=1");
  const Pages memory(*pair.a, 4096);
  ASSERT_EQ(fi_send(pair.a->ep, memory.at(), 1, memory.descriptor(), pair.to_b, nullptr), 0);
  fi_cq_data_entry entry{};
  ssize_t got = -FI_EAGAIN;
  for (int i = 0; i < 1000 && got == -FI_EAGAIN; ++i) got = fi_cq_read(pair.a->cq, &entry, 1);
  EXPECT_EQ(got, -FI_EAVAIL);
  EXPECT_EQ(fi_cq_read(pair.a->cq, &entry, 1), -FI_EAVAIL) << "still";
  char text[12];
  fi_cq_err_entry error{};
  error.err_data = text;
  error.err_data_size = sizeof text;
  ASSERT_EQ(fi_cq_readerr(pair.a->cq, &error, 0), 1);
  EXPECT_EQ(std::string(text, error.err_data_size), "an error by ");
  EXPECT_EQ(fi_cq_read(pair.a->cq, &entry, 1), -FI_EAGAIN);
  EXPECT_EQ(fi_cq_readerr(pair.a->cq, &error, 0), -FI_EAGAIN);
}

TEST(OfiMockQueue, WithSelectiveCompletionOnlyWhatAsksForItIsReported) {
  Pair pair(cxi, "eagain=0", {.bind_flags = FI_SELECTIVE_COMPLETION});
  const Pages memory(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  for (const std::uint64_t flags : {std::uint64_t{0}, std::uint64_t{FI_COMPLETION}}) {
    iovec from{memory.at(), 4};
    iovec into{to.at(), 4};
    const fi_msg send{&from, nullptr, 1, pair.to_b, mark(flags != 0 ? 2 : 1), 0};
    const fi_msg receive{&into, nullptr, 1, FI_ADDR_UNSPEC, mark(flags != 0 ? 2 : 1), 0};
    ASSERT_EQ(fi_recvmsg(pair.b->ep, &receive, flags), 0);
    ASSERT_EQ(fi_sendmsg(pair.a->ep, &send, flags), 0);
  }
  ASSERT_TRUE(pair.until([&] { return pair.a->done.size() == 1 && pair.b->done.size() == 1; }));
  pair.rest();
  EXPECT_EQ(pair.a->done.size(), 1u);
  EXPECT_EQ(pair.a->done[0].op_context, mark(2));
  EXPECT_EQ(pair.b->done[0].op_context, mark(2));
}

TEST(OfiMockQueue, NothingMovesUnlessSomebodyReads) {
  Pair pair(cxi, "eagain=0,late=0");
  const Pages memory(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 4, nullptr, FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_EQ(fi_send(pair.a->ep, memory.at(), 4, nullptr, pair.to_b, nullptr), 0);
  for (int i = 0; i < 1000; ++i) pair.b->look();
  EXPECT_TRUE(pair.b->done.empty());
  for (int i = 0; i < 1000; ++i) pair.a->look();
  EXPECT_TRUE(pair.a->done.empty()) << "the target did not look";
  EXPECT_TRUE(pair.until([&] { return pair.b->done.size() == 1; }));
}

int descriptor_of(const Side& side) {
  int descriptor = -1;
  EXPECT_EQ(fi_control(&side.cq->fid, FI_GETWAIT, &descriptor), 0);
  return descriptor;
}

bool readable(int descriptor, int timeout_ms) {
  pollfd one{.fd = descriptor, .events = POLLIN, .revents = 0};
  return poll(&one, 1, timeout_ms) == 1;
}

TEST(OfiMockWait, WhoMaySleepIsWokenByWhatComes) {
  Pair pair(verbs, "eagain=0,late=8");
  const Pages memory(*pair.a, 4096);
  const Pages to(*pair.b, 4096);
  fid* queue = &pair.b->cq->fid;
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 4, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  pair.b->look();
  ASSERT_EQ(fi_trywait(pair.b->fabric, &queue, 1), 0);
  EXPECT_FALSE(readable(descriptor_of(*pair.b), 0));
  ASSERT_EQ(fi_send(pair.a->ep, memory.at(), 4, memory.descriptor(), pair.to_b, nullptr), 0);
  const auto woken = [&] {
    pair.a->look();
    return readable(descriptor_of(*pair.b), 0);
  };
  bool slept = false;
  for (int turn = 0; turn < 1000 && pair.b->done.empty(); ++turn) {  // as an event loop does
    if (fi_trywait(pair.b->fabric, &queue, 1) == 0) {
      slept = true;
      int looks = 0;
      while (!woken() && ++looks < 1000) {
      }
      ASSERT_LT(looks, 1000) << "it slept, and nothing woke it";
    }
    pair.b->look();
  }
  EXPECT_EQ(pair.b->done.size(), 1u);
  EXPECT_TRUE(slept);
}

TEST(OfiMockWait, NobodySleepsOverWorkThatIsOnlyLate) {
  Pair pair(verbs, "eagain=0,late=1000,seed=3");
  const Pages memory(*pair.a, 4096);
  fid* queue = &pair.a->cq->fid;
  ASSERT_EQ(fi_send(pair.a->ep, memory.at(), 4, memory.descriptor(), pair.to_b, nullptr), 0);
  EXPECT_EQ(fi_trywait(pair.a->fabric, &queue, 1), -FI_EAGAIN);
}

TEST(OfiMockWait, WhoWaitsForAPeerThatDiedIsWokenToNotice) {
  Pair pair(verbs, "eagain=0,late=0");
  const Pages memory(*pair.a, 4096);
  fid* queue = &pair.a->cq->fid;
  ASSERT_EQ(fi_send(pair.a->ep, memory.at(), 4, memory.descriptor(), pair.to_b, nullptr), 0);
  pair.a->look();
  pair.b->close_endpoint();
  for (int i = 0; i < 1000 && pair.a->failed.empty(); ++i) {
    if (fi_trywait(pair.a->fabric, &queue, 1) == 0) {
      ASSERT_TRUE(readable(descriptor_of(*pair.a), 10'000));
    }
    pair.a->look();
  }
  EXPECT_EQ(pair.a->failed.size(), 1u);
}

TEST(OfiMockWait, ABlockingReadEndsWithTheEntryOrInTime) {
  Pair pair(verbs, "eagain=0");
  const Pages memory(*pair.a, 4096);
  const fi_addr_t self = pair.a->know(*pair.a);
  fi_cq_data_entry entry{};
  EXPECT_EQ(fi_cq_sread(pair.a->cq, &entry, 1, nullptr, 1), -FI_EAGAIN);
  ASSERT_EQ(fi_recv(pair.a->ep, memory.at(), 4, memory.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_EQ(fi_send(pair.a->ep, memory.at(), 4, memory.descriptor(), self, nullptr), 0);
  EXPECT_EQ(fi_cq_sread(pair.a->cq, &entry, 1, nullptr, 10'000), 1);
}

TEST(OfiMockWait, AQueueWithoutWaitObjectHasNoDescriptor) {
  Pair pair(cxi, "eagain=0", {.wait = FI_WAIT_NONE});
  int descriptor = -1;
  EXPECT_EQ(fi_control(&pair.a->cq->fid, FI_GETWAIT, &descriptor), -FI_ENODATA);
}

}  // namespace
}  // namespace harness::tests
