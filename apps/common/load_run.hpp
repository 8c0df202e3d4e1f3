// SPDX-License-Identifier: Apache-2.0
// Load over one link: messages of one size for a time, counted at the other end.
//
// The last message asks for the count; the rate is what arrived over the time from the first message to the
// answer, so nothing that still lies in a queue is counted as transferred.
#pragma once

#include <functional>

#include <harness/apps/common/outbox.hpp>
#include <harness/apps/common/ping_run.hpp>
#include <harness/apps/common/service_wire.hpp>

namespace harness::apps {

struct LoadReport {
  std::uint64_t messages = 0;  // that arrived
  std::uint64_t bytes = 0;     // … headers of ours left out
  std::uint64_t sent = 0;
  std::uint64_t elapsed_ns = 0;
  Error error{Errc::ok, {}, {}, {}};
};

class LoadRun final : private Producer {
 public:
  struct Options {
    std::uint16_t stream = 0;
    std::uint32_t bytes = 64;
    std::uint64_t duration_ns = 1'000'000'000;
    std::uint64_t messages_max = ~std::uint64_t{0};
    std::uint64_t timeout_ns = 10'000'000'000;  // for the count, after the last message
  };
  using Done = std::function<void(const LoadReport&)>;

  /// Starts; `done` hears of the end once, and the run may be destroyed in it.
  LoadRun(Outbox& outbox, Clock clock, Options options, Done done);

  void on_counted(const wire::Counted& counted);
  void lost(Error error);
  [[nodiscard]] std::uint16_t stream() const noexcept { return options_.stream; }

 private:
  static constexpr std::uint32_t copied_bytes_max = 4096;
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

/// The other end: counts the messages of a run until the last one. A few bytes a run.
struct LoadCount {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
};

}  // namespace harness::apps
