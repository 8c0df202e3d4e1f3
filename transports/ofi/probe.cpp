// SPDX-License-Identifier: Apache-2.0
// See probe.hpp.
#include <harness/transports/ofi/probe.hpp>

#include <algorithm>
#include <chrono>

namespace harness::transports::ofi {

namespace {

constexpr std::uint32_t header_bytes = wire::bytes_of<wire::OfiFrame>;
static_assert(eager_bytes_max == 64 * 1024 + header_bytes);

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

}  // namespace

Probe::Probe(Fabric& fabric, ReceiveBuffers& buffers, Pool& pool, std::uint32_t bytes_max)
    : fabric_(fabric), pool_(pool), bytes_max_(std::min(bytes_max, fabric.policy().probe_bytes_max)),
      end_(fabric, buffers, pool, bytes_max_) {}

Crossover Probe::run() {
  if (bytes_max_ == 0) return failed("the provider sends to itself by memory");
  if (bytes_max_ < sizes.front()) return failed("its messages are too small to measure");
  if (!end_.open()) return failed("there is no memory to measure in");
  deadline_ns_ = now_ns() + connect_ns_max;
  bool going = in_a_row(sizes.front(), false) != 0 && in_a_row(sizes.front(), true) != 0;
  deadline_ns_ = now_ns() + measure_ns_max;
  unsigned done = 0;
  while (going && done < rounds) {
    going = one_round(done);
    done += going ? 1u : 0u;
  }
  if (end_.is_broken()) return failed("the provider failed when it was measured");
  return done >= rounds_min ? decide(done) : failed("measuring it took too long");
}

Crossover Probe::failed(const char* why) const noexcept {
  return {fabric_.policy().eager_bytes, Crossover::How::table, why};
}

Crossover Probe::decide(unsigned done) {
  const auto median = [done](Times& times) {
    std::sort(times.begin(), times.begin() + done);
    return times[done / 2];
  };
  std::array<FrameCost, sizes.size()> costs;
  std::size_t count = 0;
  for (; count < sizes.size() && sizes[count] <= bytes_max_; ++count)
    costs[count] = {sizes[count], median(eager_ns_[count]), median(offered_ns_[count])};
  return crossover_of(std::span(costs).first(count), fabric_.policy().eager_bytes);
}

bool Probe::one_round(unsigned round) {
  for (std::size_t i = 0; i < sizes.size() && sizes[i] <= bytes_max_; ++i) {
    eager_ns_[i][round] = in_a_row(sizes[i], false);
    offered_ns_[i][round] = in_a_row(sizes[i], true);
    if (eager_ns_[i][round] == 0 || offered_ns_[i][round] == 0) return false;
  }
  return true;
}

// What a few frames take until all have arrived and their memory is back; 0: they did not.
std::uint64_t Probe::in_a_row(std::uint32_t bytes, bool offered) {
  const Message frame = Message::make(pool_, bytes - header_bytes);
  const std::uint64_t begin = now_ns();
  const unsigned wanted = end_.received() + ProbeEnd::frames_max;
  unsigned sent = 0;
  while (end_.received() != wanted || !is_idle()) {
    if (sent != ProbeEnd::frames_max) sent += (offered ? end_.offer(frame) : end_.send(frame)) ? 1u : 0u;
    end_.turn();
    if (end_.is_broken() || now_ns() > deadline_ns_) return 0;
  }
  return std::max<std::uint64_t>(now_ns() - begin, 1);
}

}  // namespace harness::transports::ofi
