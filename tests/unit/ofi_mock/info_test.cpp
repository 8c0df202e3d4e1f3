// SPDX-License-Identifier: Apache-2.0
// The words of HARNESS_MOCK, and fi_getinfo: what fits hints and what does not.
#include <harness/tests/unit/ofi_mock/sides.hpp>
#include <harness/transports/ofi/mock/knobs.hpp>

namespace harness::tests {
namespace {

// What is found for hints that `change` made harder to fit.
template <class F>
Info asked_with(const char* provider, F change, int* error = nullptr) {
  const Info hints = offering(provider);
  change(*hints);
  return ask(hints.get(), error);
}

class OfiMockInfo : public ::testing::Test {
 protected:
  void SetUp() override { setenv("HARNESS_MOCK", "", 1); }
};

TEST(OfiMockKnobs, WordsSetWhatTheyName) {
  const auto knobs = mock::parse_knobs("seed=7,eagain=0.2,late=16,errors=0.01,tx=9,rx=10,cq=64,memlock=4096");
  ASSERT_TRUE(knobs);
  EXPECT_EQ(knobs->seed, 7u);
  EXPECT_EQ(knobs->eagain_ppm, 200'000u);
  EXPECT_EQ(knobs->late, 16u);
  EXPECT_EQ(knobs->errors_ppm, 10'000u);
  EXPECT_EQ(knobs->tx, 9u);
  EXPECT_EQ(knobs->rx, 10u);
  EXPECT_EQ(knobs->cq, 64u);
  EXPECT_EQ(knobs->memlock, 4096u);
  EXPECT_EQ(mock::parse_knobs("")->tx, 8u) << "defaults";
}

TEST(OfiMockKnobs, AMistakeIsNamedWithWhatWouldBeRight) {
  EXPECT_NE(mock::parse_knobs("sead=7").error().because.find("'sead' is none of seed eagain"),
            std::string::npos);
  EXPECT_NE(mock::parse_knobs("eagain=2").error().because.find("from 0.0 to 0.9"), std::string::npos);
  for (const char* wrong : {"tx=0", "tx=-1", "tx=", "tx", "late=soon", "raw=2", "cq=1 ", "errors=nan", ","})
    EXPECT_FALSE(mock::parse_knobs(wrong)) << wrong;
}

TEST_F(OfiMockInfo, AMalformedVariableFindsNothing) {
  setenv("HARNESS_MOCK", "sead=7", 1);
  int error = 0;
  EXPECT_EQ(ask(nullptr, &error), nullptr);
  EXPECT_EQ(error, -FI_EINVAL);
}

TEST_F(OfiMockInfo, WhoOffersEverythingFindsAllAndWhatEachNeeds) {
  const Info found = ask(offering().get());
  ASSERT_NE(found, nullptr);
  EXPECT_STREQ(found->fabric_attr->prov_name, verbs);
  EXPECT_EQ(found->domain_attr->mr_mode, FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY);
  EXPECT_EQ(found->domain_attr->cq_data_size, 4u);
  EXPECT_EQ(found->mode, FI_RX_CQ_DATA);
  EXPECT_EQ(found->caps & FI_MULTI_RECV, 0u);
  ASSERT_NE(found->next, nullptr);
  EXPECT_STREQ(found->next->fabric_attr->prov_name, cxi);
  EXPECT_EQ(found->next->domain_attr->mr_mode, FI_MR_ENDPOINT | FI_MR_ALLOCATED);
  EXPECT_EQ(found->next->tx_attr->msg_order, FI_ORDER_SAS);
  EXPECT_EQ(found->next->tx_attr->inject_size, 192u);
  EXPECT_NE(found->next->caps & FI_MULTI_RECV, 0u) << "added without being asked for";
  EXPECT_EQ(found->next->tx_attr->rma_iov_limit, 1u);
  const fi_info* const last = found->next->next;
  ASSERT_NE(last, nullptr);
  EXPECT_STREQ(last->fabric_attr->prov_name, tcp);
  EXPECT_EQ(last->domain_attr->mr_mode, 0);
  EXPECT_EQ(last->tx_attr->rma_iov_limit, 2u);
  EXPECT_EQ(last->caps & FI_ATOMIC, 0u);
  EXPECT_EQ(last->next, nullptr);
}

TEST_F(OfiMockInfo, AModeBitThatIsNeededAndNotOfferedIsNoMatch) {
  for (const auto& [provider, knobs] : {std::pair{verbs, ""}, {cxi, ""}, {cxi, "raw=1"}}) {
    setenv("HARNESS_MOCK", knobs, 1);
    const int needed = ask(offering(provider).get())->domain_attr->mr_mode;
    for (int bit = 1; bit <= FI_MR_ENDPOINT; bit <<= 1) {
      int error = 0;
      const Info found =
          asked_with(provider, [&](fi_info& hints) { hints.domain_attr->mr_mode &= ~bit; }, &error);
      EXPECT_EQ(found == nullptr, (needed & bit) != 0) << provider << " bit " << bit;
      if (found == nullptr) {
        EXPECT_EQ(error, -FI_ENODATA);
      }
    }
  }
}

TEST_F(OfiMockInfo, WithoutRemoteAccessOnlyTheLocalBitIsNeeded) {
  const auto messages = [](int bits) {
    return [bits](fi_info& hints) {
      hints.caps = FI_MSG;
      hints.domain_attr->mr_mode = bits;
    };
  };
  EXPECT_EQ(asked_with(verbs, messages(0)), nullptr);
  EXPECT_EQ(asked_with(verbs, messages(FI_MR_LOCAL))->domain_attr->mr_mode, FI_MR_LOCAL);
  EXPECT_EQ(asked_with(cxi, messages(0))->domain_attr->mr_mode, 0);
}

TEST_F(OfiMockInfo, AHintThatAsksForMoreThanThereIsFindsNothing) {
  struct Case {
    const char* what;
    const char* provider;
    void (*ask_more)(fi_info&);
  };
  const Case cases[] = {
      {"tagged messages", verbs, [](fi_info& h) { h.caps = FI_TAGGED; }},
      {"tagged messages", cxi, [](fi_info& h) { h.caps = FI_TAGGED; }},
      {"receives of many messages", verbs, [](fi_info& h) { h.caps = FI_MSG | FI_MULTI_RECV; }},
      {"fences", verbs, [](fi_info& h) { h.caps = FI_MSG | FI_FENCE; }},
      {"no promise about immediates", verbs, [](fi_info& h) { h.mode = 0; }},
      {"65 bytes injected", verbs, [](fi_info& h) { h.tx_attr->inject_size = 65; }},
      {"193 bytes injected", cxi, [](fi_info& h) { h.tx_attr->inject_size = 193; }},
      {"9 operations", verbs, [](fi_info& h) { h.tx_attr->size = 9; }},
      {"9 receives", cxi, [](fi_info& h) { h.rx_attr->size = 9; }},
      {"two pieces", cxi, [](fi_info& h) { h.tx_attr->iov_limit = 2; }},
      {"writes in order", cxi, [](fi_info& h) { h.tx_attr->msg_order = FI_ORDER_WAW; }},
      {"writes behind reads", verbs, [](fi_info& h) { h.tx_attr->msg_order = FI_ORDER_WAR; }},
      {"completions in order", verbs, [](fi_info& h) { h.tx_attr->comp_order = FI_ORDER_STRICT; }},
      {"receives in order", cxi, [](fi_info& h) { h.rx_attr->comp_order = FI_ORDER_STRICT; }},
      {"connections", verbs, [](fi_info& h) { h.ep_attr->type = FI_EP_MSG; }},
      {"an unknown protocol", verbs, [](fi_info& h) { h.ep_attr->protocol = FI_PROTO_RXM; }},
      {"two GiB", verbs, [](fi_info& h) { h.ep_attr->max_msg_size = std::size_t{1} << 31; }},
      {"many threads", verbs, [](fi_info& h) { h.domain_attr->threading = FI_THREAD_SAFE; }},
      {"progress by itself", cxi, [](fi_info& h) { h.domain_attr->data_progress = FI_PROGRESS_AUTO; }},
      {"an address map", cxi, [](fi_info& h) { h.domain_attr->av_type = FI_AV_MAP; }},
      {"immediates of 8 bytes", verbs, [](fi_info& h) { h.domain_attr->cq_data_size = 8; }},
      {"addresses of hosts", cxi, [](fi_info& h) { h.addr_format = FI_SOCKADDR_IN; }},
      {"another provider", "tcp", [](fi_info&) {}},
  };
  for (const Case& one : cases) {
    int error = 0;
    EXPECT_EQ(asked_with(one.provider, one.ask_more, &error), nullptr) << one.what;
    EXPECT_EQ(error, -FI_ENODATA) << one.what;
  }
}

TEST_F(OfiMockInfo, AHintWithinTheLimitsIsAnsweredWithIt) {
  const Info found = asked_with(verbs, [](fi_info& hints) {
    hints.caps = FI_MSG | FI_RMA;
    hints.tx_attr->size = 3;
    hints.tx_attr->msg_order = FI_ORDER_SAS | FI_ORDER_WAW;
    hints.rx_attr->comp_order = FI_ORDER_STRICT;
  });
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->tx_attr->size, 3u);
  EXPECT_EQ(found->caps & FI_ATOMIC, 0u) << "not asked for, not there";
}

TEST_F(OfiMockInfo, AHostIsNoNameOfACxiCard) {
  for (const auto& [provider, result] : {std::pair{verbs, 0}, {cxi, -FI_ENODATA}}) {
    fi_info* found = nullptr;
    EXPECT_EQ(mock::mock_getinfo(FI_VERSION(1, 17), "10.0.0.1", nullptr, FI_SOURCE, offering(provider).get(),
                                 &found),
              result);
    mock::mock_freeinfo(found);
  }
}

TEST_F(OfiMockInfo, AVersionAboveOursIsRefused) {
  fi_info* found = nullptr;
  EXPECT_EQ(mock::mock_getinfo(FI_VERSION(1, 18), nullptr, nullptr, 0, nullptr, &found), -FI_ENOSYS);
  EXPECT_EQ(mock::mock_version(), FI_VERSION(1, 17));
}

TEST_F(OfiMockInfo, ADuplicateOutlivesItsOriginal) {
  Info original = ask(offering(verbs).get());
  const Info copy(mock::mock_dupinfo(original.get()));
  original.reset();
  EXPECT_STREQ(copy->fabric_attr->prov_name, verbs);
  EXPECT_EQ(copy->next, nullptr);
}

TEST_F(OfiMockInfo, AFabricOfAnotherNameIsNotOurs) {
  Info info = ask(offering(verbs).get());
  info->fabric_attr->name[0] = 'x';
  fid_fabric* fabric = nullptr;
  EXPECT_EQ(mock::mock_fabric(info->fabric_attr, &fabric, nullptr), -FI_ENODATA);
}

TEST_F(OfiMockInfo, EveryErrorHasWords) {
  EXPECT_STREQ(mock::mock_strerror(FI_ETRUNC), "truncated");
  EXPECT_STREQ(mock::mock_strerror(-FI_ENODATA), strerror(FI_ENODATA));
  EXPECT_STREQ(mock::mock_strerror(9999), "unknown error");
}

}  // namespace
}  // namespace harness::tests
