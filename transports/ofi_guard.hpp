// SPDX-License-Identifier: Apache-2.0
// Keeps what libfabric does to a process from staying: signal handlers and environment.
//
// Debian's library installs handlers for SIGSEGV, SIGBUS, SIGINT, SIGTERM, SIGABRT and SIGILL when it is
// loaded (libinfinipath), its shm provider for four of them when an endpoint is made. A variable that must be
// there before the load prevents the first; for the rest every handler is read before and put back after.
// Other threads may read the environment meanwhile, as setenv(3) warns: load before there are any.
#pragma once

#include <array>
#include <csignal>
#include <optional>
#include <string>

namespace harness::transports::ofi {

class Guard {
 public:
  Guard();
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  static constexpr std::size_t variables = 4;
  std::array<std::optional<std::string>, variables> values_;
  std::array<struct sigaction, NSIG> handlers_;
};

}  // namespace harness::transports::ofi
