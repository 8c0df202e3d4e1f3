// SPDX-License-Identifier: Apache-2.0
// The handshake of encrypt: who gets in, what every change of a blob does, and that nothing is known before
// the third one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include <harness/layers/encrypt.hpp>
#include <harness/stack/random.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/test_authority.hpp>

namespace harness::layers::encryption {
namespace {

using Blob = Handshake::Blob;
using tests::TestAuthority;

struct Meeting {
  TestAuthority here{"lab", "a"};
  TestAuthority there{"office", "b"};
  KeyExchange initiator{Role::initiator, here};
  KeyExchange responder{Role::responder, there};
  std::string bound = "hello: offers and floors", bound_seen = bound;
  std::string chosen = "accept: the second offer", chosen_seen = chosen;
  std::function<void(unsigned, Blob&)> between;  // sees each blob on its way
  std::vector<Blob> blobs{};
  unsigned steps = 0;  // that ended well
  Error error{};

  bool carry(Result<Blob> blob, Blob& to) {
    if (!blob) return error = blob.error(), false;
    to = *blob;
    if (between) between(static_cast<unsigned>(blobs.size()), to);
    blobs.push_back(to);
    return true;
  }
  /// True when both have keys.
  bool meet() {
    Blob first, second, third;
    if (!carry(initiator.hello(as_bytes(bound)), first)) return false;
    steps = 1;
    if (!carry(responder.answer(as_bytes(bound_seen), first, as_bytes(chosen)), second)) return false;
    steps = 2;
    if (!carry(initiator.finish(second, as_bytes(chosen_seen)), third)) return false;
    steps = 3;
    if (const auto done = responder.confirm(third); !done) return error = done.error(), false;
    steps = 4;
    return true;
  }
};

TEST(KeyExchange, BothEndsHaveTheSameKeysAndKnowEachOther) {
  Meeting meeting;
  meeting.here.shared["office"] = meeting.there.shared["lab"] = Key{std::byte{7}};
  ASSERT_TRUE(meeting.meet()) << meeting.error.text();
  ASSERT_NE(meeting.initiator.peer(), nullptr);
  EXPECT_EQ(*meeting.initiator.peer(), meeting.there.self());
  EXPECT_EQ(*meeting.responder.peer(), meeting.here.self());
  const auto a = meeting.initiator.take_keys();
  const auto b = meeting.responder.take_keys();
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->sending.bytes, b->receiving.bytes);
  EXPECT_EQ(a->receiving.bytes, b->sending.bytes);
  EXPECT_NE(a->sending.bytes, a->receiving.bytes);
  EXPECT_EQ(a->suite, b->suite);
  EXPECT_FALSE(meeting.initiator.take_keys()) << "once";
}

TEST(KeyExchange, NobodyHasKeysBeforeTheThirdBlob) {
  Meeting meeting;
  const auto first = meeting.initiator.hello({});
  const auto second = meeting.responder.answer({}, *first, {});
  ASSERT_TRUE(second);
  EXPECT_FALSE(meeting.responder.take_keys());
  EXPECT_EQ(meeting.responder.peer(), nullptr);
  EXPECT_FALSE(meeting.initiator.take_keys());
  ASSERT_TRUE(meeting.initiator.finish(*second, {}));
  EXPECT_FALSE(meeting.responder.take_keys());
  const auto before = meeting.responder.mac(true, as_bytes("x"));
  EXPECT_NE(before, meeting.responder.mac(true, as_bytes("x"))) << "no code before the end";
}

TEST(KeyExchange, FramesAreMarkedByDirectionAndContent) {
  Meeting meeting;
  ASSERT_TRUE(meeting.meet());
  const Bytes frame = as_bytes("close");
  EXPECT_EQ(meeting.initiator.mac(true, frame), meeting.responder.mac(false, frame));
  EXPECT_EQ(meeting.initiator.mac(false, frame), meeting.responder.mac(true, frame));
  EXPECT_NE(meeting.initiator.mac(true, frame), meeting.initiator.mac(false, frame));
  EXPECT_NE(meeting.initiator.mac(true, frame), meeting.initiator.mac(true, as_bytes("closf")));
}

TEST(KeyExchange, WhatTheCarrierSaysInClearIsBoundIn) {
  Meeting offers;
  offers.bound_seen = "hello: offers without the best";
  EXPECT_FALSE(offers.meet());
  EXPECT_EQ(offers.steps, 1u) << "the responder sees a changed offer at once";
  Meeting choice;
  choice.chosen_seen = "accept: the third offer";
  EXPECT_FALSE(choice.meet());
  EXPECT_EQ(choice.steps, 2u);
  EXPECT_EQ(choice.error.code, Errc::denied);
}

TEST(KeyExchange, DomainsWithUnequalSecretsDoNotMeet) {
  Meeting meeting;
  meeting.here.shared["office"] = Key{std::byte{1}};
  EXPECT_FALSE(meeting.meet());
  EXPECT_EQ(meeting.steps, 3u);
  EXPECT_EQ(meeting.error.code, Errc::denied);
}

TEST(KeyExchange, WhoIsNotBelievedIsNotLetIn) {
  Meeting responder;
  responder.here.refused = "b";
  EXPECT_FALSE(responder.meet());
  EXPECT_EQ(responder.steps, 2u);
  EXPECT_EQ(responder.blobs.size(), 2u) << "who we are is not told to a peer that is not believed";
  EXPECT_EQ(responder.initiator.peer(), nullptr);
  Meeting initiator;
  initiator.there.refused = "a";
  EXPECT_FALSE(initiator.meet());
  EXPECT_EQ(initiator.steps, 3u);
  EXPECT_FALSE(initiator.responder.take_keys());
}

/// Shows the certificate of somebody else.
class Borrower final : public Authority {
 public:
  explicit Borrower(const TestAuthority& victim) : victim_(victim) {}
  [[nodiscard]] const Principal& self() const noexcept override { return own_.self(); }
  [[nodiscard]] Bytes certificate() const noexcept override { return victim_.certificate(); }
  [[nodiscard]] Bytes static_secret() const noexcept override { return own_.static_secret(); }
  [[nodiscard]] Result<Principal> verify(Bytes certificate) const override {
    return own_.verify(certificate);
  }
  [[nodiscard]] Key shared_secret(std::string_view) const noexcept override { return {}; }
  [[nodiscard]] Properties floor(std::string_view) const noexcept override { return {}; }
  [[nodiscard]] std::optional<Code> greeting(std::string_view, Bytes) const noexcept override { return {}; }
  [[nodiscard]] Code cookie(Bytes) const noexcept override { return {}; }

