// SPDX-License-Identifier: Apache-2.0
// A program outside the tree: includes installed headers, calls into the libraries, and checks the answer.
#include <cstdio>

#include <harness/config.hpp>
#include <harness/stack/result.hpp>

int main() {
  const harness::Error error{harness::Errc::invalid, "x", "y", "z"};
  if (error.text() != "error: x\nbecause: y\ntry: z") return 1;
  const std::string_view version = harness::config::version;
  std::printf("consumer of harness %.*s\n", static_cast<int>(version.size()), version.data());
  return 0;
}
