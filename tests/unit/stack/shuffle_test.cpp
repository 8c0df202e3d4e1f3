// SPDX-License-Identifier: Apache-2.0
// Shuffles and deletions of the canonical stacks against a judge that knows no contract: nothing semantically
// wrong is accepted, each refusal names need, layers and fix, and each fix is accepted.
//
// For each canonical stack: permutations, some with layers left out, doubled or exchanged, checked against
// the needs the stack was made for and against none. What check accepts is played symbolically
// (tests/support/symbolic.hpp) with the claims check makes for it. The judge is judged too: planted lies in
// contracts must be seen by it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include <harness/stack/compose.hpp>
#include <harness/stack/random.hpp>
#include <harness/stack/text.hpp>
#include <harness/tests/support/contract_layers.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/symbolic.hpp>

namespace harness {
namespace {

using namespace property;
using testing::IsEmpty;

struct Canonical {
  std::string_view text;
  unsigned trust;
  Needs needs;
};
constexpr std::uint32_t large = 1 << 20;
const Canonical canonical[] = {
    {"resume / mux / compress / order / put / frag / reliable / heartbeat / encrypt @ udp",
     0,
     {resumable | channels | compact | fifo | put_emulated | death_within | encrypted | covered, large}},
    {"resume / mux / compress / order / put / frag / reliable / heartbeat / checksum @ udp",
     1,
     {resumable | channels | compact | fifo | put_emulated | death_within | checked32, large}},
    {"order / frag / reliable / encrypt @ udp",
     0,
     {reliable | fifo | authenticated | replay_windowed, large}},
    {"order / frag / reliable @ udp", 1, {reliable | fifo, large}},
    {"mux / compress / frag / heartbeat / encrypt @ tcp",
     0,
     {channels | compact | death_within | encrypted | fifo, large}},
    {"order / put / frag / encrypt @ rdma", 0, {fifo | put_emulated | encrypted | no_duplicates, large}},
    {"order / frag @ rdma", 1, {fifo | put_native | place, large}},
    {"mux / frag @ shm", 2, {channels | fifo | loan | host_private | put_native, large}},
    {"order / heartbeat / checksum @ udp", 1, {fifo | no_duplicates | death_within | checked32}},
    {"resume / frag @ tcp", 1, {resumable | fifo, large}},
};

class Shuffles {
 public:
  explicit Shuffles(Catalogue catalogue) : catalogue_(std::move(catalogue)) {}

  /// Checks one stack; plays it when accepted, looks at the refusal when not.
  void look_at(const StackSpec& stack, unsigned trust, const Needs& needs, std::uint64_t seed) {
    const Facts facts = tests::facts_of(catalogue_, stack.transport->name, trust);
    const auto checked = check(stack, facts, needs, catalogue_);
    EXPECT_EQ(checked.has_value(), accepts(stack, facts, needs));
    if (!checked) return refused(stack, facts, needs, checked.error());
    ++accepted;
    const bool guarded = trust == 0;
    const std::string key = text::join({stack.text(), guarded ? " guarded" : ""});
    if (!played_.insert(key).second) return;
    tests::Played played{{}, std::string(stack.transport->name), guarded, checked->given.max_message};
    for (std::size_t i = 0; i < stack.layers.size(); ++i) played.layers.emplace_back(stack.name_of(i));
    for (const std::string& violation : tests::violations(played, checked->given.word, seed))
      wrong.push_back(text::join({key, ": ", violation}));
  }

  std::size_t accepted = 0;
  std::map<std::string, std::string> refusals;  // text of the stack → what was said
  std::vector<std::string> wrong;               // accepted, but the play contradicts the claims
  std::vector<std::string> poor;                // refusals without need, layers or a fix that works
  [[nodiscard]] std::size_t played() const { return played_.size(); }

