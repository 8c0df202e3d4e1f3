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
  if (options_.checked) options_.bytes = std::max(options_.bytes, checked_bytes_min);
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

Message LoadRun::make_checked(const wire::Load& load) {
  Pool& pool = outbox_.engine().pool();
  Message body = Message::make(pool, options_.bytes);
  Message message = service_message(pool, wire::Kind::load, load);
  if (!body || !message) return {};
  fill_checked(body.writable(), load.sequence);
  if (!message.append(pool, std::move(body))) return {};
  return message;
}

bool LoadRun::produce() {
  if (last_sent_ || finished_) return false;
  wire::Load load;
  load.stream = options_.stream;
  load.checked = options_.checked ? 1 : 0;
  load.sequence = report_.sent;
  load.last = over_ || report_.sent + 1 >= options_.messages_max ? 1 : 0;
  Message message = options_.checked ? make_checked(load) : make(load);
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

void LoadRun::on_counted(const wire::Counted& counted, Bytes judged) {
  if (finished_ || !last_sent_) return;
  report_.messages = counted.messages;
  report_.bytes = counted.bytes;
  report_.elapsed_ns = clock_() - started_ns_;
  if (options_.checked) {
    Reader from(judged);
    report_.doubled = from.take<std::uint32_t>();
    report_.disordered = from.take<std::uint32_t>();
    report_.damaged = from.take<std::uint32_t>();
    report_.gap_ns = from.take<std::uint64_t>();
    report_.gap_p999_ns = from.take<std::uint64_t>();
    if (!from.done())
      return lost({Errc::corrupt, "the count of a checked run of load is damaged", "it has another length",
                   "run the same release on both nodes"});
    report_.lost = report_.sent - std::min<std::uint64_t>(report_.sent, counted.messages - report_.doubled);
  }
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

// ---- the other end ----

namespace {

constexpr std::uint64_t fnv_offset = 0xcbf29ce484222325, fnv_prime = 0x100000001b3;

// Word `index` of the message `sequence` (splitmix64).
std::uint64_t word_of(std::uint64_t sequence, std::uint64_t index) noexcept {
  std::uint64_t word = (sequence << 20 | index) + 0x9e3779b97f4a7c15;
  word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
  word = (word ^ word >> 27) * 0x94d049bb133111eb;
  return word ^ word >> 31;
}

std::uint64_t digest_of(Bytes bytes, std::uint64_t sequence) noexcept {
  std::uint64_t digest = fnv_offset ^ sequence;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8))
    digest = (digest ^ load<std::uint64_t>(bytes.data())) * fnv_prime;
  for (const std::byte one : bytes) digest = (digest ^ static_cast<std::uint64_t>(one)) * fnv_prime;
  return digest;
}

}  // namespace

void fill_checked(MutableBytes body, std::uint64_t sequence) noexcept {
  const MutableBytes rest = body.subspan(8);
  std::size_t at = 0;
  for (; at + 8 <= rest.size(); at += 8) store<std::uint64_t>(rest.data() + at, word_of(sequence, at / 8));
  for (; at < rest.size(); ++at) rest[at] = static_cast<std::byte>(word_of(sequence, at));
  store<std::uint64_t>(body.data(), digest_of(rest, sequence));
}

bool is_checked(Bytes body, std::uint64_t sequence) noexcept {
  return body.size() >= checked_bytes_min &&
         load<std::uint64_t>(body.data()) == digest_of(body.subspan(8), sequence);
}

void LoadCount::count(const wire::Load& load, const Message& message, Pool& pool, std::uint64_t now_ns) {
  ++messages_;
  bytes_ += message.body_size();
  if (load.checked == 0) return;
  if (check_ == nullptr) check_ = std::make_unique<Check>();
  Message whole = message.share(pool);
  check(load.sequence, whole.gathered(pool), now_ns);
}

void LoadCount::check(std::uint64_t sequence, Bytes body, std::uint64_t now_ns) {
  Check& check = *check_;
  if (check.last_ns != 0) check.gaps_ns.add(now_ns - check.last_ns);
  check.last_ns = now_ns;
  if (!is_checked(body, sequence)) ++check.damaged;
  if (sequence >= check.next) {
    for (std::uint64_t at = check.next; at < sequence && at - check.next < window; ++at)
      check.came.reset(at % window);
    check.came.set(sequence % window);
    check.next = sequence + 1;
  } else if (check.next - sequence <= window && !check.came.test(sequence % window)) {
    check.came.set(sequence % window);
    ++check.disordered;
  } else {
    ++check.doubled;
  }
}

Message LoadCount::counted(Pool& pool, std::uint16_t stream) const {
  wire::Counted counted;
  counted.stream = stream;
  counted.messages = messages_;
  counted.bytes = bytes_;
  if (check_ == nullptr) return service_message(pool, wire::Kind::counted, counted);
  std::array<std::byte, judged_bytes> judged{};
  Writer to(judged);
  to.put(check_->doubled);
  to.put(check_->disordered);
  to.put(check_->damaged);
  to.put(check_->gaps_ns.max());
  to.put(check_->gaps_ns.percentile(0.999));
  return service_message(pool, wire::Kind::counted, counted, judged);
}

}  // namespace harness::apps
