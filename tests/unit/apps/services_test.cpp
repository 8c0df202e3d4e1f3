// SPDX-License-Identifier: Apache-2.0
// The services between two nodes over loop: pings, load, files; what a peer that breaks the protocol can do.
#include <harness/apps/common/link_services.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <harness/apps/common/service_message.hpp>
#include <harness/stack/node.hpp>
#include <harness/tests/support/manual_engine.hpp>
#include <harness/tests/support/temporary.hpp>
#include <harness/transports/loop.hpp>

namespace harness::apps {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr std::uint64_t ms = 1'000'000;

/// Puts files into one folder, and may refuse.
struct FolderInbox final : Inbox {
  Result<TreeWriter::Options> accept(const std::string& peer, const std::string& name) override {
    if (name == "forbidden") return fail(Errc::denied, "no", "because", "try");
    from = peer;
    return TreeWriter::Options{folder, false};
  }
  void received(const std::string&, const ReceiveReport& report) override { reports.push_back(report); }
  std::string folder;
  std::string from;
  std::vector<ReceiveReport> reports;
};

/// Steps made by the test.
struct ListSource final : FileSource {
  void fetch(Took took) override { waiting = std::move(took); }
  void skip(std::uint32_t index) override { skipped.push_back(index); }
  Took waiting;
  std::vector<std::uint32_t> skipped;
};

class ServicesTest : public testing::Test {
 protected:
  ServicesTest() {
    catalogue_.add(transports::Loop::type());
    engine_.add(*loop_);
  }

  struct End {
    std::unique_ptr<Node> node;
    FolderInbox inbox;
    std::shared_ptr<Link> link;
    std::unique_ptr<LinkServices> services;
  };

  void open(const std::string& stack = "@ loop") {
    for (End* end : {&a_, &b_}) {
      end->node = std::make_unique<Node>(engine_, catalogue_, NodeOptions{end == &a_ ? "a" : "b", "lab", "host"});
      end->node->add(loop_);
      end->inbox.folder = into_.path().string();
    }
    ASSERT_TRUE(b_.node->listen("loop:b"));
    b_.node->on_link([this](const auto& link) { serve(b_, link); });
    auto link = a_.node->connect("b", stack, {"loop:b"});
    ASSERT_TRUE(link) << link.error().text();
    serve(a_, *link);
    engine_.settle();
    ASSERT_TRUE(a_.link->is_up());
  }
  void serve(End& end, const std::shared_ptr<Link>& link) {
    end.link = link;
    end.services = std::make_unique<LinkServices>(engine_, link, end.inbox, [this] { return engine_.now_ns(); });
  }
  Result<std::uint32_t> send_tree(const std::vector<std::string>& names) {
    std::vector<std::string> paths;
    for (const auto& name : names) paths.push_back(from_ / name);
    auto sources = named_paths(paths);
    EXPECT_TRUE(sources);
    return a_.services->send(
        "test", false,
        [&](std::uint32_t transfer, std::uint32_t chunk) {
          return std::make_unique<TreeSource>(engine_, std::make_shared<TreeReader>(transfer, chunk, *sources));
        },
        [this](const TransferReport& report) { sent_.push_back(report); });
  }
  ListSource* send_list() {
    ListSource* raw = nullptr;
    auto started = a_.services->send(
        "list", false,
        [&](std::uint32_t, std::uint32_t) {
          auto source = std::make_unique<ListSource>();
          raw = source.get();
          return source;
        },
        [this](const TransferReport& report) { sent_.push_back(report); });
    EXPECT_TRUE(started);
    return raw;
  }
  // A message of a's making that no code of ours would send.
  template <class H>
  void say(wire::Kind kind, const H& header, std::string_view body = {}) {
    Message message = service_message(engine_.pool(), kind, header, as_bytes(body));
    ASSERT_EQ(a_.link->send(std::move(message)), Errc::ok);
    engine_.settle();
  }
  void say_open(std::uint32_t transfer, const std::string& name = "x") {
    wire::FileOpen open;
    open.transfer = transfer;
    ASSERT_EQ(a_.link->send(write_open(engine_.pool(), open, name)), Errc::ok);
    engine_.settle();
  }
  void say_entry(std::uint32_t transfer, const std::string& path, std::uint32_t index = 0) {
    Entry entry;
    entry.index = index;
    entry.path = path;
    ASSERT_EQ(a_.link->send(write_entry(engine_.pool(), transfer, entry)), Errc::ok);
    engine_.settle();
  }

