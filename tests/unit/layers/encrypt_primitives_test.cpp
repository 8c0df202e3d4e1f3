// SPDX-License-Identifier: Apache-2.0
// The primitives of encrypt against Wycheproof's vectors and against each other: every engine of every suite,
// X25519, HMAC and HKDF.
#include <gtest/gtest.h>

#include <openssl/evp.h>
#include <sodium/crypto_auth_hmacsha256.h>

#include <harness/layers/encrypt/aead.hpp>
#include <harness/layers/encrypt/hash.hpp>
#include <harness/layers/encrypt/primitives.hpp>
#include <harness/stack/random.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/vectors.hpp>

namespace harness::layers::encryption {
namespace {

using tests::hex;
using tests::unhex;
using tests::unhex_to;
using Json = nlohmann::json;

std::vector<std::byte> random_bytes(Random& random, std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
  return bytes;
}

class PrimitivesTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(libraries_ready()); }
};

/// Runs every vector with a 256-bit key and a 96-bit nonce on one engine; returns how many.
unsigned run_aead(const Json& file, Engine engine, Suite suite) {
  const std::unique_ptr<AeadKey> key = make_key(engine, suite);
  unsigned ran = 0;
  for (const Json& group : file["testGroups"]) {
    if (group["ivSize"] != 96 || group["keySize"] != 256 || group["tagSize"] != 128) continue;
    for (const Json& test : group["tests"]) {
      SCOPED_TRACE(testing::Message() << to_string(engine) << " tcId " << test["tcId"]);
      key->set(unhex_to<Key>(test["key"].get<std::string>()));
      const auto nonce = unhex_to<Nonce>(test["iv"].get<std::string>());
      const auto clear = unhex(test["aad"].get<std::string>());
      const auto plain = unhex(test["msg"].get<std::string>());
      const auto sealed = unhex(test["ct"].get<std::string>());
      const auto tag = unhex(test["tag"].get<std::string>());
      const bool valid = test["result"] == "valid";
      std::vector<std::byte> out(plain.size());
      std::array<std::byte, tag_bytes> made{};
      key->seal(nonce, clear, plain, out.data(), made.data());
      if (valid) {
        EXPECT_EQ(hex(out), hex(sealed));
        EXPECT_EQ(hex(made), hex(tag));
      }
      EXPECT_EQ(key->open(nonce, clear, sealed, tag.data(), out.data()), valid);
      EXPECT_EQ(hex(out), valid ? hex(plain) : std::string(2 * out.size(), '0'));
      ++ran;
    }
  }
  return ran;
}

class AeadEngines : public testing::TestWithParam<std::tuple<Engine, Suite>> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(libraries_ready());
    key_ = make_key(engine(), suite());
    if (key_ == nullptr) GTEST_SKIP() << to_string(engine()) << " has no " << to_string(suite()) << " here";
  }
  static Engine engine() { return std::get<0>(GetParam()); }
  static Suite suite() { return std::get<1>(GetParam()); }
  std::unique_ptr<AeadKey> key_;
};

// ctest runs each case in a process of its own: nothing has initialised the libraries before.
TEST(Engines, AreFoundAlsoByWhoAsksForThemFirst) {
  const bool can = __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0 &&
                   __builtin_cpu_supports("avx") != 0;
  EXPECT_EQ(has_aes(), can);
}

TEST_P(AeadEngines, WycheproofsVectorsHold) {
  const bool aes = suite() == Suite::aes;
  const auto file = tests::vectors(aes ? "wycheproof/wycheproof_aes_gcm.json"
                                       : "wycheproof/wycheproof_chacha20_poly1305.json");
  if (!file) GTEST_SKIP() << tests::no_vectors;
  EXPECT_GE(run_aead(*file, engine(), suite()), aes ? 66u : 250u);
}

TEST_P(AeadEngines, GivesTheSameBytesAsTheOthersAtEveryLength) {
  Random random(tests::seed(3));
  const auto reference = make_key(Engine::openssl, suite());
  const auto secret = random_bytes(random, 32);
  Key key{};
  std::copy(secret.begin(), secret.end(), key.begin());
  key_->set(key);
  reference->set(key);
  for (std::size_t length = 0; length < 70'000; length += 1 + length / 24) {
    const auto plain = random_bytes(random, length);
    const auto clear = random_bytes(random, random.below(33));
    Nonce nonce{};
    store<std::uint64_t>(nonce.data() + 4, random.next());
    std::vector<std::byte> a(length), b(plain);
    std::array<std::byte, tag_bytes> tag_a{}, tag_b{};
    reference->seal(nonce, clear, plain, a.data(), tag_a.data());
    key_->seal(nonce, clear, b, b.data(), tag_b.data());  // in place
    ASSERT_EQ(a, b) << length;
    ASSERT_EQ(tag_a, tag_b) << length;
    ASSERT_TRUE(key_->open(nonce, clear, b, tag_b.data(), b.data()));
    ASSERT_EQ(b, plain) << length;
  }
}

