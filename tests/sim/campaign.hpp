// SPDX-License-Identifier: Apache-2.0
// What a campaign of swaps walks over: every {medium} × {plain, AES, ChaCha20} × {as it is, compressed}, two
// processes that have all three media at once, and a tour that takes each ordered pair of stacks once.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/stack/node.hpp>
#include <harness/tests/support/test_authority.hpp>
#include <harness/transports/sim.hpp>

namespace harness::tests {

using transports::Sim;
using transports::SimEngine;
using transports::SimWorld;

/// A process with all media that sends numbered messages on three channels and judges those of its peer.
class Mover {
 public:
  static constexpr unsigned channels = 3;
  Mover(SimWorld& world, const Catalogue& catalogue, const std::string& name, const std::string& domain);

  /// `through`: whose address is dialled, when it is not the peer's.
  void dial(const std::string& peer, const StackSpec& stack, std::uint64_t quota_bytes,
            const std::string& through = {});
  /// Sends as much as the link takes, on each channel, until told to stop.
  void send();
  void stop() { stopped_ = true; }
  /// One message of 64 bytes on channel 0 each `every_ns`, from now on.
  void send_steadily(std::uint64_t every_ns);
  /// Asks for `to`; what the peer's node listens on is dialled.
  Result<> swap(const StackSpec& to, const std::string& peer);
  [[nodiscard]] bool is_quiet() const { return link->is_up() && !link->is_swapping(); }
  [[nodiscard]] bool has_all_of(const Mover& peer) const;
  /// Stack, swap and error of the link, what was sent and received, and what the layers say of themselves.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string stack() const { return link->stack()->spec().text(); }

  SimEngine& engine;
  TestAuthority authority;
  Node node;
  std::shared_ptr<Link> link;
  std::array<unsigned, channels> sent{}, received{};
  std::uint64_t longest_gap_ns = 0;               // between two deliveries; the test sets it back
  std::vector<std::uint64_t>* gaps_ns = nullptr;  // … each of them
  std::map<std::pair<std::string, std::string>, unsigned> swaps;  // from and to, as this end heard of it

 private:
  void watch(const std::shared_ptr<Link>& opened);
  void take(const Message& message);
  Message make(unsigned channel, std::uint32_t bytes);
  bool stopped_ = false;
  std::uint64_t every_ns_ = 0;
  std::uint64_t last_ns_ = 0;
  std::string before_, refused_;  // the stack before a swap, and why one came to nothing
  Timer timer_;
};

/// All layers and the three media, and the stacks of a campaign over them, each able to carry any message.
class Campaign {
 public:
  explicit Campaign(bool only_encrypted = false);
  [[nodiscard]] const Catalogue& catalogue() const noexcept { return catalogue_; }
  [[nodiscard]] const std::vector<StackSpec>& stacks() const noexcept { return stacks_; }
  /// Indices of stacks: from each to each, itself too, exactly once; n² swaps, n² + 1 entries.
  [[nodiscard]] std::vector<std::size_t> tour(Random& random) const;

 private:
  Catalogue catalogue_;
  std::vector<StackSpec> stacks_;
};

}  // namespace harness::tests
