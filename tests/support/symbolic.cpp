// SPDX-License-Identifier: Apache-2.0
// The scenarios of the symbolic judge and what is asked after each: only what somebody claims.
#include <harness/tests/support/symbolic.hpp>

#include <algorithm>
#include <set>

#include <harness/tests/support/symbolic_world.hpp>

namespace harness::tests {

namespace {

using symbolic::Damage;
using symbolic::Frame;
using symbolic::Kind;
using symbolic::World;

constexpr unsigned ticks_max = 4000;
constexpr int messages = 14;
constexpr int puts_from = 1000;  // ids of puts

class Judge {
 public:
  Judge(const Played& stack, Properties claims, std::uint64_t seed)
      : stack_(stack), claims_(claims), seed_(seed) {}

  std::vector<std::string> verdict() {
    peaceful();
    if (claimed(property::flow_controlled) || claimed(property::congestion_controlled)) slow_receiver();
    if (claimed(property::resumable)) cut();
    if (claimed(property::death_within)) killed();
    const Properties secure =
        property::authenticated | property::encrypted | property::no_replay | property::covered;
    if (stack_.guarded || claims_.intersects(secure)) attacked();
    return {found_.begin(), found_.end()};
  }

 private:
  [[nodiscard]] bool claimed(Properties word) const { return claims_.covers(word); }
  void unless(bool holds, const std::string& what) {
    if (!holds) found_.insert(what);
  }

  [[nodiscard]] std::uint32_t bytes_of(int id) const {
    if (id % 5 != 3 || id >= puts_from) return 40 + static_cast<std::uint32_t>(id);
    return std::min(stack_.max_message, symbolic::medium_of(stack_.medium).frame * 6 + 17);
  }
  Frame message(int id) const {
    Frame frame;
    frame.id = id;
    frame.kind = id >= puts_from ? Kind::put : Kind::data;
    frame.lane = claimed(property::channels) && id < puts_from ? static_cast<unsigned>(id) % 3 : 0;
    frame.to = frame.whole = bytes_of(id);
    return frame;
  }

  /// Sends messages [from, to) as fast as the stack lets them, then runs until [0, to) has come or time is
  /// over. Returns the first that was not sent.
  int play(World& world, int from, int to, unsigned ticks = ticks_max, unsigned at_once = 1) const {
    const bool puts = claimed(property::put_emulated);
    const int expected = to + (puts ? (to + 3) / 4 : 0);
    for (unsigned tick = 0, settled = 0; tick < ticks && settled < 60; ++tick) {
      for (unsigned burst = 0; burst < at_once && from < to && !world.full(); ++burst) {
        world.send(message(from));
        if (puts && from % 4 == 0) put(world, puts_from + from);
        ++from;
      }
      world.turn();
      if (from == to && world.b.delivered.size() >= static_cast<std::size_t>(expected)) ++settled;
    }
    return from;
  }
  /// A native put goes past every layer, straight to the medium.
  void put(World& world, int id) const {
    if (claimed(property::put_native)) {
      Frame frame = message(id);
      frame.native = true;
      world.carry(false, std::move(frame));
    } else {
      world.put(message(id));
    }
  }

  void peaceful() {
    World world(stack_, seed_);
    play(world, 0, messages);
    ask_delivery(world);
    unless(!claimed(property::compact) || world.plain_bodies == 0, "compressed, but plain bytes went out");
    const auto cut_again = [](const auto& message) { return message.second > 1; };
    const bool once = std::none_of(world.split.begin(), world.split.end(), cut_again);
    unless(once || world.lost == 0, "R5: a whole message was sent again for one lost part");
    const bool exposed = world.naked_bodies != 0;
    unless(!claimed(property::host_private) || !exposed, "private, but the bytes went out readable");
  }

