// SPDX-License-Identifier: Apache-2.0
// Reading trees for sending and writing received ones, without a link in between.
#include <harness/apps/common/tree_reader.hpp>

#include <csignal>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <harness/apps/common/tree_writer.hpp>
#include <harness/tests/support/temporary.hpp>

namespace harness::apps {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<Step> read_all(TreeReader& reader) {
  std::vector<Step> all;
  for (bool done = false; !done;) {
    Steps steps = reader.next();
    done = steps.done;
    for (Step& step : steps.steps) all.push_back(std::move(step));
  }
  return all;
}

std::string told(const std::vector<Step>& steps) {
  std::string text;
  for (const Step& step : steps) {
    switch (step.what) {
      case Step::What::entry: text += "entry " + step.entry.path + "\n"; break;
      case Step::What::chunk: text += "chunk " + std::to_string(step.chunk.body_size() - 12) + "\n"; break;
      case Step::What::end: text += step.given_up ? "given up\n" : "end\n"; break;
      case Step::What::failed: text += "failed " + step.entry.path + "\n"; break;
    }
  }
  return text;
}

Digest digest_of(std::string_view text) {
  Sha256 sha;
  sha.update(as_bytes(text));
  return sha.finish();
}

Entry file(const std::string& path, std::uint16_t mode = 0644) {
  Entry entry;
  entry.path = path;
  entry.mode = mode;
  return entry;
}

Entry link(const std::string& path, const std::string& target) {
  Entry entry;
  entry.type = wire::EntryType::link;
  entry.path = path;
  entry.target = target;
  return entry;
}

TEST(Digest, IsTheOneOfTheStandard) {  // FIPS 180-4, the example of one block
  EXPECT_EQ(hex(digest_of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

class TreeTest : public testing::Test {
 protected:
  TreeReader reader(const std::vector<std::string>& names, std::uint32_t chunk_bytes = 8) {
    std::vector<std::string> paths;
    for (const std::string& name : names) paths.push_back(from_ / name);
    auto sources = named_paths(paths);
    EXPECT_TRUE(sources) << sources.error().text();
    return TreeReader(7, chunk_bytes, sources ? *sources : std::vector<SourcePath>{});
  }
  std::unique_ptr<TreeWriter> writer(bool sync = false) {
    auto made = std::make_unique<TreeWriter>(TreeWriter::Options{into_ / "root", sync});
    auto opened = made->open();
    EXPECT_TRUE(opened) << opened.error().text();
    return made;
  }
  static Result<> whole(TreeWriter& writer, const Entry& entry, std::string_view content) {
    if (auto begun = writer.begin(entry); !begun) return begun;
    if (auto written = writer.write(as_bytes(content)); !written) return written;
    return writer.end(digest_of(content));
  }

  tests::TemporaryFolder from_;
  tests::TemporaryFolder into_;
};

TEST_F(TreeTest, ReadsAFolderInOrderAndSaysWhenItIsComplete) {
  from_.write("t/b", "0123456789");
  from_.write("t/a/x", "");
  ASSERT_EQ(symlink("a/x", (from_ / "t/z").c_str()), 0);
  auto from = reader({"t"});
  EXPECT_EQ(told(read_all(from)),
            "entry t\n"
            "entry t/a\n"
            "entry t/a/x\nend\n"
            "entry t/a\n"
            "entry t/b\nchunk 8\nchunk 2\nend\n"
            "entry t/z\n"
            "entry t\n");
}

TEST_F(TreeTest, DigestsAreThoseOfTheFiles) {
  from_.write("f", "0123456789abcdef");  // exactly two chunks
  auto from = reader({"f"});
  const auto steps = read_all(from);
  ASSERT_EQ(told(steps), "entry f\nchunk 8\nchunk 8\nend\n");
  EXPECT_EQ(steps.back().digest, digest_of("0123456789abcdef"));
  EXPECT_EQ(steps[0].entry.bytes, 16u);
}

TEST_F(TreeTest, ChunksAreWholeMessagesOfTheTransfer) {
  from_.write("f", "0123456789");
  auto from = reader({"f"});
  auto steps = read_all(from);
  Message& second = steps[2].chunk;
  const auto header = take_header<wire::FileChunk>(second);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->kind, static_cast<std::uint8_t>(wire::Kind::file_chunk));
  EXPECT_EQ(header->transfer, 7u);
  EXPECT_EQ(header->offset, 8u);
  EXPECT_EQ(second.text(), "89");
}

TEST_F(TreeTest, OneCallReadsAtMostAMegabyte) {
  from_.write("big", std::string(5 << 20, 'x'));
  auto from = reader({"big"}, 256 << 10);
  const Steps first = from.next();
  EXPECT_FALSE(first.done);
  EXPECT_LE(first.steps.size(), 6u);
}

// In a child that is not root, who reads everything.
TEST_F(TreeTest, WhatCannotBeReadFailsAndTheRestGoesOn) {
  from_.write("t/a", "secret");
  from_.write("t/b", "open");
  chmod((from_ / "t/a").c_str(), 0);
  chmod(from_.path().c_str(), 0755);
  const auto child = [&] {
    constexpr uid_t nobody = 65534;
    if (geteuid() == 0 && setuid(nobody) != 0) std::exit(2);
    auto from = reader({"t"});
    const std::string text = told(read_all(from));
    std::exit(text.find("failed t/a\nentry t/b") != std::string::npos ? 0 : 1);
  };
  EXPECT_EXIT(child(), testing::ExitedWithCode(0), "");
}

TEST_F(TreeTest, ThePipeThatNobodyWritesToDoesNotBlock) {
  from_.write("t/b", "x");
  ASSERT_EQ(mkfifo((from_ / "t/a").c_str(), 0600), 0);
  auto from = reader({"t"});
  const auto steps = read_all(from);
  EXPECT_THAT(told(steps), HasSubstr("failed t/a\nentry t/b"));
  EXPECT_EQ(steps[1].error.code, Errc::unsupported);
}

TEST_F(TreeTest, ALinkThatTheUserNamedIsFollowed) {
  from_.write("f", "content");
  ASSERT_EQ(symlink("f", (from_ / "l").c_str()), 0);
  auto from = reader({"l"});
  EXPECT_EQ(told(read_all(from)), "entry l\nchunk 7\nend\n");
}

TEST_F(TreeTest, ASkippedFileIsGivenUp) {
  from_.write("f", std::string(3 << 20, 'x'));
  auto from = reader({"f"}, 256 << 10);
  (void)from.next();
  from.skip(0);
  EXPECT_EQ(told(read_all(from)), "given up\n");
}

TEST_F(TreeTest, NamesThatWouldCollideAreRefused) {
  from_.write("a/f", "");
  from_.write("b/f", "");
  EXPECT_EQ(named_paths({from_ / "a/f", from_ / "b/f"}).error().code, Errc::invalid);
  EXPECT_EQ(named_paths({from_ / "none"}).error().code, Errc::not_found);
  EXPECT_EQ(named_paths({"/"}).error().code, Errc::invalid);
  EXPECT_EQ(named_paths({from_ / "a/"})->front().name, "a");
}

TEST_F(TreeTest, WritesFilesWithTheirModeUnderTheirNames) {
  auto to = writer();
  ASSERT_TRUE(whole(*to, file("a/b/script", 0755), "echo"));
  ASSERT_TRUE(whole(*to, file("empty", 0600), ""));
  EXPECT_EQ(into_.listing(), "root/\nroot/a/\nroot/a/b/\nroot/a/b/script\nroot/empty\n");
  struct stat status{};
  ASSERT_EQ(stat((into_ / "root/a/b/script").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0755u);
}

TEST_F(TreeTest, NeverSetsAUserId) {
  auto to = writer();
  ASSERT_TRUE(whole(*to, file("s", 06755), "x"));
  struct stat status{};
  ASSERT_EQ(stat((into_ / "root/s").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0755u);
}

TEST_F(TreeTest, AFileHasItsNameOnlyWhenItIsVerified) {
  auto to = writer(true);
  ASSERT_TRUE(to->begin(file("f")));
  ASSERT_TRUE(to->write(as_bytes("half")));
  EXPECT_THAT(into_.listing(), StartsWith("root/\nroot/.harness-partial-"));
  EXPECT_EQ(into_.read("root/f"), "<none>");
  ASSERT_TRUE(to->end(digest_of("half")));
  EXPECT_EQ(into_.listing(), "root/\nroot/f\n");
}

TEST_F(TreeTest, AWrongDigestLeavesNothingBehind) {
  auto to = writer();
  into_.write("root/f", "old");
  ASSERT_TRUE(to->begin(file("f")));
  ASSERT_TRUE(to->write(as_bytes("damaged")));
  auto ended = to->end(digest_of("sent"));
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, Errc::corrupt);
  EXPECT_EQ(into_.listing(), "root/\nroot/f\n");
  EXPECT_EQ(into_.read("root/f"), "old");
  ASSERT_TRUE(whole(*to, file("f"), "new"));  // the digest started anew
  EXPECT_EQ(into_.read("root/f"), "new");
}

TEST_F(TreeTest, AnUnfinishedFileGoesWithItsWriter) {
  auto to = writer();
  ASSERT_TRUE(to->begin(file("f")));
  ASSERT_TRUE(to->write(as_bytes("half")));
  to.reset();
  EXPECT_EQ(into_.listing(), "root/\n");
}

TEST_F(TreeTest, AFolderKeepsItsModeWhichComesLast) {
  auto to = writer();
  Entry folder;
  folder.type = wire::EntryType::folder;
  folder.path = "d";
  folder.mode = 0500;
  ASSERT_TRUE(to->begin(folder));
  ASSERT_TRUE(whole(*to, file("d/f"), "inside"));
  folder.type = wire::EntryType::folder_done;
  ASSERT_TRUE(to->begin(folder));
  struct stat status{};
  ASSERT_EQ(stat((into_ / "root/d").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0500u);
  // A second time, over what is there.
  folder.type = wire::EntryType::folder;
  ASSERT_TRUE(to->begin(folder));
  ASSERT_TRUE(whole(*to, file("d/f"), "again"));
  EXPECT_EQ(into_.read("root/d/f"), "again");
}

TEST_F(TreeTest, LinksAreKeptAndNeverFollowed) {
  auto to = writer();
  ASSERT_TRUE(to->begin(link("l", "f")));
  EXPECT_EQ(into_.listing(), "root/\nroot/l -> f\n");
  ASSERT_TRUE(to->begin(link("l", "g")));  // replaced
  EXPECT_EQ(into_.listing(), "root/\nroot/l -> g\n");
  auto through = whole(*to, file("l/x"), "through");
  ASSERT_FALSE(through);
  EXPECT_EQ(through.error().code, Errc::denied);
  EXPECT_FALSE(to->begin(link("m", "/etc/passwd")));
  EXPECT_FALSE(to->begin(link("m", "../x")));
}

TEST_F(TreeTest, ALinkThatWasThereBeforeLeadsNoWriteOutside) {
  tests::TemporaryFolder outside;
  auto to = writer();
  ASSERT_EQ(symlink(outside.path().c_str(), (into_ / "root/d").c_str()), 0);
  auto wrote = whole(*to, file("d/f"), "escaped");
  ASSERT_FALSE(wrote);
  EXPECT_EQ(wrote.error().code, Errc::denied);
  EXPECT_EQ(outside.listing(), "");
  // A file replaces a link of its name, and does not write to what it points to.
  outside.write("victim", "safe");
  ASSERT_EQ(symlink((outside / "victim").c_str(), (into_ / "root/v").c_str()), 0);
  ASSERT_TRUE(whole(*to, file("v"), "new"));
  EXPECT_EQ(outside.read("victim"), "safe");
  EXPECT_EQ(into_.read("root/v"), "new");
}

TEST_F(TreeTest, SomethingElseInTheWayIsAnError) {
  auto to = writer();
  into_.write("root/d/f", "a folder is here");
  auto wrote = whole(*to, file("d"), "file");
  ASSERT_FALSE(wrote);
  EXPECT_EQ(wrote.error().code, Errc::exists);
  EXPECT_EQ(into_.listing(), "root/\nroot/d/\nroot/d/f\n");
  into_.write("root/file", "a file is here");
  Entry folder;
  folder.type = wire::EntryType::folder;
  folder.path = "file";
  EXPECT_EQ(to->begin(folder).error().code, Errc::exists);
}

// RLIMIT_FSIZE stands for a full disk: write fails in the same place. In a child, since it cannot be raised
// again.
TEST_F(TreeTest, AFullDiskIsToldAndLeavesNothingBehind) {
  const auto child = [&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{10'000, 10'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto to = writer();
    auto wrote = whole(*to, file("f"), std::string(100'000, 'x'));
    std::exit(!wrote && wrote.error().code == Errc::exhausted && into_.listing() == "root/\n" ? 0 : 1);
  };
  EXPECT_EXIT(child(), testing::ExitedWithCode(0), "");
}

TEST_F(TreeTest, PartialFilesOfADeadProcessAreSwept) {
  into_.write("root/a/.harness-partial-1-1", "half");
  into_.write("root/a/whole", "x");
  EXPECT_EQ(sweep_partials(into_ / "root"), 1u);
  EXPECT_EQ(into_.listing(), "root/\nroot/a/\nroot/a/whole\n");
  EXPECT_EQ(sweep_partials(into_ / "none"), 0u);
}

}  // namespace
}  // namespace harness::apps
