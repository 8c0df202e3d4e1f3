// SPDX-License-Identifier: Apache-2.0
// The medium between the two symbolic nodes, and the attacker on it.
#include <harness/tests/support/symbolic_world.hpp>

#include <algorithm>

namespace harness::tests::symbolic {

namespace {

constexpr std::size_t held_back_at = 24;  // frames on the way of a medium that holds back
constexpr std::size_t heard_most = 64;

/// Layers that believe what they read: whose header is control in the sense of coverage.
bool believes(char layer) { return std::string_view("orfhps").find(layer) != std::string_view::npos; }

char letter_of(const std::string& layer) {
  static const std::map<std::string, char> letters = {
      {"mux", 'm'},      {"compress", 'z'},  {"order", 'o'},    {"put", 'p'},     {"frag", 'f'},
      {"reliable", 'r'}, {"heartbeat", 'h'}, {"checksum", 'c'}, {"encrypt", 'e'}, {"resume", 's'}};
  const auto found = letters.find(layer);
  return found == letters.end() ? '-' : found->second;
}

}  // namespace

std::uint32_t Frame::size(const std::map<char, std::uint32_t>& header_bytes) const {
  std::uint32_t bytes = to - from;
  for (const Header& header : headers) bytes += header_bytes.at(header.layer);
  return bytes;
}

Medium medium_of(const std::string& name) {
  if (name == "udp") return {15, 10, 30, 0, 4, false, false, true, 1452};
  if (name == "tcp") return {0, 0, 0, 0, 2, true, false, true, 4000};
  if (name == "rdma") return {0, 0, 30, 0, 0, true, false, true, 4096};
  if (name == "shm") return {0, 0, 0, 0, 0, true, true, false, 4000};
  return {0, 0, 0, 0, 0, true, true, false, 4000};  // loop
}

/// The lowest player: hands frames to the medium, and what arrives to the stack.
class World::Bottom : public Player {
  void down(Frame frame) override { world->carry(side_b, std::move(frame)); }
};

World::World(const Played& stack, std::uint64_t seed) : random(seed), medium(medium_of(stack.medium)) {
  for (const std::string& layer : stack.layers) header_bytes[letter_of(layer)] = header_bytes_of(layer);
  const bool bounded = medium.loss == 0;
  for (int side = 0; side < 2; ++side) {
    App& app = side == 0 ? a : b;
    app.world = this;
    bottoms_[side] = std::make_unique<Bottom>();
    bottoms_[side]->world = this;
    bottoms_[side]->side_b = side == 1;
    Player* lower = bottoms_[side].get();
    std::uint32_t room = medium.frame;
    bool reliable = bounded;
    for (std::size_t i = stack.layers.size(); i-- > 0;) {
      auto player = player_of(stack.layers[i], room);
      player->world = this;
      player->side_b = side == 1;
      player->below = lower;
      lower->above = player.get();
      lower = player.get();
      room -= std::min(room, header_bytes_of(stack.layers[i]));
      player->reliable_below = reliable;
      if (stack.layers[i] == "reliable") reliable = true;
      players_[side].push_back(std::move(player));
    }
    lower->above = &app;
    app.below = lower;
    tops_[side] = lower;
  }
}

void World::put(Frame frame) {
  for (std::size_t i = players_[0].size(); i-- > 0;)
    if (players_[0][i]->put(frame)) return;
  send(std::move(frame));
}

bool World::full() const {
  const auto waits = [](const auto& player) { return player->full(); };
  if (std::any_of(players_[0].begin(), players_[0].end(), waits)) return true;
  return path_full(false);
}

bool World::has_room(bool at_b, bool first) const {
  std::size_t kept = (at_b ? b : a).inbox.size();
  if (!first)
    for (const auto& player : players_[at_b ? 1 : 0]) kept += player->waiting();
  return kept < 8;
}

bool World::path_full(bool from_b) const {
  return medium.bounded && lines_[from_b ? 1 : 0].size() >= held_back_at;
}

void World::carry(bool from_b, Frame frame) {
  if (peer_dead) return;
  if (frame.size(header_bytes) > medium.frame) ++too_large;
  if (frame.size(header_bytes) > medium.frame) return;
  if (medium.exposed) {
    const bool believed = std::any_of(frame.headers.begin(), frame.headers.end(),
                                      [](const Header& header) { return believes(header.layer); });
    const bool outside = !frame.headers.empty() && believes(frame.headers.back().layer);
    if ((!frame.sealed && (believed || frame.kind == Kind::control)) || outside) ++naked_control;
    if (!frame.sealed && frame.kind != Kind::control) ++naked_bodies;
  }
  if (frame.kind == Kind::data && !frame.compressed) ++plain_bodies;
  frame.channel = frame.lane = 0;  // what is not in a header stays at home
  if (heard_.size() < heard_most) heard_.emplace_back(from_b, frame);
  schedule(from_b, std::move(frame));
}

void World::schedule(bool from_b, Frame frame) {
  if (random.below(100) < medium.loss) {
    ++lost;
    return;
  }
  if (random.below(100) < medium.escape) frame.damage = std::max(frame.damage, Damage::escapes16);
  if (random.below(100) < medium.flip) frame.damage = std::max(frame.damage, Damage::flip);
  const unsigned copies = random.below(100) < medium.twice ? 2 : 1;
  auto& line = lines_[from_b ? 1 : 0];
  for (unsigned i = 0; i < copies; ++i) {
    const bool late = random.below(100) < medium.late;
    line.push_back({now + 1 + (late ? static_cast<unsigned>(random.between(1, 12)) : 0), frame});
  }
  if (!from_b) in_flight_most = std::max(in_flight_most, line.size());
}

void World::arrive(bool at_b, std::deque<OnTheWay>& line) {
  std::deque<OnTheWay> now_here;
  for (auto it = line.begin(); it != line.end();) {
    const bool room = has_room(at_b, it == line.begin());
    const bool held = medium.bounded && !room && it->frame.kind != Kind::control;
    if (held || it->arrives > now || now_here.size() >= 8) {
      if (medium.late == 0) break;  // a medium in order waits for its first
      ++it;
      continue;
    }
    now_here.push_back(std::move(*it));
    it = line.erase(it);
  }
  for (OnTheWay& one : now_here) {
    if (peer_dead || closed_as_corrupt) return;
    one.frame.applied = one.frame.native;
    Player& receiver = one.frame.native ? (at_b ? b : a) : *bottoms_[at_b ? 1 : 0]->above;
    receiver.up(std::move(one.frame));
  }
}

/// Replays, changes or invents one frame, from what was heard.
void World::attack_once() {
  if (heard_.empty() || random.below(100) >= 40) return;
  auto [from_b, frame] = heard_[random.below(heard_.size())];
  const std::uint64_t choice = random.below(3);
  if (choice > 0) {
    frame.forged = true;
    frame.damage = Damage::forged;
    frame.sealed = frame.sealed && choice == 1;
  }
  if (choice == 2) {
    if (!frame.headers.empty()) frame.headers.back().a = static_cast<int>(random.below(40));
    if (!frame.headers.empty()) frame.headers.back().b = static_cast<int>(random.below(2));
  }
  lines_[from_b ? 1 : 0].push_back({now + 1, std::move(frame)});
}

void World::turn() {
  ++now;
  if (attack && medium.exposed) attack_once();
  arrive(true, lines_[0]);
  arrive(false, lines_[1]);
  for (auto& players : players_)
    for (auto& player : players)
      if (!(peer_dead && player->side_b)) player->tick();
  a.tick();
  b.tick();
}

void World::cut() {
  for (int side = 0; side < 2; ++side) {
    lines_[side].clear();
    for (auto& player : players_[side]) {  // bottom first
      player->forget();
      if (player->keeps_over_cuts()) break;
    }
  }
}

void App::tick() {
  inbox_most = std::max(inbox_most, inbox.size());
  if (takes_every == 0 || world->now % takes_every != 0 || inbox.empty()) return;
  delivered.push_back(std::move(inbox.front()));
  inbox.pop_front();
}

}  // namespace harness::tests::symbolic
