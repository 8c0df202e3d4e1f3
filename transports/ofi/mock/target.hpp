// SPDX-License-Identifier: Apache-2.0
// The half of an endpoint that is asked: posted receives, and what peers want of them and of our regions.
//
//   arrived → granted → landing → over        send, write; atomic: … → landing → storing → over
//   arrived → replying → over                 read; fetch and compare after storing
// An atomic loads its word when it lands and stores it some looks later, as a card does that sees nothing of
// what the processor does meanwhile. Those of one endpoint on one word wait for each other.
// The second place of a write or a read is later than the first by seed, and looked up by itself.
// A region is looked up in the key table when an operation begins and again when its bytes land. Operations
// of one peer overtake each other as far as the profile's order lets them. A receive is poisoned when it is
// matched: what stood there is gone, and behind the message stays poison.
// Bounds: `incoming_max` operations known, `granted_max` granted whose bytes have not landed.
#pragma once

#include <list>
#include <memory>

#include <harness/transports/ofi/mock/station.hpp>

namespace harness::transports::ofi::mock {

struct Receive {
  Segments to;
  void* context = nullptr;
  bool multi = false;    // FI_MULTI_RECV
  bool reports = true;   // a success has a completion
  bool retired = false;  // takes no further message
  std::size_t used = 0;
  unsigned under_way = 0;
};

class Target {
 public:
  static constexpr std::size_t incoming_max = 4096;
  static constexpr unsigned granted_max = 32;

  Target(Station& station, std::size_t size) noexcept : station_(station), size_(size) {}
  [[nodiscard]] bool full() const noexcept { return receives_.size() >= size_; }
  /// Takes a receive; there must be room. One whose descriptor is wrong ends with an error at once.
  void post(Receive&& receive);
  /// fi_cancel(3): 0, or -FI_ENOENT.
  ssize_t cancel(const void* context);
  void step();
  void hear(const std::string& from, const Packet& packet, std::span<const std::byte> piece);
  [[nodiscard]] bool busy() const noexcept { return busy_; }
  std::size_t multi_receive_bytes_min = 64;  // FI_OPT_MIN_MULTI_RECV

 private:
  enum class State : std::uint8_t { arrived, granted, landing, storing, replying };
  struct Incoming {
    std::string peer;
    Packet packet;
    std::shared_ptr<Receive> receive;  // what it takes, or null
    std::size_t at = 0;                // where in the receive
    std::size_t room = 0;
    std::vector<std::byte> bytes;  // came and did not land; or the old value, to be replied
    State state = State::arrived;
    bool told = false;  // that there is no receive
    std::uint64_t delay = 0;
    std::uint64_t ticks = 0;
    std::size_t moved = 0;
    bool second = false;              // its first place has landed, or was read
    const std::byte* word = nullptr;  // an atomic's that is storing …
    std::uint64_t before = 0;         // … and what it loaded
  };
  using List = std::list<Incoming>;

  void request(const std::string& from, const Packet& packet);
  void data(Incoming& one, const Packet& packet, std::span<const std::byte> piece);
  bool advance(Incoming& one);
  bool begin(Incoming& one);
  bool match(Incoming& one);
  bool truncate(Incoming& one);
  void give_back(Incoming& one);
  bool land(Incoming& one);
  Fault land_message(Incoming& one);
  Fault land_write(Incoming& one);
  bool lands_in_two(Incoming& one);
  bool reads_second(Incoming& one);
  bool loads(Incoming& one);
  Fault land_atomic(Incoming& one);
  bool reply(Incoming& one);
  void report(Incoming& one, Fault fault, std::size_t length);
  void release(const Receive& receive);
  void answer(const Incoming& one, Kind kind, Fault fault = Fault::none);
  [[nodiscard]] bool takes_receive(const Packet& packet) const noexcept;
  [[nodiscard]] bool blocked(const Incoming& one) const;
  [[nodiscard]] Grasp region_of(const Incoming& one, const Place& place) const;

  Station& station_;
  std::size_t size_;
  bool busy_ = false;
  unsigned granted_ = 0;
  std::list<std::shared_ptr<Receive>> receives_;
  List incoming_;
};

}  // namespace harness::transports::ofi::mock
