// SPDX-License-Identifier: Apache-2.0
// What fault layers share: when to strike, on whose side, and messages that wait.
//
// They disturb what is received, so that no promise of the gate is at stake below them; each direction is
// disturbed at its receiving end, and `toward` leaves one of them alone. They promise nothing (contract.hpp):
// compose never takes one, and what they may break stands in `clears`, so that check is honest about the
// rest. A seed makes the strikes the same in every run that brings the same messages; the two ends draw
// differently.
#pragma once

#include <array>

#include <boost/intrusive/list.hpp>

#include <harness/stack/layer.hpp>
#include <harness/stack/pooled.hpp>

namespace harness::layers::fault {

enum class Toward : std::uint8_t { both, initiator, responder };
inline constexpr std::array<std::string_view, 3> toward_words{"both", "initiator", "responder"};

inline constexpr OptionSpec toward_option{
    "toward", OptionKind::word, 0, 2, 0, "whose received messages are disturbed", toward_words};
inline constexpr OptionSpec seed_option{"seed", OptionKind::count,
                                        0,      (std::int64_t{1} << 62) - 1,
                                        0,      "of the random numbers; 0: another one each time"};

/// Random numbers of one fault layer at one end.
class Dice {
 public:
  Dice(std::int64_t seed, std::int64_t toward, LayerContext& context) noexcept
      : random_(seed_of(static_cast<std::uint64_t>(seed), context)),
        here_(applies(static_cast<Toward>(toward), context.role)) {}

  /// True with a probability of `rate_ppm`, at the ends that are disturbed at all.
  bool strikes(std::uint64_t rate_ppm) noexcept { return here_ && random_.chance_ppm(rate_ppm); }
  [[nodiscard]] bool here() const noexcept { return here_; }
  Random& random() noexcept { return random_; }

 private:
  static std::uint64_t seed_of(std::uint64_t seed, LayerContext& context) noexcept {
    const std::uint64_t salt = context.role == Role::initiator ? 0 : 0x9e3779b97f4a7c15u;
    return seed == 0 ? context.env.random().next() : seed ^ salt;
  }
  static bool applies(Toward toward, Role role) noexcept {
    return toward == Toward::both || (toward == Toward::initiator) == (role == Role::initiator);
  }
  Random random_;
  bool here_;
};

/// A received message that is handed up later.
struct Waiting : boost::intrusive::list_base_hook<> {
  Waiting(Message&& taken, std::uint64_t at_ns, std::uint32_t others) noexcept
      : message(std::move(taken)), due_ns(at_ns), left(others) {}
  Message message;
  std::uint64_t due_ns;
  std::uint32_t left;  // messages that pass it first (reorder)
};

/// Messages that wait, in the order in which they came. While there are any the layer owes a delivery, so
/// that the link does not end before them. Its owner bounds it.
class WaitingList {
 public:
  explicit WaitingList(LayerContext& context) noexcept : context_(context) {}
  WaitingList(const WaitingList&) = delete;
  WaitingList& operator=(const WaitingList&) = delete;
  ~WaitingList() { drop_all(); }

  using List = boost::intrusive::list<Waiting>;
  using iterator = List::iterator;

  /// Takes `message`; false, and it is still the caller's, when the pool is at its limit.
  bool push(Message& message, std::uint64_t due_ns, std::uint32_t left = 0) noexcept;
  /// Takes the message at `at` out of the list.
  Message pop(iterator at) noexcept;
  void drop_all() noexcept;
  /// Takes over what waits in `old`. Requires: the same pool, and nothing waits here.
  void take(WaitingList& old) noexcept;

  [[nodiscard]] bool same_pool(const WaitingList& other) const noexcept {
    return &context_.pool == &other.context_.pool;
  }
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }
  iterator begin() noexcept { return list_.begin(); }
  iterator end() noexcept { return list_.end(); }
  Waiting& front() noexcept { return list_.front(); }

 private:
  void owe() noexcept { context_.gate.owe_delivery(context_.gate_bit, !list_.empty()); }
  LayerContext& context_;
  List list_;
};

/// True for what ends a link: nothing that waits is handed up any more.
constexpr bool ends_link(EventKind kind) noexcept {
  return kind == EventKind::peer_lost || kind == EventKind::corrupt || kind == EventKind::closed;
}

}  // namespace harness::layers::fault
