// SPDX-License-Identifier: Apache-2.0
// See net_path.hpp.
#include <harness/tests/support/net_path.hpp>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace harness::tests {

namespace {
int own_namespace() { return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC); }
}  // namespace

NetPath::NetPath() : home_(own_namespace()) {
  for (const Place place : {near, far, router})
    if (!make_place(place)) return;
  const std::string files = "/proc/" + std::to_string(getpid()) + "/fd/";
  const auto veth = [&](const std::string& mine, const std::string& theirs, Place place) {
    return in(router, "ip link add " + mine + " type veth peer name " + theirs) &&
           in(router, "ip link set " + theirs + " netns " + files + std::to_string(places_[place]));
  };
  const auto up = [&](Place place, const std::string& device, const std::string& address) {
    return in(place, "ip addr add " + address + "/24 dev " + device) &&
           in(place, "ip link set " + device + " up mtu 9000");
  };
  const bool made =
      veth("rnear", "near0", near) && veth("rfar", "far0", far) && up(router, "rnear", "10.9.1.2") &&
      up(router, "rfar", "10.9.2.2") && up(near, "near0", "10.9.1.1") && up(far, "far0", "10.9.2.1") &&
      in(near, "ip route add default via 10.9.1.2") && in(far, "ip route add default via 10.9.2.2") &&
      in(router, "echo 1 > /proc/sys/net/ipv4/ip_forward");
  if (!made) refused_ = "no path of veth interfaces: `ip` failed, or is missing";
}

NetPath::~NetPath() {
  if (home_ >= 0) setns(home_, CLONE_NEWNET);
  for (const int descriptor : {home_, places_[0], places_[1], places_[2]})
    if (descriptor >= 0) close(descriptor);
}

bool NetPath::make_place(Place place) {
  if (unshare(CLONE_NEWNET) != 0) {
    refused_ = std::string("no network namespace may be made: ") + std::strerror(errno);
    return false;
  }
  places_[place] = own_namespace();
  return places_[place] >= 0;
}

void NetPath::enter(Place place) const noexcept {
  if (setns(places_[place], CLONE_NEWNET) != 0) std::abort();
}

bool NetPath::in(Place place, const std::string& command) {
  enter(place);
  return std::system(("{ " + command + "; } >/dev/null 2>&1").c_str()) == 0;
}

void NetPath::set_near_mtu(unsigned bytes) {
  const std::string mtu = std::to_string(bytes);
  if (!in(near, "ip link set near0 mtu " + mtu) || !in(router, "ip link set rnear mtu " + mtu)) std::abort();
}

void NetPath::set_far_mtu(unsigned bytes) {
  const std::string mtu = std::to_string(bytes);
  if (!in(router, "ip link set rfar mtu " + mtu) || !in(far, "ip link set far0 mtu " + mtu)) std::abort();
}

}  // namespace harness::tests
