// SPDX-License-Identifier: Apache-2.0
// Both ends of a measure: an endpoint sends frames to itself and does for each what a Connection does, and
// nothing else: no credit, no order.
//
// It has slots, reads and an arena as the transport has, fewer of them. Whatever goes wrong breaks it.
// Bounds: `frames_max` frames under way.
#pragma once

#include <array>
#include <memory>

#include <harness/stack/message.hpp>
#include <harness/transports/ofi/buffers.hpp>
#include <harness/transports/ofi/offers.hpp>
#include <harness/transports/wire/ofi.hpp>

namespace harness::transports::ofi {

class ProbeEnd {
 public:
  static constexpr unsigned frames_max = 4;

  /// `buffers` are posted on the fabric's endpoint and take messages of `bytes_max`.
  ProbeEnd(Fabric& fabric, ReceiveBuffers& buffers, Pool& pool, std::uint32_t bytes_max);
  ~ProbeEnd();
  ProbeEnd(const ProbeEnd&) = delete;
  ProbeEnd& operator=(const ProbeEnd&) = delete;

  /// False: no memory to be registered, or the provider does not take its own name.
  bool open();
  /// Takes the memory from the provider; it stays mapped.
  void retire() noexcept;

  /// Sends a frame by copy, or offers it; false: not now.
  bool send(const Message& frame);
  bool offer(const Message& frame);
  /// Takes what came, reads what was offered, says what was read.
  void turn();

  [[nodiscard]] unsigned received() const noexcept { return received_; }
  [[nodiscard]] bool is_idle() const noexcept {
    return slots_.busy() == 0 && reading_ == 0 && (offers_ == nullptr || offers_->empty());
  }
  [[nodiscard]] bool is_broken() const noexcept { return broken_; }

 private:
  struct Offered {
    wire::OfiOffer offer;
    std::array<std::byte, wire::OfiOffer::key_bytes_max> key;
  };

  template <class Fill>
  bool post(wire::OfiKind kind, std::uint32_t bytes, Fill&& fill);
  void completed(const fi_cq_data_entry& entry);
  void arrived(const std::byte* at, std::size_t bytes);
  bool start_read();
  void say_taken();

  Fabric& fabric_;
  ReceiveBuffers& buffers_;
  Pool& pool_;
  std::uint32_t bytes_max_;
  std::uint32_t inject_bytes_;
  std::unique_ptr<std::byte[]> inject_;
  SendSlots slots_;
  Reads reads_;
  Offers::Owner offers_;
  RemoteKey key_;
  fi_addr_t self_ = FI_ADDR_NOTAVAIL;
  int placed_ = Offers::none;
  std::array<Offered, frames_max> offered_{};  // came, and are not being read yet
  unsigned offered_count_ = 0;
  unsigned reading_ = 0;
  std::uint64_t taken_due_ = 0;  // a bit a slot
  unsigned received_ = 0;
  bool broken_ = false;
};

}  // namespace harness::transports::ofi
