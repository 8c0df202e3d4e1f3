// SPDX-License-Identifier: Apache-2.0
// One-sided operations over a network that loses, doubles and disorders, while the link's stack is replaced:
// every put is there once it is delivered, no signal comes before its bytes, no atomic is lost or doubled.
#include <deque>

#include <harness/layers/all.hpp>
#include <harness/tests/sim/process.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/vouch.hpp>

namespace harness::tests {
namespace {

const char* const stacks[] = {
    "order / put / frag / reliable @ sim",         "put / frag / reliable / heartbeat / checksum @ sim",
    "mux / order / put / frag / reliable @ sim",   "put / reliable @ sim",
    "order / put / frag / reliable / vouch @ sim",
};

// Alike down to reliable: a swap among them goes on with everything under way, fences too.
const char* const running[] = {
    "order / put / frag / reliable @ sim",
    "order / put / frag / reliable / heartbeat @ sim",
    "order / put / frag / reliable / checksum @ sim",
};

// Where the network reaches memory by itself, with stacks that forbid it between.
const char* const native[] = {
    "order / put / frag / reliable @ sim(native=yes)",
    "put / reliable @ sim(native=yes)",
    "order / put / frag / reliable / vouch @ sim(native=yes)",
    "put / frag / reliable @ sim",
};

// … and alike down to reliable.
const char* const native_running[] = {
    "order / put / frag / reliable @ sim(native=yes)",
    "order / put / frag / reliable / heartbeat @ sim(native=yes)",
    "order / put / frag / reliable / checksum @ sim",
    "order / put / frag / reliable @ sim",
};

constexpr std::size_t slots = 64;
constexpr std::size_t slot_bytes = 4096;

// What each end exposes: slots that the peer fills, a word a slot that says with what, and counters.
struct Exposed {
  std::array<std::array<unsigned char, slot_bytes>, slots> slot{};
  std::array<std::uint64_t, slots> word{};
  std::uint64_t counter = 0;
  std::uint64_t ordered = 0;  // only ever grows: each put of it comes after the one before
  std::uint64_t of_card = 0;  // a counter in a region of its own, in the domain `nic`
};

// One end: begins operations at random on the other's memory, and judges its own.
class Player {
 public:
  Player(Process& process, std::uint64_t seed) : process_(process), random_(seed) {}

  RegionHandle expose() {
    const auto memory = std::as_writable_bytes(std::span(exposed_.get(), 1));
    return *process_.link->regions().expose(memory, Access::all);
  }
  RegionHandle expose_to_card() {
    const auto memory = std::as_writable_bytes(std::span(&exposed_->of_card, 1));
    return *process_.link->regions().expose(memory, Access::atomic, AtomicDomain::nic);
  }
  void reach(const RegionHandle& handle, const RegionHandle& of_card) {
    peer_ = handle;
    card_ = of_card;
  }

