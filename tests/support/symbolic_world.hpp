// SPDX-License-Identifier: Apache-2.0
// The pieces of the symbolic play (symbolic.hpp): frames, players of layers, the medium, the application.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <harness/stack/random.hpp>
#include <harness/tests/support/symbolic.hpp>

namespace harness::tests::symbolic {

enum class Kind : std::uint8_t { data, put, control };
enum class Damage : std::uint8_t { none, flip, escapes16, forged };  // by what could still notice it

/// A header is the layer that wrote it and up to three numbers.
struct Header {
  char layer = 0;
  int a = 0, b = 0, c = 0;
};

struct Frame {
  Kind kind = Kind::data;
  int id = -1;                     // of the application's message or put
  unsigned lane = 0;               // the channel as the application names it
  unsigned channel = 0;            // annotation between layers: not on the wire
  std::uint32_t from = 0, to = 0;  // bytes [from, to) of …
  std::uint32_t whole = 0;         // … so many
  std::vector<Header> headers;     // outermost last
  Damage damage = Damage::none;
  bool forged = false;  // made or changed by the attacker
  bool sealed = false;  // unreadable, unchangeable
  bool compressed = false;
  bool native = false;   // a put by the medium itself
  bool applied = false;  // a put that reached its memory
  bool copied = false;   // not the sender's bytes in place any more
  std::uint32_t size(const std::map<char, std::uint32_t>& header_bytes) const;
};

class World;

/// One side of one layer: how it treats a frame on the way down and up, and what it does as time passes.
class Player {
 public:
  virtual ~Player() = default;
  virtual void down(Frame frame) { below->down(std::move(frame)); }
  virtual void up(Frame frame) { above->up(std::move(frame)); }
  virtual void tick() {}
  virtual void forget() {}                                   // the link was cut: state of this epoch is gone
  [[nodiscard]] virtual bool full() const { return false; }  // asks the application to wait
  virtual bool put(Frame&) { return false; }                 // true: a put of the application begins here
  [[nodiscard]] virtual std::size_t waiting() const { return 0; }       // frames kept on the way up
  [[nodiscard]] virtual bool keeps_over_cuts() const { return false; }  // and so does all above it
  Player* above = nullptr;
  Player* below = nullptr;
  World* world = nullptr;
  bool side_b = false;
  bool reliable_below = false;
};

/// The application on one side.
class App : public Player {
 public:
  void up(Frame frame) override { inbox.push_back(std::move(frame)); }
  void tick() override;
  std::deque<Frame> inbox;       // arrived, not yet taken
  std::vector<Frame> delivered;  // taken by the application
  std::size_t inbox_most = 0;
  unsigned takes_every = 1;  // ticks
  bool told_of_death = false;
};

struct Medium {
  unsigned loss = 0, twice = 0, late = 0, flip = 0, escape = 0;  // percent of frames
  bool bounded = false;  // holds back when the receiver or the path is full
  bool notices_death = false;
  bool exposed = true;  // others can read, forge and replay
  std::uint32_t frame = 0;
};
Medium medium_of(const std::string& name);

/// Two stacks and what lies between.
class World {
 public:
  World(const Played& stack, std::uint64_t seed);

  void send(Frame frame) { tops_[0]->down(std::move(frame)); }
  void put(Frame frame);  // through the topmost player that puts; without one, as a message
  [[nodiscard]] bool full() const;
  [[nodiscard]] bool path_full(bool from_b) const;
  /// For another received frame, all layers counted; the first missing one only needs the application's room,
  /// or nothing that waits for it could ever go.
  [[nodiscard]] bool has_room(bool at_b, bool first) const;
  void turn();  // one tick
  void cut();   // everything on the way is lost, and every state below the topmost `resume`
  void carry(bool from_b, Frame frame);
  void touched(const Frame& frame) { touched_by_forger += frame.forged ? 1 : 0; }

  App a, b;
  Random random;
  unsigned now = 0;
  bool attack = false;
  bool peer_dead = false;
  bool closed_as_corrupt = false;
  unsigned touched_by_forger = 0;  // a layer changed its state because of bytes that are not the peer's
  unsigned expanded_for_forger = 0;
  unsigned naked_control = 0;     // control bytes that anyone can read and change, on an exposed medium
  unsigned naked_bodies = 0;      // application bytes likewise
  unsigned plain_bodies = 0;      // data that went out uncompressed
  std::map<int, unsigned> split;  // how often a message was cut into parts, over both sides
  unsigned lost = 0;              // frames, to the medium
  unsigned too_large = 0;         // frames that the medium does not take
  std::size_t in_flight_most = 0;
  std::map<char, std::uint32_t> header_bytes;
  Medium medium;

 private:
  struct OnTheWay {
    unsigned arrives;
    Frame frame;
  };
  class Bottom;
  void arrive(bool at_b, std::deque<OnTheWay>& line);
  void attack_once();
  void schedule(bool from_b, Frame frame);

  std::vector<std::unique_ptr<Player>> players_[2];
  std::unique_ptr<Player> bottoms_[2];
  Player* tops_[2] = {};
  std::deque<OnTheWay> lines_[2];              // towards b, towards a
  std::vector<std::pair<bool, Frame>> heard_;  // by the attacker
};

/// A player of the layer of that name; `room` is the largest frame it may hand down, its own header included.
std::unique_ptr<Player> player_of(const std::string& layer, std::uint32_t room);
std::uint32_t header_bytes_of(const std::string& layer);

/// Takes off the outermost header when it is `layer`'s; a frame that makes no sense is dropped.
bool open(Frame& frame, char layer, Header& header);

}  // namespace harness::tests::symbolic
