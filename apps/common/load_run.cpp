// SPDX-License-Identifier: Apache-2.0
// Load and its count.
#include <harness/apps/common/load_run.hpp>

#include <algorithm>
#include <array>

#include <harness/apps/common/service_message.hpp>

namespace harness::apps {

LoadRun::LoadRun(Outbox& outbox, Clock clock, Options options, Done done)
    : outbox_(outbox), clock_(std::move(clock)), options_(options), done_(std::move(done)),
      timer_(
          [](void* self) {
            auto* run = static_cast<LoadRun*>(self);
            if (run->last_sent_)
              return run->lost(
                  {Errc::timed_out, "no answer to a run of load", "the peer did not say what arrived", {}});
            run->over_ = true;
            run->outbox_.wake();
            run->outbox_.engine().timers().arm(run->timer_,
                                               run->outbox_.engine().now_ns() + run->options_.timeout_ns);
          },
          this),
      started_ns_(clock_()) {
  outbox_.engine().timers().arm(timer_, outbox_.engine().now_ns() + options_.duration_ns);
  outbox_.add(*this);
}

// Zeros, never what the pool's memory held before. Large ones are made once and shared.
Message LoadRun::make(const wire::Load& load) {
  Pool& pool = outbox_.engine().pool();
  if (options_.bytes <= copied_bytes_max) {
    static constexpr std::array<std::byte, copied_bytes_max> zeros{};
    return service_message(pool, wire::Kind::load, load, Bytes(zeros).first(options_.bytes));
  }
  if (!body_) {
    body_ = Message::make(pool, options_.bytes);
    if (!body_) return {};
    std::fill(body_.writable().begin(), body_.writable().end(), std::byte{0});
  }
  Message message = service_message(pool, wire::Kind::load, load);
  if (!message || !message.append(pool, body_.share(pool))) return {};
  return message;
}

bool LoadRun::produce() {
  if (last_sent_ || finished_) return false;
  wire::Load load;
  load.stream = options_.stream;
  load.sequence = report_.sent;
  load.last = over_ || report_.sent + 1 >= options_.messages_max ? 1 : 0;
  Message message = make(load);
  const Errc code = message ? outbox_.send(std::move(message), Lane::bulk) : Errc::exhausted;
  if (code == Errc::would_block || code == Errc::exhausted) return false;
  if (code != Errc::ok) {
    lost({code, "cannot send load", "the link takes no message of this size", "ask for fewer bytes"});
    return false;
  }
  ++report_.sent;
  last_sent_ = load.last != 0;
  if (last_sent_) outbox_.engine().timers().arm(timer_, outbox_.engine().now_ns() + options_.timeout_ns);
  return true;
}

void LoadRun::on_counted(const wire::Counted& counted) {
  if (finished_ || !last_sent_) return;
  report_.messages = counted.messages;
  report_.bytes = counted.bytes;
  report_.elapsed_ns = clock_() - started_ns_;
  finish();
}

void LoadRun::lost(Error error) {
  if (finished_) return;
  report_.error = std::move(error);
  finish();
}

void LoadRun::finish() {
  finished_ = true;
  timer_.cancel();
  unlink();
  const Done done = std::move(done_);
  const LoadReport report = report_;
  done(report);  // may destroy us
}

}  // namespace harness::apps
