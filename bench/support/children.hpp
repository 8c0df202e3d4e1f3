// SPDX-License-Identifier: Apache-2.0
// Peers that are programs: a server on the far core and a client on the near one, as child processes.
#pragma once

#include <string>
#include <vector>

namespace harness::bench {

struct Command {
  std::vector<std::string> words;        // the program, found by PATH, and its arguments
  std::vector<std::string> environment;  // "NAME=value", beside ours
  int core = -1;                         // that it is pinned to; -1: wherever it likes
};

/// Whether `program` is there to be run.
bool installed(const std::string& program);
/// A tcp port on loopback that nobody listened on a moment ago.
std::string free_port();
/// Runs a command to its end and returns what it printed on standard output; empty when it failed or was
/// ended after `seconds_max`.
std::string run_alone(const Command& command, unsigned seconds_max = 20);
/// The same of `client` while `server` runs; the client is tried again until the server listens. Both have
/// ended on return.
std::string run_pair(const Command& server, const Command& client, unsigned seconds_max = 20);

}  // namespace harness::bench
