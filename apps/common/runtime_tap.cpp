// SPDX-License-Identifier: Apache-2.0
// The admin method that watches boundaries of a link: copies what passes into a bounded ring, hands it to the
// client.
//
// On the path of a message stands one copy of at most snap_bytes; everything else happens when the ring is
// emptied. What finds no room is counted as dropped, never waited for. Bounds: ring_bytes_max, packets_max a
// progress.
#include <algorithm>
#include <deque>
#include <memory>

#include <fmt/format.h>

#include <harness/apps/common/admin_runs.hpp>
#include <harness/apps/common/base64.hpp>
#include <harness/apps/common/dissector.hpp>
#include <harness/apps/common/runtime.hpp>
#include <harness/stack/tap.hpp>

namespace harness::apps {

namespace {

constexpr std::size_t ring_bytes_max = 8u << 20;
constexpr std::size_t packets_max = 512;
constexpr std::size_t progress_bytes_max = 256u << 10;
constexpr std::uint64_t flush_ns = 50'000'000;
constexpr std::size_t packet_overhead = 64;

struct Captured {
  std::uint32_t interface;
  bool down;
  std::uint64_t time_ns;
  std::uint32_t bytes;
  std::string data;
};

class TapSession {
 public:
  TapSession(Runtime& runtime, LinkSlot& slot, const admin::TapRequest& request, admin::CallPointer call)
      : runtime_(runtime), slot_(slot), link_(slot.link), request_(request), call_(std::move(call)),
        timer_([](void* self) { static_cast<TapSession*>(self)->tick(); }, this) {}

  /// Puts the taps in; `self` keeps the session until it has ended.
  Result<> start(const std::shared_ptr<TapSession>& self) {
    auto where = boundaries();
    if (!where) return tl::unexpected<Error>(where.error());
    for (std::size_t i = 0; i < where->size(); ++i) {
      auto& watch =
          *watches_.emplace_back(std::make_unique<Watch>(Watch{this, static_cast<std::uint32_t>(i), {}}));
      watch.tap = std::make_unique<Tap>(&TapSession::see, &watch);
      if (auto added = link_->add_tap((*where)[i], *watch.tap); !added) {
        remove();
        return added;
      }
    }
    self_ = self;
    announce(*where);
    runtime_.engine().timers().arm(timer_, runtime_.engine().now_ns() + flush_ns);
    return {};
  }
  /// Takes the taps out and answers, when what was captured has gone to the client.
  void stop() {
    if (stopping_) return;
    stopping_ = true;
    remove();
    runtime_.engine().timers().arm(timer_, runtime_.engine().now_ns());
  }

 private:
  struct Watch {
    TapSession* session;
    std::uint32_t interface;
    std::unique_ptr<Tap> tap;
  };

  // Names of layers to boundaries; a boundary is called by what is below it.
  Result<std::vector<std::size_t>> boundaries() const {
    const StackSpec& spec = link_->stack()->spec();
    std::vector<std::size_t> all;
    std::vector<std::string> names;
    for (std::size_t i = 0; i <= spec.layers.size(); ++i) {
      const std::string name(spec.name_of(i));
      names.push_back(name);
      if (request_.at.empty() || std::find(request_.at.begin(), request_.at.end(), name) != request_.at.end())
        all.push_back(i);
    }
    for (const std::string& wanted : request_.at)
      if (std::find(names.begin(), names.end(), wanted) == names.end())
        return fail(Errc::not_found, fmt::format("the link {} has no layer {}", link_->name(), wanted),
                    "its stack is " + spec.text(), "--at " + names.front());
    return all;
  }

  void announce(const std::vector<std::size_t>& where) {
    const StackSpec& spec = link_->stack()->spec();
    admin::TapProgress progress{link_->name(), slot_.peer, spec.text(), {}, {}};
    for (const std::size_t boundary : where) {
      progress.interfaces.push_back(
          {std::string(spec.name_of(boundary)), headers_at(spec, boundary, service_name)});
    }
    (void)call_->progress(admin::write_json(progress));
  }

  static void see(void* self, Tap::Direction direction, const Message& message) {
    const auto* watch = static_cast<Watch*>(self);
    watch->session->take(watch->interface, direction == Tap::Direction::down, message);
  }

  void take(std::uint32_t interface, bool down, const Message& message) {
    if (request_.messages != 0 && taken_ >= request_.messages) return;  // it ends in the next tick
    ++seen_;
    const std::size_t wanted = std::min<std::size_t>(message.size(), request_.snap_bytes);
    if (ring_bytes_ + wanted + packet_overhead > ring_bytes_max) {
      ++dropped_;
      return;
    }
    Captured captured{interface, down, runtime_.engine().now_ns(), message.size(), {}};
    captured.data.reserve(wanted);
    message.each_run([&](Bytes run) {
      captured.data += as_text(run.first(std::min(run.size(), wanted - captured.data.size())));
      return captured.data.size() < wanted;
    });
    ring_bytes_ += wanted + packet_overhead;
    ring_.push_back(std::move(captured));
    ++taken_;
  }

  void tick() {
    if (request_.messages != 0 && taken_ >= request_.messages) stop();
    if (link_->state() >= Link::State::closing) stop();
    while (!ring_.empty() && flush_some()) {
    }
    if (stopping_ && (ring_.empty() || call_->ended())) return finish();
    runtime_.engine().timers().arm(timer_, runtime_.engine().now_ns() + flush_ns);
  }

  // False while the client is behind: what it does not take stays in the ring.
  bool flush_some() {
    admin::TapProgress progress;
    std::size_t bytes = 0;
    std::size_t count = 0;
    for (const Captured& captured : ring_) {
      if (count >= packets_max || bytes > progress_bytes_max) break;
      progress.packets.push_back({captured.interface, captured.bytes, captured.down,
                                  runtime_.real_ns(captured.time_ns), base64(as_bytes(captured.data))});
      bytes += captured.data.size() + packet_overhead;
      ++count;
    }
    if (!call_->progress(admin::write_json(progress))) return false;
    ring_.erase(ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(count));
    ring_bytes_ -= bytes;
    return true;
  }

  void remove() {
    for (const auto& watch : watches_) link_->remove_tap(*watch->tap);
    watches_.clear();
  }

  void finish() {
    const auto keep = std::exchange(self_, nullptr);
    call_->on_cancel({});
    call_->reply_with(admin::TapResult{seen_, dropped_});
    runtime_.engine().post([keep] {});  // not inside our own timer
  }

  Runtime& runtime_;
  LinkSlot& slot_;
  std::shared_ptr<Link> link_;
  admin::TapRequest request_;
  admin::CallPointer call_;
  Timer timer_;
  std::vector<std::unique_ptr<Watch>> watches_;
  std::deque<Captured> ring_;
  std::size_t ring_bytes_ = 0;
  std::uint64_t seen_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t dropped_ = 0;
  bool stopping_ = false;
  std::shared_ptr<TapSession> self_;
};

}  // namespace

void add_tap_method(Runtime& runtime) {
  runtime.server().on<admin::TapRequest>(
      "link.tap", [&runtime](const admin::TapRequest& request, const admin::CallPointer& call) {
        auto slot = runtime.find_up(request.link);
        if (!slot) return call->fail(slot.error());
        auto session = std::make_shared<TapSession>(runtime, **slot, request, call);
        if (auto started = session->start(session); !started) return call->fail(started.error());
        call->on_cancel([weak = std::weak_ptr(session)] {
          if (const auto at = weak.lock()) at->stop();
        });
      });
}

}  // namespace harness::apps
