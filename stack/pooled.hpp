// SPDX-License-Identifier: Apache-2.0
// Objects that live in pool slabs: the nodes of a layer's intrusive queues, so that a message path allocates
// nothing.
//
// One object a slab (256 bytes is the smallest class, 192 of them usable), charged to the link's quota like
// any other memory of the link. An idle link has none. Rejected: arrays of the stated bound inside each layer
// (kilobytes a link).
#pragma once

#include <new>
#include <utility>

#include <harness/stack/pool.hpp>

namespace harness {

/// A T in a slab of its own, or nullptr at the pool's limit; `quota` may be null. Freed by `free_pooled`.
/// [stack-thread]
template <class T, class... Arguments>
T* new_pooled(Pool& pool, Quota* quota, Arguments&&... arguments) noexcept {
  static_assert(alignof(T) <= alignof(Slab));
  Slab* slab = pool.allocate(sizeof(T), quota);
  return slab != nullptr ? new (slab->bytes()) T(std::forward<Arguments>(arguments)...) : nullptr;
}

/// Destroys what new_pooled made; null is allowed. [stack-thread]
template <class T>
void free_pooled(T* object) noexcept {
  if (object == nullptr) return;
  object->~T();
  Pool::release(reinterpret_cast<Slab*>(reinterpret_cast<std::byte*>(object) - sizeof(Slab)));
}

}  // namespace harness
