// SPDX-License-Identifier: Apache-2.0
// See loop_pair.hpp.
#include <harness/bench/support/loop_pair.hpp>

#include <harness/bench/support/program.hpp>
#include <harness/layers/all.hpp>
#include <harness/transports/loop.hpp>

namespace harness::bench {

LoopPair::LoopPair(const std::string& stack, Engine* engine, Fill fill)
    : own_(engine == nullptr ? std::make_unique<StillEngine>() : nullptr),
      engine_(engine != nullptr ? *engine : *own_) {
  (fill != nullptr ? fill : &layers::add_all)(catalogue_);
  catalogue_.add(transports::Loop::type());
  near_ = std::make_unique<Node>(engine_, catalogue_, NodeOptions{.name = "near", .domain = "bench"});
  far_ = std::make_unique<Node>(engine_, catalogue_, NodeOptions{.name = "far", .domain = "bench"});
  const auto loop = std::make_shared<transports::Loop>(engine_);
  near_->add(loop);
  far_->add(loop);
  far_->on_link(
      [this](const std::shared_ptr<Link>& link) { link->on_message([this](Message&&) { ++delivered_; }); });
  const auto address = far_->listen("loop:far");
  if (!address) give_up(address.error());
  auto link = near_->connect("far", stack, {*address});
  if (!link) give_up(link.error());
  link_ = *link;
  for (unsigned turn = 0; turn < 1000 && !link_->is_up(); ++turn) engine_.poll();
  if (!link_->is_up()) give_up(link_->error());
}

LoopPair::~LoopPair() {
  link_->close();
  for (unsigned turn = 0; turn < 1000 && !near_->links().empty(); ++turn) engine_.poll();
}

void LoopPair::exchange(unsigned count) {
  const std::uint64_t wanted = delivered_ + count;
  for (unsigned i = 0; i < count; ++i) {
    Message message = link_->make(64);
    link_->send(std::move(message));
  }
  for (unsigned turn = 0; turn < 1000 && delivered_ < wanted; ++turn) engine_.poll();
}

}  // namespace harness::bench