  void ask_delivery(const World& world) {
    std::map<int, unsigned> times;
    std::map<unsigned, int> last;
    bool whole = true, in_order = true, undamaged = true, in_place = true, right_channel = true,
         applied = true;
    for (const Frame& frame : world.b.delivered) {
      if (frame.kind == Kind::control) continue;
      ++times[frame.id];
      whole = whole && frame.from == 0 && frame.to == frame.whole;
      undamaged = undamaged && !noticed(frame.damage);
      applied = applied && (frame.kind != Kind::put || frame.applied);
      if (frame.kind == Kind::put) continue;
      in_place = in_place && !frame.copied;
      right_channel = right_channel && frame.lane == message(frame.id).lane;
      const unsigned lane = message(frame.id).lane;
      in_order = in_order && (!last.contains(lane) || last[lane] <= frame.id);
      last[lane] = frame.id;
    }
    unless(!claimed(property::message) || whole, "messages, but a part came alone");
    unless(!claimed(property::fifo) || in_order, "fifo, but a message overtook another");
    unless(!claimed(property::put_emulated) || applied, "put, but it came as a mere message");
    unless(world.too_large == 0, "size, but the medium does not take such a frame");
    unless(undamaged, "checked, but a damaged message was delivered");
    unless(!claimed(property::loan) || in_place, "loan, but the bytes are a copy");
    unless(!claimed(property::channels) || right_channel, "channels, but one lost its name");
    ask_times(world, times);
  }
  void ask_times(const World& world, std::map<int, unsigned> times) {
    const bool excused = world.closed_as_corrupt;
    bool all = true, once = true, puts = true;
    for (int id = 0; id < messages; ++id) all = all && times[id] > 0;
    for (int id = 0; id < messages; id += 4) puts = puts && times[puts_from + id] == 1;
    for (const auto& [id, count] : times) once = once && count <= 1;
    unless(!claimed(property::put_emulated) || puts || excused, "put, but one is missing or came twice");
    unless(!claimed(property::reliable) || all || excused, "reliable, but a message is missing");
    unless(!claimed(property::no_duplicates) || once, "no duplicates, but one came twice");
  }
  [[nodiscard]] bool noticed(Damage damage) const {
    const unsigned level = property::level(claims_, Axis::integrity);
    return damage != Damage::none && static_cast<unsigned>(damage) <= level;
  }

  void slow_receiver() {
    World world(stack_, seed_ + 1);
    world.b.takes_every = 7;
    play(world, 0, 400, 600, 100);
    unless(!claimed(property::flow_controlled) || world.b.inbox_most <= 64,
           "flow control, but the receiver fills up");
    const bool bounded = world.in_flight_most <= 64;
    unless(!claimed(property::congestion_controlled) || bounded, "congestion control, but the path fills up");
  }

  void cut() {
    World world(stack_, seed_ + 2);
    const int sent = play(world, 0, messages / 2, 9);
    for (int id = sent; id < messages / 2 + 2; ++id) world.send(message(id));
    world.cut();
    play(world, std::max(sent, messages / 2 + 2), messages);
    std::map<int, unsigned> times;
    for (const Frame& frame : world.b.delivered)
      if (frame.kind == Kind::data) ++times[frame.id];
    bool once = true;
    for (int id = 0; id < messages; ++id) once = once && times[id] == 1;
    unless(once || world.closed_as_corrupt, "resumable, but after a cut a message is missing or came twice");
  }

  void killed() {
    World world(stack_, seed_ + 3);
    play(world, 0, 3, 300);
    const bool told = world.a.told_of_death || world.b.told_of_death;
    unless(!told || world.closed_as_corrupt, "death notice, but for a peer that lives");
    world.peer_dead = true;
    for (unsigned tick = 0; tick < 700; ++tick) world.turn();
    unless(world.a.told_of_death || world.medium.notices_death, "death notice, but none came");
  }

  void attacked() {
    World world(stack_, seed_ + 4);
    world.attack = true;
    play(world, 0, messages, 1200);
    bool strange = false, again = false;
    std::set<int> seen;
    for (const Frame& frame : world.b.delivered) {
      strange = strange || frame.forged;
      again = again || (frame.kind != Kind::control && !seen.insert(frame.id).second);
    }
    unless(!claimed(property::authenticated) || !strange,
           "authenticated, but a stranger's bytes were delivered");
    unless(!claimed(property::replay_windowed) || !again,
           "no replay, but an old message was delivered again");
    const bool naked = world.naked_bodies != 0;
    unless(!claimed(property::encrypted) || !naked, "encrypted, but readable bytes went out");
    const bool covered = world.naked_control == 0 && world.touched_by_forger == 0;
    unless(!claimed(property::covered) || covered, "covered, but control went out unprotected");
    if (!stack_.guarded) return;
    unless(world.touched_by_forger == 0, "R1: a stranger changed the state of a layer");
    unless(world.naked_control == 0, "R1: control left the domain unprotected");
    unless(world.expanded_for_forger == 0, "R2: a stranger's bytes were unpacked");
    ask_delivery(world);
  }

  const Played& stack_;
  Properties claims_;
  std::uint64_t seed_;
  std::set<std::string> found_;
};

}  // namespace

std::vector<std::string> violations(const Played& stack, Properties claims, std::uint64_t seed) {
  return Judge(stack, claims, seed).verdict();
}

}  // namespace harness::tests