  // One operation, if the link takes it: a put of a slot with its signal, an add, or a read of the counter.
  void play() {
    OneSided* const side = process_.link->one_sided();
    if (side == nullptr) return;
    if (keeps_order) play_in_order(*side);
    const unsigned what = static_cast<unsigned>(random_.below(5));
    if (what == 4) {
      Operation& add = operations_.emplace_back();
      if (side->atomic(add, AtomicOp::add, card_, 0, 1) == Errc::ok) adds_of_card_.push_back(&add);
      return;
    }
    if (what == 3) {
      Operation& add = operations_.emplace_back();
      if (side->atomic(add, AtomicOp::add, peer_, offsetof(Exposed, counter), 1) == Errc::ok) ++added_;
      return;
    }
    const std::size_t slot = random_.below(slots);
    if (slot_busy_[slot] != nullptr && slot_busy_[slot]->busy()) return;
    const std::size_t bytes = 1 + random_.below(slot_bytes);
    const std::uint64_t round = ++round_[slot];
    std::vector<std::byte>& source = sources_[slot];
    source.assign(bytes, static_cast<std::byte>(round));
    Operation& put = operations_.emplace_back();
    const Signal signal{.kind = Signal::Kind::word,
                        .region = peer_,
                        .offset = offsetof(Exposed, word) + slot * sizeof(std::uint64_t),
                        .value = round << 16 | bytes};
    const PutOptions how{.done = Done::delivered, .signal = signal, .after_previous = random_.below(8) == 0};
    const std::uint64_t place = offsetof(Exposed, slot) + slot * slot_bytes;
    if (side->put(put, peer_, place, source, how) != Errc::ok) {
      --round_[slot];
      return;
    }
    slot_busy_[slot] = &put;
    ++puts_;
  }
  void play_in_order(OneSided& side) {
    const std::uint64_t& next = numbers_.emplace_back(numbers_.size() + 1);
    Operation& put = operations_.emplace_back();
    const auto source = std::as_bytes(std::span(&next, 1));
    const Errc code = side.put(put, peer_, offsetof(Exposed, ordered), source);
    side.fence();  // the next operation of any sort carries it, perhaps over another stack
    if (code != Errc::ok) numbers_.pop_back();
  }
  // A slot is written anew only when the put before was delivered, so what its word says must stand there.
  void judge() const {
    ASSERT_GE(exposed_->ordered, ordered_seen_) << "a put passed a fence";
    ordered_seen_ = exposed_->ordered;
    for (std::size_t i = 0; i < slots; ++i) {
      const std::uint64_t word = exposed_->word[i];
      if (word == judged_[i]) continue;
      const auto round = static_cast<unsigned char>(word >> 16);
      const std::size_t bytes = word & 0xffff;
      ASSERT_EQ(word >> 16, (judged_[i] >> 16) + 1) << "a signal was lost or doubled";
      for (std::size_t at : {std::size_t{0}, bytes / 2, bytes - 1})
        ASSERT_EQ(exposed_->slot[i][at], round) << at;
      judged_[i] = word;
    }
  }
  [[nodiscard]] bool idle() const {
    return std::none_of(operations_.begin(), operations_.end(),
                        [](const Operation& one) { return one.busy(); });
  }
  // What has ended as reusable is there, too, when this has ended.
  void flush() { ASSERT_EQ(process_.link->one_sided()->flush(operations_.emplace_back()), Errc::ok); }
  void judge_end(const Player& peer) const {
    for (const Operation& one : operations_) ASSERT_EQ(one.code(), Errc::ok);
    ASSERT_EQ(peer.exposed_->counter, added_);
    ASSERT_EQ(peer.exposed_->of_card, adds_of_card_.size());
    std::vector<bool> found(adds_of_card_.size());
    for (const Operation* add : adds_of_card_) {
      ASSERT_FALSE(found.at(add->value())) << "two adds found " << add->value();
      found[add->value()] = true;
    }
    ASSERT_EQ(peer.exposed_->ordered, numbers_.size());
    for (std::size_t i = 0; i < slots; ++i) ASSERT_EQ(peer.exposed_->word[i] >> 16, round_[i]);
    ASSERT_GT(puts_, 100u);
  }

 private:
  Process& process_;
  Random random_;
  RegionHandle peer_, card_;
  std::unique_ptr<Exposed> exposed_ = std::make_unique<Exposed>();
  mutable std::array<std::uint64_t, slots> judged_{};
  std::array<std::uint64_t, slots> round_{};
  std::array<Operation*, slots> slot_busy_{};
  std::array<std::vector<std::byte>, slots> sources_;
  std::deque<Operation> operations_;
  std::uint64_t added_ = 0, puts_ = 0;
  std::vector<const Operation*> adds_of_card_;
  std::deque<std::uint64_t> numbers_;
  mutable std::uint64_t ordered_seen_ = 0;

 public:
  bool keeps_order = false;
};

class SwappedPuts : public testing::TestWithParam<unsigned> {
 protected:
  SwappedPuts() {
    layers::add_all(catalogue_);
    catalogue_.add(Sim::type());
    catalogue_.add<Vouch>();
  }
  [[nodiscard]] StackSpec any(Random& random, std::span<const char* const> of) const {
    return *stack_from(of[random.below(of.size())], catalogue_);
  }
  void run(std::uint64_t seed, std::span<const char* const> of, bool keeps_order);

