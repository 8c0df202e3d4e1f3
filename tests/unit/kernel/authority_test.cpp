// SPDX-License-Identifier: Apache-2.0
// The questions of a handshake, and the answers of a node's files.
#include <harness/kernel/identity/authority.hpp>

#include <gtest/gtest.h>

#include <harness/tests/unit/kernel/identity_fixture.hpp>

namespace harness::identity {
namespace {

/// Node a of lab, which believes office; node b of office.
class AuthorityTest : public testing::Test {
 protected:
  AuthorityTest()
      : lab(std::move(*Domain::create(root(), "lab", nullptr))),
        office(std::move(*Domain::create(root(), "office", nullptr))) {
    EXPECT_TRUE(lab.trust().add_root(office.root()));
    enroll(lab, "a");
  }
  std::string root() const { return state.path().string(); }
  std::string folder(const std::string& node) const { return root() + "/cluster/" + node; }
  std::vector<std::byte> enroll(Domain& domain, const std::string& node) {
    NodeFolder files(folder(node));
    auto keys = files.keys_or_new(nullptr);
    EXPECT_TRUE(keys);
    auto certificate = domain.issue(request_of(*keys, domain.name(), node), clock);
    EXPECT_TRUE(certificate && files.keep_certificate(*certificate));
    return *certificate;
  }
  Result<std::unique_ptr<NodeAuthority>> load(std::vector<NodeAuthority::Raise> raises = {},
                                              std::string domain = "lab", std::string node = "a") {
    return NodeAuthority::load(
        {root(), folder("a"), domain, node, std::move(raises), [this] { return clock; }}, nullptr);
  }
  Seconds clock = now;
  tests::TemporaryFolder state;
  Domain lab, office;
};

TEST_F(AuthorityTest, IsNoneWithoutACertificate) {
  auto none = NodeAuthority::load({root(), folder("c"), "lab", "c", {}, [] { return now; }}, nullptr);
  ASSERT_TRUE(none) << none.error().text();
  EXPECT_EQ(*none, nullptr);
}

TEST_F(AuthorityTest, TellsWhoThisNodeIs) {
  auto authority = load();
  ASSERT_TRUE(authority) << authority.error().text();
  EXPECT_EQ((*authority)->self().domain + "/" + (*authority)->self().name, "lab/a");
  auto keys = NodeFolder(folder("a")).keys(nullptr);
  EXPECT_TRUE(equal((*authority)->static_secret(), keys->static_secret.bytes()));
  EXPECT_EQ(*(*authority)->verify((*authority)->certificate()), (*authority)->self());
}

TEST_F(AuthorityTest, BelievesADomainOneWay) {
  const auto b = enroll(office, "b");
  auto authority = load();
  EXPECT_EQ((*authority)->verify(b)->domain, "office");
  ASSERT_TRUE(lab.trust().remove("office"));
  ASSERT_TRUE((*authority)->reload());
  expect_error(error_of((*authority)->verify(b)), Errc::denied, "office is not believed");
}

TEST_F(AuthorityTest, RefusesEachWrongCertificateForItsOwnReason) {
  const auto b = enroll(office, "b");
  auto authority = std::move(*load());
  EXPECT_TRUE(authority->verify(b));
  for_each_change(b, [&](Bytes changed) { EXPECT_FALSE(authority->verify(changed)); });
  const auto forged =
      issue({"office", "b", {}, {}, now, now + day, 1, office.root().fingerprint}, key_number(9));
  expect_error(error_of(authority->verify(forged)), Errc::corrupt, "signature");
  const Root other = make_root("office", key_number(9));
  const auto foreign = issue({"office", "b", {}, {}, now, now + day, 1, other.fingerprint}, key_number(9));
  expect_refusal(error_of(authority->verify(foreign)), Refusal::wrong_root);
  clock = now + life_usual + 1;
  expect_error(error_of(authority->verify(b)), Errc::denied, "has expired");
  clock = now - early - 1;
  expect_error(error_of(authority->verify(b)), Errc::denied, "not valid yet");
  for (const Seconds skew : {-century, century}) {
    clock = now + skew;
    EXPECT_FALSE(authority->verify(b));
  }
  clock = now;
  EXPECT_TRUE(authority->verify(b)) << "a clock that was wrong leaves nothing behind";
}

TEST_F(AuthorityTest, RefusesARevokedNodeAsSoonAsItsListIsKnown) {
  const auto b = enroll(office, "b");
  auto authority = std::move(*load());
  auto list = office.revoke("b", now);
  ASSERT_TRUE(list && lab.trust().add_revocations(*list));
  EXPECT_TRUE(authority->verify(b));
  ASSERT_TRUE(authority->reload());
  expect_refusal(error_of(authority->verify(b)), Refusal::revoked);
}

TEST_F(AuthorityTest, ACertificateThatWasCheckedBeforeIsStillHeldToDatesRevocationAndBelief) {
  const auto b = enroll(office, "b");
  auto authority = std::move(*load());
  ASSERT_TRUE(authority->verify(b));
  ASSERT_TRUE(authority->verify(b)) << "from memory";
  clock = now + life_usual + 1;
  expect_error(error_of(authority->verify(b)), Errc::denied, "has expired");
  clock = now - early - 1;
  expect_error(error_of(authority->verify(b)), Errc::denied, "not valid yet");
  clock = now;
  for_each_change(b, [&](Bytes changed) { EXPECT_FALSE(authority->verify(changed)); });
  auto list = office.revoke("b", now);
  ASSERT_TRUE(list && lab.trust().add_revocations(*list) && authority->reload());
  expect_refusal(error_of(authority->verify(b)), Refusal::revoked);
  ASSERT_TRUE(lab.trust().remove("office"));
  ASSERT_TRUE(authority->reload());
  expect_error(error_of(authority->verify(b)), Errc::denied, "office is not believed");
}

TEST_F(AuthorityTest, SomebodyWhoWasBelievedIsBelievedUntilRevokedOrForgottenAndNotOnlyUntilItExpires) {
  const auto b = enroll(office, "b");
  auto authority = std::move(*load());
  const Principal peer = *authority->verify(b);
  clock = now + century;
  EXPECT_TRUE(authority->still_believed(peer));
  auto list = office.revoke("b", now);
  ASSERT_TRUE(list && lab.trust().add_revocations(*list) && authority->reload());
  expect_refusal(error_of(authority->still_believed(peer)), Refusal::revoked);
  const auto other = enroll(office, "c");
  EXPECT_TRUE(authority->still_believed(*authority->verify(other)));
  ASSERT_TRUE(lab.trust().remove("office"));
  ASSERT_TRUE(authority->reload());
  expect_error(error_of(authority->still_believed(peer)), Errc::denied, "office is not believed");
}

TEST_F(AuthorityTest, AnotherRootUnderTheSameNameBelievesNothingThatTheFirstSigned) {
  const auto b = enroll(office, "b");
  auto authority = std::move(*load());
  ASSERT_TRUE(authority->verify(b));
  ASSERT_TRUE(lab.trust().remove("office"));
  ASSERT_TRUE(lab.trust().add_root(make_root("office", key_number(9))) && authority->reload());
  expect_refusal(error_of(authority->verify(b)), Refusal::wrong_root);
}

TEST(CertificateCache, RemembersAsManyAsItsBoundAndForgetsTheOldest) {
  CertificateCache cache;
  const auto name = [](std::uint64_t number) {
    CertificateCache::Name numbered{};
    store(numbered.data(), number);
    return numbered;
  };
  for (std::uint64_t i = 0; i <= CertificateCache::certificates_max; ++i) cache.add(name(i));
  EXPECT_FALSE(cache.has(name(0)));
  EXPECT_TRUE(cache.has(name(1)));
  EXPECT_TRUE(cache.has(name(CertificateCache::certificates_max)));
  cache.add(name(1));
  EXPECT_TRUE(cache.has(name(2))) << "one that is there takes no place";
  cache.forget();
  EXPECT_FALSE(cache.has(name(1)));
}

TEST_F(AuthorityTest, GreetsAsThoseWhoKnowTheRootOfTheSendersDomain) {
  auto authority = std::move(*load());
  const Bytes frame = as_bytes("hello");
  const auto code = authority->greeting("lab", frame);
  ASSERT_TRUE(code);
  EXPECT_NE(*code, *authority->greeting("lab", as_bytes("hellp")));
  EXPECT_NE(*code, *authority->greeting("office", frame));
  EXPECT_EQ(authority->greeting("nowhere", frame), std::nullopt);
  auto again = std::move(*load());
  EXPECT_EQ(*code, *again->greeting("lab", frame)) << "another node of the domain makes the same";
  EXPECT_NE(authority->cookie(frame), again->cookie(frame)) << "and nobody else the same cookie";
  ASSERT_TRUE(lab.trust().remove("office"));
  ASSERT_TRUE(lab.trust().add_root(make_root("office", key_number(9))) && authority->reload());
  EXPECT_NE(*authority->greeting("office", frame), *again->greeting("office", frame));
}

TEST_F(AuthorityTest, IsRefusedWhenTheCertificateIsForAnotherNodeOrKey) {
  expect_error(error_of(load({}, "lab", "z")), Errc::conflict, "spiffe://lab/node/z");
  expect_error(error_of(load({}, "office", "a")), Errc::conflict, "spiffe://office/node/a");
  ASSERT_TRUE(remove_file(folder("a") + "/node.key"));
  ASSERT_TRUE(NodeFolder(folder("a")).keys_or_new(nullptr));
  expect_error(error_of(load()), Errc::conflict, "other keys");
}

TEST_F(AuthorityTest, LoadsAnExpiredCertificateSoThatItCanBeRenewed) {
  clock = now + century;
  auto authority = load();
  ASSERT_TRUE(authority) << authority.error().text();
  EXPECT_EQ((*authority)->own().not_after, now + life_usual);
  clock = now + century;
  enroll(lab, "a");
  ASSERT_TRUE((*authority)->reload());
  EXPECT_EQ((*authority)->own().not_after, now + century + life_usual);
}

TEST_F(AuthorityTest, KeepsWhatWasInForceWhenAReloadFails) {
  const auto b = enroll(office, "b");
  auto authority = std::move(*load());
  ASSERT_TRUE(write_file(root() + "/domains/lab/trust/office/root", as_bytes("x"), Privacy::open));
  EXPECT_FALSE(authority->reload());
  EXPECT_TRUE(authority->verify(b));
}

TEST_F(AuthorityTest, ItsConfigurationRaisesAFloorAndNeverLowersIt) {
  auto authority = std::move(*load({{"office", property::reliable}, {"lab", property::encrypted}}));
  EXPECT_EQ(authority->floor("office"), floor_between_domains | property::reliable);
  EXPECT_EQ(authority->floor("lab"), property::encrypted);
  EXPECT_EQ(authority->floor("nowhere"), floor_between_domains);
  SignedFloor floor =
      make_floor(lab.root(), office.root(), property::no_replay | property::forward_secret, 1);
  ASSERT_TRUE(lab.sign(floor) && office.sign(floor) && lab.trust().add_floor(floor) && authority->reload());
  EXPECT_EQ(authority->floor("office"), floor.word | property::reliable);
}

TEST_F(AuthorityTest, SharesASecretWithADomainOrZeros) {
  auto authority = std::move(*load());
  EXPECT_EQ(authority->shared_secret("office"), Key{});
  const std::vector<std::byte> secret(32, std::byte{7});
  ASSERT_TRUE(lab.trust().set_psk("office", secret) && authority->reload());
  EXPECT_EQ(authority->shared_secret("office").back(), std::byte{7});
  EXPECT_EQ(authority->shared_secret("nowhere"), Key{});
}

TEST(Refusal, IsRecognisedByItsSentenceWhereverItStands) {
  for (std::size_t i = 0; i < refusal_count; ++i) {
    const auto kind = static_cast<Refusal>(i);
    EXPECT_EQ(refusal_of(refuse(kind, "b", "c", "d").value()), kind);
    EXPECT_EQ(refusal_of({Errc::denied, "no link", "b says: " + std::string(sentence(kind)), ""}), kind);
  }
  EXPECT_EQ(refusal_of({Errc::denied, "no", "no", "no"}), std::nullopt);
}

}  // namespace
}  // namespace harness::identity
