// SPDX-License-Identifier: Apache-2.0
// See campaign.hpp.
#include <harness/tests/sim/campaign.hpp>

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

namespace harness::tests {

namespace {

constexpr std::array media = {"datagram", "fabric", "stream"};

// The profile is what the name says.
template <Sim::Profile profile>
Facts facts_of(const OptionValues& options, Properties trust) {
  OptionValues mine = options;
  mine.set(Sim::option_profile, static_cast<std::int64_t>(profile));
  return Sim::type().facts(mine, trust);
}

template <Sim::Profile profile>
std::span<const OptionSpec> options_of() {
  static const std::vector<OptionSpec> table = [] {
    const auto all = Sim::type().options;
    std::vector<OptionSpec> mine(all.begin(), all.end());
    mine[Sim::option_profile].standard = static_cast<std::int64_t>(profile);
    return mine;
  }();
  return table;
}

template <Sim::Profile profile>
TransportType type_of(std::string_view name) {
  TransportType type = Sim::type();
  type.name = name;
  type.options = options_of<profile>();
  type.facts = &facts_of<profile>;
  return type;
}

// What a message says: its number and bytes that follow from it, so that a wrong one is seen.
const std::string& noise() {
  static const std::string bytes = [] {
    Random random(7);
    std::string all(16'384, '\0');
    for (std::size_t i = 0; i < all.size(); ++i)  // half of it compressible
      all[i] = i / 256 % 2 == 0 ? 'x' : static_cast<char>(random.below(256));
    return all;
  }();
  return bytes;
}
std::string_view body_of(unsigned channel, unsigned number, std::size_t bytes) {
  return std::string_view(noise()).substr((number * 7919u + channel * 131u) % 8192, bytes);
}
constexpr std::size_t head_bytes = 8;

std::string port_of(std::string_view medium) { return fmt::format("{}", 7 + (medium[0] - 'a')); }

}  // namespace

// ---- one end ----

Mover::Mover(SimWorld& world, const Catalogue& catalogue, const std::string& name, const std::string& domain)
    : engine(world.add(name)), authority(domain, name),
      node(engine, catalogue, NodeOptions{name, domain, {}, {}, &authority}),
      timer_(
          [](void* self) {
            auto* mover = static_cast<Mover*>(self);
            if (mover->link != nullptr && mover->link->send(mover->make(0, 64)) == Errc::ok) ++mover->sent[0];
            mover->send_steadily(mover->every_ns_);
          },
          this) {
  node.set_admission([](const setup::Identity&, const std::string&) { return Admission{}; });
  node.on_link([this](const std::shared_ptr<Link>& opened) { watch(opened); });
  for (const char* medium : media) {
    const OptionValues options(catalogue.transport(medium)->options);
    node.add(std::make_shared<Sim>(engine, options, medium));
    EXPECT_TRUE(node.listen(fmt::format("{}::{}", medium, port_of(medium))).has_value());
  }
}

void Mover::dial(const std::string& peer, const StackSpec& stack, std::uint64_t quota_bytes,
                 const std::string& through) {
  LinkOptions options;
  options.quota_bytes = quota_bytes;
  options.max_message = 8192;
  options.offers = {
      {stack, fmt::format("{}:{}", through.empty() ? peer : through, port_of(stack.transport->name))}};
  auto opened = node.connect(peer, std::move(options));
  ASSERT_TRUE(opened.has_value()) << opened.error().text();
  watch(*opened);
}

void Mover::watch(const std::shared_ptr<Link>& opened) {
  link = opened;
  link->on_message([this](Message&& message) { take(message); });
  link->on_event([this](const Event& event) {
    if (event.kind == EventKind::up) before_ = stack();
    if (event.kind == EventKind::swapped) {
      ++swaps[{before_, stack()}];
      before_ = stack();
    }
    if (event.kind == EventKind::not_swapped) refused_ = event.detail;
    const bool may_send =
        event.kind == EventKind::up || event.kind == EventKind::swapped || event.kind == EventKind::writable;
    if (may_send && every_ns_ == 0) send();
  });
}

void Mover::take(const Message& message) {
  const unsigned channel = message.note().channel;
  ASSERT_LT(channel, channels);
  std::string text(message.size(), '\0');
  message.copy_to(reinterpret_cast<std::byte*>(text.data()));
  const unsigned number = received[channel]++;
  ASSERT_EQ(text.substr(0, head_bytes), fmt::format("{:08}", number)) << "on channel " << channel;
  ASSERT_EQ(text.substr(head_bytes), body_of(channel, number, text.size() - head_bytes));
  const std::uint64_t now = engine.world().now_ns();
  if (last_ns_ != 0) longest_gap_ns = std::max(longest_gap_ns, now - last_ns_);
  if (last_ns_ != 0 && gaps_ns != nullptr) gaps_ns->push_back(now - last_ns_);
  last_ns_ = now;
}

Message Mover::make(unsigned channel, std::uint32_t bytes) {
  Message message = Message::make(engine.pool(), bytes);
  const std::string head = fmt::format("{:08}", sent[channel]);
  std::memcpy(message.writable().data(), head.data(), head_bytes);
  const std::string_view body = body_of(channel, sent[channel], bytes - head_bytes);
  std::memcpy(message.writable().data() + head_bytes, body.data(), body.size());
  message.note().channel = static_cast<std::uint16_t>(channel);
  return message;
}

void Mover::send() {
  for (unsigned channel = 0; channel < channels; ++channel)
    while (!stopped_ && link->send(make(channel, 16 + sent[channel] * 37 % 4000)) == Errc::ok)
      ++sent[channel];
}

void Mover::send_steadily(std::uint64_t every_ns) {
  every_ns_ = every_ns;
  engine.timers().arm(timer_, engine.now_ns() + every_ns);
}

Result<> Mover::swap(const StackSpec& to, const std::string& peer) {
  const std::string listens = link->role() == Role::initiator ? peer : engine.name();
  return link->swap({{to, fmt::format("{}:{}", listens, port_of(to.transport->name))}});
}

bool Mover::has_all_of(const Mover& peer) const { return received == peer.sent; }

std::string Mover::text() const {
  struct Values final : Describer {
    std::string all;
    void value(std::string_view name, std::uint64_t value) override {
      if (value != 0) all += fmt::format(" {}={}", name, value);
    }
    void text(std::string_view name, std::string_view value) override {
      all += fmt::format(" {}={}", name, value);
    }
  } values;
  link->stack()->describe([&](std::string_view layer, const std::function<void(Describer&)>& describe) {
    values.all += fmt::format("\n    {}:", layer);
    describe(values);
  });
  return fmt::format("\n  {}: {} {} {} {}, sent {} {} {}, received {} {} {}{}", engine.name(), stack(),
                     link->swap_stage(), link->error().text(), refused_, sent[0], sent[1], sent[2],
                     received[0], received[1], received[2], values.all);
}

// ---- what is walked over ----

Campaign::Campaign(bool only_encrypted) {
  layers::add_all(catalogue_);
  catalogue_.add(type_of<Sim::Profile::datagram>(media[0]));
  catalogue_.add(type_of<Sim::Profile::fabric>(media[1]));
  catalogue_.add(type_of<Sim::Profile::stream>(media[2]));
  for (const char* medium : media)
    for (const char* keys : {"", " / encrypt(suite=aes)", " / encrypt(suite=chacha)"})
      for (const char* pack : {"", "compress / "}) {
        if (only_encrypted && *keys == '\0') continue;
        const char* repair = medium == media[0] ? " / reliable" : "";
        auto stack =
            stack_from(fmt::format("{}order / frag{}{} @ {}", pack, repair, keys, medium), catalogue_);
        EXPECT_TRUE(stack) << stack.error().text();
        stacks_.push_back(*stack);
      }
}

// Hierholzer's: at each stack the ways out in random order, and a dead end is the end of a circle.
std::vector<std::size_t> Campaign::tour(Random& random) const {
  const std::size_t count = stacks_.size();
  std::vector<std::vector<std::size_t>> ways(count);
  for (auto& way : ways) {
    for (std::size_t to = 0; to < count; ++to) way.push_back(to);
    for (std::size_t i = count; i-- > 1;) std::swap(way[i], way[random.below(i + 1)]);
  }
  std::vector<std::size_t> path{random.below(count)}, circle;
  while (!path.empty()) {
    auto& way = ways[path.back()];
    if (way.empty()) {
      circle.push_back(path.back());
      path.pop_back();
    } else {
      path.push_back(way.back());
      way.pop_back();
    }
  }
  std::reverse(circle.begin(), circle.end());
  return circle;
}

}  // namespace harness::tests