TEST_P(AeadEngines, SealsAndOpensInTurnsUnderChangingKeys) {
  Random random(tests::seed(4));
  for (unsigned round = 0; round < 50; ++round) {
    Key key{};
    for (std::byte& byte : key) byte = static_cast<std::byte>(random.next());
    key_->set(key);
    for (unsigned turn = 0; turn < 4; ++turn) {
      auto text = random_bytes(random, random.below(2000));
      const auto plain = text;
      std::array<std::byte, tag_bytes> tag{};
      const Nonce nonce{std::byte(turn)};
      key_->seal(nonce, {}, text, text.data(), tag.data());
      ASSERT_TRUE(key_->open(nonce, {}, text, tag.data(), text.data()));
      ASSERT_EQ(text, plain);
      tag[random.below(tag_bytes)] ^= std::byte{1};
      ASSERT_FALSE(key_->open(nonce, {}, text, tag.data(), text.data()));
      ASSERT_EQ(text, std::vector<std::byte>(text.size())) << "nothing of a forgery stays";
    }
  }
}

const std::tuple<Engine, Suite> pairs[] = {{Engine::openssl, Suite::aes},
                                           {Engine::openssl, Suite::chacha},
                                           {Engine::sodium, Suite::aes},
                                           {Engine::sodium, Suite::chacha},
                                           {Engine::ipsec_mb, Suite::aes}};
INSTANTIATE_TEST_SUITE_P(Every, AeadEngines, testing::ValuesIn(pairs), [](const auto& each) {
  std::string name(to_string(std::get<0>(each.param)));
  std::erase(name, '-');
  return name + (std::get<1>(each.param) == Suite::aes ? "_aes" : "_chacha");
});

TEST_F(PrimitivesTest, ThePlanOfEachSuiteOpensWhatItSealedAtItsEdges) {
  for (const Suite suite : {Suite::aes, Suite::chacha}) {
    const Plan plan = plan_for(suite);
    Aead aead(suite);
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{plan.small_below} + 1,
                                    std::size_t{plan.small_below}, std::size_t{plan.small_below} / 2}) {
      std::vector<std::byte> text(bytes, std::byte{7}), out(bytes);
      std::array<std::byte, tag_bytes> tag{};
      aead.seal({}, {}, text, out.data(), tag.data());
      EXPECT_TRUE(aead.open({}, {}, out, tag.data(), out.data()));
      EXPECT_EQ(out, text);
    }
  }
}

TEST_F(PrimitivesTest, APlanHasNoEngineThatIsLeftOut) {
  for (const Suite suite : {Suite::aes, Suite::chacha}) {
    const Plan standard = plan_for({suite, Engines::standard});
    EXPECT_NE(standard.small, Engine::ipsec_mb);
    EXPECT_NE(standard.large, Engine::ipsec_mb);
    const Plan openssl = plan_for({suite, Engines::openssl});
    EXPECT_EQ(openssl.small, Engine::openssl);
    EXPECT_EQ(openssl.large, Engine::openssl);
  }
}

TEST_F(PrimitivesTest, EachEndMayLeaveOutOtherEngines) {
  constexpr std::array all{Engines::fastest, Engines::standard, Engines::openssl};
  for (const Engines near : all)
    for (const Engines far : all)
      for (const std::size_t bytes :
           {std::size_t{64}, std::size_t{511}, std::size_t{512}, std::size_t{5000}}) {
        Aead seals({Suite::aes, near}), opens({Suite::aes, far});
        std::vector<std::byte> text(bytes, std::byte{7}), out(bytes);
        std::array<std::byte, tag_bytes> tag{};
        seals.seal({}, {}, text, out.data(), tag.data());
        ASSERT_TRUE(opens.open({}, {}, out, tag.data(), out.data())) << bytes;
        EXPECT_EQ(out, text);
      }
}

