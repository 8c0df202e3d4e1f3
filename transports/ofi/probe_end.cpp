// SPDX-License-Identifier: Apache-2.0
// See probe_end.hpp.
#include <harness/transports/ofi/probe_end.hpp>

#include <algorithm>
#include <bit>
#include <cstring>

namespace harness::transports::ofi {

using wire::OfiFrame;
using wire::OfiKind;
using wire::OfiOffer;
using wire::OfiTaken;

namespace {

constexpr std::uint32_t header_bytes = wire::bytes_of<OfiFrame>;
constexpr std::uint32_t offer_bytes = wire::bytes_of<OfiOffer>;
constexpr std::uint32_t nobodys_cookie = ~std::uint32_t{0};  // a transport drops what still comes

}  // namespace

ProbeEnd::ProbeEnd(Fabric& fabric, ReceiveBuffers& buffers, Pool& pool, std::uint32_t bytes_max)
    : fabric_(fabric), buffers_(buffers), pool_(pool), bytes_max_(bytes_max),
      inject_bytes_(fabric.inject_bytes(bytes_max)),
      inject_(std::make_unique<std::byte[]>(std::max(inject_bytes_, 64u))) {}

ProbeEnd::~ProbeEnd() {
  if (self_ != FI_ADDR_NOTAVAIL) fabric_.leave(self_, is_idle());
  reads_.release_all();
}

bool ProbeEnd::open() {
  offers_ = Offers::make(fabric_, std::size_t{frames_max} * bytes_max_);
  if (offers_ == nullptr || !slots_.open(fabric_, bytes_max_, 2 * frames_max) ||
      !reads_.open(fabric_, bytes_max_))
    return false;
  self_ = fabric_.insert(fabric_.name());
  return self_ != FI_ADDR_NOTAVAIL;
}

void ProbeEnd::retire() noexcept {
  slots_.retire();
  reads_.retire();
  offers_.reset();
}

// ---- sending, as connection_send.cpp does ----

bool ProbeEnd::send(const Message& frame) {
  return post(OfiKind::data, frame.size(), [&](std::byte* to) { frame.copy_to(to); });
}

bool ProbeEnd::offer(const Message& frame) {
  if (placed_ == Offers::none) placed_ = offers_->place(frame);
  if (placed_ == Offers::none) return false;
  const OfiOffer offer = offers_->offer(placed_);
  const bool sent = post(OfiKind::offer, offer_bytes + offer.key_bytes, [&](std::byte* to) {
    wire::encode(offer, to);
    std::memcpy(to + offer_bytes, offers_->key().data(), offer.key_bytes);
  });
  if (sent) placed_ = Offers::none;
  return sent;
}

template <class Fill>
bool ProbeEnd::post(OfiKind kind, std::uint32_t bytes, Fill&& fill) {
  const OfiFrame header{nobodys_cookie, bytes, kind, 0, 0, 0};
  const std::uint32_t size = header_bytes + bytes;
  long code = 0;
  if (size <= inject_bytes_) {
    wire::encode(header, inject_.get());
    fill(inject_.get() + header_bytes);
    code = fi_inject(fabric_.endpoint(), inject_.get(), size, self_);
  } else {
    Operation* slot = slots_.take();
    if (slot == nullptr) return false;
    slot->kind = Operation::Kind::probe;
    wire::encode(header, slot->memory);
    fill(slot->memory + header_bytes);
    code = fi_send(fabric_.endpoint(), slot->memory, size, slots_.descriptor(), self_, &slot->context);
    if (code != 0) slots_.give(*slot);
  }
  broken_ = broken_ || (code != 0 && code != -FI_EAGAIN);
  return code == 0;
}

void ProbeEnd::say_taken() {
  const auto count = static_cast<std::uint32_t>(std::popcount(taken_due_));
  const bool sent = post(OfiKind::taken, count * wire::bytes_of<OfiTaken>, [&](std::byte* to) {
    for (std::uint64_t due = taken_due_; due != 0; due &= due - 1, to += wire::bytes_of<OfiTaken>)
      wire::encode(OfiTaken{static_cast<std::uint8_t>(std::countr_zero(due))}, to);
  });
  if (sent) taken_due_ = 0;
}

// ---- receiving, as connection_receive.cpp does ----

void ProbeEnd::turn() {
  std::array<fi_cq_data_entry, 32> entries;  // NOLINT: written by the provider
  buffers_.repost();
  const long count = fi_cq_read(fabric_.completions(), entries.data(), entries.size());
  broken_ = broken_ || (count < 0 && count != -FI_EAGAIN);
  for (long i = 0; i < count; ++i) completed(entries[static_cast<std::size_t>(i)]);
  while (offered_count_ != 0 && start_read()) {
  }
  if (taken_due_ != 0) say_taken();
}

void ProbeEnd::completed(const fi_cq_data_entry& entry) {
  if (entry.op_context == nullptr) return;
  auto& operation = *static_cast<Operation*>(entry.op_context);
  if (operation.kind == Operation::Kind::receive) {
    if ((entry.flags & FI_RECV) != 0 && entry.len >= header_bytes)
      arrived(buffers_.message(operation, entry), entry.len - header_bytes);
    return buffers_.done(operation, entry.flags);
  }
  if (operation.slab == nullptr) return slots_.give(operation);
  reads_.land(operation);
  reads_.give(operation);
  --reading_;
  taken_due_ |= operation.ticket;
  ++received_;
}

void ProbeEnd::arrived(const std::byte* at, std::size_t bytes) {
  const auto header = wire::decode<OfiFrame>(at);
  const std::byte* const body = at + header_bytes;
  if (header.cookie != nobodys_cookie) return;
  if (header.kind == OfiKind::data) {
    Slab* slab = pool_.allocate(static_cast<std::uint32_t>(bytes));
    if (slab == nullptr) return void(broken_ = true);
    std::memcpy(slab->bytes(), body, bytes);
    Pool::release(slab);
    ++received_;
  } else if (header.kind == OfiKind::offer && offered_count_ != frames_max && bytes >= offer_bytes) {
    Offered& offered = offered_[offered_count_++];
    offered.offer = wire::decode<OfiOffer>(body);
    std::memcpy(offered.key.data(), body + offer_bytes, std::min(bytes - offer_bytes, offered.key.size()));
  } else if (header.kind == OfiKind::taken) {
    for (std::size_t i = 0; i < bytes; ++i) offers_->taken(std::to_integer<unsigned>(body[i]));
  }
}

bool ProbeEnd::start_read() {
  const Offered& offered = offered_[offered_count_ - 1];  // the last: all are alike
  if (offered.offer.slot >= OfiOffer::slots || offered.offer.bytes > bytes_max_ ||
      offered.offer.key_bytes > offered.key.size() ||
      !key_.set(fabric_, Bytes(offered.key).first(offered.offer.key_bytes))) {
    broken_ = true;
    return false;
  }
  Operation* read = reads_.take();
  if (read == nullptr) return false;
  read->kind = Operation::Kind::probe;
  read->slab = pool_.allocate(offered.offer.bytes);
  if (read->slab == nullptr) broken_ = true;
  const long code =
      broken_ ? -FI_ENOMEM
              : fi_read(fabric_.endpoint(), reads_.target(*read), offered.offer.bytes, reads_.descriptor(),
                        self_, offered.offer.address, key_.value(), &read->context);
  if (code != 0) {
    reads_.give(*read);
    broken_ = broken_ || code != -FI_EAGAIN;
    return false;
  }
  read->bytes = offered.offer.bytes;
  read->ticket = std::uint64_t{1} << offered.offer.slot;
  ++reading_;
  --offered_count_;
  return true;
}

}  // namespace harness::transports::ofi
