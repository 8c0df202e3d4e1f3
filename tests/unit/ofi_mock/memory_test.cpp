// SPDX-License-Identifier: Apache-2.0
// Registered memory: one misuse for each rule, seen as an error at the right side with no byte touched.
#include <unistd.h>

#include <harness/tests/unit/ofi_mock/sides.hpp>

namespace harness::tests {
namespace {

struct Flavour {
  const char* name;
  const char* provider;
  const char* knobs;
};
class OfiMockMemory : public ::testing::TestWithParam<Flavour> {
 protected:
  OfiMockMemory() : pair(GetParam().provider, (std::string("eagain=0") + GetParam().knobs).c_str()) {}
  // Writes 16 bytes of 'x' to an address and key; the error of the completion, 0 when there is none.
  int write(std::uint64_t address, std::uint64_t key) {
    const Pages from(*pair.a, 4096, every_access, 4242);
    from.fill('x');
    const std::size_t before = pair.a->done.size();
    pair.a->failed.clear();
    EXPECT_EQ(fi_write(pair.a->ep, from.at(), 16, from.descriptor(), pair.to_b, address, key, nullptr), 0);
    EXPECT_TRUE(pair.until([&] { return pair.a->done.size() > before || !pair.a->failed.empty(); }));
    pair.rest(200);
    return pair.a->failed.empty() ? 0 : pair.a->failed[0].entry.err;
  }
  int read(std::uint64_t address, std::uint64_t key) {
    const Pages into(*pair.a, 4096, every_access, 4243);
    const std::size_t before = pair.a->done.size();
    pair.a->failed.clear();
    EXPECT_EQ(fi_read(pair.a->ep, into.at(), 16, into.descriptor(), pair.to_b, address, key, nullptr), 0);
    EXPECT_TRUE(pair.until([&] { return pair.a->done.size() > before || !pair.a->failed.empty(); }));
    return pair.a->failed.empty() ? 0 : pair.a->failed[0].entry.err;
  }
  Pair pair;
};
INSTANTIATE_TEST_SUITE_P(All, OfiMockMemory,
                         ::testing::Values(Flavour{"verbs", verbs, ""}, Flavour{"cxi", cxi, ""},
                                           Flavour{"raw", cxi, ",raw=1"}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_P(OfiMockMemory, WithinItsBoundsARegionIsReachedAndBeyondThemNot) {
  Pages to(*pair.b, 8192);
  const std::uint64_t key = to.key_for(*pair.a);
  EXPECT_EQ(write(to.address(0), key), 0);
  EXPECT_EQ(write(to.address(8192 - 16), key), 0);
  EXPECT_TRUE(to.all('x', 0, 16));
  EXPECT_TRUE(to.all('x', 8192 - 16, 8192));
  to.fill('o');
  EXPECT_EQ(write(to.address(8192 - 15), key), FI_EACCES);
  EXPECT_EQ(write(to.address(8192), key), FI_EACCES);
  EXPECT_EQ(write(to.address(0) - 1, key), FI_EACCES);
  EXPECT_EQ(write(UINT64_MAX - 7, key), FI_EACCES);
  EXPECT_EQ(read(to.address(8192 - 15), key), FI_EACCES);
  EXPECT_TRUE(to.all('o', 0, 8192));
}

TEST_P(OfiMockMemory, AnAddressCountsAsTheBitsSay) {
  Pages to(*pair.b, 4096);
  const std::uint64_t key = to.key_for(*pair.a);
  const auto pointer = reinterpret_cast<std::uint64_t>(to.at());
  EXPECT_EQ(write(pointer, key), pair.b->wants(FI_MR_VIRT_ADDR) ? 0 : FI_EACCES);
  EXPECT_EQ(write(0, key), pair.b->wants(FI_MR_VIRT_ADDR) ? FI_EACCES : 0);
}

TEST_P(OfiMockMemory, AKeyThatNamesNothingOrNothingAnyMoreIsRefused) {
  Pages to(*pair.b, 4096);
  const std::uint64_t key = to.key_for(*pair.a);
  EXPECT_EQ(write(to.address(), key ^ 1), FI_EACCES);
  EXPECT_EQ(pair.a->failed.at(0).words, "the key names no open region");
  to.unregister();
  EXPECT_EQ(write(to.address(), key), FI_EACCES);
  EXPECT_EQ(read(to.address(), key), FI_EACCES);
  EXPECT_TRUE(to.all(0, 0, 4096));
}

TEST_P(OfiMockMemory, WithoutTheAccessItIsRefused) {
  Pages readable(*pair.b, 4096, local_access | FI_REMOTE_READ, 1);
  Pages writable(*pair.b, 4096, local_access | FI_REMOTE_WRITE, 2);
  EXPECT_EQ(write(readable.address(), readable.key_for(*pair.a)), FI_EACCES);
  EXPECT_EQ(read(readable.address(), readable.key_for(*pair.a)), 0);
  EXPECT_EQ(read(writable.address(), writable.key_for(*pair.a)), FI_EACCES);
  EXPECT_EQ(write(writable.address(), writable.key_for(*pair.a)), 0);
  EXPECT_TRUE(readable.all(0, 0, 4096));
}

TEST_P(OfiMockMemory, TheKeyIsWhoseItShouldBe) {
  const Pages first(*pair.b, 4096, every_access, 77);
  fid_mr* second = nullptr;
  const int again = fi_mr_reg(pair.b->domain, first.at(), 4096, every_access, 0, 77, 0, &second, nullptr);
  if (pair.b->wants(FI_MR_RAW)) {
    EXPECT_EQ(fi_mr_key(first.mr), FI_KEY_NOTAVAIL);
  } else if (pair.b->wants(FI_MR_PROV_KEY)) {
    EXPECT_NE(fi_mr_key(first.mr), 77u) << "requested, and ignored";
  } else {
    EXPECT_EQ(fi_mr_key(first.mr), 77u);
    EXPECT_EQ(again, -FI_ENOKEY) << "in use";
    const std::uint64_t wide = std::uint64_t{1} << 32;
    EXPECT_EQ(fi_mr_reg(pair.b->domain, first.at(), 4096, every_access, 0, wide, 0, &second, nullptr),
              -FI_EKEYREJECTED);
    return;
  }
  ASSERT_EQ(again, 0);
  EXPECT_EQ(fi_close(&second->fid), 0);
}

TEST_P(OfiMockMemory, PagesThatWereNeverTouchedAreNotRegistered) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* fresh = mmap(nullptr, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(fresh, 1, 3 * page);
  fid_mr* mr = nullptr;
  EXPECT_EQ(fi_mr_reg(pair.a->domain, fresh, 4 * page, every_access, 0, 5, 0, &mr, nullptr), -FI_EFAULT);
  ASSERT_EQ(fi_mr_reg(pair.a->domain, fresh, 3 * page, every_access, 0, 5, 0, &mr, nullptr), 0);
  EXPECT_EQ(fi_close(&mr->fid), 0);
  munmap(fresh, 4 * page);
  EXPECT_EQ(fi_mr_reg(pair.a->domain, fresh, page, every_access, 0, 5, 0, &mr, nullptr), -FI_EFAULT);
}

TEST_P(OfiMockMemory, WithTheEndpointBitARegionIsBoundAndEnabledBeforeItIsReached) {
  if (!pair.b->wants(FI_MR_ENDPOINT)) GTEST_SKIP() << "verbs does not need FI_MR_ENDPOINT";
  Pages to(*pair.b, 4096, every_access, 1);
  fid_mr* mr = nullptr;
  ASSERT_EQ(fi_mr_reg(pair.b->domain, to.at(), 4096, every_access, 0, 9, 0, &mr, nullptr), 0);
  EXPECT_EQ(fi_mr_enable(mr), -FI_EOPBADSTATE) << "not bound";
  ASSERT_EQ(fi_mr_bind(mr, &pair.b->ep->fid, 0), 0);
  if (!pair.b->wants(FI_MR_RAW)) {
    EXPECT_EQ(write(0, 9), FI_EACCES);
    ASSERT_EQ(fi_mr_enable(mr), 0);
    EXPECT_EQ(write(0, 9), 0);
  }
  EXPECT_EQ(fi_close(&mr->fid), 0);
}

TEST_P(OfiMockMemory, ARegionOfOneEndpointIsNotReachedThroughAnother) {
  if (!pair.b->wants(FI_MR_ENDPOINT)) GTEST_SKIP() << "verbs does not need FI_MR_ENDPOINT";
  Pages to(*pair.b, 4096);
  fid_ep* other = nullptr;
  ASSERT_EQ(fi_endpoint(pair.b->domain, pair.b->info.get(), &other, nullptr), 0);
  ASSERT_EQ(fi_ep_bind(other, &pair.b->av->fid, 0), 0);
  ASSERT_EQ(fi_ep_bind(other, &pair.b->cq->fid, FI_TRANSMIT | FI_RECV), 0);
  ASSERT_EQ(fi_enable(other), 0);
  char address[64];
  std::size_t bytes = sizeof address;
  ASSERT_EQ(fi_getname(&other->fid, address, &bytes), 0);
  ASSERT_EQ(fi_av_insert(pair.a->av, address, 1, &pair.to_b, 0, nullptr), 1);
  EXPECT_EQ(write(to.address(), to.key_for(*pair.a)), FI_EACCES);
  EXPECT_EQ(fi_close(&other->fid), 0);
}

TEST(OfiMockRawKeys, TheyAreLongAndMadeUpOnesReachNothing) {
  Pair pair(cxi, "eagain=0,raw=1");
  Pages to(*pair.b, 4096);
  EXPECT_EQ(pair.b->info->domain_attr->mr_key_size, 16u);
  std::array<std::uint8_t, 32> raw{};
  std::uint64_t base = 0;
  std::size_t bytes = 8;
  EXPECT_EQ(fi_mr_raw_attr(to.mr, &base, raw.data(), &bytes, 0), -FI_ETOOSMALL);
  EXPECT_EQ(bytes, 16u);
  ASSERT_EQ(fi_mr_raw_attr(to.mr, &base, raw.data(), &bytes, 0), 0);
  std::uint64_t key = 0;
  EXPECT_EQ(fi_mr_map_raw(pair.a->domain, base, raw.data(), 8, &key, 0), -FI_EINVAL);
  raw[15] ^= 1;
  ASSERT_EQ(fi_mr_map_raw(pair.a->domain, base, raw.data(), bytes, &key, 0), 0);
  const Pages from(*pair.a, 4096, every_access, 9);
  for (const std::uint64_t wrong : {key, key + 1})
    ASSERT_EQ(fi_write(pair.a->ep, from.at(), 8, nullptr, pair.to_b, 0, wrong, nullptr), 0);
  ASSERT_TRUE(pair.until([&] { return pair.a->failed.size() == 2; }));
  EXPECT_EQ(fi_mr_unmap_key(pair.a->domain, key), 0);
  EXPECT_EQ(fi_mr_unmap_key(pair.a->domain, key), -FI_ENOKEY);
}

TEST(OfiMockRawKeys, WithShortKeysThereIsNothingToMap) {
  Pair pair(verbs, "eagain=0");
  std::array<std::uint8_t, 32> raw{};
  std::uint64_t key = 0;
  EXPECT_EQ(fi_mr_map_raw(pair.a->domain, 0, raw.data(), 16, &key, 0), -FI_ENOSYS);
}

TEST(OfiMockLocal, EveryWrongDescriptorHasItsOwnWords) {
  Pair pair(verbs, "eagain=0");
  const Pages memory(*pair.a, 8192, every_access);
  const Pages mute(*pair.a, 4096, FI_RECV | FI_REMOTE_WRITE);
  Pages closed(*pair.a, 4096);
  void* stale = closed.descriptor();
  closed.unregister();
  const std::pair<void*, const char*> wrong[] = {
      {nullptr, "FI_MR_LOCAL: a buffer without descriptor"},
      {stale, "FI_MR_LOCAL: the descriptor is of no open region"},
      {memory.mr, "FI_MR_LOCAL: the descriptor is of no open region"},
      {mute.descriptor(), "FI_MR_LOCAL: the buffer is outside the region"},
  };
  for (const auto& [descriptor, words] : wrong) {
    pair.a->failed.clear();
    ASSERT_EQ(fi_send(pair.a->ep, memory.at(), 8, descriptor, pair.to_b, nullptr), 0);
    ASSERT_TRUE(pair.until([&] { return pair.a->failed.size() == 1; }));
    EXPECT_EQ(pair.a->failed[0].words, words);
    pair.a->failed.clear();
    ASSERT_EQ(fi_recv(pair.a->ep, memory.at(), 8, descriptor, FI_ADDR_UNSPEC, mark(3)), 0);
    ASSERT_TRUE(pair.until([&] { return pair.a->failed.size() == 1; }));
    EXPECT_EQ(pair.a->failed[0].words, words);
    EXPECT_EQ(pair.a->failed[0].entry.op_context, mark(3));
  }
  pair.a->failed.clear();
  ASSERT_EQ(fi_send(pair.a->ep, mute.at(), 8, mute.descriptor(), pair.to_b, nullptr), 0);
  ASSERT_TRUE(pair.until([&] { return pair.a->failed.size() == 1; }));
  EXPECT_EQ(pair.a->failed[0].words, "FI_MR_LOCAL: the region lacks the local access");
  EXPECT_EQ(pair.a->failed[0].entry.err, FI_EACCES);
}

TEST(OfiMockLocal, ARegionThatIsClosedUnderAReceiveFailsItAndStaysAsItIs) {
  Pair pair(verbs, "eagain=0,late=64,seed=5");
  const Pages from(*pair.a, 4096);
  Pages to(*pair.b, 4096);
  ASSERT_EQ(fi_recv(pair.b->ep, to.at(), 100, to.descriptor(), FI_ADDR_UNSPEC, nullptr), 0);
  ASSERT_EQ(fi_send(pair.a->ep, from.at(), 100, from.descriptor(), pair.to_b, nullptr), 0);
  ASSERT_TRUE(pair.until([&] { return pair.a->count(FI_SEND) == 1; }));
  ASSERT_TRUE(pair.b->done.empty());
  to.unregister();
  ASSERT_TRUE(pair.until([&] { return pair.b->failed.size() == 1; }));
  EXPECT_EQ(pair.b->failed[0].words, "FI_MR_LOCAL: the descriptor is of no open region");
  EXPECT_TRUE(to.all(0xdb, 0, 100));
}

TEST(OfiMockMemlock, RegistrationsEndWhereTheLimitDoes) {
  Pair pair(cxi, "eagain=0,memlock=8192");
  Pages first(*pair.a, 8192, every_access, 1);
  fid_mr* mr = nullptr;
  EXPECT_EQ(fi_mr_reg(pair.a->domain, first.at(), 4096, every_access, 0, 2, 0, &mr, nullptr), -FI_ENOMEM);
  first.unregister();
  ASSERT_EQ(fi_mr_reg(pair.a->domain, first.at(), 4096, every_access, 0, 2, 0, &mr, nullptr), 0);
  EXPECT_EQ(fi_close(&mr->fid), 0);
}

}  // namespace
}  // namespace harness::tests