 private:
  void refused(const StackSpec& stack, const Facts& facts, const Needs& needs, const Error& error) {
    const std::string text = error.text();
    refusals.emplace(stack.text(), text);
    std::set<std::string_view> named;
    for (std::size_t i = 0; i <= stack.layers.size(); ++i) {
      const std::string said = error.what.substr(stack.text().size()) + error.because;
      if (said.find(stack.name_of(i)) != std::string::npos) named.insert(stack.name_of(i));
    }
    const bool twice = error.what.find("stands twice") != std::string::npos;
    const bool has_need = twice || error.what.find(" need") != std::string::npos ||
                          error.what.find(" must ") != std::string::npos ||
                          error.what.find(" cannot ") != std::string::npos;
    const bool by_link = error.what.find("the link needs") != std::string::npos;
    const bool has_layers = named.size() >= (twice || by_link ? 1u : 2u);
    if (!has_need || !has_layers || !fix_works(error.advice, facts, needs)) poor.push_back(text);
  }
  /// "put frag directly above reliable:  order / frag / reliable @ udp" is accepted; advice without a stack
  /// says why none is.
  bool fix_works(const std::string& advice, const Facts& facts, const Needs& needs) const {
    const std::size_t colon = advice.find(":  ");
    if (colon == std::string::npos) return advice.starts_with("give up ") || advice.starts_with("use ");
    const auto fixed = stack_from(advice.substr(colon + 3), catalogue_);
    return fixed && accepts(*fixed, facts, needs);
  }

  Catalogue catalogue_;
  std::set<std::string> played_;
};

/// A permutation, every third time with one layer left out, doubled or exchanged for another.
StackSpec shuffled(const StackSpec& stack, const Catalogue& catalogue, Random& random) {
  StackSpec other = stack;
  const auto at = [&] { return static_cast<std::ptrdiff_t>(random.below(other.layers.size())); };
  const auto any = [&]() -> BoundLayer {
    const LayerType& type = catalogue.layers()[random.below(catalogue.layers().size())];
    return {&type, OptionValues(type.descriptor->options)};
  };
  switch (random.below(6)) {
    case 0: other.layers.erase(other.layers.begin() + at()); break;
    case 1: other.layers.push_back(other.layers[static_cast<std::size_t>(at())]); break;
    case 2: other.layers[static_cast<std::size_t>(at())] = any(); break;
    case 3: other.layers.push_back(any()); break;
    default: break;
  }
  // Few swaps stay near the canonical order, where the mistakes that look right are.
  const std::uint64_t swaps = random.below(2) != 0 ? random.below(4) : other.layers.size() * 2;
  for (std::uint64_t i = 0; i < swaps && other.layers.size() > 1; ++i)
    std::swap(other.layers[static_cast<std::size_t>(at())], other.layers[static_cast<std::size_t>(at())]);
  return other;
}

void shuffle_all(Shuffles& shuffles, const Catalogue& catalogue, std::uint64_t count, std::uint64_t seed) {
  Random random(seed);
  for (std::uint64_t i = 0; i < count; ++i) {
    const Canonical& one = canonical[i % std::size(canonical)];
    const StackSpec stack = shuffled(*stack_from(one.text, catalogue), catalogue, random);
    Needs needs = one.needs;
    if (random.below(2) != 0) needs = {};
    shuffles.look_at(stack, one.trust, needs, seed + i);
  }
}

TEST(Shuffle, TheCanonicalStacksAreAcceptedAndKeepWhatTheyPromise) {
  const Catalogue catalogue = tests::contract_catalogue();
  for (const Canonical& one : canonical) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      Shuffles shuffles(catalogue);
      shuffles.look_at(*stack_from(one.text, catalogue), one.trust, one.needs, seed);
      EXPECT_THAT(shuffles.refusals, IsEmpty());
      EXPECT_THAT(shuffles.wrong, IsEmpty());
    }
  }
}

// Twenty thousand shuffles, a quarter of them under a sanitizer.
class ShuffleShard : public testing::TestWithParam<std::uint64_t> {};
constexpr std::uint64_t shards = 8;
constexpr std::uint64_t shuffles_in_shard = 2500;

