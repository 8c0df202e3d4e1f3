// SPDX-License-Identifier: Apache-2.0
// Two nodes of one engine with a link over loop, as an application has them.
#pragma once

#include <memory>
#include <string>

#include <harness/bench/support/still_engine.hpp>
#include <harness/stack/catalogue.hpp>
#include <harness/stack/node.hpp>

namespace harness::bench {

class LoopPair {
 public:
  /// Opens the link; gives up when it cannot. `engine`: one to run on, not owned; null: a StillEngine of its
  /// own. `fill`: what the nodes know; all layers.
  using Fill = void (*)(Catalogue&);
  explicit LoopPair(const std::string& stack, Engine* engine = nullptr, Fill fill = nullptr);
  ~LoopPair();
  LoopPair(const LoopPair&) = delete;
  LoopPair& operator=(const LoopPair&) = delete;

  /// Makes and sends `count` messages of 64 bytes, then turns until all were delivered and destroyed.
  void exchange(unsigned count);
  [[nodiscard]] std::uint64_t delivered() const noexcept { return delivered_; }
  /// The end that opened it, and the other one.
  [[nodiscard]] Link& near() noexcept { return *link_; }
  [[nodiscard]] Link& far() noexcept { return *far_->links().begin()->second; }
  void poll() { engine_.poll(); }

 private:
  std::unique_ptr<StillEngine> own_;
  Engine& engine_;
  Catalogue catalogue_;
  std::unique_ptr<Node> near_;
  std::unique_ptr<Node> far_;
  std::shared_ptr<Link> link_;
  std::uint64_t delivered_ = 0;
};

}  // namespace harness::bench
