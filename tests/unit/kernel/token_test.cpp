// SPDX-License-Identifier: Apache-2.0
// Tokens: lines, records, and how their uses go.
#include <harness/tests/unit/kernel/identity_fixture.hpp>

#include <gtest/gtest.h>

namespace harness::identity {
namespace {

class TokenTest : public testing::Test {
 protected:
  Token add(std::uint16_t uses = 1, std::string node = {}) {
    const Token token = make_token(root.fingerprint);
    EXPECT_TRUE(book.add({token.id, psk_of(token), now, now + day, uses, std::move(node), {}}, now));
    return token;
  }
  Root root = make_root("lab", key_number(1));
  PublicKey one = key_number(2).public_key(), two = key_number(3).public_key();
  TokenBook book;
};

TEST_F(TokenTest, IsReadFromItsLine) {
  const Token token = add();
  const std::string line = token_line(token);
  EXPECT_TRUE(line.starts_with("harness1-"));
  EXPECT_LT(line.size(), 80u) << "one line of a terminal";
  auto read = read_token(line + "\n");
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(*read, token);
}

TEST_F(TokenTest, MistypedIsWrongWithoutAskingAnybody) {
  const std::string line = token_line(add());
  for (std::size_t at = 9; at < line.size(); ++at) {
    std::string typed = line;
    typed[at] = typed[at] == 'x' ? 'y' : 'x';
    expect_refusal(error_of(read_token(typed)), Refusal::wrong_token);
    expect_refusal(error_of(read_token(line.substr(0, at))), Refusal::wrong_token);
  }
  expect_refusal(error_of(read_token("")), Refusal::wrong_token);
  expect_refusal(error_of(read_token("hunter2")), Refusal::wrong_token);
  expect_refusal(error_of(read_token(line + line)), Refusal::wrong_token);
}

TEST_F(TokenTest, UnknownIsWrong) {
  expect_refusal(error_of(book.admits(make_token(root.fingerprint).id, one, "a", now)), Refusal::wrong_token);
  const Token token = add();
  EXPECT_TRUE(book.remove(token.id));
  EXPECT_FALSE(book.remove(token.id));
  expect_refusal(error_of(book.admits(token.id, one, "a", now)), Refusal::wrong_token);
}

TEST_F(TokenTest, HoldsUntilItsLastSecond) {
  const Token token = add();
  EXPECT_TRUE(book.admits(token.id, one, "a", now + day));
  expect_refusal(error_of(book.admits(token.id, one, "a", now + day + 1)), Refusal::expired_token);
  expect_refusal(error_of(book.admits(token.id, one, "a", now + century)), Refusal::expired_token);
}

TEST_F(TokenTest, IsUsedUpByAsManyKeysAsItWasMadeFor) {
  const Token token = add(2);
  EXPECT_TRUE(book.burn(token.id, one, "a", now));
  EXPECT_TRUE(book.burn(token.id, two, "b", now));
  expect_refusal(error_of(book.burn(token.id, key_number(4).public_key(), "c", now)), Refusal::used_up_token);
}

TEST_F(TokenTest, AUseBelongsToTheKeyThatAskedAndMayAskAgain) {
  const Token token = add(1);
  EXPECT_TRUE(book.burn(token.id, one, "a", now));
  EXPECT_TRUE(book.burn(token.id, one, "a", now));
  EXPECT_EQ(book.find(token.id)->used_by.size(), 1u);
  expect_refusal(error_of(book.burn(token.id, two, "b", now)), Refusal::used_up_token);
}

TEST_F(TokenTest, ForOneNameLetsNoOtherIn) {
  const Token token = add(5, "a");
  EXPECT_TRUE(book.admits(token.id, one, "a", now));
  expect_error(error_of(book.admits(token.id, one, "b", now)), Errc::denied, "it is for the node a");
}

TEST_F(TokenTest, GivesBothSidesOneSecretThatDependsOnAllOfIt) {
  const Token token = add();
  EXPECT_EQ(psk_of(token), psk_of(*read_token(token_line(token))));
  Token other = token;
  other.secret[0] ^= std::byte{1};
  EXPECT_NE(psk_of(token), psk_of(other));
  other = token;
  other.root[0] ^= std::byte{1};
  EXPECT_NE(psk_of(token), psk_of(other));
}

TEST_F(TokenTest, IsKeptWithoutItsSecret) {
  const Token token = add();
  const auto bytes = book.write();
  EXPECT_EQ(as_text(bytes).find(as_text(token.secret)), std::string_view::npos);
}

TEST_F(TokenTest, ComesBackWithTheBookAndItsUses) {
  const Token token = add(3, "a");
  add();
  EXPECT_TRUE(book.burn(token.id, one, "a", now));
  auto again = TokenBook::parse(book.write());
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->records(), book.records());
}

TEST_F(TokenTest, ABookThatIsChangedCutOrLengthenedIsDamaged) {
  const Token token = add(3, "a");
  EXPECT_TRUE(book.burn(token.id, one, "a", now));
  for_each_change(book.write(), [](Bytes changed) { EXPECT_FALSE(TokenBook::parse(changed)); });
}

TEST_F(TokenTest, ABookIsBoundedAndForgetsWhatHasLongExpired) {
  for (std::size_t i = 0; i < tokens_max; ++i) add();
  TokenRecord more;
  more.not_after = now + century;
  expect_error(error_of(book.add(more, now)), Errc::exhausted, "at most 1024");
  EXPECT_TRUE(book.add(more, now + day + forget_after + 1));
  EXPECT_EQ(book.records().size(), 1u);
}

}  // namespace
}  // namespace harness::identity
