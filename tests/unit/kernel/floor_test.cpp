// SPDX-License-Identifier: Apache-2.0
// Signed floors and lists of revoked certificates: both signatures, the right roots, a serial that grows.
#include <harness/tests/unit/kernel/identity_fixture.hpp>

#include <gtest/gtest.h>

namespace harness::identity {
namespace {

class FloorTest : public testing::Test {
 protected:
  SignedFloor signed_floor(std::uint64_t serial = 1, Properties word = property::encrypted) const {
    SignedFloor floor = make_floor(office, lab, word, serial);
    EXPECT_TRUE(sign_floor(floor, lab, lab_key));
    EXPECT_TRUE(sign_floor(floor, office, office_key));
    return floor;
  }
  SigningKey lab_key = key_number(1), office_key = key_number(2);
  Root lab = make_root("lab", lab_key), office = make_root("office", office_key);
};

TEST_F(FloorTest, HoldsWhenBothRootsHaveSignedIt) {
  const SignedFloor floor = signed_floor();
  EXPECT_TRUE(check_floor(floor, lab, office));
  EXPECT_TRUE(check_floor(floor, office, lab));
  auto read = read_floor(floor_line(floor));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(write_floor(*read), write_floor(floor));
  EXPECT_TRUE(read->complete());
  EXPECT_EQ(read->other("lab"), "office");
}

TEST_F(FloorTest, HoldsNotWhenOneSignatureIsMissing) {
  for (const bool by_lab : {true, false}) {
    SignedFloor floor = make_floor(lab, office, property::encrypted, 1);
    ASSERT_TRUE(by_lab ? sign_floor(floor, lab, lab_key) : sign_floor(floor, office, office_key));
    EXPECT_FALSE(floor.complete());
    expect_error(error_of(check_floor(floor, lab, office)), Errc::denied, "not complete");
    EXPECT_TRUE(check_half(*parse_floor(write_floor(floor)), by_lab ? lab : office));
  }
}

TEST_F(FloorTest, HoldsNotWhenAnyBitIsChangedOrItIsCutOrLengthened) {
  for_each_change(write_floor(signed_floor()), [this](Bytes changed) {
    auto floor = parse_floor(changed);
    EXPECT_FALSE(floor && check_floor(*floor, lab, office));
  });
}

TEST_F(FloorTest, HoldsNotWhenOneRootSignedForBoth) {
  SignedFloor floor = make_floor(lab, office, property::encrypted, 1);
  ASSERT_TRUE(sign_floor(floor, lab, lab_key));
  floor.signatures[1] = floor.signatures[0];
  expect_error(error_of(check_floor(floor, lab, office)), Errc::corrupt, "signature");
  const Root forged = make_root("office", lab_key);
  expect_refusal(error_of(check_floor(signed_floor(), lab, forged)), Refusal::wrong_root);
}

TEST_F(FloorTest, OfAnotherPairIsRefused) {
  const SigningKey key = key_number(3);
  const Root third = make_root("third", key);
  expect_error(error_of(check_floor(signed_floor(), lab, third)), Errc::denied, "another pair");
  expect_error(error_of(check_floor(signed_floor(), lab, lab)), Errc::denied, "another pair");
  SignedFloor own = make_floor(lab, lab, property::encrypted, 1);
  ASSERT_TRUE(sign_floor(own, lab, lab_key));
  expect_error(error_of(check_floor(own, lab, office)), Errc::denied, "another pair");
  SignedFloor floor = signed_floor();
  expect_refusal(error_of(sign_floor(floor, third, key)), Refusal::wrong_root);
}

TEST_F(FloorTest, OfOneDomainIsSignedOnce) {
  SignedFloor floor = make_floor(lab, lab, property::encrypted, 1);
  EXPECT_FALSE(check_floor(floor, lab, lab));
  ASSERT_TRUE(sign_floor(floor, lab, lab_key));
  EXPECT_TRUE(floor.complete());
  EXPECT_TRUE(check_floor(*parse_floor(write_floor(floor)), lab, lab));
  EXPECT_EQ(floor.other("lab"), "lab");
}

TEST_F(FloorTest, WithAWordOfAnotherVersionIsUnreadableAndNeverWeaker) {
  auto bytes = write_floor(signed_floor());
  const std::string_view all = as_text(bytes);
  bytes[all.find("encrypted")] = std::byte{'x'};
  expect_error(error_of(parse_floor(bytes)), Errc::unsupported, "xncrypted");
}

TEST_F(FloorTest, KeepsEveryWordOfEveryAxis) {
  for (const AxisInfo& axis : property::axes())
    for (unsigned level = 0; level <= axis.levels; ++level) {
      const Properties word = property::at_least(axis.axis, level) | property::authenticated;
      auto read = parse_floor(write_floor(signed_floor(1, word)));
      ASSERT_TRUE(read) << read.error().text();
      EXPECT_EQ(read->word, word) << axis.name << level;
    }
  EXPECT_EQ(parse_floor(write_floor(signed_floor(1, {})))->word, Properties{});
}

TEST_F(FloorTest, IsFollowedOnlyByOneWithAHigherSerialOrByItself) {
  const SignedFloor held = signed_floor(5, property::forward_secret);
  EXPECT_TRUE(follows(signed_floor(1), nullptr));
  EXPECT_TRUE(follows(signed_floor(6, property::encrypted), &held));
  EXPECT_TRUE(follows(held, &held));
  expect_error(error_of(follows(signed_floor(4), &held)), Errc::conflict, "older");
  expect_error(error_of(follows(signed_floor(5, property::encrypted), &held)), Errc::conflict, "serial is 5");
}

class RevocationTest : public testing::Test {
 protected:
  RevocationList list(std::uint64_t serial, std::vector<std::uint64_t> revoked) const {
    RevocationList made{"lab", root.fingerprint, serial, std::move(revoked), {}};
    sign_revocations(made, key);
    return made;
  }
  SigningKey key = key_number(1);
  Root root = make_root("lab", key);
};

TEST_F(RevocationTest, NamesTheCertificatesThatHoldNoMore) {
  const RevocationList one = list(1, {3, 7, ~0ull});
  auto read = read_revocations(revocations_line(one));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(*read, one);
  EXPECT_TRUE(check_revocations(*read, root));
  for (const std::uint64_t serial : {3ull, 7ull, ~0ull}) EXPECT_TRUE(read->has(serial));
  EXPECT_FALSE(read->has(4));
}

TEST_F(RevocationTest, HoldsNotWhenAnyBitIsChangedOrItIsCutOrLengthened) {
  for_each_change(write_revocations(list(1, {3, 7})), [this](Bytes changed) {
    auto read = parse_revocations(changed);
    EXPECT_FALSE(read && check_revocations(*read, root));
  });
}

TEST_F(RevocationTest, OfAnotherRootOrDomainIsRefused) {
  expect_refusal(error_of(check_revocations(list(1, {3}), make_root("lab", key_number(2)))),
                 Refusal::wrong_root);
  expect_error(error_of(check_revocations(list(1, {3}), make_root("labb", key))), Errc::denied, "labb");
}

TEST_F(RevocationTest, AscendsAndIsBounded) {
  EXPECT_FALSE(parse_revocations(write_revocations(list(1, {7, 3}))));
  EXPECT_FALSE(parse_revocations(write_revocations(list(1, {3, 3}))));
  std::vector<std::uint64_t> many(revoked_max);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = i;
  const auto bytes = write_revocations(list(1, many));
  EXPECT_EQ(bytes.size() + 64 - 3, revocation_bytes_max);
  EXPECT_TRUE(parse_revocations(bytes));
  auto lies = bytes;
  store<std::uint32_t>(lies.data() + 1 + 2 + 3 + 16 + 8, ~0u);
  expect_error(error_of(parse_revocations(lies)), Errc::corrupt, "4294967295 entries");
}

TEST_F(RevocationTest, IsFollowedOnlyByOneWithAHigherSerialOrByItself) {
  const RevocationList held = list(5, {3});
  EXPECT_TRUE(follows(list(1, {}), nullptr));
  EXPECT_TRUE(follows(list(6, {}), &held));
  EXPECT_TRUE(follows(held, &held));
  expect_error(error_of(follows(list(4, {3}), &held)), Errc::conflict, "older");
  expect_error(error_of(follows(list(5, {3, 4}), &held)), Errc::conflict, "older");
}

}  // namespace
}  // namespace harness::identity
