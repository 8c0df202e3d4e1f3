// SPDX-License-Identifier: Apache-2.0
// Each layer a second time, by its meaning: what it does to symbols, without looking at any contract.
#include <harness/tests/support/symbolic_world.hpp>

#include <algorithm>
#include <utility>

namespace harness::tests::symbolic {

namespace {

constexpr unsigned patience = 30;  // ticks that order waits for a gap over a lossy layer

/// mux: the application's channels get names that the layers below and the peer know.
class Mux : public Player {
  void down(Frame frame) override {
    frame.channel = frame.lane;
    frame.headers.push_back({'m', static_cast<int>(frame.lane)});
    below->down(std::move(frame));
  }
  void up(Frame frame) override {
    Header header;
    if (!open(frame, 'm', header)) return;
    frame.lane = static_cast<unsigned>(header.a);
    above->up(std::move(frame));
  }
};

/// compress: half the bytes, when they can be read; what unpacks a stranger's bytes can be made to fill
/// memory.
class Compress : public Player {
  void down(Frame frame) override {
    frame.headers.push_back({'z', frame.sealed ? 0 : 1});
    frame.compressed = frame.compressed || !frame.sealed;
    frame.copied = true;
    below->down(std::move(frame));
  }
  void up(Frame frame) override {
    Header header;
    if (!open(frame, 'z', header)) return;
    if (frame.forged) ++world->expanded_for_forger;
    frame.copied = true;
    above->up(std::move(frame));
  }
};

/// order: a sequence per channel; early frames wait, late and repeated ones are dropped.
class Order : public Player {
  void down(Frame frame) override {
    const int sequence = frame.kind == Kind::control ? 0 : ++sent_[frame.channel];
    frame.headers.push_back({'o', sequence, static_cast<int>(frame.channel)});
    below->down(std::move(frame));
  }
  void up(Frame frame) override {
    Header header;
    if (!open(frame, 'o', header)) return;
    world->touched(frame);
    frame.channel = static_cast<unsigned>(header.b);
    if (header.a == 0) return above->up(std::move(frame));
    Channel& channel = channels_[frame.channel];
    if (header.a <= channel.delivered) return;
    channel.waiting.emplace(header.a, std::pair{world->now, std::move(frame)});
    run(channel);
  }
  void tick() override {
    if (reliable_below) return;
    for (auto& [name, channel] : channels_) {
      if (channel.waiting.empty() || world->now - channel.waiting.begin()->second.first < patience) continue;
      channel.delivered = channel.waiting.begin()->first - 1;
      run(channel);
    }
  }
  void forget() override {
    sent_.clear();
    channels_.clear();
  }
  [[nodiscard]] std::size_t waiting() const override {
    std::size_t frames = 0;
    for (const auto& [name, channel] : channels_) frames += channel.waiting.size();
    return frames;
  }

  struct Channel {
    int delivered = 0;
    std::map<int, std::pair<unsigned, Frame>> waiting;
  };
  void run(Channel& channel) {
    while (!channel.waiting.empty() && channel.waiting.begin()->first == channel.delivered + 1) {
      ++channel.delivered;
      Frame next = std::move(channel.waiting.begin()->second.second);
      channel.waiting.erase(channel.waiting.begin());
      above->up(std::move(next));
    }
  }
  std::map<unsigned, int> sent_;
  std::map<unsigned, Channel> channels_;
};

/// put: memory writes as frames, which begin and end here: nothing above sees them.
class Put : public Player {
  void down(Frame frame) override {
    frame.headers.push_back({'p', 0});
    below->down(std::move(frame));
  }
  bool put(Frame& frame) override {
    frame.headers.push_back({'p', 1});
    below->down(std::move(frame));
    return true;
  }
  void up(Frame frame) override {
    Header header;
    if (!open(frame, 'p', header)) return;
    world->touched(frame);
    if (header.a == 0) return above->up(std::move(frame));
    frame.applied = true;
    (side_b ? world->b : world->a).up(std::move(frame));
  }
};

/// frag: parts that fit, put together again by message and range.
class Frag : public Player {
 public:
  explicit Frag(std::uint32_t room) : piece_(room > 12 ? room - 12 : 1) {}

