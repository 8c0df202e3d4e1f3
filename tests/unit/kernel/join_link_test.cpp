// SPDX-License-Identifier: Apache-2.0
// The handshake of who joins by a token: between a joiner that has nothing else and a node with files.
#include <harness/kernel/identity/authority.hpp>
#include <harness/kernel/identity/join_authority.hpp>

#include <gtest/gtest.h>

#include <harness/layers/encrypt.hpp>
#include <harness/tests/unit/kernel/identity_fixture.hpp>

namespace harness::identity {
namespace {

using Blob = Handshake::Blob;

class JoinHandshake : public testing::Test {
 protected:
  JoinHandshake() : lab(std::move(*Domain::create(root(), "lab", nullptr))) {
    NodeFolder files(folder());
    auto made = files.keys_or_new(nullptr);
    auto certificate = lab.issue(request_of(*made, "lab", "a"), clock);
    EXPECT_TRUE(made && certificate && files.keep_certificate(*certificate));
    desk = std::move(
        *NodeAuthority::load({root(), folder(), "lab", "a", {}, [this] { return clock; }}, nullptr));
  }
  std::string root() const { return state.path().string(); }
  std::string folder() const { return root() + "/cluster/a"; }
  Token token(Seconds life = day) { return *lab.make_token({1, life, {}}, clock); }

  /// The error of the step that refused; nothing when both ends have keys.
  std::optional<Error> meet(
      Authority& joiner, Authority& there,
      const std::function<void(unsigned, Blob&)>& between = [](unsigned, Blob&) {}) {
    initiator = layers::Encrypt::handshake(Role::initiator, joiner);
    responder = layers::Encrypt::handshake(Role::responder, there);
    auto blob = initiator->hello(as_bytes("hello"));
    if (blob) between(0, *blob), blob = responder->answer(as_bytes("hello"), *blob, as_bytes("accept"));
    if (blob) between(1, *blob), blob = initiator->finish(*blob, as_bytes("accept"));
    if (!blob) return blob.error();
    between(2, *blob);
    if (auto done = responder->confirm(*blob); !done) return done.error();
    return std::nullopt;
  }

  Seconds clock = now;
  tests::TemporaryFolder state;
  Domain lab;
  NodeKeys keys = node_keys(5);
  std::unique_ptr<NodeAuthority> desk;
  std::unique_ptr<Handshake> initiator, responder;
};

TEST_F(JoinHandshake, BothEndsMeetByTheTokenAndTheJoinerIsOfNoDomain) {
  JoinAuthority joiner(keys, token(), "joiner-1");
  const auto error = meet(joiner, *desk);
  ASSERT_FALSE(error) << error->text();
  ASSERT_NE(responder->peer(), nullptr);
  EXPECT_EQ(*responder->peer(), (Principal{"", "joiner-1", keys.static_key}));
  EXPECT_EQ(*initiator->peer(), desk->self());
  EXPECT_EQ(initiator->mac(true, as_bytes("x")), responder->mac(false, as_bytes("x")));
  ASSERT_TRUE(desk->reload());
  EXPECT_TRUE(desk->still_believed(*responder->peer())) << "a reload does not end it";
}

TEST_F(JoinHandshake, EachWrongTokenIsRefusedForItsOwnReason) {
  Token good = token();
  Token other = good;
  other.secret[3] ^= std::byte{1};
  JoinAuthority guesser(keys, other, "joiner-1");
  expect_refusal(*meet(guesser, *desk), Refusal::wrong_token);
  other = good;
  other.id[0] ^= std::byte{1};
  JoinAuthority unknown(keys, other, "joiner-1");
  expect_refusal(*meet(unknown, *desk), Refusal::wrong_token);
  other = good;
  other.root[0] ^= std::byte{1};
  JoinAuthority elsewhere(keys, other, "joiner-1");
  expect_refusal(*meet(elsewhere, *desk), Refusal::wrong_root);
  JoinAuthority late(keys, good, "joiner-1");
  clock += day + 1;
  expect_refusal(*meet(late, *desk), Refusal::expired_token);
}

TEST_F(JoinHandshake, WhoHoldsNoRootLetsNobodyIn) {
  JoinAuthority joiner(keys, token(), "joiner-1");
  ASSERT_TRUE(remove_file(root() + "/domains/lab/root.key"));
  const auto error = meet(joiner, *desk);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::not_found) << error->text();
}

TEST_F(JoinHandshake, WhoAnswersWithACertificateOfAnotherRootIsNotBelieved) {
  const Token mine = token();
  struct Thief final : public Authority {  // knows the token's key and is of another domain
    Thief(const Authority& of, const Ticket& stolen) : own(of), ticket_of(stolen) {}
    [[nodiscard]] const Principal& self() const noexcept override { return own.self(); }
    [[nodiscard]] Bytes certificate() const noexcept override { return own.certificate(); }
    [[nodiscard]] Bytes static_secret() const noexcept override { return own.static_secret(); }
    [[nodiscard]] Result<Principal> verify(Bytes shown) const override { return own.verify(shown); }
    [[nodiscard]] Key shared_secret(std::string_view) const noexcept override { return {}; }
    [[nodiscard]] Properties floor(std::string_view) const noexcept override { return {}; }
    [[nodiscard]] std::optional<Code> greeting(std::string_view, Bytes) const noexcept override { return {}; }
    [[nodiscard]] Code cookie(Bytes) const noexcept override { return {}; }
    [[nodiscard]] Result<Key> ticket_key(Bytes) const override { return ticket_of.key; }
    const Authority& own;
    Ticket ticket_of;
  };
  Token stranger = mine;
  stranger.root[0] ^= std::byte{1};
  JoinAuthority joiner(keys, stranger, "joiner-1");
  Thief thief(*desk, ticket_of(stranger));
  expect_refusal(*meet(joiner, thief), Refusal::wrong_root);
}

TEST_F(JoinHandshake, EveryByteOfEveryBlobCounts) {
  JoinAuthority joiner(keys, token(), "joiner-1");
  for (unsigned which = 0; which < 3; ++which) {
    std::size_t bytes = 1;
    for (std::size_t at = 0; at < bytes; ++at)
      ASSERT_TRUE(meet(joiner, *desk,
                       [&](unsigned number, Blob& blob) {
                         if (number != which) return;
                         bytes = blob.size();
                         blob[at] ^= std::byte{0x10};
                       }))
          << which << ' ' << at;
  }
}

TEST_F(JoinHandshake, ATicketIsNoCertificateAndACertificateNoTicket) {
  JoinAuthority joiner(keys, token(), "joiner-1");
  EXPECT_TRUE(meet(joiner, joiner)) << "nobody joins at a joiner";
  EXPECT_TRUE(meet(*desk, joiner)) << "nor does a node open a link to one";
}

TEST_F(JoinHandshake, TheJoinerGreetsWithWhatItsTokenTells) {
  const Token mine = token();
  JoinAuthority joiner(keys, mine, "joiner-1");
  EXPECT_EQ(joiner.greeting("", as_bytes("hello")), desk->greeting("", as_bytes("hello")));
  EXPECT_NE(desk->greeting("", as_bytes("hello")), desk->greeting("lab", as_bytes("hello")));
  EXPECT_EQ(joiner.greeting("lab", as_bytes("hello")), std::nullopt);
}

}  // namespace
}  // namespace harness::identity
