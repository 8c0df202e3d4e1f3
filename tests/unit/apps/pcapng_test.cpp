// SPDX-License-Identifier: Apache-2.0
// Capture files: every block has its length at both ends and is padded to four bytes.
#include <harness/apps/common/pcapng.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace harness::apps::pcapng {
namespace {

std::uint32_t number_at(const std::string& bytes, std::size_t at) {
  return load<std::uint32_t>(reinterpret_cast<const std::byte*>(bytes.data()) + at);
}

void expect_block(const std::string& block, std::uint32_t type) {
  ASSERT_GE(block.size(), 12u);
  EXPECT_EQ(block.size() % 4, 0u);
  EXPECT_EQ(number_at(block, 0), type);
  EXPECT_EQ(number_at(block, 4), block.size());
  EXPECT_EQ(number_at(block, block.size() - 4), block.size());
}

TEST(Pcapng, BlocksHaveTheirLengthAtBothEnds) {
  expect_block(section("harness", "a comment"), 0x0a0d0d0a);
  expect_block(interface("frag,order,payload", "link main", 65535), 1);
  expect_block(statistics(0, 1, 2, 3), 5);
  for (std::size_t size = 0; size < 9; ++size)
    expect_block(packet(0, 1, std::vector<std::byte>(size), 9, Direction::inbound, "c"), 6);
}

TEST(Pcapng, APacketSaysWhatWasCutOff) {
  const std::string bytes = packet(3, 0x100000002, std::vector<std::byte>(5), 1000, Direction::outbound);
  EXPECT_EQ(number_at(bytes, 8), 3u);
  EXPECT_EQ(number_at(bytes, 12), 1u);  // the high half of the time
  EXPECT_EQ(number_at(bytes, 16), 2u);
  EXPECT_EQ(number_at(bytes, 20), 5u);
  EXPECT_EQ(number_at(bytes, 24), 1000u);
}

}  // namespace
}  // namespace harness::apps::pcapng
