// SPDX-License-Identifier: Apache-2.0
// See region.hpp.
#include <harness/stack/region.hpp>

#include <algorithm>

#include <harness/stack/field.hpp>

namespace harness {

namespace {

// A handle as it travels.
struct HandleHead {
  std::uint8_t version = RegionHandle::version;
  std::uint8_t access = 0;
  std::uint8_t atomics = 0;
  static constexpr auto fields =
      std::tuple{Field<&HandleHead::version>{"version", 8, "1"},
                 Field<&HandleHead::access>{"access", 8, "bit 0 read, bit 1 write, bit 2 atomic"},
                 Field<&HandleHead::atomics>{"atomics", 8, "0 the processor's, 1 the network card's"}};
};
struct HandleBody {
  std::uint64_t key = 0;
  std::uint64_t bytes = 0;
  static constexpr auto fields = std::tuple{Field<&HandleBody::key>{"key", 64, "of the region"},
                                            Field<&HandleBody::bytes>{"bytes", 64, "its length"}};
};
constexpr std::size_t head_bytes = wire::bytes_of<HandleHead>;
static_assert(head_bytes + wire::bytes_of<HandleBody> == RegionHandle::packed_bytes);
static_assert(RegionHandle::packed_bytes <= 64);

}  // namespace

std::array<std::byte, RegionHandle::packed_bytes> RegionHandle::pack() const noexcept {
  std::array<std::byte, packed_bytes> packed;
  wire::encode(HandleHead{version, static_cast<std::uint8_t>(access), static_cast<std::uint8_t>(atomics)},
               packed.data());
  wire::encode(HandleBody{key, bytes}, packed.data() + head_bytes);
  return packed;
}

Result<RegionHandle> RegionHandle::unpack(Bytes packed) {
  const auto wrong = [](Errc code, std::string because) {
    return fail(code, "these bytes are no handle of a region", std::move(because),
                "hand over what RegionHandle::pack() of this version gave, all of it");
  };
  if (packed.size() != packed_bytes)
    return wrong(Errc::invalid, "they are " + std::to_string(packed.size()) + " and a handle has " +
                                    std::to_string(packed_bytes));
  const auto head = wire::decode<HandleHead>(packed.data());
  const auto body = wire::decode<HandleBody>(packed.data() + head_bytes);
  if (head.version != version)
    return wrong(Errc::conflict, "they are of version " + std::to_string(head.version) + ", this is " +
                                     std::to_string(version));
  if (head.access > static_cast<std::uint8_t>(Access::all) || head.atomics > 1 || body.bytes == 0)
    return wrong(Errc::invalid, "their access, atomic domain or length has no meaning");
  return RegionHandle{body.key, body.bytes, static_cast<Access>(head.access),
                      static_cast<AtomicDomain>(head.atomics)};
}

Regions::~Regions() {
  while (!placements_.empty()) placements_.front().end();
}

Result<RegionHandle> Regions::expose(MutableBytes bytes, Access access, AtomicDomain atomics,
                                     std::shared_ptr<RegionMemory> in) {
  if (bytes.empty() || access == Access::none)
    return fail(Errc::invalid, "this memory cannot be exposed",
                bytes.empty() ? "it has no bytes" : "the peer would be allowed nothing with it",
                "give at least one byte and one of read, write, atomic");
  auto free = std::find_if(regions_.begin(), regions_.end(), [](const Exposed& one) { return one.key == 0; });
  if (free == regions_.end()) {
    if (regions_.size() == regions_max)
      return fail(Errc::exhausted, "no more regions on this link",
                  std::to_string(regions_max) + " are exposed", "revoke one, or expose one large region");
    free = regions_.emplace(free);
  }
  const auto slot = static_cast<std::uint64_t>(free - regions_.begin());
  std::uint64_t key = 0;
  while (key >> slot_bits == 0) key = (random_.next() << slot_bits) | slot;
  *free = {key, bytes, access, atomics, std::move(in)};
  ++size_;
  for (Watcher& watcher : watchers_) {
    watcher.exposed(*free);
    if (atomics == AtomicDomain::nic) break;
  }
  return RegionHandle{key, bytes.size(), access, atomics};
}

Errc Regions::revoke(const RegionHandle& handle) noexcept {
  const std::size_t slot = handle.key & (regions_max - 1);
  if (slot >= regions_.size() || handle.key == 0 || regions_[slot].key != handle.key) return Errc::not_found;
  for (Watcher& watcher : watchers_) watcher.revoked(handle.key);
  for (auto at = placements_.begin(); at != placements_.end();) {
    Placement& placement = *at++;
    if (placement.key == handle.key) placement.end();
  }
  regions_[slot] = {};
  --size_;
  return Errc::ok;
}

void Regions::watch(Watcher& watcher) noexcept {
  const bool oldest = watchers_.empty();
  watchers_.push_back(watcher);
  for (const Exposed& region : regions_)
    if (region.key != 0 && (oldest || region.atomics == AtomicDomain::cpu)) watcher.exposed(region);
}

void Regions::unwatch(Watcher& watcher) noexcept {
  const bool oldest = &watchers_.front() == &watcher;
  watchers_.erase(watchers_.iterator_to(watcher));
  if (!oldest) return;
  for (const Exposed& region : regions_) {
    if (region.key == 0 || region.atomics == AtomicDomain::cpu) continue;
    watcher.revoked(region.key);
    if (!watchers_.empty()) watchers_.front().exposed(region);
  }
}

void Regions::take(std::uint64_t key, const Watcher& by) noexcept {
  if (domain_of(key) == AtomicDomain::cpu) return;
  for (Watcher& watcher : watchers_)
    if (&watcher != &by) watcher.revoked(key);
}

Errc Regions::find(std::uint64_t key, std::uint64_t offset, std::uint64_t length, Access access,
                   std::byte*& at) const noexcept {
  const std::size_t slot = key & (regions_max - 1);
  if (slot >= regions_.size() || key == 0 || regions_[slot].key != key) return Errc::not_found;
  const Exposed& region = regions_[slot];
  if (!allows(region.access, access)) return Errc::denied;
  if (offset > region.bytes.size() || length > region.bytes.size() - offset) return Errc::invalid;
  at = region.bytes.data() + offset;
  return Errc::ok;
}

void Regions::place(std::uint64_t key, std::byte* at, Placement& to) noexcept {
  to.reset();
  to.at = at;
  to.key = key;
  placements_.push_back(to);
}

}  // namespace harness
