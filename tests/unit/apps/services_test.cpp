// SPDX-License-Identifier: Apache-2.0
// The services between two nodes: pings, load, files.
#include <harness/tests/unit/apps/services_fixture.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace harness::apps {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

// ---- pings and load ----

TEST_F(ServicesTest, PingsComeBackOneAfterTheOther) {
  open();
  std::optional<PingReport> report;
  std::vector<std::uint32_t> heard;
  PingRun::Options options;
  options.count = 3;
  options.bytes = 100;
  ASSERT_TRUE(a_.services->ping(
      options, [&](std::uint32_t sequence, std::uint64_t) { heard.push_back(sequence); },
      [&](const PingReport& ended) { report = ended; }));
  engine_.settle();
  ASSERT_TRUE(report);
  EXPECT_THAT(heard, testing::ElementsAre(0, 1, 2));
  EXPECT_EQ(report->sent, 3u);
  EXPECT_EQ(report->lost, 0u);
  EXPECT_EQ(report->rtt_ns.count(), 3u);
  EXPECT_TRUE(a_.services->idle());
}

TEST_F(ServicesTest, PingsWithAnIntervalLeaveByTheClock) {
  open();
  std::optional<PingReport> report;
  PingRun::Options options;
  options.count = 4;
  options.interval_ns = 10 * ms;
  ASSERT_TRUE(a_.services->ping(options, {}, [&](const PingReport& ended) { report = ended; }));
  engine_.pass(25 * ms);
  EXPECT_FALSE(report);
  engine_.pass(10 * ms);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->sent, 4u);
}

TEST_F(ServicesTest, APingWithoutAnswerIsLost) {
  open();
  b_.link->pause();
  std::optional<PingReport> report;
  PingRun::Options options;
  options.count = 2;
  options.timeout_ns = 100 * ms;
  ASSERT_TRUE(a_.services->ping(options, {}, [&](const PingReport& ended) { report = ended; }));
  engine_.pass(400 * ms);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->sent, 2u);
  EXPECT_EQ(report->lost, 2u);
}

TEST_F(ServicesTest, WhatRunsEndsWithTheLink) {
  open();
  std::optional<PingReport> pinged;
  std::optional<LoadReport> loaded;
  PingRun::Options forever;
  forever.count = 0;
  forever.interval_ns = ms;
  ASSERT_TRUE(a_.services->ping(forever, {}, [&](const PingReport& ended) { pinged = ended; }));
  ASSERT_TRUE(a_.services->load({}, [&](const LoadReport& ended) { loaded = ended; }));
  ListSource* source = send_list();
  ASSERT_NE(source, nullptr);
  engine_.poll();
  b_.services.reset();
  b_.link.reset();
  b_.node.reset();
  engine_.settle();
  ASSERT_TRUE(pinged && loaded);
  EXPECT_EQ(pinged->error.code, Errc::peer_lost);
  EXPECT_EQ(loaded->error.code, Errc::peer_lost);
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].error.code, Errc::peer_lost);
  EXPECT_TRUE(a_.services->idle());
  EXPECT_EQ(a_.services->ping(forever, {}, {}).error().code, Errc::unreachable);
}

