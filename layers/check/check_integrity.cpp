// SPDX-License-Identifier: Apache-2.0
// The digest: words of 8 bytes, each mixed in by a multiplication and a fold, the last one filled up with
// zeros; then the length. It is the same however the message is scattered.
#include <harness/layers/check/check_integrity.hpp>

namespace harness::layers {

namespace {

class Digest {
 public:
  void add(Bytes run) noexcept {
    std::size_t at = 0;
    while (at < run.size() && filled_ != 0) add(run[at++]);
    for (; at + 8 <= run.size(); at += 8) mix(load<std::uint64_t>(run.data() + at));
    while (at < run.size()) add(run[at++]);
  }
  std::uint64_t finish(std::uint64_t length) noexcept {
    mix(word_);
    mix(length);
    return state_;
  }

 private:
  void add(std::byte byte) noexcept {
    word_ |= static_cast<std::uint64_t>(byte) << 8 * filled_;
    if (++filled_ == 8) mix(std::exchange(word_, 0)), filled_ = 0;
  }
  void mix(std::uint64_t word) noexcept {
    state_ = (state_ ^ word) * 0x9e3779b97f4a7c15u;
    state_ ^= state_ >> 29;
  }

  std::uint64_t state_ = 0x6a09e667f3bcc908u;
  std::uint64_t word_ = 0;
  unsigned filled_ = 0;
};

}  // namespace

std::uint64_t CheckIntegrity::digest(const Message& message) noexcept {
  Digest digest;
  message.each_run([&](Bytes run) {
    digest.add(run);
    return true;
  });
  return digest.finish(message.size());
}

bool CheckIntegrity::judge(Message& message) {
  ++judged_messages_;
  const std::byte* raw = message.pull(wire::bytes_of<wire::CheckIntegrity>);
  const bool intact = raw != nullptr && wire::decode<wire::CheckIntegrity>(raw).digest == digest(message);
  if (!intact) breaches_.report(context_, "integrity: a message has not the bytes it was sent with");
  return raw != nullptr;
}

void CheckIntegrity::describe(Describer& describer) const {
  describer.value("judged_messages", judged_messages_);
  describer.value("breaches", breaches_.count());
}

bool CheckIntegrity::take_state(CheckIntegrity& old) {
  breaches_ = old.breaches_;
  judged_messages_ = old.judged_messages_;
  return true;
}

}  // namespace harness::layers
