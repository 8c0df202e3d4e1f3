// SPDX-License-Identifier: Apache-2.0
// What a shm peer has said, by the rules of the wire and nothing else: whether a packet may be, and which
// bytes of whose memory a region is afterwards.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <map>
#include <vector>

#include <harness/stack/region.hpp>
#include <harness/tests/fuzz/support/numbers.hpp>
#include <harness/transports/shm/socket.hpp>
#include <harness/transports/wire/shm.hpp>

namespace harness::fuzz {

/// A descriptor that a peer may send, and what is behind it.
class File {
 public:
  enum class Kind : std::uint8_t {
    none,
    ring,
    arena,
    whole,
    small,
    reading,
    sparse,
    shrinks,
    grows,
    opens,
    device,
    wire
  };
  static constexpr unsigned kinds = 12;
  static constexpr std::uint64_t page = transports::shm::page_bytes;

  File() = default;

  /// One that is shared by all runs; `ring` and `arena` are the peer's own.
  static const File& of(Kind kind) {
    static const std::array<File, kinds> all = [] {
      std::array<File, kinds> made;
      made[at(Kind::whole)] = File(4 * page, 0, false);
      made[at(Kind::small)] = File(page, 0, false);
      made[at(Kind::reading)] = made[at(Kind::whole)];
      made[at(Kind::reading)].number = open(
          ("/proc/self/fd/" + std::to_string(made[at(Kind::whole)].number)).c_str(), O_RDONLY | O_CLOEXEC);
      made[at(Kind::sparse)] = File(4 * page, 0, true);
      made[at(Kind::shrinks)] = File(page, F_SEAL_SHRINK, false);
      made[at(Kind::grows)] = File(page, F_SEAL_GROW, false);
      made[at(Kind::opens)] = File(page, F_SEAL_SEAL, false);
      made[at(Kind::device)].number = open("/dev/null", O_RDWR | O_CLOEXEC);
      made[at(Kind::wire)].number = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      return made;
    }();
    return all[at(kind)];
  }
  [[nodiscard]] static bool is_good(Kind kind) {
    return kind == Kind::whole || kind == Kind::small || kind == Kind::reading;
  }

  int number = -1;
  std::uint64_t bytes = 0;
  std::byte* memory = nullptr;  // as its owner has it mapped

 private:
  File(std::uint64_t wanted, int left_out, bool hole)
      : number(memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING)), bytes(wanted) {
    const auto length = static_cast<off_t>(bytes);
    require(fallocate(number, 0, 0, length) == 0);
    for (const int seal : {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL})
      require(seal == left_out || fcntl(number, F_ADD_SEALS, seal) == 0);
    if (hole) require(fallocate(number, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page, page) == 0);
    void* const where = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, number, 0);
    require(where != MAP_FAILED);
    memory = static_cast<std::byte*>(where);
  }
  static constexpr std::size_t at(Kind kind) { return static_cast<std::size_t>(kind); }
};

/// A region as the peer has described it; null memory: it could not be mapped.
struct Told {
  std::uint64_t key = 0;
  File::Kind file = File::Kind::none;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  Access access = Access::none;
  std::uint8_t slot = 0;

  [[nodiscard]] bool takes(std::uint64_t at, std::uint64_t length, Access need) const {
    return key != 0 && allows(access, need) && at <= bytes && length <= bytes - at;
  }
  [[nodiscard]] bool has_word(std::uint64_t at) const {
    return takes(at, 8, Access::atomic) && (offset + at) % 8 == 0;
  }
  [[nodiscard]] std::byte* memory() const { return File::of(file).memory + offset; }
};

