// SPDX-License-Identifier: Apache-2.0
// The arithmetic of cubic.
#include <harness/policies/congestion/cubic.hpp>

#include <algorithm>

namespace harness::congestion {

namespace {

constexpr double infinite = 1e18;

// Newton's iteration, so that no library's rounding enters.
double cube_root(double value) noexcept {
  if (value <= 0) return 0;
  double root = value > 1 ? value : 1;
  for (int i = 0; i < 100; ++i) {
    const double next = (2 * root + value / (root * root)) / 3;
    if (next >= root) break;  // from above, it falls until it stands
    root = next;
  }
  return root;
}

// RFC 9002 §7.2.
double initial_window(double packet_bytes) noexcept {
  return std::min(10 * packet_bytes, std::max(14720.0, 2 * packet_bytes));
}

}  // namespace

Cubic::Cubic(std::uint64_t window_bytes_max, std::uint32_t packet_bytes) noexcept
    : packet_bytes_(packet_bytes), window_bytes_(initial_window(packet_bytes)),
      window_bytes_max_(static_cast<double>(window_bytes_max)), threshold_bytes_(infinite) {}

void Cubic::clamp() noexcept {
  window_bytes_ = std::max(std::min(window_bytes_, window_bytes_max_), 2 * packet_bytes_);
}

// §5.8: a pause is no time of the epoch.
void Cubic::on_sent(const Sending& sent) noexcept {
  if (idle_since_ns_ == 0 || epoch_ns_ == 0) return;
  epoch_ns_ += sent.now_ns - std::min(sent.now_ns, idle_since_ns_);
  epoch_ns_ = std::min(epoch_ns_, sent.now_ns);
  idle_since_ns_ = 0;
}

void Cubic::on_ack(const Acked& acked) noexcept {
  touched_ = true;
  if (acked.sent_ns <= recovery_ns_ && recovery_ns_ != 0) return;  // in recovery (RFC 9002 §7.3.2)
  if (!acked.limited || ample(acked)) {
    if (idle_since_ns_ == 0) idle_since_ns_ = acked.now_ns;
    return;
  }
  on_sent({acked.now_ns});
  if (slow_start()) {
    window_bytes_ = std::min(window_bytes_ + static_cast<double>(acked.bytes), threshold_bytes_);
  } else {
    if (epoch_ns_ == 0) start_epoch(acked.now_ns);
    avoid_congestion(acked, static_cast<double>(acked.bytes) / packet_bytes_);
  }
  clamp();
}

bool Cubic::ample(const Acked& acked) const noexcept {
  return window_bytes_ >= ample_bytes && acked.min_rtt_ns != 0 &&
         acked.smoothed_rtt_ns / 4 > acked.min_rtt_ns;
}

// §4.2: K from where the window stands now.
void Cubic::start_epoch(std::uint64_t now_ns) noexcept {
  epoch_ns_ = now_ns;
  most_packets_ = std::max(most_packets_, packets());
  k_s_ = cube_root((most_packets_ - packets()) / c);
  reno_packets_ = packets();
}

void Cubic::avoid_congestion(const Acked& acked, double acked_packets) noexcept {
  constexpr double reno_step = 3 * (1 - beta) / (1 + beta);  // §4.3: alpha_cubic
  const double window = packets();
  const double since_s = static_cast<double>(acked.now_ns - epoch_ns_) * 1e-9;
  const auto cubic_at = [&](double t_s) {
    const double from_k = t_s - k_s_;
    return c * from_k * from_k * from_k + most_packets_;
  };
  reno_packets_ += (reno_packets_ < prior_packets_ ? reno_step : 1.0) * acked_packets / window;
  double next = window;
  if (cubic_at(since_s) < reno_packets_) {
    next = std::max(window, reno_packets_);
  } else {  // §4.4, §4.5: to the target of one round trip from now, at most half as much again
    const double ahead_s = since_s + static_cast<double>(acked.smoothed_rtt_ns) * 1e-9;
    const double target = std::clamp(cubic_at(ahead_s), window, 1.5 * window);
    next = window + (target - window) / window * acked_packets;
  }
  window_bytes_ = next * packet_bytes_;
}

void Cubic::on_loss(const Lost& lost) noexcept {
  touched_ = true;
  if (lost.sent_ns <= recovery_ns_ && recovery_ns_ != 0) return;
  recovery_ns_ = std::max<std::uint64_t>(lost.now_ns, 1);
  epoch_ns_ = idle_since_ns_ = 0;
  prior_packets_ = packets();
  // §4.7: a flow that lost before it was back at its last maximum gives way to newer ones.
  most_packets_ = packets() < most_packets_ ? packets() * (1 + beta) / 2 : packets();
  window_bytes_ *= beta;  // §4.6
  clamp();
  threshold_bytes_ = window_bytes_;
}

// RFC 9002 §7.6.2: everything was lost for so long that nothing of what was known holds.
void Cubic::on_persistent(std::uint64_t now_ns) noexcept {
  recovery_ns_ = std::max<std::uint64_t>(now_ns, 1);
  epoch_ns_ = idle_since_ns_ = 0;
  window_bytes_ = 2 * packet_bytes_;
}

Window Cubic::window(std::uint64_t smoothed_rtt_ns, std::uint32_t packet_bytes) noexcept {
  if (packet_bytes_ != packet_bytes) {
    const double scale = packet_bytes_ / packet_bytes;
    for (double* packets : {&most_packets_, &prior_packets_, &reno_packets_}) *packets *= scale;
    packet_bytes_ = packet_bytes;
    if (!touched_) window_bytes_ = initial_window(packet_bytes_);
    clamp();
  }
  // RFC 9002 §7.7: a little faster than one window a round trip, in slow start twice as fast.
  const double factor = slow_start() ? 2.0 : 1.25;
  const double rate =
      smoothed_rtt_ns == 0 ? 0 : factor * window_bytes_ * 1e9 / static_cast<double>(smoothed_rtt_ns);
  return {static_cast<std::uint64_t>(window_bytes_), static_cast<std::uint64_t>(std::min(rate, 1e12))};
}

}  // namespace harness::congestion
