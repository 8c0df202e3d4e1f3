// SPDX-License-Identifier: Apache-2.0
// A running node's identity: loaded before it listens, renewed while it runs.
#include <harness/apps/common/node_identity.hpp>

#include <fmt/format.h>

#include <harness/apps/common/runtime.hpp>

namespace harness::apps {

Result<> Runtime::load_identity(const ClusterNode& self) {
  const IdentityPlace place{options_.state_root, state_.path(), self.domain, self.name};
  bool issued = false;
  if (auto renewed = renew_if_due(place, options_.passphrase, issued); !renewed) return renewed;
  auto authority = load_authority(place, cluster(), options_.passphrase);
  options_.passphrase = nullptr;  // it is the caller's, who wipes it now
  if (!authority) return tl::unexpected<Error>(authority.error());
  authority_ = std::move(*authority);
  if (authority_ == nullptr) return {};
  const identity::Certificate& own = authority_->own();
  engine_->log(unix_now() > own.not_after ? LogLevel::warning : LogLevel::info,
               fmt::format("this is {}{}, {} {}", identity::spiffe_name(own.domain, own.name),
                           issued ? ", enrolled here" : "",
                           unix_now() > own.not_after ? "whose certificate expired" : "until",
                           identity::utc_text(own.not_after)));
  life_timer_ =
      std::make_unique<Timer>([](void* runtime) { static_cast<Runtime*>(runtime)->look_at_life(); }, this);
  engine_->timers().arm(*life_timer_, engine_->now_ns() + life_look_ns);
  return {};
}

Result<> Runtime::reload_identity() {
  if (authority_ == nullptr) return {};
  const Principal self = authority_->self();
  bool issued = false;
  auto renewed = renew_if_due({options_.state_root, state_.path(), self.domain, self.name}, nullptr, issued);
  auto loaded = authority_->reload();
  if (!loaded) return loaded;
  node_->authority_changed();
  if (issued)
    engine_->log(LogLevel::info,
                 "the certificate is renewed until " + identity::utc_text(authority_->own().not_after));
  return renewed;
}

// A few small files every ten minutes: not worth another thread.
void Runtime::look_at_life() {
  if (stopping_) return;
  engine_->timers().arm(*life_timer_, engine_->now_ns() + life_look_ns);
  if (auto loaded = reload_identity(); !loaded)
    engine_->log(LogLevel::warning,
                 fmt::format("identity: {} ({})", loaded.error().what, loaded.error().because));
}

}  // namespace harness::apps
