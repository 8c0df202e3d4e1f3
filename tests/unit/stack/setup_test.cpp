// SPDX-License-Identifier: Apache-2.0
// Set-up frames: what is written is read back, and nothing else is read at all.
#include <harness/stack/setup.hpp>

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace harness::setup {
namespace {

Identity someone() { return {"a", "lab", "host-1", "1000", 0x1122334455667788}; }

Hello hello() {
  Hello hello;
  hello.attempt = 42;
  hello.from = someone();
  hello.to = "b";
  hello.link = "main";
  hello.floor = property::reliable;
  hello.limits = {1 << 20, 1 << 24};
  hello.offers = {{7, "frag @ tcp"}, {8, "order / frag @ tcp"}};
  hello.cookie[15] = std::byte{3};
  hello.greeting[0] = std::byte{5};
  return hello;
}

std::vector<Frame> one_of_each() {
  Accept accept;
  accept.attempt = 42;
  accept.from = someone();
  accept.choice = 1;
  accept.hash = 8;
  accept.limits = {4096, 65536};
  Refuse refuse{42, Errc::denied, true, "no", "because", "try"};
  return {hello(), accept, refuse, Ready{42}, Fin{42, 1000}, FinAck{42}, Cookie{42, Code{std::byte{9}}}};
}

TEST(Setup, EveryFrameIsReadBackAsItWasWritten) {
  Pool pool;
  for (const Frame& frame : one_of_each()) {
    Message bytes = write(pool, frame);
    ASSERT_TRUE(bytes);
    auto parsed = parse(bytes.front());
    ASSERT_TRUE(parsed) << parsed.error().text();
    EXPECT_EQ(*parsed, frame);
  }
}

TEST(Setup, AFrameThatIsCutAnywhereIsRefused) {
  Pool pool;
  for (const Frame& frame : one_of_each()) {
    Message bytes = write(pool, frame);
    for (std::size_t length = 0; length < bytes.front().size(); ++length)
      EXPECT_FALSE(parse(bytes.front().first(length))) << "type " << frame.index() << " cut at " << length;
  }
}

TEST(Setup, AKnockIsWhatStandsAtTheTwoEndsOfAHello) {
  Pool pool;
  for (const Frame& frame : one_of_each()) {
    const Message message = write(pool, frame);
    const Bytes bytes = message.front();
    const auto found = knock(bytes);
    ASSERT_EQ(found.has_value(), frame.index() == 0);
    if (!found) continue;
    EXPECT_EQ(found->attempt, 42u);
    EXPECT_EQ(found->domain, "lab");
    EXPECT_EQ(found->cookie, hello().cookie);
    EXPECT_EQ(found->greeting, hello().greeting);
    EXPECT_TRUE(std::ranges::equal(found->covered, greeted(hello())));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      const auto cut = knock(bytes.first(length));
      EXPECT_TRUE(!cut || cut->covered.size() + sizeof(Code) == length) << "it reads nothing behind the end";
    }
  }
}

TEST(Setup, AGreetingCoversEveryByteBeforeItAndTheHandshakeBindsNeitherItNorTheCookie) {
  Hello other = hello();
  other.cookie[0] ^= std::byte{1};
  EXPECT_NE(greeted(other), greeted(hello()));
  EXPECT_EQ(bound(other), bound(hello()));
  other = hello();
  other.proof.push_back(std::byte{1});
  EXPECT_NE(greeted(other), greeted(hello()));
  other = hello();
  other.greeting[0] ^= std::byte{1};
  EXPECT_EQ(greeted(other), greeted(hello()));
}

TEST(Setup, TrailingBytesAreRefused) {
  Pool pool;
  for (const Frame& frame : one_of_each()) {
    Message bytes = write(pool, frame);
    std::vector<std::byte> longer(bytes.front().begin(), bytes.front().end());
    longer.push_back(std::byte{0});
    EXPECT_FALSE(parse(longer));
  }
}

TEST(Setup, AnotherVersionIsAConflictAndSaysBothVersions) {
  Pool pool;
  Message bytes = write(pool, Ready{1});
  store<std::uint16_t>(bytes.writable().data() + 4, 9);
  auto parsed = parse(bytes.front());
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, Errc::conflict);
  EXPECT_THAT(parsed.error().because, testing::AllOf(testing::HasSubstr("9"), testing::HasSubstr("1")));
}

TEST(Setup, ForeignBytesAreNotHarness) {
  const auto parsed = parse(as_bytes("GET / HTTP/1.1\r\n\r\n"));
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, Errc::corrupt);
  EXPECT_THAT(parsed.error().what, testing::HasSubstr("does not speak Harness"));
}

TEST(Setup, AHelloWithABadNameIsRefused) {
  Pool pool;
  for (const char* name : {"", ".hidden", "-dash", "with space", "näme", "a/b"}) {
    Hello bad = hello();
    bad.from.name = name;
    Message bytes = write(pool, bad);
    ASSERT_TRUE(bytes);
    EXPECT_FALSE(parse(bytes.front())) << name;
  }
}

TEST(Setup, MoreOffersThanAllowedAreRefused) {
  Pool pool;
  Hello many = hello();
  many.offers.assign(offers_max + 1, {1, "@ tcp"});
  Message bytes = write(pool, many);
  ASSERT_TRUE(bytes);
  EXPECT_FALSE(parse(bytes.front()));
  many.offers.resize(offers_max);
  bytes = write(pool, many);
  EXPECT_TRUE(parse(bytes.front()));
}

TEST(Setup, AnUnknownErrorCodeBecomesDenied) {
  Pool pool;
  Message bytes = write(pool, Refuse{1, Errc::timed_out, false, "w", "b", "t"});
  store<std::uint16_t>(bytes.writable().data() + 7 + 8, 60000);
  auto parsed = parse(bytes.front());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(std::get<Refuse>(*parsed).code, Errc::denied);
}

TEST(Setup, NamesAreLettersDigitsDotsUnderscoresAndDashes) {
  EXPECT_TRUE(valid_name("a"));
  EXPECT_TRUE(valid_name("node-1.rack_2"));
  EXPECT_TRUE(valid_name(std::string(name_bytes_max, 'x')));
  EXPECT_FALSE(valid_name(std::string(name_bytes_max + 1, 'x')));
  EXPECT_FALSE(valid_name("a b"));
  EXPECT_FALSE(valid_name(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace harness::setup
