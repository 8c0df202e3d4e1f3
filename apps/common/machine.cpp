// SPDX-License-Identifier: Apache-2.0
// See machine.hpp.
#include <harness/apps/common/machine.hpp>

#include <array>
#include <fstream>

#include <unistd.h>

#include <harness/apps/common/digest.hpp>

namespace harness::apps {

namespace {

constexpr std::size_t named_bytes_max = 40;
constexpr std::size_t digest_letters = 16;

// "9b6f…" and "net:[4026531840]"; empty when one of them is not told.
std::string boot_and_network() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  std::array<char, 64> network{};
  const ssize_t length = readlink("/proc/self/ns/net", network.data(), network.size());
  if (boot.empty() || length <= 0) return {};
  return boot + "\n" + std::string(network.data(), static_cast<std::size_t>(length));
}

}  // namespace

std::string machine_host(std::string_view named) {
  const std::string machine = boot_and_network();
  if (machine.empty()) return {};
  const std::string all = machine + "\n" + std::string(named);
  Sha256 sha;
  sha.update(as_bytes(all));
  const std::string digest = hex(sha.finish()).substr(0, digest_letters);
  return named.empty() ? digest : std::string(named.substr(0, named_bytes_max)) + "-" + digest;
}

std::string machine_user() { return std::to_string(geteuid()); }

}  // namespace harness::apps
