// SPDX-License-Identifier: Apache-2.0
// Two processes: a child that is forked before anything of the provider exists. Names go through a pipe pair.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <harness/tests/unit/ofi_mock/sides.hpp>

namespace harness::tests {
namespace {

struct Hello {
  std::array<char, 64> name;
  std::uint64_t address;
  std::uint64_t key;
};

// What each process does: says who it is, hears who the other is.
Hello exchange(int channel, const Hello& mine) {
  Hello theirs{};
  EXPECT_EQ(write(channel, &mine, sizeof mine), static_cast<ssize_t>(sizeof mine));
  EXPECT_EQ(recv(channel, &theirs, sizeof theirs, MSG_WAITALL), static_cast<ssize_t>(sizeof theirs));
  return theirs;
}

// The child: answers each of `rounds` messages with what it got, and leaves 'c' where the parent may read.
void answer(const char* provider, int channel, int rounds) {
  Side side(provider);
  const Pages memory(side, 8192);
  memory.fill('c');
  const Hello hello = exchange(channel, {side.name(), memory.address(), fi_mr_key(memory.mr)});
  fi_addr_t parent = 0;
  EXPECT_EQ(fi_av_insert(side.av, hello.name.data(), 1, &parent, 0, nullptr), 1);
  for (int i = 0; i < rounds; ++i) {
    while (fi_recv(side.ep, memory.at(), 64, memory.descriptor(), FI_ADDR_UNSPEC, nullptr) == -FI_EAGAIN)
      side.look();
    const auto received = static_cast<std::size_t>(i) + 1;
    while (side.count(FI_RECV) < received) side.look();
    while (fi_send(side.ep, memory.at(), 64, memory.descriptor(), parent, nullptr) == -FI_EAGAIN) side.look();
    while (side.count(FI_SEND) < received) side.look();
  }
  char over = 0;
  while (recv(channel, &over, 1, MSG_DONTWAIT) < 0) side.look();  // one-sided operations need our looks
}

class OfiMockProcesses : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    setenv("HARNESS_MOCK", "eagain=0.2,late=8,seed=6", 1);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel_), 0);
    child_ = fork();
    ASSERT_GE(child_, 0);
    if (child_ != 0) return;
    alarm(100);  // a child that hangs ends, whatever becomes of its parent
    close(channel_[0]);
    answer(GetParam(), channel_[1], rounds);
    _exit(HasFailure() ? 1 : 0);
  }
  static constexpr int rounds = 50;
  int channel_[2] = {-1, -1};
  pid_t child_ = -1;
};
INSTANTIATE_TEST_SUITE_P(All, OfiMockProcesses, ::testing::Values(verbs, cxi),
                         [](const auto& one) { return std::string(one.param == verbs ? "verbs" : "cxi"); });

TEST_P(OfiMockProcesses, MessagesGoThereAndBackAndMemoryIsReadAndWritten) {
  close(channel_[1]);
  Side side(GetParam());
  const Pages memory(side, 8192);
  const Hello child = exchange(channel_[0], {side.name(), memory.address(), fi_mr_key(memory.mr)});
  fi_addr_t there = 0;
  ASSERT_EQ(fi_av_insert(side.av, child.name.data(), 1, &there, 0, nullptr), 1);
  const auto post = [&](auto call) {
    while (call() == -FI_EAGAIN) side.look();
  };
  for (int i = 0; i < rounds; ++i) {
    const auto answered = static_cast<std::size_t>(i) + 1;
    memset(memory.at(), i, 64);
    post([&] { return fi_recv(side.ep, memory.at(4096), 64, memory.descriptor(), FI_ADDR_UNSPEC, nullptr); });
    post([&] { return fi_send(side.ep, memory.at(), 64, memory.descriptor(), there, nullptr); });
    while (side.count(FI_RECV) < answered && side.failed.empty()) side.look();
    ASSERT_TRUE(memory.all(i, 4096, 4096 + 64)) << "round " << i;
  }
  memory.fill('p');
  const std::size_t before = side.done.size();
  post([&] {
    return fi_read(side.ep, memory.at(), 64, memory.descriptor(), there, child.address + 4096, child.key,
                   nullptr);
  });
  while (side.count(FI_READ) == 0 && side.failed.empty()) side.look();
  EXPECT_TRUE(memory.all('c', 0, 64));
  post([&] {
    return fi_write(side.ep, memory.at(), 64, memory.descriptor(), there, child.address + 8192, child.key,
                    nullptr);
  });
  while (side.failed.empty() && side.done.size() < before + 3) side.look();
  ASSERT_EQ(side.failed.size(), 1u) << "beyond the region of the other process";
  EXPECT_EQ(side.failed[0].entry.err, FI_EACCES);
  EXPECT_EQ(write(channel_[0], "", 1), 1);
  int status = -1;
  EXPECT_EQ(waitpid(child_, &status, 0), child_);
  EXPECT_EQ(status, 0);
  close(channel_[0]);
}

}  // namespace
}  // namespace harness::tests
