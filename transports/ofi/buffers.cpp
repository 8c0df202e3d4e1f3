// SPDX-License-Identifier: Apache-2.0
// See buffers.hpp.
#include <harness/transports/ofi/buffers.hpp>

#include <cstring>

namespace harness::transports::ofi {

// ---- sending ----

bool SendSlots::open(Fabric& fabric, std::uint32_t slot_bytes, unsigned slots) {
  slot_bytes = (slot_bytes + 63) / 64 * 64;  // whole cache lines
  slots = std::min(slots, bytes_max / slot_bytes);
  region_ = Region::make(fabric, std::size_t{slots} * slot_bytes, Region::Use::messages);
  if (region_ == nullptr) return false;
  slots_ = slots;
  for (unsigned i = 0; i < slots_; ++i) {
    table_[i].kind = Operation::Kind::send;
    table_[i].memory = region_->data() + std::size_t{i} * slot_bytes;
    stack_[free_++] = &table_[i];
  }
  return true;
}

void SendSlots::orphan(const Connection& link) noexcept {
  for (Operation& slot : table_) {
    if (slot.link != &link) continue;
    slot.link = nullptr;
    slot.orphan = true;
    ++orphans_;
  }
}

// ---- receiving ----

Result<> ReceiveBuffers::open(Fabric& fabric, std::uint32_t buffer_bytes, std::uint32_t message_bytes) {
  fabric_ = &fabric;
  many_ = fabric.receives_many();
  const std::uint32_t each = many_ ? buffer_bytes : message_bytes;
  table_.resize(many_ ? large_count : std::min<std::size_t>(single_count, fabric.info().rx_attr->size));
  region_ = Region::make(fabric, table_.size() * each, Region::Use::messages);
  if (region_ == nullptr)
    return fail(Errc::exhausted, "no memory for ofi to receive into",
                std::to_string(table_.size() * each) + " bytes could not be registered",
                "raise the limit of locked memory: ulimit -l unlimited");
  std::size_t least = message_bytes;
  if (many_) fi_setopt(&fabric.endpoint()->fid, FI_OPT_ENDPOINT, FI_OPT_MIN_MULTI_RECV, &least, sizeof least);
  for (std::size_t i = 0; i < table_.size(); ++i) {
    table_[i].kind = Operation::Kind::receive;
    table_[i].memory = region_->data() + i * each;
    table_[i].bytes = each;
    if (!post(table_[i])) ++unposted_;
  }
  return {};
}

bool ReceiveBuffers::post(Operation& buffer) noexcept {
  iovec where{buffer.memory, buffer.bytes};
  void* descriptor = region_->descriptor();
  fi_msg message{};
  message.msg_iov = &where;
  message.desc = &descriptor;
  message.iov_count = 1;
  message.addr = FI_ADDR_UNSPEC;
  message.context = &buffer.context;
  buffer.busy =
      fi_recvmsg(fabric_->endpoint(), &message, many_ ? FI_MULTI_RECV | FI_COMPLETION : FI_COMPLETION) == 0;
  return buffer.busy;
}

void ReceiveBuffers::post_again() noexcept {
  for (Operation& buffer : table_)
    if (!buffer.busy && post(buffer)) --unposted_;
}

// ---- reading ----

bool Reads::open(Fabric& fabric, std::uint32_t frame_bytes_max) {
  const std::size_t each = (std::size_t{frame_bytes_max} + 4095) / 4096 * 4096;
  if (fabric.wants(FI_MR_LOCAL)) {
    landing_ = Region::make(fabric, reads_max * each, Region::Use::reads);
    if (landing_ == nullptr) return false;
  }
  for (unsigned i = 0; i < reads_max; ++i) {
    table_[i].kind = Operation::Kind::read;
    table_[i].memory = landing_ != nullptr ? landing_->data() + i * each : nullptr;
  }
  return true;
}

Operation* Reads::take() noexcept {
  for (Operation& read : table_) {
    if (read.busy) continue;
    read.busy = true;
    read.seen = 0;
    ++busy_;
    return &read;
  }
  return nullptr;
}

void Reads::give(Operation& read) noexcept {
  if (read.slab != nullptr) Pool::release(read.slab);
  busy_ -= std::exchange(read.orphan, false) ? 0u : 1u;
  read.busy = false;
  read.slab = read.waiting = nullptr;
  read.link = nullptr;
}

void Reads::land(Operation& read) const noexcept {
  if (landing_ != nullptr && read.bytes != 0) std::memcpy(read.slab->bytes(), read.memory, read.bytes);
}

// The provider may still write there: the slab goes when the read completes.
void Reads::orphan(const Connection& link) noexcept {
  for (Operation& read : table_) {
    if (read.link != &link) continue;
    read.link = nullptr;
    read.orphan = true;
    --busy_;
  }
}

void Reads::release_all() noexcept {
  for (Operation& read : table_)
    if (read.busy) give(read);
}

}  // namespace harness::transports::ofi