TEST_F(PrimitivesTest, X25519WycheproofsVectorsHold) {
  const auto file = tests::vectors("wycheproof/wycheproof_x25519.json");
  if (!file) GTEST_SKIP() << tests::no_vectors;
  unsigned ran = 0;
  for (const Json& group : (*file)["testGroups"])
    for (const Json& test : group["tests"]) {
      SCOPED_TRACE(testing::Message() << "tcId " << test["tcId"]);
      const auto shared = test["shared"].get<std::string>();
      Secret got;
      const bool ok = agree(unhex_to<Key>(test["private"].get<std::string>()),
                            unhex_to<Key>(test["public"].get<std::string>()), got);
      EXPECT_EQ(ok, shared != std::string(64, '0')) << "RFC 7748 6.1: zeros are no secret";
      if (ok) {
        EXPECT_EQ(hex(got.bytes), shared);
      }
      ++ran;
    }
  EXPECT_EQ(ran, 518u);
}

TEST_F(PrimitivesTest, X25519OfOpensslAgreesWithOurs) {
  for (unsigned round = 0; round < 100; ++round) {
    Key mine{}, theirs{};
    draw(mine);
    draw(theirs);
    const Key theirs_public = public_key(theirs);
    const auto raw = [](const Key& key) { return reinterpret_cast<const unsigned char*>(key.data()); };
    EVP_PKEY* secret = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, raw(mine), 32);
    EVP_PKEY* peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, raw(theirs_public), 32);
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(secret, nullptr);
    Key shared{};
    std::size_t bytes = shared.size();
    EVP_PKEY_derive_init(context);
    EVP_PKEY_derive_set_peer(context, peer);
    EVP_PKEY_derive(context, reinterpret_cast<unsigned char*>(shared.data()), &bytes);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(secret);
    Secret ours;
    ASSERT_TRUE(agree(mine, theirs_public, ours));
    ASSERT_EQ(ours.bytes, shared);
  }
}

TEST_F(PrimitivesTest, HkdfWycheproofsVectorsHold) {
  const auto file = tests::vectors("wycheproof/wycheproof_hkdf_sha256.json");
  if (!file) GTEST_SKIP() << tests::no_vectors;
  Hash hash(HashKind::sha256);
  unsigned ran = 0;
  for (const Json& group : (*file)["testGroups"])
    for (const Json& test : group["tests"]) {
      const auto size = test["size"].get<std::size_t>();
      const auto salt = unhex(test["salt"].get<std::string>());
      if (test["result"] != "valid" || salt.size() > 64) continue;  // what the callers never ask for
      std::array<std::byte, 32> key{};
      std::vector<std::byte> out(size);
      hash.extract(salt, unhex(test["ikm"].get<std::string>()), key.data());
      hash.expand(key, unhex(test["info"].get<std::string>()), out);
      EXPECT_EQ(hex(out), test["okm"].get<std::string>()) << "tcId " << test["tcId"];
      ++ran;
    }
  EXPECT_GE(ran, 80u);
}

TEST_F(PrimitivesTest, HmacAgreesWithLibsodiums) {
  Random random(tests::seed(6));
  Hash hash(HashKind::sha256);
  for (unsigned round = 0; round < 200; ++round) {
    const auto key = random_bytes(random, 1 + random.below(64));  // libsodium takes no pointer to nothing
    const auto text = random_bytes(random, 1 + random.below(299));
    std::array<std::byte, 32> ours{}, theirs{};
    const std::size_t cut = random.below(text.size() + 1);
    hash.hmac(key, {Bytes(text).first(cut), Bytes(text).subspan(cut)}, ours.data());
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(key.data()), key.size());
    crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    crypto_auth_hmacsha256_final(&state, reinterpret_cast<unsigned char*>(theirs.data()));
    ASSERT_EQ(ours, theirs);
  }
}

TEST_F(PrimitivesTest, ComparesAndWipesAsItSays) {
  std::array<std::byte, 16> a{}, b{};
  EXPECT_TRUE(equal(a, b));
  b[15] = std::byte{1};
  EXPECT_FALSE(equal(a, b));
  EXPECT_FALSE(equal(a, Bytes(a).first(15)));
  wipe(b);
  EXPECT_TRUE(equal(a, b));
  draw(a);
  draw(b);
  EXPECT_FALSE(equal(a, b));
}

}  // namespace
}  // namespace harness::layers::encryption
