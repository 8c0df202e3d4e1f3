// SPDX-License-Identifier: Apache-2.0
// A node joins: over two queues, by hand, twice at the same time, with everything that can be wrong.
#include <deque>
#include <thread>

#include <gtest/gtest.h>

#include <harness/tests/unit/kernel/identity_fixture.hpp>

namespace harness::identity {
namespace {

using Message = std::vector<std::byte>;

class JoinTest : public testing::Test {
 protected:
  JoinTest() : lab(std::move(*Domain::create(state.path().string(), "lab", nullptr))) {}

  Token token(std::uint16_t uses = 1) { return *lab.make_token({uses, day, {}}, now); }
  Result<JoinAnswer> join(const NodeKeys& with, const std::string& name, const Token* by, Seconds when = now,
                          Warrant warrant = Warrant::token) {
    const JoinAsk ask(with, "lab", name, by);
    return ask.accept(lab.answer(ask.request(), warrant, when), when);
  }

  tests::TemporaryFolder state;
  Domain lab;
  NodeKeys keys = node_keys(5);
};

TEST_F(JoinTest, BringsACertificateThatTheRootOfTheTokenHasSigned) {
  const Token by = token();
  // Two pipes: what a link will carry.
  std::deque<Message> to_issuer, to_joiner;
  const JoinAsk ask(keys, "lab", "b", &by);
  to_issuer.push_back(ask.request());
  EXPECT_LE(to_issuer.front().size(), request_bytes_max);
  to_joiner.push_back(lab.answer(to_issuer.front(), Warrant::token, now));
  auto answer = ask.accept(to_joiner.front(), now);
  ASSERT_TRUE(answer) << answer.error().text();
  auto certificate = check_certificate(answer->certificate, lab.root(), now);
  ASSERT_TRUE(certificate) << certificate.error().text();
  EXPECT_EQ(certificate->name, "b");
  EXPECT_EQ(certificate->static_key, keys.static_key);
  EXPECT_EQ(certificate->not_after, now + life_usual);
  EXPECT_EQ(answer->roots.front(), lab.root());
}

TEST_F(JoinTest, TellsTheJoinerWhatItsDomainBelieves) {
  Domain office = std::move(*Domain::create(state.path().string(), "office", nullptr));
  ASSERT_TRUE(lab.trust().add_root(office.root()));
  SignedFloor floor = make_floor(lab.root(), office.root(), property::forward_secret, 3);
  ASSERT_TRUE(lab.sign(floor) && office.sign(floor));
  ASSERT_TRUE(lab.trust().add_floor(floor));
  ASSERT_TRUE(lab.issue(request_of(node_keys(8), "lab", "gone"), now));
  ASSERT_TRUE(lab.revoke("gone", now));
  const Token by = token();
  auto answer = join(keys, "b", &by);
  ASSERT_TRUE(answer) << answer.error().text();

  const tests::TemporaryFolder elsewhere;
  auto learnt = Domain::learn(elsewhere.path().string(), *answer);
  ASSERT_TRUE(learnt) << learnt.error().text();
  EXPECT_FALSE(learnt->holds_root());
  EXPECT_EQ(learnt->root(), lab.root());
  EXPECT_EQ(learnt->trust().find("office")->root, office.root());
  EXPECT_EQ(learnt->trust().find("office")->floor->serial, 3u);
  EXPECT_EQ(learnt->trust().find("lab")->revoked->revoked.size(), 1u);
  EXPECT_TRUE(Domain::learn(elsewhere.path().string(), *answer)) << "twice is as good as once";
}

TEST_F(JoinTest, RefusesEachWrongTokenForItsOwnReason) {
  const Token by = token();
  Token unknown = by;
  unknown.id[0] ^= std::byte{1};
  expect_refusal(error_of(join(keys, "b", &unknown)), Refusal::wrong_token);
  Token guessed = by;
  guessed.secret[0] ^= std::byte{1};
  expect_refusal(error_of(join(keys, "b", &guessed)), Refusal::wrong_token);
  Token foreign = by;
  foreign.root[0] ^= std::byte{1};
  expect_refusal(error_of(join(keys, "b", &foreign)), Refusal::wrong_root);
  expect_refusal(error_of(join(keys, "b", nullptr)), Refusal::wrong_token);
  expect_refusal(error_of(join(keys, "b", &by, now + day + 1)), Refusal::expired_token);
  EXPECT_TRUE(lab.issued()->empty()) << "none of these made a certificate";
  EXPECT_TRUE(join(keys, "b", &by)) << "none of these cost a use";
  expect_refusal(error_of(join(node_keys(6), "c", &by)), Refusal::used_up_token);
}

TEST_F(JoinTest, BurnsATokenOnceWhenManyAskAtTheSameTime) {
  const Token by = token(2);
  std::vector<std::thread> askers;  // tidy: allow thread: two processes at one folder, as threads
  std::array<bool, 8> joined{};
  for (std::size_t i = 0; i < joined.size(); ++i)
    askers.emplace_back([&, i] {
      Domain desk = std::move(*Domain::open(state.path().string(), "lab"));
      ASSERT_TRUE(desk.unlock(nullptr));
      const NodeKeys mine = node_keys(static_cast<unsigned char>(20 + i));
      const JoinAsk ask(mine, "lab", "n" + std::to_string(i), &by);
      joined[i] = ask.accept(desk.answer(ask.request(), Warrant::token, now), now).has_value();
    });
  for (auto& asker : askers) asker.join();
  EXPECT_EQ(std::count(joined.begin(), joined.end(), true), 2);
  EXPECT_EQ(lab.tokens()->find(by.id)->used_by.size(), 2u);
}

TEST_F(JoinTest, AnswersAgainWhoAskedByTheSameKey) {
  const Token by = token();
  EXPECT_TRUE(join(keys, "b", &by));
  EXPECT_TRUE(join(keys, "b", &by)) << "the first answer may have been lost";
}

TEST_F(JoinTest, GivesARevokedKeyNothingMore) {
  const Token by = token(9);
  ASSERT_TRUE(join(keys, "b", &by));
  ASSERT_TRUE(lab.revoke("b", now));
  expect_refusal(error_of(join(keys, "b", &by)), Refusal::revoked);
  expect_refusal(error_of(join(keys, "c", &by, now + century, Warrant::person)), Refusal::revoked);
  EXPECT_TRUE(join(node_keys(6), "b", &by)) << "a new key may have the name";
}

TEST_F(JoinTest, NeedsNoTokenWhenSomebodyVouches) {
  JoinAsk ask(keys, "lab", "b", nullptr, 30 * day);
  ask.expect(lab.root().fingerprint);
  auto answer = ask.accept(lab.answer(ask.request(), Warrant::person, now), now);
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(parse_certificate(answer->certificate)->not_after, now + 30 * day);
}

TEST_F(JoinTest, RenewsForTheNodeThatTheLinkHasProvedAndNobodyElse) {
  JoinAsk ask(keys, "lab", "b", nullptr);
  ask.expect(lab.root().fingerprint);
  const auto over = [&](const Principal* peer) {
    return ask.accept(lab.answer(ask.request(), Warrant::principal, now, peer), now);
  };
  const Principal b{"lab", "b", {}}, c{"lab", "c", {}}, foreign{"office", "b", {}};
  EXPECT_TRUE(over(&b));
  for (const Principal* other : {&c, &foreign, static_cast<const Principal*>(nullptr)})
    expect_error(error_of(over(other)), Errc::denied, "nobody may ask for b but itself");
}

TEST_F(JoinTest, RefusesARequestThatIsChangedCutOrLengthened) {
  const Token by = token();
  const JoinAsk ask(keys, "lab", "b", &by);
  for_each_change(ask.request(), [&](Bytes changed) { EXPECT_FALSE(parse_request(changed)); });
  EXPECT_TRUE(lab.tokens()->find(by.id)->used_by.empty());
}

TEST_F(JoinTest, RefusesARequestThatAnotherKeySignedOrForAnotherDomain) {
  auto request = request_of(keys, "lab", "b");
  auto bytes = write_request(request, keys.signing, nullptr);
  const Signature other = key_number(9).sign("harness request 1", Bytes(bytes).first(bytes.size() - 64));
  std::copy(other.begin(), other.end(), bytes.end() - 64);
  expect_error(error_of(parse_request(bytes)), Errc::corrupt, "signature");
  request.domain = "office";
  const auto answer = lab.answer(write_request(request, keys.signing, nullptr), Warrant::person, now);
  expect_error(error_of(parse_answer(answer, {})), Errc::denied, "nothing for the domain office");
}

// The answer says whom to believe: whoever changes it on its way could slip in a root of his own.
TEST_F(JoinTest, TakesNoAnswerThatIsChangedCutOrLengthened) {
  const Token by = token();
  const JoinAsk ask(keys, "lab", "b", &by);
  for_each_change(lab.answer(ask.request(), Warrant::token, now),
                  [&](Bytes changed) { EXPECT_FALSE(ask.accept(changed, now)); });
}

TEST_F(JoinTest, TakesNoAnswerToAnotherRequest) {
  const Token by = token(2);
  const JoinAsk ask(keys, "lab", "b", &by), other(keys, "lab", "c", &by);
  const auto answer = lab.answer(other.request(), Warrant::token, now);
  EXPECT_TRUE(other.accept(answer, now));
  expect_error(error_of(ask.accept(answer, now)), Errc::corrupt, "for this request");
}

TEST_F(JoinTest, TakesNoAnswerOfAnotherRootThanTheTokenNames) {
  const tests::TemporaryFolder elsewhere;
  Domain false_lab = std::move(*Domain::create(elsewhere.path().string(), "lab", nullptr));
  const Token by = token();
  const JoinAsk ask(keys, "lab", "b", &by);
  const auto answer = false_lab.answer(ask.request(), Warrant::person, now);
  expect_refusal(error_of(ask.accept(answer, now)), Refusal::wrong_root);
  const JoinAsk unsure(keys, "lab", "b", nullptr);
  expect_refusal(error_of(unsure.accept(lab.answer(unsure.request(), Warrant::person, now), now)),
                 Refusal::wrong_root);
}

TEST_F(JoinTest, TakesNoCertificateOfAnotherNode) {
  const JoinAsk ask = [&] {
    JoinAsk made(keys, "lab", "b", nullptr);
    made.expect(lab.root().fingerprint);
    return made;
  }();
  const auto with = [&](const JoinRequest& to) {
    JoinAnswer answer{*lab.issue(to, now), {lab.root()}, {}, {}};
    SigningKey root;  // of the same folder, to sign as the issuer would
    auto file = read_file(Domain::path_of(state.path().string(), "lab") + "/root.key", key_file_bytes_max,
                          Privacy::secret);
    return ask.accept(write_answer(answer, ask.request(), *open_root_key(*file, nullptr)), now);
  };
  EXPECT_TRUE(with(request_of(keys, "lab", "b")));
  expect_error(error_of(with(request_of(keys, "lab", "c"))), Errc::denied, "another name");
  JoinRequest half = request_of(keys, "lab", "b");
  half.static_key = node_keys(6).static_key;
  expect_error(error_of(with(half)), Errc::denied, "other keys");
  half = request_of(node_keys(6), "lab", "b");
  half.static_key = keys.static_key;
  expect_error(error_of(with(half)), Errc::denied, "other keys");
}

TEST_F(JoinTest, PrintsNothingOfARefusalThatATerminalWouldObey) {
  const auto bytes = write_refusal({Errc::denied, "no\x1b[2J", "because\n", "try\x9b"});
  const Error error = error_of(parse_answer(bytes, {}));
  EXPECT_EQ(error.what, "no?[2J");
  EXPECT_EQ(error.because, "because?");
  EXPECT_EQ(error.advice, "try?");
}

TEST_F(JoinTest, TheHandshakeMayAskForTheSecretOfATokenThatHolds) {
  const Token by = token();
  EXPECT_EQ(*lab.psk(by.id, now), psk_of(by));
  expect_refusal(error_of(lab.psk(by.id, now + day + 1)), Refusal::expired_token);
  expect_refusal(error_of(lab.psk(make_token({}).id, now)), Refusal::wrong_token);
}

}  // namespace
}  // namespace harness::identity
