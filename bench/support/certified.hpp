// SPDX-License-Identifier: Apache-2.0
// Two domains on disk that believe each other, and a node of each with keys and a certificate: what a
// handshake costs with everything that kernel/identity does for it.
#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include <unistd.h>

#include <harness/kernel/identity/authority.hpp>
#include <harness/kernel/identity/enroll.hpp>

namespace harness::bench {

class Certified {
 public:
  static constexpr identity::Seconds now = 1'795'000'000;

  Certified() : folder_((std::filesystem::temp_directory_path() / name()).string()) {
    auto lab = must(identity::Domain::create(folder_, "lab", nullptr));
    auto office = must(identity::Domain::create(folder_, "office", nullptr));
    must(lab.trust().add_root(office.root()));
    must(office.trust().add_root(lab.root()));
    initiator = enroll(lab, "a");
    responder = enroll(office, "b");
  }
  ~Certified() { std::filesystem::remove_all(folder_); }
  Certified(const Certified&) = delete;
  Certified& operator=(const Certified&) = delete;

  std::unique_ptr<identity::NodeAuthority> initiator, responder;

 private:
  static std::string name() { return "harness-bench-" + std::to_string(getpid()); }
  template <class T>
  static T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().text());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }
  std::unique_ptr<identity::NodeAuthority> enroll(identity::Domain& domain, const std::string& node) {
    const std::string folder = folder_ + "/bench/" + node;
    identity::NodeFolder files(folder);
    must(domain.unlock(nullptr));
    (void)must(identity::enroll_here(domain, files, node, nullptr, 0, now));
    return must(identity::NodeAuthority::load({folder_, folder, domain.name(), node, {}, [] { return now; }},
                                              nullptr));
  }

  std::string folder_;
};

}  // namespace harness::bench