 private:
  const TestAuthority& victim_;
  TestAuthority own_;
};

TEST(KeyExchange, ACertificateWithoutItsKeyIsWorthNothing) {
  TestAuthority honest("office", "b"), victim("lab", "a");
  Borrower borrower(victim);
  {
    KeyExchange initiator(Role::initiator, borrower), responder(Role::responder, honest);
    const auto first = initiator.hello({});
    const auto third = initiator.finish(*responder.answer({}, *first, {}), {});
    ASSERT_TRUE(third);
    const auto done = responder.confirm(*third);
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().because, testing::HasSubstr("has not its key"));
    EXPECT_EQ(responder.peer(), nullptr);
  }
  KeyExchange initiator(Role::initiator, honest), responder(Role::responder, borrower);
  const auto first = initiator.hello({});
  const auto third = initiator.finish(*responder.answer({}, *first, {}), {});
  ASSERT_FALSE(third);
  EXPECT_THAT(third.error().because, testing::HasSubstr("has not its key"));
}

/// Says another domain in its first blob than in its certificate.
TEST(KeyExchange, ADomainThatTheCertificateDoesNotBearIsRefused) {
  TestAuthority honest("office", "b"), real("lab", "a");
  struct Liar final : public Authority {
    explicit Liar(const TestAuthority& real) : truth(real), told(real.self()) { told.domain = "court"; }
    [[nodiscard]] const Principal& self() const noexcept override { return told; }
    [[nodiscard]] Bytes certificate() const noexcept override { return truth.certificate(); }
    [[nodiscard]] Bytes static_secret() const noexcept override { return truth.static_secret(); }
    [[nodiscard]] Result<Principal> verify(Bytes shown) const override { return truth.verify(shown); }
    [[nodiscard]] Key shared_secret(std::string_view) const noexcept override { return {}; }
    [[nodiscard]] Properties floor(std::string_view) const noexcept override { return {}; }
    [[nodiscard]] std::optional<Code> greeting(std::string_view, Bytes) const noexcept override { return {}; }
    [[nodiscard]] Code cookie(Bytes) const noexcept override { return {}; }
    const TestAuthority& truth;
    Principal told;
  } liar(real);
  KeyExchange initiator(Role::initiator, liar), responder(Role::responder, honest);
  const auto first = initiator.hello({});
  const auto third = initiator.finish(*responder.answer({}, *first, {}), {});
  ASSERT_TRUE(third);
  const auto done = responder.confirm(*third);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().because, testing::HasSubstr("court"));
}