 private:
  void down(Frame frame) override {
    if (frame.kind == Kind::control) return part(frame, frame.from, frame.to, 0);
    ++sent_;
    const std::uint32_t above_bytes = frame.size(world->header_bytes) - (frame.to - frame.from);
    const std::uint32_t piece = piece_ > above_bytes ? piece_ - above_bytes : 1;
    if (frame.to - frame.from > piece) ++world->split[frame.id];
    for (std::uint32_t at = frame.from; at < frame.to; at += piece)
      part(frame, at, std::min(at + piece, frame.to), sent_);
  }
  void part(Frame frame, std::uint32_t from, std::uint32_t to, int number) {
    frame.headers.push_back({'f', number, static_cast<int>(frame.from), static_cast<int>(frame.to)});
    frame.from = from;
    frame.to = to;
    below->down(std::move(frame));
  }
  void up(Frame frame) override {
    Header header;
    if (!open(frame, 'f', header)) return;
    world->touched(frame);
    if (header.a == 0) return above->up(std::move(frame));
    auto& [parts, whole] = waiting_[header.a];
    const Damage worst = parts.empty() ? frame.damage : std::max(frame.damage, whole.damage);
    parts[frame.from] = frame.to - frame.from;
    std::uint32_t bytes = 0;
    for (const auto& [from, length] : parts) bytes += length;
    whole = std::move(frame);
    whole.damage = worst;
    whole.from = static_cast<std::uint32_t>(header.b);
    whole.to = static_cast<std::uint32_t>(header.c);
    if (bytes < whole.to - whole.from) return;
    Frame done = std::move(whole);
    waiting_.erase(header.a);
    above->up(std::move(done));
  }
  void forget() override { waiting_.clear(); }

  std::uint32_t piece_;
  int sent_ = 0;
  std::map<int, std::pair<std::map<std::uint32_t, std::uint32_t>, Frame>> waiting_;
};

/// reliable: numbers, acknowledgements, repetition; a window; hands up as frames come, not in order.
class Reliable : public Player {
  static constexpr std::size_t window = 12;
  static constexpr int span_most = 24;  // so that what waits above for one lost frame is bounded
  static constexpr unsigned repeat_after = 12;

  void down(Frame frame) override {
    if (frame.kind == Kind::control) {
      queue_.push_front(std::move(frame));  // does not wait for data
    } else {
      queue_.push_back(std::move(frame));
    }
    pump();
  }
  void up(Frame frame) override {
    Header header;
    if (!open(frame, 'r', header)) return;
    world->touched(frame);
    if (header.b == 1) {
      unacked_.erase(header.a);
      return pump();
    }
    const bool first = header.a <= static_cast<int>(seen_.size()) + 1;
    if (!world->has_room(side_b, first)) return;  // no credit: comes again
    Frame ack;
    ack.kind = Kind::control;
    ack.headers = {{'r', header.a, 1}};
    below->down(ack);
    if (!seen_.insert(header.a).second) return;
    above->up(std::move(frame));
  }
  void tick() override {
    for (auto& [number, sent] : unacked_) {
      if (world->now < sent.due || world->path_full(side_b)) continue;
      sent.wait = std::min(sent.wait * 2, 60u);  // back-off
      sent.due = world->now + sent.wait;
      below->down(sent.frame);
    }
    pump();
  }
  void forget() override {
    queue_.clear();
    unacked_.clear();
    seen_.clear();
    next_ = 0;
  }
  [[nodiscard]] bool full() const override { return !queue_.empty(); }
  void pump() {
    const auto span = [this] { return unacked_.empty() ? 0 : next_ - unacked_.begin()->first; };
    while (!queue_.empty() && unacked_.size() < window && span() < span_most) {
      Frame frame = std::move(queue_.front());
      queue_.pop_front();
      number(std::move(frame));
    }
  }
  void number(Frame frame) {
    frame.headers.push_back({'r', ++next_, 0});
    unacked_[next_] = {world->now + repeat_after, repeat_after, frame};
    below->down(std::move(frame));
  }

