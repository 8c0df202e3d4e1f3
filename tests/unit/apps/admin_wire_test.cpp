// SPDX-License-Identifier: Apache-2.0
// Lines of the admin protocol, and the values in them.
#include <harness/apps/common/admin_wire.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <harness/apps/common/admin_runs.hpp>
#include <harness/apps/common/base64.hpp>
#include <harness/apps/common/exit_code.hpp>

namespace harness::apps::admin {
namespace {

using testing::HasSubstr;

TEST(AdminWire, ARequestIsReadAsItWasWritten) {
  std::uint64_t id = 0;
  auto line = write_request({7, "link.ls", R"({"a":1})"});
  ASSERT_EQ(line.back(), '\n');
  line.pop_back();
  auto read = read_request(line, id);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->id, 7u);
  EXPECT_EQ(id, 7u);
  EXPECT_EQ(read->method, "link.ls");
  EXPECT_EQ(read->params, R"({"a":1})");
  EXPECT_EQ(read_request(R"({"v":1,"id":1,"method":"x"})", id)->params, "{}");
}

TEST(AdminWire, RepliesOfEachKindAreReadAsWritten) {
  for (const Reply& reply :
       {Reply{3, Reply::Kind::result, R"({"x":1})", {}}, Reply{3, Reply::Kind::progress, "[1]", {}},
        Reply{3, Reply::Kind::error, {}, {Errc::not_found, "w\n", "b\"", "t"}}}) {
    const std::string line = write_reply(reply);
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    auto read = read_reply(line);
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(read->id, 3u);
    EXPECT_EQ(read->kind, reply.kind);
    EXPECT_EQ(read->value, reply.value);
    if (reply.kind == Reply::Kind::error) {
      EXPECT_EQ(read->error.text(), reply.error.text());
      EXPECT_EQ(read->error.code, Errc::not_found);
    }
  }
}

TEST(AdminWire, WhatIsNoRequestIsRefusedWithItsIdWhereThereIsOne) {
  std::uint64_t id = 0;
  for (const char* line :
       {"", "x", "[]", "{}", R"({"v":1})", R"({"v":1,"id":-1,"method":"x"})", R"({"v":1,"id":1})",
        R"({"v":1,"id":1,"method":2})", R"({"v":1,"id":1,"method":"x","params":[]})",
        R"({"v":"1","id":1,"method":"x"})"}) {
    auto read = read_request(line, id);
    ASSERT_FALSE(read) << line;
    EXPECT_EQ(read.error().code, Errc::invalid) << line;
  }
  auto other = read_request(R"({"v":2,"id":9,"method":"x"})", id);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::conflict);
  EXPECT_EQ(id, 9u);
}

TEST(AdminWire, DeepNestingIsRefusedBeforeItIsParsed) {
  std::uint64_t id = 0;
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_FALSE(read_request(deep, id));
  EXPECT_FALSE(read_request(R"({"v":1,"id":1,"method":"x","params":{"a":)" + deep + "}}", id));
  EXPECT_FALSE(read_reply(R"({"v":1,"id":1,"result":)" + deep + "}"));
  EXPECT_FALSE(read_json<PingRequest>(R"({"link":)" + deep + "}"));
  EXPECT_FALSE(cancelled_id(R"({"id":)" + deep + "}"));
  EXPECT_TRUE(
      read_request(R"({"v":1,"id":1,"method":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[[["})", id));
}

TEST(AdminWire, ValuesAreReadAsWritten) {
  LinkWhy why;
  why.name = "main";
  why.offers = {{"frag @ tcp", "cheapest", "tcp:1", "chosen", true}};
  why.refused = {{"shm", "shm:b", "shm does not reach the peer", "x and y", "name another", true}};
  why.rejected = {"a", "b"};
  auto read = read_json<LinkWhy>(write_json(why), true);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(write_json(*read), write_json(why));
}

