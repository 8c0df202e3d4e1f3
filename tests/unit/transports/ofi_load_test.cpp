// SPDX-License-Identifier: Apache-2.0
// What loading libfabric leaves behind in a process: nothing. In children, since it is loaded once.
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <vector>

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <harness/tests/support/ofi_options.hpp>
#include <harness/tests/support/temporary.hpp>

extern char** environ;

namespace harness::transports {
namespace {

using tests::ofi_options;

constexpr int restorer = 0x04000000;  // the C library's own, in whatever is set by it

bool is_loaded() { return ::dlopen("libfabric.so.1", RTLD_LAZY | RTLD_NOLOAD) != nullptr; }

// Runs `body` in a process that has not loaded anything; its complaints come back as a text.
std::string in_child(const std::function<std::string()>& body) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string said = body();
    _exit(::write(ends[1], said.data(), said.size()) == static_cast<ssize_t>(said.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string said(4096, '\0');
  const ssize_t bytes = ::read(ends[0], said.data(), said.size());
  said.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  ::close(ends[0]);
  int status = -1;
  ::waitpid(child, &status, 0);
  return status == 0 ? said : "the child ended with " + std::to_string(status) + ": " + said;
}

struct Ignored final : Acceptor {
  void accepted(std::unique_ptr<Endpoint>) override {}
};

std::array<struct sigaction, NSIG> handlers() {
  std::array<struct sigaction, NSIG> all{};
  for (int number = 1; number < NSIG; ++number)
    ::sigaction(number, nullptr, &all[static_cast<std::size_t>(number)]);
  return all;
}

std::vector<std::string> environment() {
  std::vector<std::string> all;
  for (char** at = environ; *at != nullptr; ++at) all.emplace_back(*at);
  std::sort(all.begin(), all.end());
  return all;
}

// Loads, makes a transport and an endpoint over `provider`, and says what has changed.
std::string changes(const char* provider) {
  ::setenv("FI_MR_CACHE_MAX_COUNT", "77", 1);  // one that was there, and two that were not
  ::unsetenv("IPATH_NO_BACKTRACE");
  struct sigaction mine{};
  mine.sa_handler = [](int) {};
  mine.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &mine, nullptr);
  const auto handlers_before = handlers();
  const auto environment_before = environment();

  auto engine = std::move(OsEngine::make().value());
  OptionValues options = ofi_options(provider);
  options.set(ofi::option_eager, 0);  // it measures
  auto made = ofi::type().make(*engine, options);
  if (!made) return "skip: " + made.error().text();
  Ignored acceptor;
  if (auto bound = (*made)->listen("127.0.0.1:0", acceptor); !bound) return bound.error().text();
  if (!is_loaded()) return "nothing was loaded at all";
  std::string said;
  const auto handlers_after = handlers();
  for (std::size_t number = 1; number < NSIG; ++number)
    if (handlers_before[number].sa_handler != handlers_after[number].sa_handler ||
        ((handlers_before[number].sa_flags ^ handlers_after[number].sa_flags) & ~restorer) != 0)
      said += " signal " + std::to_string(number);
  if (environment() != environment_before) said += " environment";
  return said;
}

void expect_no_changes(const char* provider) {
  if (is_loaded()) GTEST_SKIP() << "libfabric is loaded already: run this case alone, as ctest does";
  const std::string said = in_child([&] { return changes(provider); });
  if (said.starts_with("skip")) GTEST_SKIP() << said;
  EXPECT_EQ(said, "");
}

TEST(OfiLoad, LeavesHandlersAndEnvironmentAsTheyWereOverShm) { expect_no_changes("shm"); }
TEST(OfiLoad, LeavesHandlersAndEnvironmentAsTheyWereOverTcp) { expect_no_changes("tcp"); }

// What a person reads when the object in HARNESS_PLUGINS is `content`, or a link to it.
std::string refusal(const std::function<void(const std::filesystem::path&)>& put) {
  const tests::TemporaryFolder folder;
  put(folder.path() / "libharness_ofi.so");
  return in_child([&] {
    ::setenv("HARNESS_PLUGINS", folder.path().c_str(), 1);
    const auto found = ofi::providers();
    if (found) return std::string("it was loaded");
    const Error& error = found.error();
    return error.what.empty() || error.because.empty() || error.advice.empty() ? "a part is missing"
                                                                               : error.because;
  });
}

TEST(OfiLoad, RefusesAnObjectOfAnotherBuild) {
  if (is_loaded()) GTEST_SKIP() << "libfabric is loaded already: run this case alone, as ctest does";
  Dl_info known{};
  ASSERT_NE(::dladdr(reinterpret_cast<void*>(&::dlopen), &known), 0);
  const std::string said =
      refusal([&](const auto& object) { std::filesystem::create_symlink(known.dli_fname, object); });
  EXPECT_NE(said.find("another build"), std::string::npos) << said;
}

TEST(OfiLoad, SaysWhatTheLoaderSaysOfAnObjectThatIsNone) {
  if (is_loaded()) GTEST_SKIP() << "libfabric is loaded already: run this case alone, as ctest does";
  const std::string said =
      refusal([](const auto& object) { std::filesystem::copy_file("/proc/self/comm", object); });
  EXPECT_NE(said.find("libharness_ofi.so"), std::string::npos) << said;
}

}  // namespace
}  // namespace harness::transports