TEST_P(ShuffleShard, AcceptsNothingWrongAndEveryRefusalHelps) {
  const std::uint64_t seed = tests::seed(20261122);
  SCOPED_TRACE(testing::Message() << "HARNESS_SEED=" << seed);
  const Catalogue catalogue = tests::contract_catalogue();
  Shuffles shuffles(catalogue);
  const std::uint64_t count = tests::rounds(shuffles_in_shard);
  shuffle_all(shuffles, catalogue, count, seed + GetParam() * shuffles_in_shard);
  EXPECT_THAT(shuffles.wrong, IsEmpty());
  EXPECT_THAT(shuffles.poor, IsEmpty());
  EXPECT_GT(shuffles.accepted, count / 40);
  EXPECT_GT(shuffles.refusals.size(), count / 4);
  RecordProperty("accepted", std::to_string(shuffles.accepted));
  RecordProperty("played", std::to_string(shuffles.played()));
  std::printf("%zu accepted, %zu played, %zu refusals\n", shuffles.accepted, shuffles.played(),
              shuffles.refusals.size());
}
INSTANTIATE_TEST_SUITE_P(Random, ShuffleShard, testing::Range<std::uint64_t>(0, shards));

TEST(Shuffle, EverySingleDeletionIsRefusedForAReasonThatThePlayConfirms) {
  const Catalogue catalogue = tests::contract_catalogue();
  for (const Canonical& one : canonical) {
    const StackSpec whole = *stack_from(one.text, catalogue);
    for (std::size_t gone = 0; gone < whole.layers.size(); ++gone) {
      StackSpec stack = whole;
      stack.layers.erase(stack.layers.begin() + static_cast<std::ptrdiff_t>(gone));
      SCOPED_TRACE(stack.text());
      Shuffles shuffles(catalogue);
      shuffles.look_at(stack, one.trust, one.needs, 1);
      EXPECT_EQ(shuffles.accepted, 0u);
      EXPECT_THAT(shuffles.poor, IsEmpty());
      tests::Played played{{}, std::string(stack.transport->name), one.trust == 0, large};
      for (std::size_t i = 0; i < stack.layers.size(); ++i) played.layers.emplace_back(stack.name_of(i));
      std::vector<std::string> wrong;
      for (std::uint64_t seed = 1; seed < 20 && wrong.empty(); ++seed)
        wrong = tests::violations(played, one.needs.word, seed);
      EXPECT_FALSE(wrong.empty()) << "refused, but nothing goes wrong without " << whole.name_of(gone);
    }
  }
}

// ---- the judge is judged: each lie in a contract or a fact must be caught by the play ----

void claims_more(Descriptor& d, Properties word) { d.contract.adds = d.contract.adds | word; }
void clears_nothing(Descriptor& d) { d.contract.clears = none; }
void believes_nobody(Descriptor& d) { d.contract.emits_control = d.contract.state_on_rx = false; }
void needs_only_messages(Descriptor& d) { d.contract.requires_below = message; }
void has_no_header(Descriptor& d) { d.header_bytes_max = 0; }