  Catalogue catalogue_;
  VouchAuthority at_server_{"server", "lab"}, at_client_{"client", "lab"};
};

void SwappedPuts::run(std::uint64_t seed, std::span<const char* const> of, bool keeps_order) {
  SCOPED_TRACE(testing::Message() << "rerun: HARNESS_SEED=" << seed);
  SimWorld world(seed);
  Random random(seed);
  world.set_default_path({.delay_ns = 200'000,
                          .jitter_ns = 100'000,
                          .loss_ppm = 30'000,
                          .duplicate_ppm = 20'000,
                          .reorder_ppm = 30'000,
                          .reorder_ns = 500'000});
  const StackSpec first = any(random, of);
  Process server(world, catalogue_, at_server_, first);
  Process client(world, catalogue_, at_client_, first);
  client.wanted = server.wanted = 0;
  client.dial("server");
  ASSERT_TRUE(world.run_until([&] { return client.is_up() && server.is_up(); }, 5'000 * ms));
  Player here(client, seed + 1), there(server, seed + 2);
  here.keeps_order = there.keeps_order = keeps_order;
  here.reach(there.expose(), there.expose_to_card());
  there.reach(here.expose(), here.expose_to_card());
  for (unsigned turn = 0; turn < 600; ++turn) {
    for (unsigned i = 0; i < 3; ++i) here.play(), there.play();
    if (turn % 60 == 30) (void)client.link->swap({{any(random, of), "server:7"}});
    world.run_for(random.below(ms));
    ASSERT_NO_FATAL_FAILURE(here.judge());
    ASSERT_NO_FATAL_FAILURE(there.judge());
  }
  const auto idle = [&] { return here.idle() && there.idle() && !client.link->is_swapping(); };
  ASSERT_TRUE(world.run_until(idle, 60'000 * ms))
      << "client " << here.idle() << " server " << there.idle() << " swap " << client.link->swap_stage()
      << ", " << server.link->swap_stage() << " up " << client.is_up() << client.link->error().text();
  ASSERT_NO_FATAL_FAILURE(here.flush());
  ASSERT_NO_FATAL_FAILURE(there.flush());
  ASSERT_TRUE(world.run_until(idle, 60'000 * ms));
  ASSERT_NO_FATAL_FAILURE(here.judge_end(there));
  ASSERT_NO_FATAL_FAILURE(there.judge_end(here));
  client.link->close();
  const auto closed = [&] { return client.link->state() == Link::State::closed; };
  EXPECT_TRUE(world.run_until(closed, 20'000 * ms)) << client.link->error().text();
}

TEST_P(SwappedPuts, LoseAndDoubleNothing) {
  const std::uint64_t first = seed(1 + GetParam() * 1000);
  for (std::uint64_t i = 0; i < rounds(60) && !HasFatalFailure(); ++i) run(first + i, stacks, false);
}

TEST_P(SwappedPuts, KeepFencesWhereTheSessionRunsOn) {
  const std::uint64_t first = seed(1 + GetParam() * 1000);
  for (std::uint64_t i = 0; i < rounds(30) && !HasFatalFailure(); ++i) run(first + i, running, true);
}

TEST_P(SwappedPuts, LoseAndDoubleNothingWhereSomeAreNative) {
  const std::uint64_t first = seed(1 + GetParam() * 1000);
  for (std::uint64_t i = 0; i < rounds(60) && !HasFatalFailure(); ++i) run(first + i, native, false);
}

TEST_P(SwappedPuts, LoseAndDoubleNothingWhereANativeSessionRunsOn) {
  const std::uint64_t first = seed(7919 + GetParam() * 1000);
  for (std::uint64_t i = 0; i < rounds(60) && !HasFatalFailure(); ++i) run(first + i, native_running, false);
}

TEST_P(SwappedPuts, KeepFencesBetweenNativeAndNot) {
  const std::uint64_t first = seed(1 + GetParam() * 1000);
  for (std::uint64_t i = 0; i < rounds(30) && !HasFatalFailure(); ++i) run(first + i, native_running, true);
}

INSTANTIATE_TEST_SUITE_P(Random, SwappedPuts, testing::Range(0u, 4u),
                         [](const auto& shard) { return "shard" + std::to_string(shard.param); });

}  // namespace
}  // namespace harness::tests