TEST(KeyExchange, StepsOutOfTurnAreRefusedAndEndIt) {
  TestAuthority lab("lab", "a"), office("office", "b");
  KeyExchange responder(Role::responder, office);
  EXPECT_FALSE(responder.hello({}));
  EXPECT_FALSE(responder.answer({}, {}, {})) << "it has failed";
  KeyExchange early(Role::responder, office);
  EXPECT_FALSE(early.confirm({}));
  KeyExchange initiator(Role::initiator, lab);
  EXPECT_FALSE(initiator.finish({}, {}));
  Meeting twice;
  ASSERT_TRUE(twice.meet());
  const auto before = twice.responder.take_keys();
  EXPECT_FALSE(twice.responder.confirm(twice.blobs[2])) << "a repeated third blob gives no keys again";
  EXPECT_FALSE(twice.responder.take_keys());
}

TEST(KeyExchange, ASuiteThatIsNoneIsNoBlob) {
  TestAuthority lab("lab", "a"), office("office", "b");
  for (const unsigned suite : {0u, 3u, 255u}) {
    KeyExchange initiator(Role::initiator, lab), responder(Role::responder, office);
    auto first = *initiator.hello({});
    first[0] = static_cast<std::byte>(suite);
    const auto answer = responder.answer({}, first, {});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::corrupt);
  }
}

TEST(KeyExchange, ABlobOfAnotherHandshakeFitsNowhere) {
  Meeting old;
  ASSERT_TRUE(old.meet());
  for (const unsigned which : {0u, 1u, 2u}) {
    Meeting meeting;
    meeting.between = [&](unsigned number, Blob& blob) {
      if (number == which) blob = old.blobs[which];
    };
    EXPECT_FALSE(meeting.meet()) << which;
    EXPECT_LE(meeting.steps, which == 0 ? 2u : which + 1);
  }
}

TEST(KeyExchange, EveryBitOfEveryBlobAndEveryLengthCounts) {
  for (const unsigned which : {0u, 1u, 2u}) {
    std::size_t bits = 1;
    for (std::size_t bit = 0; bit < bits; bit += bit < 320 ? 1 : 37) {
      Meeting meeting;
      meeting.between = [&](unsigned number, Blob& blob) {
        if (number != which) return;
        bits = blob.size() * 8;
        blob[bit / 8] ^= std::byte{1} << bit % 8;
      };
      ASSERT_FALSE(meeting.meet()) << which << ' ' << bit;
    }
    for (const std::size_t left : {0u, 1u, 32u, 33u, 48u, 64u, 80u}) {
      Meeting meeting;
      meeting.between = [&](unsigned number, Blob& blob) {
        if (number == which) blob.resize(std::min<std::size_t>(left, blob.size() - 1));
      };
      ASSERT_FALSE(meeting.meet()) << which << ' ' << left;
    }
  }
}

TEST(KeyExchange, HoweverBlobsAreMutatedNoneCompletes) {
  const char* const wanted = std::getenv("HARNESS_HANDSHAKES");
  const std::uint64_t count = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 300;
  Random random(tests::seed(41));
  for (std::uint64_t i = 0; i < count; ++i) {
    Meeting meeting;
    const std::uint64_t which = random.below(3);
    meeting.between = [&](unsigned number, Blob& blob) {
      if (number != which) return;
      const Blob before = blob;
      for (std::uint64_t n = random.between(1, 5); n > 0; --n)
        blob[random.below(blob.size())] = static_cast<std::byte>(random.next());
      if (random.below(5) == 0) blob.resize(random.below(Handshake::blob_bytes_max + 100));
      if (blob == before) blob[0] ^= std::byte{1};
    };
    ASSERT_FALSE(meeting.meet()) << i;
    ASSERT_FALSE(meeting.initiator.take_keys() && meeting.responder.take_keys());
  }
}

TEST(KeyExchange, BlobsStayWithinTheirBound) {
  Meeting meeting;
  ASSERT_TRUE(meeting.meet());
  for (const Blob& blob : meeting.blobs) EXPECT_LE(blob.size(), Handshake::blob_bytes_max);
  EXPECT_LE(1 + 33 + Noise::key_bytes * 2 + 2 * tag_bytes + Authority::certificate_bytes_max,
            Handshake::blob_bytes_max);
}

}  // namespace
}  // namespace harness::layers::encryption
