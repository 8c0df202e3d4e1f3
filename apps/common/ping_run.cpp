// SPDX-License-Identifier: Apache-2.0
// Pings and what comes back.
#include <harness/apps/common/ping_run.hpp>

#include <algorithm>
#include <vector>

#include <harness/apps/common/service_message.hpp>

namespace harness::apps {

PingRun::PingRun(Outbox& outbox, Clock clock, Options options, Each each, Done done)
    : outbox_(outbox), clock_(std::move(clock)), options_(options), each_(std::move(each)),
      done_(std::move(done)), timer_([](void* self) { static_cast<PingRun*>(self)->on_timer(); }, this),
      started_ns_(outbox.engine().now_ns()), next_due_ns_(started_ns_) {
  outbox_.add(*this);
  arm();
}

bool PingRun::produce() {
  if (!due_ || finished_ || sent_all()) return false;
  if (outstanding_.size() >= outstanding_max) {
    due_ = false;
    return false;
  }
  wire::Echo ping;
  ping.stream = options_.stream;
  ping.sequence = report_.sent;
  ping.sent_ns = clock_();
  const std::vector<std::byte> body(options_.bytes);
  Message message = service_message(outbox_.engine().pool(), wire::Kind::ping, ping, body);
  const Errc code = message ? outbox_.send(std::move(message), Lane::urgent) : Errc::exhausted;
  if (code == Errc::would_block) return false;
  if (code != Errc::ok) {
    lost({code, "cannot send a ping", "the link takes no message of this size", "ask for fewer bytes"});
    return false;
  }
  outstanding_.emplace(report_.sent, outbox_.engine().now_ns());
  ++report_.sent;
  due_ = false;
  return true;
}

void PingRun::on_pong(const wire::Echo& pong) {
  if (finished_ || outstanding_.erase(pong.sequence) == 0) return;
  const std::uint64_t now = clock_();
  const std::uint64_t rtt = now > pong.sent_ns ? now - pong.sent_ns : 0;
  report_.rtt_ns.add(rtt);
  if (each_) each_(pong.sequence, rtt);
  if (sent_all() && outstanding_.empty()) return finish();
  if (options_.interval_ns != 0) return;
  due_ = true;
  outbox_.wake();
}

// By the clock: what is due is sent, what is too old is lost. Late by several intervals: one ping, not a
// burst.
void PingRun::on_timer() {
  const std::uint64_t now = outbox_.engine().now_ns();
  while (!outstanding_.empty() && now - outstanding_.begin()->second >= options_.timeout_ns) {
    outstanding_.erase(outstanding_.begin());
    ++report_.lost;
    if (options_.interval_ns == 0) due_ = true;
  }
  if (sent_all() && outstanding_.empty()) return finish();
  if (options_.interval_ns != 0 && now >= next_due_ns_) {
    due_ = true;
    next_due_ns_ = std::max(next_due_ns_ + options_.interval_ns, now);
  }
  if (due_) outbox_.wake();
  arm();
}

void PingRun::arm() {
  const std::uint64_t now = outbox_.engine().now_ns();
  std::uint64_t due = now + options_.timeout_ns / 4 + 1;
  if (options_.interval_ns != 0 && !sent_all()) due = std::min(due, std::max(next_due_ns_, now + 1));
  outbox_.engine().timers().arm(timer_, due);
}

void PingRun::stop() {
  if (finished_) return;
  report_.lost += static_cast<std::uint32_t>(std::count_if(
      outstanding_.begin(), outstanding_.end(),
      [&](const auto& ping) { return outbox_.engine().now_ns() - ping.second >= options_.timeout_ns; }));
  finish();
}

void PingRun::lost(Error error) {
  if (finished_) return;
  report_.error = std::move(error);
  finish();
}

void PingRun::finish() {
  finished_ = true;
  timer_.cancel();
  unlink();
  const Done done = std::move(done_);
  const PingReport report = std::move(report_);
  done(report);  // may destroy us
}

}  // namespace harness::apps
