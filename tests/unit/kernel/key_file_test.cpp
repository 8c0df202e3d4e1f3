// SPDX-License-Identifier: Apache-2.0
// Key files: plain and wrapped, whole and damaged.
#include <harness/kernel/identity/key_file.hpp>

#include <gtest/gtest.h>

#include <harness/tests/unit/kernel/identity_fixture.hpp>

namespace harness::identity {
namespace {

std::vector<std::byte> copy_of(const Secret& secret) {
  return {secret.bytes().begin(), secret.bytes().end()};
}

TEST(KeyFile, BringsBackAPlainKey) {
  const SigningKey root = key_number(1);
  auto file = write_key(root, nullptr);
  ASSERT_TRUE(file);
  auto opened = open_root_key(file->bytes(), nullptr);
  ASSERT_TRUE(opened) << opened.error().text();
  EXPECT_EQ(opened->public_key(), root.public_key());
  EXPECT_TRUE(equal(opened->seed(), root.seed()));
}

TEST(KeyFile, BringsBackTheKeysOfANodeByTheRightPassphraseOnly) {
  const NodeKeys node = node_keys(3);
  const Secret right = secret_of("correct horse"), wrong = secret_of("correct hors");
  auto file = write_key(node, &right, cheap);
  ASSERT_TRUE(file) << file.error().text();
  auto opened = open_node_keys(file->bytes(), &right);
  ASSERT_TRUE(opened) << opened.error().text();
  EXPECT_EQ(opened->static_key, node.static_key);
  EXPECT_TRUE(equal(opened->static_secret.bytes(), node.static_secret.bytes()));
  expect_error(error_of(open_node_keys(file->bytes(), &wrong)), Errc::denied, "passphrase is wrong");
  expect_error(error_of(open_node_keys(file->bytes(), nullptr)), Errc::denied, "none was given");
}

TEST(KeyFile, HoldsNoSecretInClearWhenItIsWrapped) {
  const NodeKeys node = node_keys(3);
  const Secret words = secret_of("correct horse");
  auto file = write_key(node, &words, cheap);
  const std::string_view all = as_text(file->bytes());
  EXPECT_EQ(all.find(as_text(node.signing.seed())), std::string_view::npos);
  EXPECT_EQ(all.find(as_text(node.static_secret.bytes())), std::string_view::npos);
}

TEST(KeyFile, ShowsItsPublicKeysWithoutThePassphrase) {
  const NodeKeys node = node_keys(3);
  const Secret words = secret_of("correct horse");
  auto facts = look_at_key(write_key(node, &words, cheap)->bytes());
  ASSERT_TRUE(facts);
  EXPECT_TRUE(facts->wrapped);
  EXPECT_EQ(facts->signing_key, node.signing.public_key());
  EXPECT_EQ(facts->static_key, node.static_key);
}

TEST(KeyFile, IsWrappedAnewEachTime) {
  const SigningKey root = key_number(1);
  const Secret words = secret_of("correct horse");
  EXPECT_NE(copy_of(*write_key(root, &words, cheap)), copy_of(*write_key(root, &words, cheap)));
}

// The salt and the nonce of a plain file mean nothing, nor do the bits of a seed that X25519 clamps.
TEST(KeyFile, PlainOpensToNoOtherKeyWhenItIsChangedCutOrLengthened) {
  const NodeKeys node = node_keys(3);
  for_each_change(copy_of(*write_key(node, nullptr)), [&](Bytes changed) {
    auto opened = open_node_keys(changed, nullptr);
    if (!opened) return;
    EXPECT_EQ(opened->signing.public_key(), node.signing.public_key());
    EXPECT_EQ(opened->static_key, node.static_key);
  });
}

// Every attempt costs Argon2id, so bits of the header are sampled and its cost is kept in bounds.
TEST(KeyFile, WrappedDoesNotOpenWhenItIsChangedCutOrLengthened) {
  const SigningKey root = key_number(1);
  const Secret words = secret_of("correct horse");
  const auto file = copy_of(*write_key(root, &words, cheap));
  for (std::size_t at = 0; at < file.size(); at += at < 20 ? 1 : 5) {
    if (at >= 12 && at < 20) continue;  // the cost, below
    auto changed = file;
    changed[at] ^= std::byte{1};
    EXPECT_FALSE(open_root_key(changed, &words)) << at;
  }
  EXPECT_FALSE(open_root_key(Bytes(file).first(file.size() - 1), &words));
}

TEST(KeyFile, WithACostOutOfBoundsIsDamagedBeforeAnythingIsSpent) {
  const SigningKey root = key_number(1);
  const Secret words = secret_of("correct horse");
  for (const auto& [at, value] : {std::pair{12, 0u},
                                  {12, passes_max + 1},
                                  {16, memory_kib_min - 1},
                                  {16, memory_kib_max + 1},
                                  {16, ~0u}}) {
    auto file = copy_of(*write_key(root, &words, cheap));
    store<std::uint32_t>(file.data() + at, value);
    expect_error(error_of(open_root_key(file, &words)), Errc::corrupt, "cost of a passphrase");
  }
}

TEST(KeyFile, OfANodeIsNoRoot) {
  expect_error(error_of(open_root_key(write_key(node_keys(3), nullptr)->bytes(), nullptr)), Errc::corrupt,
               "something else");
  expect_error(error_of(open_node_keys(write_key(key_number(3), nullptr)->bytes(), nullptr)), Errc::corrupt,
               "something else");
}

}  // namespace
}  // namespace harness::identity
