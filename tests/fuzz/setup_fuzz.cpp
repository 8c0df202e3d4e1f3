// SPDX-License-Identifier: Apache-2.0
// Any bytes as a set-up frame: refused with a reason, or read and then written back as the same value.
#include <cstdlib>

#include <harness/stack/setup.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace harness;
  auto frame = setup::parse({reinterpret_cast<const std::byte*>(data), size});
  if (!frame) return frame.error().what.empty() ? std::abort(), 0 : 0;
  Pool pool;
  Message again = setup::write(pool, *frame);
  if (!again) std::abort();
  auto same = setup::parse(again.front());
  if (!same || !(*same == *frame)) std::abort();
  return 0;
}