TEST(AdminWire, ValuesThatDoNotFitNameTheField) {
  EXPECT_THAT(read_json<PingRequest>(R"({"count":-1})").error().what, HasSubstr("count"));
  EXPECT_THAT(read_json<PingRequest>(R"({"count":4294967296})").error().what, HasSubstr("count"));
  EXPECT_THAT(read_json<PingRequest>(R"({"link":7})").error().because, HasSubstr("text"));
  EXPECT_THAT(read_json<PingRequest>(R"({"each":1})").error().because, HasSubstr("true or false"));
  EXPECT_THAT(read_json<SendRequest>(R"({"paths":["a",1]})").error().what, HasSubstr("paths[]"));
  EXPECT_THAT(read_json<LinkDetail>(R"({"link":{"measured":"x"}})").error().what, HasSubstr("link.measured"));
  EXPECT_FALSE(read_json<PingRequest>("nonsense"));
  EXPECT_FALSE(read_json<PingRequest>("[]"));
}

TEST(AdminWire, UnknownFieldsAreRefusedInRequestsAndIgnoredInResults) {
  EXPECT_TRUE(read_json<PingRequest>(R"({"cuont":1})", false));
  auto strict = read_json<PingRequest>(R"({"cuont":1})", true);
  ASSERT_FALSE(strict);
  EXPECT_THAT(strict.error().what, HasSubstr("cuont"));
  EXPECT_THAT(strict.error().because, HasSubstr("count"));
}

TEST(AdminWire, BytesThatAreNoUtf8DoNotBreakTheLine) {
  ConfigSetting odd{"a\xff", "b\nc", "d"};
  Config config{"n", "f", {odd}};
  const std::string json = write_json(config);
  EXPECT_EQ(json.find('\n'), std::string::npos);
  EXPECT_TRUE(read_json<Config>(json));
}

TEST(AdminWire, ResultsCarryTheVersion) {
  EXPECT_EQ(with_version("{}"), R"({"v":1})");
  EXPECT_EQ(with_version(R"({"a":2})"), R"({"v":1,"a":2})");
  EXPECT_THAT(error_json({Errc::denied, "w", "b", "t"}), HasSubstr(R"({"v":1,"error":{)"));
}

TEST(AdminWire, EveryErrorKeepsItsCode) {
  for (std::uint16_t code = 0; code <= static_cast<std::uint16_t>(Errc::io); ++code)
    EXPECT_EQ(errc_from(to_string(static_cast<Errc>(code))), static_cast<Errc>(code));
  EXPECT_EQ(errc_from("of the future"), Errc::io);
}

TEST(AdminWire, ErrorsHaveTheExitCodesOfTheManual) {
  EXPECT_EQ(static_cast<int>(exit_code(Errc::ok)), 0);
  EXPECT_EQ(static_cast<int>(exit_code(Errc::io)), 1);
  EXPECT_EQ(static_cast<int>(exit_code(Errc::invalid)), 2);
  EXPECT_EQ(static_cast<int>(exit_code(Errc::not_found)), 3);
  EXPECT_EQ(static_cast<int>(exit_code(Errc::denied)), 4);
  EXPECT_EQ(static_cast<int>(exit_code(Errc::timed_out)), 5);
  EXPECT_EQ(static_cast<int>(exit_code(Errc::peer_lost)), 5);
  EXPECT_EQ(static_cast<int>(exit_code(Errc::exists)), 6);
  EXPECT_EQ(static_cast<int>(exit_code(Errc::conflict)), 6);
  EXPECT_EQ(static_cast<int>(exit_code(Errc::cancelled)), 130);
}

TEST(Base64, IsReadAsItWasWritten) {  // RFC 4648 §10
  EXPECT_EQ(base64(as_bytes("")), "");
  EXPECT_EQ(base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(base64(as_bytes("foobar")), "Zm9vYmFy");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  for (std::size_t size = 0; size <= all.size(); ++size)
    EXPECT_EQ(from_base64(base64(as_bytes(std::string_view(all).substr(0, size)))), all.substr(0, size));
}

TEST(Base64, RefusesWhatItWouldNotWrite) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg=a", "Zh==", "Zm9=", "Z g=", "====", "Zg==Zg=="})
    EXPECT_FALSE(from_base64(text)) << text;
}

}  // namespace
}  // namespace harness::apps::admin
