// SPDX-License-Identifier: Apache-2.0
// Ed25519 and X25519 against Project Wycheproof's vectors and those of their RFCs.
#include <harness/kernel/identity/keys.hpp>

#include <gtest/gtest.h>

#include <harness/tests/support/vectors.hpp>

namespace harness::identity {
namespace {

using tests::unhex;
using tests::unhex_to;

TEST(Keys, JudgeEveryEd25519SignatureAsItsWycheproofVectorSays) {
  const auto document = tests::vectors("wycheproof/wycheproof_ed25519.json");
  if (!document) GTEST_SKIP() << tests::no_vectors;
  std::size_t judged = 0;
  for (const auto& group : (*document)["testGroups"]) {
    const auto key = unhex_to<PublicKey>(group["publicKey"]["pk"].get<std::string>());
    for (const auto& test : group["tests"]) {
      const auto message = unhex(test["msg"].get<std::string>());
      const auto signature = unhex(test["sig"].get<std::string>());
      EXPECT_EQ(is_signed(key, Bytes(message), signature), test["result"] == "valid")
          << "tcId " << test["tcId"] << " " << test["comment"];
      ++judged;
    }
  }
  EXPECT_EQ(judged, (*document)["numberOfTests"].get<std::size_t>());
}

// RFC 8032 §7.1, test 2.
TEST(Keys, SignAsRfc8032Section71Says) {
  const auto seed = unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
  const PublicKey key = SigningKey::from_seed(seed).public_key();
  EXPECT_EQ(tests::hex(key), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const auto signature = unhex(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT_TRUE(is_signed(key, Bytes(unhex("72")), signature));
  EXPECT_FALSE(is_signed(key, Bytes(unhex("73")), signature));
}

// RFC 7748 §6.1: Alice.
TEST(Keys, AgreeByTheX25519KeyThatRfc7748Section61Says) {
  auto seeds = unhex(
      "00000000000000000000000000000000000000000000000000000000000000ff"
      "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  EXPECT_EQ(tests::hex(NodeKeys::from_seeds(seeds).static_key),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
}

TEST(Keys, ASignatureOfOneKindOfDocumentIsNoneOfAnother) {
  const SigningKey key = SigningKey::make();
  const Signature signature = key.sign("floor", as_bytes("body"));
  EXPECT_TRUE(is_signed(key.public_key(), "floor", as_bytes("body"), signature));
  EXPECT_FALSE(is_signed(key.public_key(), "root", as_bytes("body"), signature));
  EXPECT_FALSE(is_signed(key.public_key(), "floo", as_bytes("rbody"), signature));
}

TEST(Keys, AreNeverMadeTwice) {
  const NodeKeys a = NodeKeys::make(), b = NodeKeys::make();
  EXPECT_NE(a.signing.public_key(), b.signing.public_key());
  EXPECT_NE(a.static_key, b.static_key);
}

TEST(Keys, ComeBackFromTheirSeeds) {
  const NodeKeys made = NodeKeys::make();
  const NodeKeys again = NodeKeys::from_seeds(made.seeds().bytes());
  EXPECT_EQ(again.signing.public_key(), made.signing.public_key());
  EXPECT_EQ(again.static_key, made.static_key);
}

}  // namespace
}  // namespace harness::identity
