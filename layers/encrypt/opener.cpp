// SPDX-License-Identifier: Apache-2.0
// See opener.hpp: which key is whose, and how the three change places.
#include <harness/layers/encrypt/opener.hpp>

namespace harness::layers::encryption {

Opener::Opener(Hash& hash, const Cipher& cipher, const Secret& secret, bool strict)
    : slots_{Slot(cipher), Slot(cipher), Slot(cipher)}, strict_(strict), current_(&slots_[0]),
      previous_(&slots_[1]), next_(&slots_[2]), hash_(hash), suite_(cipher.suite) {
  current_->secret = secret;
  current_->key.set(hash_, secret);
  current_->live = true;
}

// The key of the epoch that ends in `name`, if it may be tried.
Opener::Slot* Opener::other_slot(std::uint8_t name, std::uint64_t now_ns) noexcept {
  if (previous_->live && name == previous_->name()) return previous_;
  const auto ahead = static_cast<std::uint8_t>(name - current_->name());
  if (ahead == 1) return next_->live ? next_ : prepare(ahead);
  if (ahead > ahead_max || now_ns < leap_after_ns_) return nullptr;
  return prepare(ahead);
}

Opener::Slot* Opener::prepare(std::uint8_t ahead) noexcept {
  forget(*next_);
  next_->secret = current_->secret;
  for (std::uint8_t i = 0; i < ahead; ++i) next_epoch(hash_, suite_, next_->secret);
  next_->key.set(hash_, next_->secret);
  next_->epoch = current_->epoch + ahead;
  next_->live = true;
  return next_;
}

// A leap that came to nothing: the next epoch's key is made anew when it is named.
Verdict Opener::refuse(Slot* slot, std::uint64_t now_ns) noexcept {
  ++forged_;
  if (slot == next_ && slot->epoch != current_->epoch + 1) {
    forget(*slot);
    leap_after_ns_ = now_ns + leap_pause_ns;
  }
  return Verdict::forged;
}

// Only the next one becomes the current one; a late record of the previous one changes nothing.
void Opener::promote(Slot* slot) noexcept {
  if (slot != next_) return;
  forget(*previous_);
  next_ = previous_;
  previous_ = current_;
  previous_->secret = Secret{};
  current_ = slot;
}

void Opener::forget(Slot& slot) noexcept {
  if (!slot.live) return;
  slot.live = false;
  slot.key.forget();
  slot.secret = Secret{};
}

}  // namespace harness::layers::encryption
