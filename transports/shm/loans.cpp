// SPDX-License-Identifier: Apache-2.0
// See loans.hpp.
#include <harness/transports/shm/loans.hpp>

namespace harness::transports::shm {

static_assert(Lender::slots * sizeof(Slab) == page_bytes);

Message Borrower::borrow(Pool& pool, const wire::ShmLoan& loan, Quota* quota) noexcept {
  std::byte* const where = memory_.base() + loan.slot * sizeof(Slab);
  Slab* const slab = pool.adopt(where, loan.bytes, this, &give_back);
  if (quota != nullptr) slab->charge(*quota);
  out_ |= std::uint64_t{1} << loan.slot;
  const auto offset = static_cast<std::uint32_t>(memory_.file() + loan.at - slab->bytes());
  return Message::received(slab, offset, loan.bytes);
}

void Borrower::give_back(Slab* slab) noexcept {
  auto* self = static_cast<Borrower*>(slab->owner);
  const auto slot = slab - reinterpret_cast<Slab*>(self->memory_.base());
  self->out_ &= ~(std::uint64_t{1} << slot);
  self->returned_ ^= std::uint64_t{1} << slot;
  if (self->line_ != nullptr) {
    store_shared(self->line_->returned, self->returned_);
  } else if (self->out_ == 0) {
    delete self;
  }
}

void Borrower::close() noexcept {
  line_ = nullptr;
  if (out_ == 0) delete this;
}

}  // namespace harness::transports::shm
