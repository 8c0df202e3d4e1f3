// SPDX-License-Identifier: Apache-2.0
// Which stacks can run on with the session layers of which: the rule behind a swap that lets nothing wait.
#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/stack/stack.hpp>
#include <harness/transports/all.hpp>

namespace harness::tests {
namespace {

class SharedSession : public testing::Test {
 protected:
  SharedSession() {
    layers::add_all(catalogue_);
    transports::add_all(catalogue_);
  }
  std::size_t between(const std::string& old, const std::string& next) const {
    return Stack::shares_session(*stack_from(old, catalogue_), *stack_from(next, catalogue_));
  }
  Catalogue catalogue_;
};

TEST_F(SharedSession, GoesFromTheTopThroughReliable) {
  EXPECT_EQ(between("order / frag / reliable @ udp", "order / frag / reliable @ udp"), 3u);
  EXPECT_EQ(between("order / frag / reliable @ udp", "order / frag / reliable / checksum @ udp"), 3u);
  EXPECT_EQ(between("order / frag / reliable / heartbeat @ udp", "order / frag / reliable @ shm"), 3u);
  EXPECT_EQ(between("resume / order / frag / reliable @ udp", "resume / order / frag / reliable @ udp"), 4u);
}

TEST_F(SharedSession, NeedsReliableAboveBothEndpoints) {
  EXPECT_EQ(between("order / frag @ tcp", "order / frag @ tcp"), 0u);
  EXPECT_EQ(between("order / frag / reliable @ udp", "order / frag @ tcp"), 0u);
  EXPECT_EQ(between("order / frag @ tcp", "order / frag / reliable @ udp"), 0u);
}

TEST_F(SharedSession, NeedsTheSameLayersWithTheSameOptions) {
  EXPECT_EQ(between("order / frag / reliable @ udp", "compress / order / frag / reliable @ udp"), 0u);
  EXPECT_EQ(between("compress / order / frag / reliable @ udp", "order / frag / reliable @ udp"), 0u);
  EXPECT_EQ(between("order / frag / reliable @ udp", "order / frag / reliable(window=1MiB) @ udp"), 0u);
}

TEST_F(SharedSession, CrossesNoBorderBetweenClearAndEncrypted) {
  const std::string clear = "order / frag / reliable @ udp";
  const std::string aes = "order / frag / reliable / encrypt(suite=aes) @ udp";
  EXPECT_EQ(between(clear, aes), 0u);
  EXPECT_EQ(between(aes, clear), 0u);
  EXPECT_EQ(between(aes, "order / frag / reliable / encrypt(suite=chacha) @ tcp"), 3u);
}

}  // namespace
}  // namespace harness::tests
