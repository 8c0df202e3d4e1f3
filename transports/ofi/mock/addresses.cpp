// SPDX-License-Identifier: Apache-2.0
// Address vectors.
#include <harness/transports/ofi/mock/addresses.hpp>

#include <string.h>

#include <algorithm>
#include <memory>

namespace harness::transports::ofi::mock {

namespace {

AddressVector& vector_of(fid_av* face) noexcept { return *static_cast<AddressVector*>(face); }

int insert_all(fid_av* face, const void* addresses, std::size_t count, fi_addr_t* indices,
               std::uint64_t flags, void*) {
  if (flags != 0 && flags != FI_MORE) return -FI_EBADFLAGS;
  int inserted = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto index = vector_of(face).insert(static_cast<const char*>(addresses) + i * address_bytes);
    if (indices != nullptr) indices[i] = index.value_or(FI_ADDR_NOTAVAIL);
    inserted += index ? 1 : 0;
  }
  return inserted;
}

int remove_all(fid_av* face, fi_addr_t* indices, std::size_t count, std::uint64_t) {
  int result = 0;
  for (std::size_t i = 0; i < count; ++i)
    if (!vector_of(face).remove(indices[i])) result = -FI_EINVAL;
  return result;
}

int look_up(fid_av* face, fi_addr_t index, void* address, std::size_t* bytes) {
  const std::string* name = vector_of(face).name_of(index);
  if (name == nullptr) return -FI_EINVAL;
  const std::string text = vector_of(face).text_of(*name);
  memcpy(address, text.c_str(), std::min(*bytes, text.size() + 1));
  *bytes = address_bytes;
  return 0;
}

const char* print(fid_av*, const void* address, char* buffer, std::size_t* bytes) {
  const std::size_t needed = strnlen(static_cast<const char*>(address), address_bytes - 1) + 1;
  if (*bytes != 0) {
    const std::size_t length = std::min(needed, *bytes) - 1;
    memcpy(buffer, address, length);
    buffer[length] = '\0';
  }
  *bytes = needed;
  return buffer;
}

int close_vector(fid* face) {
  AddressVector& vector = object_of<AddressVector>(face);
  if (vector.users != 0) return -FI_EBUSY;
  const std::unique_ptr<AddressVector> ends(&vector);
  return 0;
}

fi_ops* fid_table() {
  static fi_ops operations = fid_operations(close_vector);
  return &operations;
}

fi_ops_av* vector_operations() {
  static fi_ops_av operations{.size = sizeof(fi_ops_av),
                              .insert = insert_all,
                              .insertsvc = refuse,
                              .insertsym = refuse,
                              .remove = remove_all,
                              .lookup = look_up,
                              .straddr = print,
                              .av_set = refuse};
  return &operations;
}

}  // namespace

AddressVector::AddressVector(Domain& domain, void* context)
    : fid_av{{FI_CLASS_AV, context, fid_table()}, vector_operations()}, domain_(domain) {
  ++domain_.children;
}

std::optional<fi_addr_t> AddressVector::insert(const char* text) {
  const std::string_view given(text, strnlen(text, address_bytes));
  const std::string_view scheme = domain_.profile().scheme;
  const bool ours = given.size() < address_bytes && given.starts_with(scheme);
  if (!ours || given.size() != scheme.size() + 5) return std::nullopt;
  const std::string_view name = given.substr(scheme.size());
  if (name.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  if (const fi_addr_t known = address_of(std::string(name)); known != FI_ADDR_NOTAVAIL) return known;
  names_.emplace_back(name);
  return names_.size() - 1;
}

bool AddressVector::remove(fi_addr_t address) {
  if (name_of(address) == nullptr) return false;
  names_[address].clear();
  return true;
}

const std::string* AddressVector::name_of(fi_addr_t address) const {
  return address < names_.size() && !names_[address].empty() ? &names_[address] : nullptr;
}

fi_addr_t AddressVector::address_of(const std::string& name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  return found == names_.end() ? FI_ADDR_NOTAVAIL : static_cast<fi_addr_t>(found - names_.begin());
}

std::string AddressVector::text_of(const std::string& name) const { return domain_.profile().scheme + name; }

int open_address_vector(fid_domain* domain, fi_av_attr* attributes, fid_av** vector, void* context) {
  if (attributes->type == FI_AV_MAP || attributes->name != nullptr) return -FI_ENOSYS;
  *vector = std::make_unique<AddressVector>(*static_cast<Domain*>(domain), context).release();
  return 0;
}

}  // namespace harness::transports::ofi::mock
