// SPDX-License-Identifier: Apache-2.0
// Signals as a descriptor.
#include <harness/apps/common/interrupts.hpp>

#include <csignal>

#include <sys/signalfd.h>
#include <unistd.h>

namespace harness::apps {

Interrupts::Interrupts() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = FileHandle(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

bool Interrupts::take() noexcept {
  bool now = false;
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == sizeof info) now = now || info.ssi_signo != SIGCHLD;
  wanted_ = wanted_ || now;
  return now;
}

}  // namespace harness::apps
