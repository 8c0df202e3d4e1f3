// SPDX-License-Identifier: Apache-2.0
// The Noise interpreter: all public vectors, the patterns of links and the records of encrypt against a
// script by another hand (tests/noise/oracle.py), and every way a message can be wrong.
#include <gtest/gtest.h>

#include <cstdio>

#include <harness/layers/encrypt/noise.hpp>
#include <harness/layers/encrypt/opener.hpp>
#include <harness/stack/random.hpp>
#include <harness/tests/support/allocations.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/vectors.hpp>

namespace harness::layers::encryption {
namespace {

using tests::hex;
using tests::unhex;
using tests::unhex_to;
using Json = nlohmann::json;
using Buffer = std::array<std::byte, 1024>;

std::string text_of(const Json& vector, const char* key) {
  return vector.contains(key) ? vector[key].get<std::string>() : std::string();
}

/// One side of a vector's handshake, with its keys.
void prepare(Noise& noise, const Json& vector, const std::string& side) {
  const std::string own = text_of(vector, (side + "_static").c_str());
  const std::string remote = text_of(vector, (side + "_remote_static").c_str());
  const std::string ephemeral = text_of(vector, (side + "_ephemeral").c_str());
  if (!own.empty()) noise.set_static(unhex_to<Key>(own), public_key(unhex_to<Key>(own)));
  if (!remote.empty()) noise.set_remote_static(unhex_to<Key>(remote));
  if (!ephemeral.empty()) noise.set_ephemeral(unhex_to<Key>(ephemeral));
  if (vector.contains(side + "_psks"))
    for (const Json& psk : vector[side + "_psks"]) noise.add_psk(unhex_to<Key>(psk.get<std::string>()));
  noise.begin(unhex(text_of(vector, (side + "_prologue").c_str())));
}

/// A message after the handshake: sealed with the key of its direction.
std::string transport_message(const NoiseProtocol& protocol, const Secret& key, std::uint64_t number,
                              const std::vector<std::byte>& payload) {
  Aead aead(protocol.suite);
  aead.set(key.bytes);
  Nonce nonce{};
  store<std::uint64_t>(nonce.data() + 4, protocol.suite == Suite::aes ? __builtin_bswap64(number) : number);
  std::vector<std::byte> sealed(payload.size() + tag_bytes);
  aead.seal(nonce, {}, payload, sealed.data(), sealed.data() + payload.size());
  return hex(sealed);
}

void run(const Json& vector) {
  const auto name = vector["protocol_name"].get<std::string>();
  SCOPED_TRACE(name);
  const auto protocol = noise_protocol(name);
  ASSERT_TRUE(protocol);
  Noise sides[2] = {{*protocol, Role::initiator}, {*protocol, Role::responder}};
  prepare(sides[0], vector, "init");
  prepare(sides[1], vector, "resp");
  const Json& messages = vector["messages"];
  std::size_t turn = 0;
  for (; !sides[0].done(); ++turn) {
    const auto payload = unhex(messages[turn]["payload"].get<std::string>());
    Buffer sent{}, got{};
    const std::size_t bytes = sides[turn % 2].write(payload, sent);
    ASSERT_EQ(hex(Bytes(sent).first(bytes)), messages[turn]["ciphertext"].get<std::string>()) << turn;
    const auto read = sides[1 - turn % 2].read(Bytes(sent).first(bytes), got);
    ASSERT_TRUE(read);
    ASSERT_EQ(hex(Bytes(got).first(*read)), hex(payload));
  }
  ASSERT_TRUE(sides[1].done());
  EXPECT_EQ(hex(sides[0].hash()), hex(sides[1].hash()));
  if (vector.contains("handshake_hash")) {
    EXPECT_EQ(hex(sides[0].hash()), vector["handshake_hash"].get<std::string>());
  }
  const auto keys = sides[0].split();
  const auto same = sides[1].split();
  ASSERT_EQ(keys[0].bytes, same[0].bytes);
  ASSERT_EQ(keys[1].bytes, same[1].bytes);
  const bool one_way = protocol->pattern.message_count == 1;
  std::uint64_t numbers[2] = {0, 0};
  for (; turn < messages.size(); ++turn) {
    const std::size_t side = one_way ? 0 : turn % 2;
    EXPECT_EQ(transport_message(*protocol, keys[side], numbers[side]++,
                                unhex(messages[turn]["payload"].get<std::string>())),
              messages[turn]["ciphertext"].get<std::string>())
        << turn;
  }
}

TEST(Noise, AllPublicVectorsHold) {
  ASSERT_TRUE(libraries_ready());
  const auto file = tests::vectors("noise/snow.txt");
  if (!file) GTEST_SKIP() << tests::no_vectors;
  ASSERT_EQ((*file)["vectors"].size(), 408u);
  for (const Json& vector : (*file)["vectors"]) run(vector);
}

/// What the script says, with the seed of this run.
Json by_another_hand(std::uint64_t seed) {
  const std::string command =
      "python3 " HARNESS_SOURCE_DIR "/tests/noise/oracle.py " + std::to_string(seed) + " 2";
  FILE* script = popen(command.c_str(), "r");
  EXPECT_NE(script, nullptr);
  std::string text;
  Buffer part{};
  while (const std::size_t bytes = fread(part.data(), 1, part.size(), script))
    text += as_text(Bytes(part).first(bytes));
  EXPECT_EQ(pclose(script), 0) << command;
  return Json::parse(text);
}

// Two hands from one specification: patterns with a single psk are in no public vector, and records are ours
// alone.
TEST(Noise, TheScriptByAnotherHandSaysTheSame) {
  ASSERT_TRUE(libraries_ready());
  const Json file = by_another_hand(tests::seed(11));
  ASSERT_EQ(file["vectors"].size(), 12u);
  for (const Json& vector : file["vectors"]) run(vector);
  ASSERT_EQ(file["directions"].size(), 2u);
  for (const Json& direction : file["directions"]) {
    Hash hash(HashKind::sha256);
    const Secret secret(unhex_to<Key>(direction["secret"].get<std::string>()));
    Opener opener(hash, static_cast<Suite>(direction["suite"].get<int>()), secret, true);
    for (const Json& one : direction["records"]) {
      auto record = unhex(one["record"].get<std::string>());
      const MutableBytes text = MutableBytes(record).subspan(wire::encrypt_bytes);
      ASSERT_EQ(opener.open(0, record.data(), text, text.data()), Verdict::good);
      ASSERT_EQ(hex(text), one["text"].get<std::string>());
    }
    EXPECT_EQ(opener.epoch(), 3u);
  }
}

struct Talk {
  explicit Talk(std::string_view name) : protocol(*noise_protocol(name)) {}
  NoiseProtocol protocol;
  Noise a{protocol, Role::initiator};
  Noise b{protocol, Role::responder};
  void prepare(std::string_view prologue = "", Key psk = {}) {
    for (Noise* side : {&a, &b}) {
      Key secret{};
      draw(secret);
      side->set_static(secret, public_key(secret));
      side->add_psk(side == &a ? psk : Key{});
    }
    a.begin(as_bytes(prologue));
    b.begin({});
  }
  /// Carries messages until one is refused; returns how many were read. `mutate` sees each before.
  unsigned carry(const std::function<void(unsigned, std::vector<std::byte>&)>& mutate = {}) {
    unsigned read = 0;
    for (Noise *from = &a, *to = &b; !from->done() || !to->done(); std::swap(from, to)) {
      Buffer sent{}, got{};
      const std::size_t bytes = from->write(as_bytes("payload"), sent);
      std::vector<std::byte> message(sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(bytes));
      if (mutate) mutate(read, message);
      if (bytes == 0 || !to->read(message, got)) break;
      ++read;
    }
    return read;
  }
};
constexpr std::string_view xx = "Noise_XXpsk3_25519_AESGCM_SHA256";

TEST(Noise, EveryByteOfEveryMessageIsCovered) {
  ASSERT_TRUE(libraries_ready());
  for (const unsigned which : {0u, 1u, 2u}) {
    std::size_t length = 1;
    for (std::size_t at = 0; at < length; ++at) {
      Talk talk(xx);
      talk.prepare();
      const unsigned read = talk.carry([&](unsigned number, std::vector<std::byte>& message) {
        if (number != which) return;
        length = message.size();
        message[at] ^= std::byte{0x10};
      });
      // A changed ephemeral key (the first 32 bytes) is seen as soon as something depends on it.
      ASSERT_LE(read, which == 0 ? 1u : which) << "message " << which << " byte " << at;
      ASSERT_FALSE(talk.a.done() && talk.b.done());
    }
    ASSERT_GE(length, 48u);
  }
}

TEST(Noise, AMessageOfAnyOtherLengthIsRefused) {
  ASSERT_TRUE(libraries_ready());
  for (const unsigned which : {0u, 1u, 2u}) {
    std::size_t length = 1;
    for (std::size_t left = 0; left < length; ++left) {
      Talk talk(xx);
      talk.prepare();
      const unsigned read = talk.carry([&](unsigned number, std::vector<std::byte>& message) {
        if (number != which) return;
        length = message.size();
        message.resize(left);
      });
      ASSERT_EQ(read, which) << left;
    }
    Talk talk(xx);
    talk.prepare();
    ASSERT_EQ(talk.carry([&](unsigned number, std::vector<std::byte>& message) {
      if (number == which) message.push_back({});
    }),
              which);
  }
}

TEST(Noise, AnotherPrologueOrSecretEndsItInTime) {
  ASSERT_TRUE(libraries_ready());
  Talk prologue(xx);
  prologue.prepare("x");
  EXPECT_EQ(prologue.carry(), 0u);
  Talk psk(xx);
  psk.prepare("", Key{std::byte{1}});
  EXPECT_EQ(psk.carry(), 2u) << "psk3 is mixed into the third message";
  Talk early("Noise_XXpsk0_25519_AESGCM_SHA256");
  early.prepare("", Key{std::byte{1}});
  EXPECT_EQ(early.carry(), 0u) << "psk0 into the first: a stranger gets no answer";
}

TEST(Noise, NothingGoesOnAfterAFailureOrOutOfTurn) {
  ASSERT_TRUE(libraries_ready());
  Talk talk(xx);
  talk.prepare();
  Buffer buffer{};
  EXPECT_EQ(talk.b.write({}, buffer), 0u) << "not its turn";
  EXPECT_TRUE(talk.b.failed());
  const std::size_t bytes = talk.a.write({}, buffer);
  EXPECT_FALSE(talk.b.read(Bytes(buffer).first(bytes), buffer)) << "it has failed before";
  EXPECT_FALSE(talk.a.read(Bytes(buffer).first(bytes), buffer)) << "its own message";
  Talk mirror(xx), other(xx);
  mirror.prepare();
  other.prepare();
  const std::size_t first = other.a.write({}, buffer);
  EXPECT_FALSE(mirror.a.read(Bytes(buffer).first(first), buffer)) << "it is the one to speak";
  Talk bare(xx);
  for (Noise* side : {&bare.a, &bare.b}) side->set_static(Key{std::byte{9}}, public_key(Key{std::byte{9}}));
  bare.a.begin({});
  bare.b.begin({});
  EXPECT_EQ(bare.carry(), 2u) << "a psk that nobody gave is not zeros";
  Talk small(xx);
  small.prepare();
  EXPECT_EQ(small.a.write({}, MutableBytes(buffer).first(47)), 0u) << "no room";
  Talk late(xx);
  late.prepare();
  ASSERT_EQ(late.carry(), 3u);
  EXPECT_EQ(late.a.write({}, buffer), 0u) << "after its end";
}

TEST(Noise, TakesNoMemoryOfItsOwnOnceItIsMade) {
  ASSERT_TRUE(libraries_ready());
  Talk talk(xx);
  talk.prepare();
  Buffer sent{}, got{};
  const std::uint64_t before = tests::allocation_count();
  std::size_t bytes = talk.a.write(as_bytes("one"), sent);
  ASSERT_TRUE(talk.b.read(Bytes(sent).first(bytes), got));
  bytes = talk.b.write(as_bytes("two"), sent);
  ASSERT_TRUE(talk.a.read(Bytes(sent).first(bytes), got));
  bytes = talk.a.write(as_bytes("three"), sent);
  ASSERT_TRUE(talk.b.read(Bytes(sent).first(bytes), got));
  EXPECT_EQ(tests::allocation_count() - before, 0u);
}

TEST(Noise, NamesThatAreNoneOfOursAreRefused) {
  for (const char* name :
       {"", "Noise", "Noise_XX", "Noise_YY_25519_AESGCM_SHA256", "Noise_XX_448_AESGCM_SHA256",
        "Noise_XX_25519_AES_SHA256", "Noise_XX_25519_AESGCM_MD5", "Noise_XX_25519_AESGCM_SHA256_",
        "Noise_XX_25519_AESGCM_SHA256_x", "Noise_XXpsk4_25519_AESGCM_SHA256",
        "Noise_XXpsk_25519_AESGCM_SHA256", "Noise_XXpsk33_25519_AESGCM_SHA256",
        "Noise_XXpsk1+psk1+psk1+psk1+psk1_25519_AESGCM_SHA256", "noise_XX_25519_AESGCM_SHA256"})
    EXPECT_FALSE(noise_protocol(name)) << name;
  EXPECT_TRUE(noise_protocol("Noise_XXpsk0+psk1+psk2+psk3_25519_ChaChaPoly_BLAKE2b"));
}

}  // namespace
}  // namespace harness::layers::encryption