  int next_ = 0;
  std::deque<Frame> queue_;
  struct Sent {
    unsigned due, wait;
    Frame frame;
  };
  std::map<int, Sent> unacked_;
  std::set<int> seen_;
};

/// heartbeat: beats while nothing else is sent or waits to be sent, notices when nothing comes.
class Heartbeat : public Player {
  void down(Frame frame) override {
    sent_ = world->now;
    frame.headers.push_back({'h', 0});
    below->down(std::move(frame));
  }
  void up(Frame frame) override {
    Header header;
    if (!open(frame, 'h', header)) return;
    world->touched(frame);
    heard_ = world->now;
    if (header.a == 0) above->up(std::move(frame));
  }
  void tick() override {
    if (world->now - heard_ > 300) (side_b ? world->b : world->a).told_of_death = true;
    bool waiting = false;
    for (const Player* player = below; player != nullptr; player = player->below)
      waiting = waiting || player->full();
    if (waiting || world->now - sent_ < 5) return;
    sent_ = world->now;
    Frame beat;
    beat.kind = Kind::control;
    beat.headers = {{'h', 1}};
    below->down(beat);
  }
  void forget() override { heard_ = world->now; }
  unsigned heard_ = 0, sent_ = 0;
};

/// checksum: notices accidents, not intent; over a reliable layer a damaged frame closes the link, and says
/// so.
class Checksum : public Player {
  void down(Frame frame) override {
    frame.headers.push_back({'c'});
    below->down(std::move(frame));
  }
  void up(Frame frame) override {
    Header header;
    if (!open(frame, 'c', header)) return;
    const bool accident = frame.damage == Damage::flip || frame.damage == Damage::escapes16;
    if (accident && reliable_below) world->closed_as_corrupt = true;
    if (!accident) above->up(std::move(frame));
  }
};

/// encrypt: what is above is sealed; what was changed, made up or seen before is dropped, and closes the link
/// where the medium itself never loses.
class Encrypt : public Player {
  void down(Frame frame) override {
    frame.headers.push_back({'e', ++sent_});
    frame.sealed = frame.copied = true;
    below->down(std::move(frame));
  }
  void up(Frame frame) override {
    Header header;
    if (!open(frame, 'e', header)) return;
    const bool intact = !frame.forged && frame.damage == Damage::none && frame.sealed;
    const bool genuine = intact && seen_.insert(header.a).second;
    if (!genuine && reliable_below) world->closed_as_corrupt = true;
    if (!genuine) return;
    frame.sealed = false;
    above->up(std::move(frame));
  }
  int sent_ = 0;
  std::set<int> seen_;
};

/// resume: keeps what the peer's application has not got, and sends it again after a cut.
class Resume : public Player {
  void down(Frame frame) override {
    if (frame.kind == Kind::control) {
      frame.headers.push_back({'s', 0, 2});
      return below->down(std::move(frame));
    }
    frame.headers.push_back({'s', ++sent_[frame.lane], 0, static_cast<int>(frame.lane)});
    kept_[{frame.lane, sent_[frame.lane]}] = frame;
    below->down(std::move(frame));
  }
  void up(Frame frame) override {
    Header header;
    if (!open(frame, 's', header)) return;
    world->touched(frame);
    if (header.b == 2) return above->up(std::move(frame));
    const auto lane = static_cast<unsigned>(header.c);
    if (header.b == 1) {
      kept_.erase({lane, header.a});
      return;
    }
    Frame ack;
    ack.kind = Kind::control;
    ack.headers = {{'s', header.a, 1, header.c}};
    if (header.a <= taken_[lane]) return below->down(ack);
    if (header.a != taken_[lane] + 1) return;
    ++taken_[lane];
    below->down(ack);
    above->up(std::move(frame));
  }
  void forget() override { again_ = true; }
  [[nodiscard]] bool keeps_over_cuts() const override { return true; }
  void tick() override {
    if (!std::exchange(again_, false)) return;
    for (const auto& [key, frame] : kept_) below->down(frame);
  }
  bool again_ = false;
  std::map<unsigned, int> sent_, taken_;
  std::map<std::pair<unsigned, int>, Frame> kept_;
};

/// fault_drop: loses on purpose.
class FaultDrop : public Player {
  void down(Frame frame) override {
    if (world->random.below(100) >= 15) below->down(std::move(frame));
  }
};

}  // namespace

std::unique_ptr<Player> player_of(const std::string& layer, std::uint32_t room) {
  if (layer == "mux") return std::make_unique<Mux>();
  if (layer == "compress") return std::make_unique<Compress>();
  if (layer == "order") return std::make_unique<Order>();
  if (layer == "put") return std::make_unique<Put>();
  if (layer == "frag") return std::make_unique<Frag>(room);
  if (layer == "reliable") return std::make_unique<Reliable>();
  if (layer == "heartbeat") return std::make_unique<Heartbeat>();
  if (layer == "checksum") return std::make_unique<Checksum>();
  if (layer == "encrypt") return std::make_unique<Encrypt>();
  if (layer == "resume") return std::make_unique<Resume>();
  if (layer == "fault_drop") return std::make_unique<FaultDrop>();
  return std::make_unique<Player>();  // a checker only watches
}

std::uint32_t header_bytes_of(const std::string& layer) {
  static const std::map<std::string, std::uint32_t> bytes = {
      {"mux", 2},       {"compress", 1},  {"order", 8},    {"put", 16},     {"frag", 12},
      {"reliable", 16}, {"heartbeat", 1}, {"checksum", 4}, {"encrypt", 16}, {"resume", 12}};
  const auto found = bytes.find(layer);
  return found == bytes.end() ? 0 : found->second;
}

bool open(Frame& frame, char layer, Header& header) {
  if (frame.headers.empty() || frame.headers.back().layer != layer) return false;
  header = frame.headers.back();
  frame.headers.pop_back();
  return true;
}

}  // namespace harness::tests::symbolic
