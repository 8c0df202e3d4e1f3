// SPDX-License-Identifier: Apache-2.0
// See talker.hpp.
#include <harness/tests/sim/talker.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace harness::tests {

Talker::Talker(transports::SimEngine& engine, const TalkerPlan& plan, std::uint64_t seed, Flow& out, Flow& in,
               Verdict& verdict)
    : engine_(engine), plan_(plan), random_(seed), out_(out), in_(in), verdict_(verdict),
      think_([](void* self) { static_cast<Talker*>(self)->send_some(); }, this),
      release_([](void* self) { static_cast<Talker*>(self)->release_some(); }, this),
      resume_([](void* self) { static_cast<Talker*>(self)->link_->resume(); }, this) {}

void Talker::take(const std::shared_ptr<Link>& link) {
  link_ = link;
  link_->on_message([this](Message&& message) { on_message(std::move(message)); });
  link_->on_event([this](const Event& event) { on_event(event); });
}

void Talker::drop() {
  kept_.clear();
  next_.reset();
  for (Timer* timer : {&think_, &release_, &resume_}) timer->cancel();
}

void Talker::close() {
  closing_ = true;
  think_.cancel();
  if (link_ != nullptr) link_->close();
}

void Talker::arm(Timer& timer, std::uint64_t most_ns) {
  engine_.timers().arm(timer, engine_.now_ns() + random_.below(most_ns + 1));
}

// ---- sending ----

void Talker::send_some() {
  while (!waiting_ && !closing_ && !ended_ && sent_ < plan_.messages) {
    if (!send_one()) return;
    if (random_.below(4) != 0) return arm(think_, random_.below(plan_.think_ns_max + 1));
  }
}

Message Talker::make_next() {
  const std::uint32_t most = link_->stack()->max_message();
  std::uint64_t bytes = random_.below(plan_.bytes_max + 1);
  if (random_.below(16) == 0) bytes = random_.below(plan_.large_bytes_max + 1);
  if (random_.below(16) == 0) bytes = random_.below(12);  // too small to carry a number
  bytes = std::min<std::uint64_t>(std::max(bytes, out_.bytes_min()), most);
  if (random_.below(64) == 0) bytes = std::min(most, plan_.large_bytes_max);
  Message message = link_->make(static_cast<std::uint32_t>(bytes));
  if (!message) return message;
  out_.fill(message.writable(), made_++, random_.below(2) == 0);
  message.note().channel = static_cast<std::uint16_t>(random_.below(plan_.channels));
  message.note().priority = static_cast<std::uint8_t>(message.note().channel % 4);
  return message;
}

// False: nothing more now.
bool Talker::send_one() {
  if (!next_) next_ = make_next();
  if (!next_) return arm(think_, plan_.think_ns_max), false;  // the pool is at its limit
  const unsigned channel = next_.note().channel;
  const std::uint32_t bytes = next_.body_size();
  const std::uint64_t hash = hash_of(next_, channel);
  const Errc code = link_->send(std::move(next_));
  switch (code) {
    case Errc::ok:
      engine_.world().note(engine_.name(), "send", sent_);
      out_.sent(hash, bytes, channel);
      ++sent_;
      next_.reset();
      return true;
    case Errc::would_block:
      if (!next_) verdict_.fail(engine_.name() + ": would_block took the message");
      ++refused_;
      waiting_ = true;
      return false;
    case Errc::exhausted: return arm(think_, plan_.think_ns_max), false;
    case Errc::closed: return false;
    default:
      verdict_.fail(fmt::format("{}: send of {} bytes said {}", engine_.name(), bytes, to_string(code)));
      next_.reset();
      return false;
  }
}

// ---- receiving ----

void Talker::on_message(Message&& message) {
  const std::uint64_t hash = in_.delivered(message);
  engine_.world().note(engine_.name(), "deliver", hash);
  if (random_.chance_ppm(plan_.keep_ppm)) {
    kept_.emplace_back(engine_.now_ns() + random_.below(plan_.keep_ns_max + 1), std::move(message));
    if (!release_.armed()) arm(release_, plan_.keep_ns_max);
  }
  if (random_.chance_ppm(plan_.pause_ppm) && !resume_.armed()) {
    link_->pause();
    arm(resume_, plan_.pause_ns_max);
  }
}

void Talker::release_some() {
  std::erase_if(kept_, [&](const auto& each) { return each.first <= engine_.now_ns(); });
  if (!kept_.empty()) arm(release_, plan_.keep_ns_max);
}

void Talker::on_event(const Event& event) {
  engine_.world().note(engine_.name(), to_string(event.kind), static_cast<std::uint64_t>(event.code));
  if (ended_) verdict_.fail(fmt::format("{}: {} after the end", engine_.name(), to_string(event.kind)));
  switch (event.kind) {
    case EventKind::up:
      if (up_) verdict_.fail(engine_.name() + ": up twice");
      up_ = true;
      waiting_ = false;
      return send_some();
    case EventKind::writable:
      if (++writable_ > refused_) verdict_.fail(engine_.name() + ": writable without a refusal");
      waiting_ = false;
      return send_some();
    case EventKind::resuming: ++lost_contacts_; return;
    case EventKind::violated:
      return verdict_.fail(fmt::format("{}: violated: {} ({})", engine_.name(), event.detail, event.value));
    case EventKind::peer_lost:
    case EventKind::corrupt:
    case EventKind::closed:
      ended_ = true;
      end_ = event;
      end_.detail = {};
      think_.cancel();
      next_.reset();
      return;
    default: return;
  }
}

void Talker::judge() const {
  if (waiting_ && !ended_) verdict_.fail(engine_.name() + ": a refused send was never followed by writable");
}

}  // namespace harness::tests
