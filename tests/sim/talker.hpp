// SPDX-License-Identifier: Apache-2.0
// The application at one end of a link: sends its messages at random moments, waits when it is told to, keeps
// some of what it receives for a while, pauses now and then, and judges every delivery and every event.
#pragma once

#include <deque>
#include <memory>

#include <harness/stack/link.hpp>
#include <harness/tests/sim/flow.hpp>
#include <harness/transports/sim_world.hpp>

namespace harness::tests {

/// How one end behaves; drawn by the scenario.
struct TalkerPlan {
  std::uint32_t messages = 200;
  std::uint32_t bytes_max = 2000;  // most messages; one in 16 may be as large as the link takes
  std::uint32_t large_bytes_max = 65536;
  unsigned channels = 1;
  std::uint64_t think_ns_max = 200'000;
  std::uint32_t keep_ppm = 0;  // received messages kept for up to keep_ns_max
  std::uint64_t keep_ns_max = 5'000'000;
  std::uint32_t pause_ppm = 0;  // deliveries followed by a pause of up to pause_ns_max
  std::uint64_t pause_ns_max = 20'000'000;
};

class Talker {
 public:
  Talker(transports::SimEngine& engine, const TalkerPlan& plan, std::uint64_t seed, Flow& out, Flow& in,
         Verdict& verdict);
  Talker(const Talker&) = delete;
  Talker& operator=(const Talker&) = delete;

  /// Takes the link, before or after it is up.
  void take(const std::shared_ptr<Link>& link);
  /// Lets go of everything it keeps; nothing of it stays armed.
  void drop();
  void close();

  [[nodiscard]] const std::shared_ptr<Link>& link() const noexcept { return link_; }
  [[nodiscard]] bool done() const noexcept { return sent_ >= plan_.messages || ended_; }
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  [[nodiscard]] bool was_up() const noexcept { return up_; }
  [[nodiscard]] unsigned lost_contacts() const noexcept { return lost_contacts_; }
  /// How it ended: closed with code ok, or lost and why.
  [[nodiscard]] const Event& end() const noexcept { return end_; }
  /// At the end of a run: a refused send was always followed by `writable`.
  void judge() const;

 private:
  void on_message(Message&& message);
  void on_event(const Event& event);
  void arm(Timer& timer, std::uint64_t most_ns);
  void send_some();
  bool send_one();
  Message make_next();
  void release_some();

  transports::SimEngine& engine_;
  TalkerPlan plan_;
  Random random_;
  Flow& out_;
  Flow& in_;
  Verdict& verdict_;
  std::shared_ptr<Link> link_;
  Message next_;  // refused so far
  std::uint32_t sent_ = 0;
  std::uint32_t made_ = 0;
  std::uint32_t refused_ = 0;
  std::uint32_t writable_ = 0;
  bool waiting_ = false;  // for writable
  bool up_ = false;
  bool ended_ = false;
  bool closing_ = false;
  Event end_{EventKind::up};
  std::deque<std::pair<std::uint64_t, Message>> kept_;
  Timer think_;
  Timer release_;
  unsigned lost_contacts_ = 0;
  Timer resume_;
};

}  // namespace harness::tests
