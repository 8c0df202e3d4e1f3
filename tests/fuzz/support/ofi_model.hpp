// SPDX-License-Identifier: Apache-2.0
// What an ofi peer and its victim have said of memory, by the rules of the wire and nothing else: the regions
// that were shared, the frames that were offered.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <harness/stack/region.hpp>
#include <harness/tests/fuzz/support/numbers.hpp>
#include <harness/tests/support/ofi_peer.hpp>

namespace harness::fuzz {

class OfiModel {
 public:
  using Body = std::vector<std::byte>;
  static constexpr std::uint64_t number_mask = ~std::uint64_t{0} >> 8;  // of a note

  /// `memory`: the peer's; from `still_from` on nobody ever writes there.
  OfiModel(const tests::Shown& memory, std::size_t still_from) : memory_(memory), still_from_(still_from) {}

  /// A note of the peer's on a link that is open; false: it cannot be.
  bool say(wire::OfiNote::Kind kind, std::uint64_t value, Bytes tail) {
    using Kind = wire::OfiNote::Kind;
    if (kind == Kind::share) return share(value, tail);
    if (kind == Kind::withdraw) return withdraw(value);
    if (kind == Kind::withdrawn) return withdrawn(value);
    return (kind >= Kind::sleep && kind <= Kind::done) || (kind >= Kind::count && kind <= Kind::polled);
  }

  // ---- regions of the peer's ----

  struct Window {
    std::uint64_t key, bytes, address;
    Access access;
    bool closing = false;

    [[nodiscard]] bool takes(std::uint64_t offset, std::uint64_t length, Access need) const {
      return allows(access, need) && offset <= bytes && length <= bytes - offset;
    }
  };
  [[nodiscard]] const Window* find(std::uint64_t key) const {
    const auto number = numbers_.find(key % Regions::regions_max);
    const auto window = number != numbers_.end() ? windows_.find(number->second) : windows_.end();
    const bool found = window != windows_.end() && window->second.key == key && !window->second.closing;
    return found ? &window->second : nullptr;
  }
  /// What a note says; false: it cannot be.
  bool share(std::uint64_t number, Bytes tail) {
    using Keys = wire::OfiShareKeys;
    constexpr std::size_t what_bytes = wire::bytes_of<wire::OfiShare>;
    constexpr std::size_t place_bytes = wire::bytes_of<wire::OfiSharePlace>;
    constexpr std::size_t fixed = what_bytes + place_bytes + wire::bytes_of<Keys>;
    if (number >= 256 || windows_.contains(number) || tail.size() < fixed) return false;
    const auto what = wire::decode<wire::OfiShare>(tail.data());
    const auto place = wire::decode<wire::OfiSharePlace>(tail.data() + what_bytes);
    const auto keys = wire::decode<Keys>(tail.data() + what_bytes + place_bytes);
    const std::size_t key_bytes = memory_.key.size();
    if (what.key == 0 || what.bytes == 0 || keys.access > 7 || tail.size() != fixed + 2 * key_bytes ||
        keys.key_bytes != key_bytes || keys.page_key_bytes != key_bytes)
      return false;
    windows_[number] = {what.key, what.bytes, place.address, static_cast<Access>(keys.access)};
    numbers_[what.key % Regions::regions_max] = number;
    page_ = place.page;
    return true;
  }
  /// An operation that begins on a region, and brings so many bytes.
  struct Ticket {
    std::uint64_t key, bytes;
    const std::byte* word;  // that says whether the region is still shared; null: nothing that is shown
    [[nodiscard]] bool is_done(Bytes result) const {
      return result.size() == bytes && word != nullptr && load<std::uint64_t>(word) == key;
    }
  };
  [[nodiscard]] Ticket begin(std::uint64_t key, std::uint64_t bytes) const {
    const auto number = numbers_.find(key % Regions::regions_max);
    if (number == numbers_.end()) return {key, bytes, nullptr};
    const std::uint64_t at = page_ + 8 * number->second - memory_.base;
    return {key, bytes, at <= tests::OfiPeer::memory_bytes - 8 ? memory_.data + at : nullptr};
  }
  bool withdraw(std::uint64_t number) {
    const auto window = windows_.find(number);
    return window != windows_.end() && !std::exchange(window->second.closing, true);
  }

  // ---- regions of the victim's ----

  bool withdrawn(std::uint64_t number) { return due_.erase(number) != 0; }
  [[nodiscard]] std::uint64_t due() const { return due_.empty() ? 0 : *due_.begin(); }
  void hear(const wire::OfiNote& note) {
    if (note.kind == wire::OfiNote::Kind::withdraw) due_.insert(note.value);
    if (note.kind != wire::OfiNote::Kind::withdrawn) return;
    const auto window = windows_.find(note.value);
    require(window != windows_.end() && window->second.closing);
    windows_.erase(window);
  }

  // ---- large frames ----

  struct Offered {
    bool can_be = false;
    bool is_there = false;      // what it names can be read
    std::optional<Body> bytes;  // as far as they are known beforehand
  };
  Offered offer(Bytes frame, std::uint32_t bytes_max) {
    if (frame.size() < wire::bytes_of<wire::OfiOffer>) return {};
    const auto offer = wire::decode<wire::OfiOffer>(frame.data());
    const Bytes key = frame.subspan(wire::bytes_of<wire::OfiOffer>);
    if (key.size() != offer.key_bytes || key.size() > wire::OfiOffer::key_bytes_max ||
        offer.slot >= wire::OfiOffer::slots || offer.bytes > bytes_max || !slots_.insert(offer.slot).second)
      return {};
    const std::uint64_t at = offer.address - memory_.base;
    constexpr std::uint64_t all = tests::OfiPeer::memory_bytes;
    const bool opens = std::equal(key.begin(), key.end(), memory_.key.begin(), memory_.key.end());
    if (!opens || at > all || offer.bytes > all - at) return {true, false, {}};
    if (at < still_from_) return {true, true, {}};
    return {true, true, Body(memory_.data + at, memory_.data + at + offer.bytes)};
  }
  [[nodiscard]] std::size_t offers() const { return slots_.size(); }
  void taken_by_victim(unsigned slot) { require(slots_.erase(slot) == 1); }
  void offered_by_victim(unsigned slot) { offered_.insert(slot); }
  [[nodiscard]] std::uint64_t victims_offer() const { return offered_.empty() ? 0 : *offered_.begin(); }
  bool taken(Bytes slots) {
    return !slots.empty() && std::all_of(slots.begin(), slots.end(), [&](std::byte slot) {
      return offered_.erase(std::to_integer<unsigned>(slot)) != 0;
    });
  }

 private:
  const tests::Shown& memory_;
  std::size_t still_from_;
  std::uint64_t page_ = 0;
  std::set<unsigned> slots_, offered_;  // out: the peer's, the victim's
  std::set<std::uint64_t> due_;         // withdrawn by the victim, not answered
  std::map<std::uint64_t, Window> windows_;
  std::map<std::uint64_t, std::uint64_t> numbers_;  // by the key's place
};

}  // namespace harness::fuzz
