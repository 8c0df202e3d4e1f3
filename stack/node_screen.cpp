// SPDX-License-Identifier: Apache-2.0
// What a first frame must show before it is read: always a greeting that fits, under load a cookie, too, and
// a place in the bucket of its source.
//
//   HELLO ── knock ── greeting? ── under load: cookie? ── bucket? ──▶ parse, admission … (node_accept.cpp)
//                        │ no                    │ no        │ no
//                     REFUSE, under load silence │        REFUSE
//                                             COOKIE
//
// A greeting costs one hash over the frame, the refusal of a wrong one nothing more; nothing is allocated and
// nothing kept. A HELLO without a greeting comes through, since a node without a certificate has none to
// give; it may not carry a handshake then (Node::answer). The cookie is a code over the attempt, the peer's
// address and the time in steps of Node::cookie_ns: good in the step that made it and in the next. Shorter
// than any HELLO, it is of no use to whoever wants to flood a third one.
// Rejected: the cookie within what the handshake binds (the frame would have to be made anew), one always (a
// round trip more, for nothing while it is quiet).
// Sources: WireGuard §5.3, §5.4.4, §5.4.7; RFC 9000 §8.1.
#include <harness/stack/node_waiting.hpp>

namespace harness {

namespace {

// In a time that does not tell how many bytes were right.
bool same(const Code& a, const Code& b) noexcept {
  std::byte differ{};
  for (std::size_t i = 0; i < a.size(); ++i) differ |= a[i] ^ b[i];
  return differ == std::byte{};
}

}  // namespace

void Node::greet(setup::Hello& hello) const {
  if (authority_ == nullptr) return;
  if (const auto code = authority_->greeting(hello.from.domain, setup::greeted(hello)))
    hello.greeting = *code;
}

// True also for none, and where nobody could judge it.
bool Node::greets(const setup::Knock& knock) const noexcept {
  if (authority_ == nullptr || knock.greeting == Code{}) return true;
  const auto expected = authority_->greeting(knock.domain, knock.covered);
  return expected && same(*expected, knock.greeting);
}

// Not under load everything is let in, so that it can be told why it is turned away.
bool Node::expects(Bytes frame) {
  const std::uint64_t now = engine_.now_ns();
  if (!guard_.under_load(now)) return true;
  const auto knock = setup::knock(frame);
  if (knock && greets(*knock)) return true;
  guard_.note(now);
  ++refused_count_;
  return false;
}

bool Node::screen(Waiting& waiting, Bytes frame) {
  const std::uint64_t now = engine_.now_ns();
  guard_.note(now);
  const bool loaded = guard_.under_load(now);
  const auto knock = setup::knock(frame);
  if (knock && greets(*knock)) return !loaded || authority_ == nullptr || screen_loaded(waiting, *knock);
  if (!loaded && !knock) return true;  // the parser finds the words
  if (!loaded) return turn_away(waiting, *knock), false;
  ++refused_count_;
  release(waiting);
  return false;
}

bool Node::screen_loaded(Waiting& waiting, const setup::Knock& knock) {
  const std::uint64_t now = engine_.now_ns();
  const std::uint64_t period = now / cookie_ns;
  const std::string address = waiting.endpoint->peer_address();
  const Code fresh = cookie_of(address, knock.attempt, period);
  if (!same(knock.cookie, fresh) &&
      (period == 0 || !same(knock.cookie, cookie_of(address, knock.attempt, period - 1)))) {
    Message frame = setup::write(engine_.pool(), setup::Cookie{knock.attempt, fresh});
    if (frame) (void)waiting.endpoint->send_setup(std::move(frame));
    return false;
  }
  const std::string_view source = FloodGuard::source_of(address);
  const Code name = authority_->cookie(as_bytes(source));
  if (guard_.admits(load<std::uint64_t>(name.data()), now)) return true;
  turn_away(waiting, knock.attempt,
            {Errc::exhausted, identity_.name + " begins no more handshakes with " + std::string(source),
             "it is under load, and that host has begun more than " + std::to_string(FloodGuard::source_s) +
                 " a second",
             "try again in a second"});
  return false;
}

void Node::turn_away(Waiting& waiting, const setup::Knock& knock) {
  const std::string domain(knock.domain);
  const bool believed = authority_->greeting(domain, {}).has_value();
  turn_away(waiting, knock.attempt,
            {Errc::denied, "the peer was not let in",
             believed ? domain + ": the root is another one, or its first frame was changed on the way"
                      : "the domain " + domain + " is not believed by " + identity_.domain,
             "compare both: harness domain show " + (believed ? domain : identity_.domain)});
}

Code Node::cookie_of(std::string_view address, std::uint64_t attempt, std::uint64_t period) const {
  std::array<std::byte, 256> bytes;
  Writer to(bytes);
  to.put(attempt);
  to.put(period);
  to.put_bytes(as_bytes(address.substr(0, bytes.size() - to.used())));
  return authority_->cookie(Bytes(bytes).first(to.used()));
}

}  // namespace harness