struct Lie {
  std::string_view layer;
  void (*tell)(Descriptor&);
  std::string_view stack;  // where it would do harm
  unsigned trust;
};
const Lie lies[] = {
    {"encrypt", [](Descriptor& d) { d.contract.clears = loan | place; }, "encrypt @ rdma", 1},
    {"encrypt", [](Descriptor& d) { d.contract.clears = whole(Axis::one_sided); }, "encrypt @ shm", 2},
    {"encrypt", [](Descriptor& d) { d.contract.encrypts = false; }, "encrypt / compress @ udp", 1},
    {"reliable", believes_nobody, "reliable @ udp", 0},
    {"reliable", clears_nothing, "reliable / order @ udp", 1},
    {"reliable", [](Descriptor& d) { claims_more(d, fifo); }, "reliable @ udp", 1},
    {"compress", [](Descriptor& d) { d.contract.expands_input = false; }, "compress @ udp", 0},
    {"compress", clears_nothing, "compress @ shm", 2},
    {"compress", has_no_header, "compress @ shm", 2},
    {"frag", needs_only_messages, "reliable / frag @ udp", 1},
    {"frag", believes_nobody, "frag @ tcp", 0},
    {"order", [](Descriptor& d) { claims_more(d, reliable); }, "order @ udp", 1},
    {"order", has_no_header, "order @ shm", 2},
    {"put", needs_only_messages, "put @ udp", 1},
    {"put", [](Descriptor& d) { claims_more(d, put_native); }, "put / reliable / encrypt @ udp", 0},
    {"resume", needs_only_messages, "resume / reliable @ udp", 1},
    {"checksum", [](Descriptor& d) { claims_more(d, authenticated); }, "checksum @ udp", 1},
    {"checksum", clears_nothing, "checksum / put / reliable @ udp", 1},
    {"heartbeat", believes_nobody, "heartbeat @ udp", 0},
    {"heartbeat", believes_nobody, "heartbeat @ udp", 1},
    {"heartbeat", [](Descriptor& d) { claims_more(d, resumable); }, "heartbeat / frag @ tcp", 1},
    {"mux", [](Descriptor& d) { claims_more(d, death_within); }, "mux @ udp", 1},
    {"mux", [](Descriptor& d) { claims_more(d, flow_controlled); }, "mux @ udp", 1},
    {"mux", [](Descriptor& d) { claims_more(d, congestion_controlled); }, "mux @ udp", 1},
    {"mux", [](Descriptor& d) { claims_more(d, compact); }, "mux @ udp", 1},
    {"mux", [](Descriptor& d) { claims_more(d, encrypted); }, "mux @ udp", 1},
    {"fault_drop", clears_nothing, "fault_drop @ tcp", 1},
};

std::vector<std::string> wrong_with(const Catalogue& catalogue, std::string_view text, unsigned trust) {
  for (std::uint64_t seed = 1; seed < 40; ++seed) {
    Shuffles shuffles(catalogue);
    shuffles.look_at(*stack_from(text, catalogue), trust, {}, seed);
    if (!shuffles.wrong.empty()) return shuffles.wrong;
  }
  return {};
}

TEST(Shuffle, EveryLieInAContractIsCaughtByThePlay) {
  const Catalogue honest = tests::contract_catalogue();
  for (const Lie& lie : lies) {
    Descriptor liar = *honest.layer(lie.layer)->descriptor;
    lie.tell(liar);
    Catalogue lying;
    for (const LayerType& layer : honest.layers())
      lying.add(layer.descriptor->name == lie.layer ? tests::contract_layer(liar) : layer);
    for (const TransportType& transport : honest.transports()) lying.add(transport);
    EXPECT_THAT(wrong_with(honest, lie.stack, lie.trust), IsEmpty()) << lie.stack;
    EXPECT_FALSE(wrong_with(lying, lie.stack, lie.trust).empty()) << lie.stack << ": a lie of " << lie.layer;
  }
}

TEST(Shuffle, EveryLieInAFactIsCaughtByThePlay) {
  struct FactLie {
    std::string medium;
    Properties claims;
  };
  const FactLie untrue[] = {{"udp", reliable},  {"udp", fifo},         {"udp", no_duplicates},
                            {"udp", checked32}, {"udp", encrypted},    {"udp", authenticated},
                            {"udp", no_replay}, {"udp", death_within}, {"udp", flow_controlled},
                            {"udp", channels},  {"udp", compact},      {"udp", put_emulated},
                            {"tcp", resumable}, {"tcp", host_private}, {"tcp", checked32},
                            {"rdma", fifo},     {"shm", resumable}};
  for (const FactLie& lie : untrue) {
    const tests::Played bare{{}, lie.medium, false, 1000};
    std::vector<std::string> wrong;
    for (std::uint64_t seed = 1; seed < 40 && wrong.empty(); ++seed)
      wrong = tests::violations(bare, message | lie.claims, seed);
    EXPECT_FALSE(wrong.empty()) << lie.medium << " " << to_string(lie.claims);
  }
}

}  // namespace
}  // namespace harness
