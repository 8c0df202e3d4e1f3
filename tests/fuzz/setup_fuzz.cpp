// SPDX-License-Identifier: Apache-2.0
// Any bytes as a set-up frame: refused with a reason, or read and then written back as the same value; and
// what a knock finds in a HELLO is what stands there.
#include <cstdlib>

#include <harness/stack/setup.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace harness;
  const Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
  const auto knock = setup::knock(bytes);
  auto frame = setup::parse(bytes);
  if (!frame) return frame.error().what.empty() ? std::abort(), 0 : 0;
  const auto* hello = std::get_if<setup::Hello>(&*frame);
  if (knock.has_value() != (hello != nullptr)) std::abort();
  if (hello != nullptr && (knock->attempt != hello->attempt || knock->domain != hello->from.domain ||
                           knock->cookie != hello->cookie || knock->greeting != hello->greeting))
    std::abort();
  Pool pool;
  Message again = setup::write(pool, *frame);
  if (!again) std::abort();
  auto same = setup::parse(again.front());
  if (!same || !(*same == *frame)) std::abort();
  return 0;
}
