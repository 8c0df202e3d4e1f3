// SPDX-License-Identifier: Apache-2.0
// Roots and certificates: what is accepted, and that nothing else is.
#include <harness/tests/unit/kernel/identity_fixture.hpp>

#include <gtest/gtest.h>

namespace harness::identity {
namespace {

class CertificateTest : public testing::Test {
 protected:
  std::vector<std::byte> issued(Seconds from = now, Seconds until = now + 7 * day) const {
    return issue({"lab", "a", node.signing.public_key(), node.static_key, from, until, 7, root.fingerprint},
                 key);
  }
  SigningKey key = key_number(1);
  Root root = make_root("lab", key);
  NodeKeys node = node_keys(2);
};

TEST_F(CertificateTest, IsReadAsItWasIssued) {
  const auto bytes = issued();
  EXPECT_LE(bytes.size(), Authority::certificate_bytes_max);
  auto one = check_certificate(bytes, root, now);
  ASSERT_TRUE(one) << one.error().text();
  EXPECT_EQ(*one, (Certificate{"lab", "a", node.signing.public_key(), node.static_key, now, now + 7 * day, 7,
                               root.fingerprint}));
  EXPECT_EQ(spiffe_name(one->domain, one->name), "spiffe://lab/node/a");
}

TEST_F(CertificateTest, FitsTheHandshakeWithTheLongestNames) {
  const std::string longest(64, 'x');
  const Root far = make_root(longest, key);
  const auto bytes = issue({longest, longest, {}, {}, 0, last_moment, ~0ull, far.fingerprint}, key);
  EXPECT_EQ(bytes.size(), certificate_bytes_max);
  EXPECT_TRUE(check_certificate(bytes, far, now));
}

TEST_F(CertificateTest, HoldsNoMoreWhenAnyBitIsChangedOrItIsCutOrLengthened) {
  for_each_change(issued(), [this](Bytes changed) { EXPECT_FALSE(check_certificate(changed, root, now)); });
  auto longer = issued();
  longer.push_back({});
  expect_error(error_of(parse_certificate(longer)), Errc::corrupt, "1 bytes follow its end");
}

TEST_F(CertificateTest, OfAnotherRootIsRefusedAlthoughTheNameIsTheSame) {
  const Root other = make_root("lab", key_number(9));
  expect_refusal(error_of(check_certificate(issued(), other, now)), Refusal::wrong_root);
}

TEST_F(CertificateTest, SignedByAnotherKeyIsRefusedAlthoughItNamesTheRoot) {
  const auto bytes = issue({"lab", "a", {}, {}, now, now + day, 7, root.fingerprint}, key_number(9));
  expect_error(error_of(check_certificate(bytes, root, now)), Errc::corrupt, "signature");
}

TEST_F(CertificateTest, OfAnotherDomainIsRefusedAlthoughTheRootSignedIt) {
  const auto bytes = issue({"office", "a", {}, {}, now, now + day, 7, root.fingerprint}, key);
  expect_error(error_of(check_certificate(bytes, root, now)), Errc::denied, "office");
}

TEST_F(CertificateTest, HoldsFromItsFirstToItsLastSecond) {
  const auto bytes = issued(now, now + day);
  EXPECT_TRUE(check_certificate(bytes, root, now));
  EXPECT_TRUE(check_certificate(bytes, root, now + day));
  expect_error(error_of(check_certificate(bytes, root, now - 1)), Errc::denied, "not valid yet");
  expect_error(error_of(check_certificate(bytes, root, now + day + 1)), Errc::denied, "has expired");
}

TEST_F(CertificateTest, AClockThatIsACenturyWrongIsToldWithBothTimes) {
  const auto bytes = issued();
  const Error before = error_of(check_certificate(bytes, root, now - century));
  expect_error(before, Errc::denied, "the clock here says 1926-11-");
  const Error behind = error_of(check_certificate(bytes, root, now + century));
  expect_error(behind, Errc::denied, "the clock here says 2126-11-");
}

TEST_F(CertificateTest, WithDatesThatAreNoneIsDamaged) {
  EXPECT_FALSE(parse_certificate(issued(now, now - 1)));
  EXPECT_FALSE(parse_certificate(issued(-1, now)));
  EXPECT_FALSE(parse_certificate(issued(now, last_moment + 1)));
}

TEST_F(CertificateTest, WithANameThatIsNoneIsDamaged) {
  for (const char* name : {"", ".hidden", "a/b", "a b", "a\n"}) {
    EXPECT_FALSE(parse_certificate(issue({"lab", name, {}, {}, now, now, 1, {}}, key))) << name;
    EXPECT_FALSE(parse_certificate(issue({name, "a", {}, {}, now, now, 1, {}}, key))) << name;
  }
}

TEST_F(CertificateTest, OfAnotherVersionIsToldSo) {
  auto bytes = issued();
  bytes[0] = std::byte{2};
  expect_error(error_of(parse_certificate(bytes)), Errc::corrupt, "its version is 2");
}

TEST_F(CertificateTest, IsRenewedWhenTwoThirdsOfItsLifeAreOver) {
  EXPECT_EQ(check_certificate(issued(now, now + 6 * day), root, now)->renew_at(), now + 4 * day);
}

TEST(Root, IsReadFromItsLine) {
  const Root root = make_root("lab", key_number(1));
  const std::string line = root_line(root);
  EXPECT_TRUE(line.starts_with("harness-root-"));
  auto read = read_root("  " + line + "\r\n");
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(*read, root);
}

TEST(Root, IsDamagedWhenAnyBitIsChangedOrItIsCutOrLengthened) {
  for_each_change(write_root(make_root("lab", key_number(1))),
                  [](Bytes changed) { EXPECT_FALSE(parse_root(changed)); });
}

TEST(Root, HasAFingerprintOfNameAndKey) {
  const Root root = make_root("lab", key_number(1));
  EXPECT_NE(root.fingerprint, make_root("lab", key_number(2)).fingerprint);
  EXPECT_NE(root.fingerprint, make_root("labb", key_number(1)).fingerprint);
  const std::string text = fingerprint_text(root.fingerprint);
  EXPECT_THAT(text, testing::MatchesRegex("([0-9a-z]{4}-){6}[0-9a-z]{2}"));
  EXPECT_TRUE(is_fingerprint(text, root.fingerprint));
  std::string other = text;
  for (char& letter : other) letter = static_cast<char>(letter == '-' ? ' ' : std::toupper(letter));
  EXPECT_TRUE(is_fingerprint(other, root.fingerprint));
  EXPECT_FALSE(is_fingerprint(text.substr(0, text.size() - 1), root.fingerprint));
  EXPECT_FALSE(is_fingerprint("", root.fingerprint));
}

TEST(Moment, IsWrittenAsPeopleAndProgramsReadIt) {
  EXPECT_EQ(utc_text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(utc_text(last_moment), "9999-12-31T23:59:59Z");
  EXPECT_EQ(utc_text(951'782'400), "2000-02-29T00:00:00Z");
  EXPECT_EQ(utc_text(-1), "1969-12-31T23:59:59Z");
  EXPECT_EQ(span_text(7 * day), "7 days");
  EXPECT_EQ(span_text(hour), "1 hour");
  EXPECT_EQ(span_text(90), "90 s");
}

TEST(Moment, LengthsOfTimeAreReadWithTheirUnit) {
  EXPECT_EQ(*read_span("90s"), 90);
  EXPECT_EQ(*read_span("15m"), 15 * minute);
  EXPECT_EQ(*read_span("24h"), day);
  EXPECT_EQ(*read_span("7d"), 7 * day);
  for (const char* text : {"", "7", "d", "-7d", "7w", "7d ", "4294967296d"})
    expect_error(error_of(read_span(text)), Errc::invalid, "no length of time");
}

}  // namespace
}  // namespace harness::identity
