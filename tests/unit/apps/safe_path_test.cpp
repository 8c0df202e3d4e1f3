// SPDX-License-Identifier: Apache-2.0
// Paths and links that a peer names: nothing leads out of the folder that receives.
#include <harness/apps/common/safe_path.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace harness::apps {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(SafePath, TakesRelativeNames) {
  auto names = safe_names("a/b.txt");
  ASSERT_TRUE(names);
  EXPECT_THAT(*names, ElementsAre("a", "b.txt"));
  EXPECT_TRUE(safe_names("..."));
  EXPECT_TRUE(safe_names(".hidden"));
  EXPECT_TRUE(safe_names("a\nb"));  // a strange name, but inside
}

TEST(SafePath, RefusesWhatLeadsOutside) {
  for (const char* path : {"", "/", "/etc/passwd", "..", "a/../../b", "a/..", "./a", "a//b", "a/", "a/./b"}) {
    auto names = safe_names(path);
    ASSERT_FALSE(names) << path;
    EXPECT_EQ(names.error().code, Errc::denied) << path;
    EXPECT_FALSE(names.error().because.empty());
    EXPECT_FALSE(names.error().advice.empty());
  }
  EXPECT_FALSE(safe_names(std::string_view("a\0b", 3)));
}

TEST(SafePath, RefusesOverlongNamesAndPaths) {
  EXPECT_TRUE(safe_names(std::string(path_name_bytes_max, 'x')));
  EXPECT_FALSE(safe_names(std::string(path_name_bytes_max + 1, 'x')));
  std::string deep;
  while (deep.size() <= path_bytes_max) deep += "d/";
  EXPECT_FALSE(safe_names(deep + "f"));
}

TEST(SafePath, RefusesTheNamesOfUnfinishedFiles) {
  auto names = safe_names("a/.harness-partial-1-2");
  ASSERT_FALSE(names);
  EXPECT_THAT(names.error().because, HasSubstr("unfinished"));
}

TEST(SafePath, NamesInErrorsCannotMoveTheCursor) {
  EXPECT_THAT(safe_names("\x1b[2J/..").error().what, HasSubstr("\\x1b[2J"));
}

TEST(SafeLink, KeepsLinksThatStayInside) {
  EXPECT_TRUE(safe_link("a/l", "b"));
  EXPECT_TRUE(safe_link("a/l", "../b"));
  EXPECT_TRUE(safe_link("a/b/l", "../../c/./d"));
  EXPECT_TRUE(safe_link("l", "."));
}

TEST(SafeLink, RefusesLinksThatLeadOutside) {
  for (const char* target : {"", "/", "/etc", "..", "../b"}) EXPECT_FALSE(safe_link("l", target)) << target;
  EXPECT_FALSE(safe_link("a/l", "../../x"));
  EXPECT_FALSE(safe_link("a/l", "./../../x"));
}

// d/e/f/up -> ../../..  is the root; t -> d/e/f/up/../..  counts three names before its two steps up, and yet
// leaves.
TEST(SafeLink, RefusesToClimbBehindANameThatMayBeALink) {
  EXPECT_TRUE(safe_link("d/e/f/up", "../../.."));
  EXPECT_FALSE(safe_link("t", "d/e/f/up/../.."));
}

}  // namespace
}  // namespace harness::apps
