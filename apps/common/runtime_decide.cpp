// SPDX-License-Identifier: Apache-2.0
// What a running link is given when things change: a better transport, a floor, new keys.
#include <fmt/format.h>

#include <harness/apps/common/runtime.hpp>

namespace harness::apps {

std::vector<Offer> offers_of(const policies::Decision& decision) {
  std::vector<Offer> offers;
  for (const policies::Choice& choice : decision.offers) offers.push_back({choice.stack, choice.address});
  return offers;
}

// A better way to the peer has come to be, or the one in use is not allowed any more: the link takes it while
// it carries traffic. What somebody else has swapped it to stays, until what is decided changes.
void Runtime::decide_again(LinkSlot& slot) {
  const policies::Decision decision =
      decide(cluster(), *slot.declared, slot.peer, facts_, catalogue_, authority_.get());
  if (decision.offers.empty() || decision.offers.front().stack.text() == slot.decided) return;
  slot.decided = decision.offers.front().stack.text();
  if (slot.decided == slot.link->stack()->spec().text()) return;
  if (auto asked = slot.link->swap(offers_of(decision)); !asked)
    engine_->log(LogLevel::warning, fmt::format("link {} to {} keeps its stack: {}", slot.declared->name,
                                                slot.peer, asked.error().what));
}

// What is kept of a link with a session goes on over what the floor now allows.
void Runtime::decide_above_floor(LinkSlot& slot) {
  if (!slot.dials) return;  // the peer dials
  const policies::Decision decision =
      decide(cluster(), *slot.declared, slot.peer, facts_, catalogue_, authority_.get());
  std::vector<Offer> offers = offers_of(decision);
  if (!offers.empty()) slot.decided = offers.front().stack.text();
  if (auto offered = slot.link->offer(std::move(offers)); !offered) slot.link->close();
}

// New keys come from a new handshake: a swap to the same stack. What somebody recorded before is then safe
// from whoever breaks in later.
void Runtime::arm_renewal(LinkSlot& slot) {
  const std::uint64_t every_ns = slot.declared->new_keys_ns;
  slot.renewal.cancel();
  if (!slot.dials || every_ns == 0 || slot.link->proven() == nullptr) return;
  const std::uint64_t spread = engine_->random().below(every_ns / 8 + 1);  // many links do not do it in step
  engine_->timers().arm(slot.renewal, engine_->now_ns() + every_ns - spread);
}

void Runtime::renew_keys(LinkSlot& slot) {
  if (stopping_ || slot.link == nullptr || !slot.link->is_up()) return;
  if (slot.link->is_swapping()) return arm_renewal(slot);
  slot.renewing_keys = true;
  if (slot.link->swap({{slot.link->stack()->spec(), {}}})) return;
  slot.renewing_keys = false;
  arm_renewal(slot);
}

}  // namespace harness::apps
