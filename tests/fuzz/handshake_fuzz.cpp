// SPDX-License-Identifier: Apache-2.0
// Any bytes as a blob of encrypt's handshake, or as a change of a real one: nothing crashes, and no handshake
// ends well unless all three arrived as they were sent. First byte: which blob (low bits), and whether the
// rest is the blob (bit 2) or is laid over the real one.
#include <cstdlib>

#include <harness/layers/encrypt.hpp>
#include <harness/tests/support/test_authority.hpp>

namespace {

using namespace harness;
using Blob = Handshake::Blob;

/// Replaces or changes the blob; true when it is another one now.
bool change(Blob& blob, unsigned how, Bytes by) {
  const Blob before = blob;
  if ((how & 4) != 0) {
    blob.assign(by.begin(), by.end());
  } else {
    for (std::size_t i = 0; i < by.size() && i < blob.size(); ++i) blob[i] ^= by[i];
    if (by.size() > blob.size()) blob.resize(by.size());
  }
  return blob != before;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static tests::TestAuthority lab("lab", "a");
  static tests::TestAuthority office("office", "b");
  const Bytes by{reinterpret_cast<const std::byte*>(data) + 1, size - 1};
  const unsigned which = data[0] % 4u % 3u;
  const auto initiator = layers::Encrypt::handshake(Role::initiator, lab);
  const auto responder = layers::Encrypt::handshake(Role::responder, office);
  bool changed = false;
  auto blob = initiator->hello({});
  if (blob && which == 0) changed = change(*blob, data[0], by);
  if (blob) blob = responder->answer({}, *blob, {});
  if (blob && which == 1) changed = change(*blob, data[0], by);
  if (blob) blob = initiator->finish(*blob, {});
  if (blob && which == 2) changed = change(*blob, data[0], by);
  const bool ended = blob && responder->confirm(*blob);
  if (ended == changed) std::abort();
  return 0;
}
