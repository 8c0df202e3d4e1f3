// SPDX-License-Identifier: Apache-2.0
// Load over one link: messages of one size for a time, counted at the other end.
//
// The last message asks for the count; the rate is what arrived over the time from the first message to the
// answer, so nothing that still lies in a queue is counted as transferred.
// A checked run judges the link instead of loading it: each message is made of its number, with a digest, and
// the other end counts what is lost, doubled, disordered or damaged, and how long nothing came.
#pragma once

#include <bitset>
#include <functional>
#include <memory>

#include <harness/apps/common/histogram.hpp>
#include <harness/apps/common/outbox.hpp>
#include <harness/apps/common/ping_run.hpp>
#include <harness/apps/common/service_wire.hpp>

namespace harness::apps {

struct LoadReport {
  std::uint64_t messages = 0;  // that arrived
  std::uint64_t bytes = 0;     // … headers of ours left out
  std::uint64_t sent = 0;
  std::uint64_t elapsed_ns = 0;
  std::uint64_t lost = 0, doubled = 0, disordered = 0, damaged = 0;  // of a checked run
  std::uint64_t gap_ns = 0, gap_p999_ns = 0;                         // between two deliveries
  Error error{Errc::ok, {}, {}, {}};
};

class LoadRun final : private Producer {
 public:
  struct Options {
    std::uint16_t stream = 0;
    std::uint32_t bytes = 64;
    bool checked = false;  // at least checked_bytes_min each
    std::uint64_t duration_ns = 1'000'000'000;
    std::uint64_t messages_max = ~std::uint64_t{0};
    std::uint64_t timeout_ns = 10'000'000'000;  // for the count, after the last message
  };
  using Done = std::function<void(const LoadReport&)>;

  /// Starts; `done` hears of the end once, and the run may be destroyed in it.
  LoadRun(Outbox& outbox, Clock clock, Options options, Done done);

  void on_counted(const wire::Counted& counted, Bytes judged);
  void lost(Error error);
  [[nodiscard]] std::uint16_t stream() const noexcept { return options_.stream; }

 private:
  static constexpr std::uint32_t copied_bytes_max = 4096;
  Message make_checked(const wire::Load& load);
  bool produce() override;
  Message make(const wire::Load& load);
  void finish();

  Outbox& outbox_;
  Clock clock_;
  Options options_;
  Done done_;
  Timer timer_;
  Message body_;  // of large messages, shared by all
  std::uint64_t started_ns_;
  bool last_sent_ = false;
  bool over_ = false;  // the time is up: the next message is the last
  bool finished_ = false;
  LoadReport report_;
};

inline constexpr std::uint32_t checked_bytes_min = 16;
inline constexpr std::size_t judged_bytes = 28;  // behind `counted`

/// The body of a checked message: a digest, 8 bytes, of the number and the bytes behind it, which are made of
/// the number.
void fill_checked(MutableBytes body, std::uint64_t sequence) noexcept;
bool is_checked(Bytes body, std::uint64_t sequence) noexcept;

/// The other end: counts the messages of a run until the last one. A few bytes a run; a checked one remembers
/// which of the last `window` came, and the times between them.
class LoadCount {
 public:
  static constexpr std::size_t window = 65536;

  void count(const wire::Load& load, const Message& message, Pool& pool, std::uint64_t now_ns);
  /// The answer; empty when the pool's limit is reached.
  [[nodiscard]] Message counted(Pool& pool, std::uint16_t stream) const;

 private:
  struct Check {
    std::bitset<window> came;
    Histogram gaps_ns;
    std::uint64_t next = 0;
    std::uint64_t last_ns = 0;
    std::uint32_t doubled = 0, disordered = 0, damaged = 0;
  };
  void check(std::uint64_t sequence, Bytes body, std::uint64_t now_ns);

  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::unique_ptr<Check> check_;
};

}  // namespace harness::apps
