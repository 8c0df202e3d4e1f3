// SPDX-License-Identifier: Apache-2.0
// What a peer that breaks the services' protocol can do: nothing.
#include <harness/tests/unit/apps/services_fixture.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace harness::apps {
namespace {

using testing::SizeIs;

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
    if (auto header = take_header<wire::Refused>(message); header && header->kind == 255)
      refusals.push_back(*header);
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
  // The loop gives all that files need; what is asked is asked of the stack's words, so a lossy one would be
  // refused.
  from_.write("a", "x");
  EXPECT_TRUE(send_tree({"a"}));
}

}  // namespace
}  // namespace harness::apps
