// SPDX-License-Identifier: Apache-2.0
// A path through a router, in three network namespaces of the calling thread's own:
//
//   near 10.9.1.1 ── veth ── router ── veth ── 10.9.2.1 far
//
// Needs root (or a user namespace that may make networks) and the command `ip`.
#pragma once

#include <array>
#include <string>

namespace harness::tests {

class NetPath {
 public:
  enum Place : unsigned { near, router, far };
  static constexpr const char* far_address = "10.9.2.1";

  /// Makes the path with 9000 bytes everywhere. On failure refused() says why.
  NetPath();
  ~NetPath();
  NetPath(const NetPath&) = delete;
  NetPath& operator=(const NetPath&) = delete;

  [[nodiscard]] const std::string& refused() const noexcept { return refused_; }
  /// Sockets of this thread are made there from now on.
  void enter(Place place) const noexcept;
  /// The link of the near end; or of the far end, behind the router.
  void set_near_mtu(unsigned bytes);
  void set_far_mtu(unsigned bytes);

 private:
  bool make_place(Place place);
  bool in(Place place, const std::string& command);

  std::string refused_;
  int home_ = -1;
  std::array<int, 3> places_{-1, -1, -1};
};

}  // namespace harness::tests