class ShmModel {
 public:
  enum class State : std::uint8_t { greeting, open, ended };
  static constexpr std::uint8_t ring_log2 = 16, arena_log2 = 16;

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] const std::map<std::uint64_t, Told>& regions() const { return regions_; }
  [[nodiscard]] Told find(std::uint64_t key) const {
    const auto found = regions_.find(key % wire::ShmPage::regions_max);
    return found != regions_.end() && found->second.key == key && key != 0 ? found->second : Told{};
  }

  /// The peer has sent this packet.
  void hear(Bytes packet, File::Kind file) {
    if (state_ == State::ended || packet.size() == 1) return;
    if (!is_right(packet, file)) state_ = State::ended;
  }

 private:
  using Kind = wire::ShmPacket::Kind;
  struct Mapping {
    File::Kind file = File::Kind::none;
    bool writable = false;
  };
  static constexpr std::size_t region_bytes =
      wire::bytes_of<wire::ShmRegion> + wire::bytes_of<wire::ShmPlace>;

  bool is_right(Bytes packet, File::Kind file) {
    if (packet.size() < wire::bytes_of<wire::ShmPacket>) return false;  // none at all is an end
    const auto head = wire::decode<wire::ShmPacket>(packet.data());
    if (head.magic != wire::ShmPacket::magic_word) return false;
    const bool has_file = file != File::Kind::none;
    switch (head.kind) {
      case Kind::hello:
        if (packet.size() != wire::bytes_of<wire::ShmPacket> || state_ != State::greeting ||
            file != File::Kind::ring || head.log2_bytes != ring_log2)
          return false;
        state_ = State::open;
        return true;
      case Kind::arena: {
        const bool first = !std::exchange(has_arena_, true);
        return packet.size() == wire::bytes_of<wire::ShmPacket> && first && state_ == State::open &&
               file == File::Kind::arena && head.log2_bytes == arena_log2;
      }
      case Kind::memory:
        return packet.size() == wire::bytes_of<wire::ShmMemory> && has_file && state_ == State::open &&
               show(wire::decode<wire::ShmMemory>(packet.data()), file);
      case Kind::drop:
        return packet.size() == wire::bytes_of<wire::ShmMemory> && !has_file && state_ == State::open &&
               drop(wire::decode<wire::ShmMemory>(packet.data()).slot);
      case Kind::region:
        return packet.size() == region_bytes && !has_file && state_ == State::open &&
               share(wire::decode<wire::ShmRegion>(packet.data()),
                     wire::decode<wire::ShmPlace>(packet.data() + wire::bytes_of<wire::ShmRegion>));
    }
    return false;
  }
  bool show(const wire::ShmMemory& memory, File::Kind file) {
    if (memory.slot >= 64 || memories_.contains(memory.slot) || !File::is_good(file) ||
        memory.bytes != File::of(file).bytes)
      return false;
    memories_[memory.slot] = {file, (memory.flags & wire::ShmMemory::writable) != 0};
    return true;
  }
  bool share(const wire::ShmRegion& region, const wire::ShmPlace& place) {
    const auto found = memories_.find(region.slot);
    if (found == memories_.end() || region.key == 0 || region.access == 0 || region.access > 7) return false;
    const auto& [file, writable] = found->second;
    const std::uint64_t all = File::of(file).bytes;
    if (place.bytes == 0 || place.bytes > all || place.offset > all - place.bytes) return false;
    if ((region.access & 6) != 0 && !writable) return false;
    Told& told = regions_[region.key % wire::ShmPage::regions_max];
    if (told.key == region.key) return false;
    told = {};
    const bool mapped = file != File::Kind::reading || !writable;
    if (mapped)
      told = {region.key, file, place.offset, place.bytes, static_cast<Access>(region.access), region.slot};
    return true;
  }
  bool drop(std::uint8_t slot) {
    if (memories_.erase(slot) == 0) return false;
    std::erase_if(regions_, [&](const auto& one) { return one.second.key != 0 && one.second.slot == slot; });
    return true;
  }

  State state_ = State::greeting;
  bool has_arena_ = false;
  std::map<std::uint8_t, Mapping> memories_;
  std::map<std::uint64_t, Told> regions_;
};

}  // namespace harness::fuzz