TEST_F(ServicesTest, LoadIsCountedAtTheOtherEnd) {
  open("@ loop(slots=8)");
  for (const std::uint32_t bytes : {0u, 64u, 100'000u}) {
    std::optional<LoadReport> report;
    LoadRun::Options options;
    options.bytes = bytes;
    options.messages_max = 500;
    ASSERT_TRUE(a_.services->load(options, [&](const LoadReport& ended) { report = ended; }));
    engine_.settle(10'000);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->error.code, Errc::ok) << report->error.text();
    EXPECT_EQ(report->messages, 500u);
    EXPECT_EQ(report->bytes, 500u * bytes);
  }
}

TEST_F(ServicesTest, OneTurnSendsOnlyItsBudget) {
  open("@ loop(slots=65536)");
  LoadRun::Options options;
  options.messages_max = 100'000;
  ASSERT_TRUE(a_.services->load(options, [](const LoadReport&) {}));
  engine_.poll(32);
  EXPECT_LE(a_.link->stack()->sent_messages(), 64u);
}

// ---- files ----

TEST_F(ServicesTest, ATreeArrivesWhole) {
  open();
  from_.write("t/a", "one");
  from_.write("t/deep/er/b", std::string(1'000'000, 'b'));
  from_.write("t/empty", "");
  ASSERT_EQ(symlink("a", (from_ / "t/l").c_str()), 0);
  ASSERT_TRUE(send_tree({"t"}));
  engine_.settle();
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_TRUE(sent_[0].complete()) << sent_[0].error.text();
  EXPECT_EQ(sent_[0].files, 3u);
  EXPECT_EQ(sent_[0].bytes, 1'000'003u);
  EXPECT_EQ(into_.listing(), from_.listing());
  EXPECT_EQ(into_.read("t/deep/er/b"), from_.read("t/deep/er/b"));
  ASSERT_THAT(b_.inbox.reports, SizeIs(1));
  EXPECT_EQ(b_.inbox.reports[0].name, "test");
  EXPECT_EQ(b_.inbox.from, "a");
  EXPECT_THAT(b_.inbox.reports[0].files, SizeIs(3));
  EXPECT_TRUE(b_.services->idle());
}

TEST_F(ServicesTest, ManyFilesCrossALinkThatHoldsAllTheTime) {
  open("@ loop(slots=4)");
  for (int i = 0; i < 300; ++i)
    from_.write("t/f" + std::to_string(i), std::string(static_cast<std::size_t>(i * 37), 'x'));
  ASSERT_TRUE(send_tree({"t"}));
  engine_.settle(100'000);
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_TRUE(sent_[0].complete()) << sent_[0].error.text();
  EXPECT_EQ(sent_[0].files, 300u);
  EXPECT_EQ(into_.listing(), from_.listing());
}

TEST_F(ServicesTest, TheSenderStaysAWindowAhead) {
  open("@ loop(slots=65536)");
  ListSource* source = send_list();
  engine_.settle();
  ASSERT_TRUE(source->waiting);
  Steps steps;
  Step entry;
  entry.entry.path = "big";
  steps.steps.push_back(std::move(entry));
  for (std::uint32_t i = 0; i < 64; ++i) {
    wire::FileChunk header;
    header.transfer = 1;
    header.offset = std::uint64_t{i} << 18;
    Step step;
    step.what = Step::What::chunk;
    step.chunk =
        service_message(engine_.pool(), wire::Kind::file_chunk, header, std::vector<std::byte>(1u << 18));
    steps.steps.push_back(std::move(step));
  }
  b_.link->pause();
  source->waiting(std::move(steps));
  engine_.settle();
  EXPECT_LE(a_.link->stack()->sent_bytes(), file_window_bytes);
  EXPECT_GE(a_.link->stack()->sent_bytes(), file_window_bytes * 3 / 4);
  b_.link->resume();
  engine_.settle();
  EXPECT_GE(a_.link->stack()->sent_bytes(), 64u << 18);
}

TEST_F(ServicesTest, AnEntryThatCannotBeWrittenFailsAndTheRestArrives) {
  open();
  from_.write("t/a", std::string(3'000'000, 'a'));
  from_.write("t/b", "fine");
  into_.write("t/a/in/the/way", "a folder");
  ASSERT_TRUE(send_tree({"t"}));
  engine_.settle();
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].error.code, Errc::ok);
  EXPECT_EQ(sent_[0].failed, 1u);
  ASSERT_THAT(sent_[0].failures, SizeIs(1));
  EXPECT_EQ(sent_[0].failures[0].path, "t/a");
  EXPECT_EQ(sent_[0].failures[0].error.code, Errc::exists);
  EXPECT_FALSE(sent_[0].complete());
  EXPECT_EQ(sent_[0].files, 1u);
  EXPECT_EQ(into_.read("t/b"), "fine");
}

TEST_F(ServicesTest, AFileThatIsMissingAtTheSenderFailsAlone) {
  open();
  from_.write("a", "x");
  from_.write("b", "y");
  ASSERT_TRUE(send_tree({"a", "b"}));
  ASSERT_EQ(unlink((from_ / "a").c_str()), 0);
  engine_.settle();
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].failed, 1u);
  EXPECT_EQ(sent_[0].failures[0].error.code, Errc::not_found);
  EXPECT_EQ(into_.listing(), "b\n");
}

TEST_F(ServicesTest, TheInboxMayRefuseATransfer) {
  open();
  from_.write("a", "x");
  ASSERT_TRUE(a_.services->send(
      "forbidden", false, [](std::uint32_t, std::uint32_t) { return std::make_unique<ListSource>(); },
      [this](const TransferReport& report) { sent_.push_back(report); }));
  engine_.settle();
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].error.code, Errc::denied);
  EXPECT_EQ(sent_[0].error.advice, "try");
}

TEST_F(ServicesTest, ACancelledTransferLeavesNoPartialFile) {
  open("@ loop(slots=4)");
  from_.write("big", std::string(20 << 20, 'x'));
  auto number = send_tree({"big"});
  ASSERT_TRUE(number);
  for (int turn = 0; turn < 8; ++turn) engine_.poll();
  ASSERT_NE(a_.services->sending(*number), nullptr);
  EXPECT_THAT(into_.listing(), HasSubstr(".harness-partial-"));
  a_.services->cancel_send(*number);
  engine_.settle();
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].error.code, Errc::cancelled);
  EXPECT_EQ(into_.listing(), "");
  ASSERT_THAT(b_.inbox.reports, SizeIs(1));
  EXPECT_EQ(b_.inbox.reports[0].total.error.code, Errc::cancelled);
  EXPECT_TRUE(b_.services->idle());
}

TEST_F(ServicesTest, ASenderThatDiesLeavesNoPartialFile) {
  open("@ loop(slots=4)");
  from_.write("big", std::string(20 << 20, 'x'));
  ASSERT_TRUE(send_tree({"big"}));
  for (int turn = 0; turn < 8; ++turn) engine_.poll();
  EXPECT_THAT(into_.listing(), HasSubstr(".harness-partial-"));
  a_.services.reset();
  a_.link.reset();
  a_.node.reset();
  engine_.settle();
  EXPECT_EQ(into_.listing(), "");
  ASSERT_THAT(b_.inbox.reports, SizeIs(1));
  EXPECT_EQ(b_.inbox.reports[0].total.error.code, Errc::peer_lost);
}

TEST_F(ServicesTest, TwoTransfersShareALink) {
  open("@ loop(slots=4)");
  from_.write("x/big", std::string(5 << 20, 'x'));
  from_.write("y/big", std::string(5 << 20, 'y'));
  ASSERT_TRUE(send_tree({"x"}));
  ASSERT_TRUE(send_tree({"y"}));
  engine_.settle(100'000);
  ASSERT_THAT(sent_, SizeIs(2));
  EXPECT_TRUE(sent_[0].complete() && sent_[1].complete());
  EXPECT_EQ(into_.read("x/big"), from_.read("x/big"));
  EXPECT_EQ(into_.read("y/big"), from_.read("y/big"));
}

}  // namespace
}  // namespace harness::apps