  tests::ManualEngine engine_;
  Catalogue catalogue_;
  std::shared_ptr<transports::Loop> loop_ = std::make_shared<transports::Loop>(engine_);
  tests::TemporaryFolder from_;
  tests::TemporaryFolder into_;
  End a_;
  End b_;
  std::vector<TransferReport> sent_;
};

// ---- pings and load ----

TEST_F(ServicesTest, PingsComeBackOneAfterTheOther) {
  open();
  std::optional<PingReport> report;
  std::vector<std::uint32_t> heard;
  PingRun::Options options;
  options.count = 3;
  options.bytes = 100;
  ASSERT_TRUE(a_.services->ping(options, [&](std::uint32_t sequence, std::uint64_t) { heard.push_back(sequence); },
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
  for (int i = 0; i < 300; ++i) from_.write("t/f" + std::to_string(i), std::string(static_cast<std::size_t>(i * 37), 'x'));
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
    step.chunk = service_message(engine_.pool(), wire::Kind::file_chunk, header, std::vector<std::byte>(1u << 18));
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
  for (int turn = 0; turn < 40; ++turn) engine_.poll();
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
  for (int turn = 0; turn < 40; ++turn) engine_.poll();
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

// ---- peers that break the rules ----

TEST_F(ServicesTest, ABadPathIsRefusedAndNothingIsWritten) {
  open();
  say_open(9);
  std::vector<Verdict> verdicts;
  a_.services.reset();
  a_.link->on_message([&](Message&& message) {
    if (auto header = take_header<wire::FileVerdict>(message); header && header->kind == 22)
      verdicts.push_back(*read_verdict(engine_.pool(), *header, message));
  });
  say_entry(9, "../escaped");
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_EQ(verdicts[0].index, 0u);
  EXPECT_EQ(verdicts[0].error.code, Errc::denied);
  EXPECT_EQ(into_.listing(), "");
}

TEST_F(ServicesTest, MessagesOutOfOrderEndTheTransfer) {
  const auto broken = [&](const auto& tell) {
    open();
    say_open(9);
    say_entry(9, "f");
    tell();
    wire::FileCancel cancel;
    cancel.transfer = 9;
    say(wire::Kind::file_cancel, cancel, std::string_view("\0\0\0\0\0\0", 6));
    EXPECT_THAT(b_.inbox.reports, SizeIs(1));
    EXPECT_EQ(b_.inbox.reports.back().total.error.code, Errc::corrupt);
    EXPECT_EQ(into_.listing(), "");
    EXPECT_TRUE(b_.services->idle());
    a_ = End{};
    b_ = End{};
    engine_.settle();
    loop_ = std::make_shared<transports::Loop>(engine_);
    engine_.add(*loop_);
  };
  broken([&] { say_entry(9, "g", 1); });  // within a file
  broken([&] {
    wire::FileChunk chunk;
    chunk.transfer = 9;
    chunk.offset = 5;
    say(wire::Kind::file_chunk, chunk, "bytes");
  });
  broken([&] {
    wire::FileEnd end;
    end.transfer = 9;
    end.index = 1;
    say(wire::Kind::file_end, end, std::string(32, 'd'));
  });
  broken([&] {
    wire::FileClose close;
    close.transfer = 9;
    close.entries = 1;
    say(wire::Kind::file_close, close, std::string(32, 'd'));
  });
}

TEST_F(ServicesTest, ASenderThatIgnoresTheWindowIsCutOff) {
  open("@ loop(slots=65536)");
  say_open(9);
  say_entry(9, "f");
  wire::FileChunk chunk;
  chunk.transfer = 9;
  const std::string body(256 << 10, 'x');
  for (int i = 0; i < 64; ++i) {  // all in one turn: no job runs in between
    Message message = service_message(engine_.pool(), wire::Kind::file_chunk, chunk, as_bytes(body));
    ASSERT_EQ(a_.link->send(std::move(message)), Errc::ok);
    chunk.offset += body.size();
  }
  engine_.settle();
  EXPECT_EQ(into_.listing(), "");
  b_.services.reset();  // the verdict was given: nothing is held any more
  EXPECT_EQ(b_.link->quota().used_bytes(), 0u);
}

TEST_F(ServicesTest, UnknownKindsAndVersionsAreAnswered) {
  open();
  std::vector<wire::Refused> refusals;
  a_.services.reset();
  a_.link->on_message([&](Message&& message) {
    if (auto header = take_header<wire::Refused>(message); header && header->kind == 255) refusals.push_back(*header);
  });
  say(static_cast<wire::Kind>(77), wire::Head{});
  wire::Head head;
  head.version = 9;
  say(wire::Kind::ping, head);
  say(wire::Kind::refused, wire::Head{});  // never answered
  ASSERT_THAT(refusals, SizeIs(2));
  EXPECT_EQ(refusals[0].refused_kind, 77);
  EXPECT_EQ(refusals[1].refused_version, 9);
  EXPECT_EQ(static_cast<Errc>(refusals[1].code), Errc::conflict);
}

TEST_F(ServicesTest, APeerThatAsksAndNeverReadsStopsItself) {
  open("@ loop(slots=16)");
  a_.services.reset();
  a_.link->on_message({});  // reads nothing
  wire::Echo ping;
  for (int turn = 0; turn < 200; ++turn) {
    for (int i = 0; i < 64; ++i) {
      Message message = service_message(engine_.pool(), wire::Kind::ping, ping);
      if (a_.link->send(std::move(message)) != Errc::ok) break;
    }
    engine_.poll();
  }
  EXPECT_LE(b_.link->stack()->delivered_messages(), Outbox::answers_max + 64);
}

TEST_F(ServicesTest, ShortMessagesAreCountedAndHarmless) {
  open();
  for (int kind = 0; kind < 256; ++kind) {
    wire::Head head;
    head.kind = static_cast<std::uint8_t>(kind);
    say(static_cast<wire::Kind>(kind), head);
  }
  Message one = Message::copy_of(engine_.pool(), "x");
  ASSERT_EQ(a_.link->send(std::move(one)), Errc::ok);
  engine_.settle();
  EXPECT_GE(b_.services->unreadable_count(), 10u);
  EXPECT_TRUE(b_.link->is_up());
}

TEST_F(ServicesTest, ALinkThatKeepsNoOrderCarriesNoFiles) {
  open();
  // The loop gives all that files need; what is asked is asked of the stack's words, so a lossy one would be refused.
  from_.write("a", "x");
  EXPECT_TRUE(send_tree({"a"}));
}

}  // namespace
}  // namespace harness::apps
