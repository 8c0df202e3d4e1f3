// SPDX-License-Identifier: Apache-2.0
// See transport_suite.hpp.
#include <harness/tests/conformance/transport_suite.hpp>

#include <iterator>

namespace harness::tests {

// ---- ends ----

void End::adopt(std::unique_ptr<Endpoint> mine) {
  endpoint = std::move(mine);
  attach();
}

void End::attach() {
  Receiver receiver;
  receiver.up = {[](void* self, const Entry*, harness_message* raw) {
                   auto& end = *static_cast<End*>(self);
                   Message& message = Message::from_c(raw);
                   ++end.calls;
                   if (end.take) return end.take(message);
                   end.order += 'd';
                   std::string& body = end.got.emplace_back(message.size(), '\0');
                   message.copy_to(reinterpret_cast<std::byte*>(body.data()));
                 },
                 this, nullptr};
  receiver.self = this;
  receiver.setup = [](void* self, Message& frame) {
    auto& end = *static_cast<End*>(self);
    ++end.calls;
    end.order += 's';
    std::string& body = end.setups.emplace_back(frame.size(), '\0');
    frame.copy_to(reinterpret_cast<std::byte*>(body.data()));
  };
  receiver.event = [](void* self, const Event& event) {
    auto& end = *static_cast<End*>(self);
    ++end.calls;
    end.heard.push_back({event.kind, event.code, std::string(event.detail), end.held()});
    if (end.on_event) end.on_event(event);
  };
  receiver.gate = &gate;
  receiver.quota = quota.get();
  endpoint->attach(receiver);
}

void End::down(Message& message) const {
  const Entry entry = endpoint->down();
  entry.fn(entry.self, entry.next, message.c());
  message.reset();
}

unsigned End::count(EventKind kind) const {
  unsigned count = 0;
  for (const Heard& one : heard) count += one.kind == kind ? 1 : 0;
  return count;
}

void Acceptance::accepted(std::unique_ptr<Endpoint> endpoint) {
  ++calls;
  if (first != nullptr && first->endpoint == nullptr) return first->adopt(std::move(endpoint));
  waiting.push_back(std::move(endpoint));
}

// ---- trials ----

bool Trial::expect(bool ok, std::string_view what) {
  if (!ok && failures_.size() < 20) failures_.emplace_back(what);
  return ok;
}

bool Trial::until(const std::function<bool()>& done, std::string_view what) {
  return expect(medium_.until(done), what);
}

std::string Trial::listen() {
  auto bound = transport().listen(medium_.free_address(), acceptance);
  if (!expect(bound.has_value(), "listening failed")) return {};
  return *bound;
}

bool Trial::connect() {
  acceptance.first = &far;
  address = listen();
  auto dialled = transport().dial(address);
  if (!expect(dialled.has_value(), "the dial failed")) return false;
  near.adopt(std::move(*dialled));
  if (!medium_.opens_when_dialled() && !say_hello()) return false;
  return until([&] { return far.endpoint != nullptr; }, "the dial was not accepted");
}

// A set-up frame each way, so that both ends know each other; then as if nothing had been said.
bool Trial::say_hello() {
  expect(setup(near, "hello") == Errc::ok, "the first set-up frame was refused");
  if (!until([&] { return far.setups.size() == 1; }, "the first set-up frame was lost")) return false;
  expect(setup(far, "welcome") == Errc::ok, "the answer was refused");
  if (!until([&] { return near.setups.size() == 1; }, "the answer was lost")) return false;
  for (End* end : {&near, &far}) {
    end->setups.clear();
    end->order.clear();
    end->calls = 0;
  }
  return true;
}

std::string Trial::pattern(std::uint32_t bytes, unsigned seed) {
  std::string body(bytes, '\0');
  std::uint32_t state = seed * 2654435761u + bytes + 1;
  for (char& byte : body) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<char>(state >> 24);
  }
  return body;
}

Message Trial::patterned(std::uint32_t bytes, unsigned seed) {
  return Message::copy_of(pool(), pattern(bytes, seed));
}

void Trial::send(End& from, std::string_view body) {
  Message message = Message::copy_of(pool(), body);
  from.down(message);
}

void Trial::send_patterned(End& from, std::uint32_t bytes, unsigned seed) {
  send(from, pattern(bytes, seed));
}

Errc Trial::setup(End& from, std::string_view body) {
  return from.endpoint->send_setup(Message::copy_of(pool(), body));
}

unsigned Trial::fill(End& from, std::uint32_t bytes) {
  constexpr unsigned bound = 100'000;
  for (unsigned sent = 0; sent < bound; ++sent) {
    if (from.held()) return sent;
    send_patterned(from, bytes, sent);
    if (sent % 16 == 15) medium_.rest();  // what the medium takes by itself is not waiting
  }
  expect(false, "nothing ever holds the sender");
  return 0;
}

void Trial::expect_got(const End& end, const std::vector<std::string>& bodies) {
  expect(end.got.size() == bodies.size(),
         std::to_string(end.got.size()) + " frames arrived instead of " + std::to_string(bodies.size()));
  for (std::size_t i = 0; i < std::min(end.got.size(), bodies.size()); ++i)
    if (!expect(end.got[i] == bodies[i],
                "frame " + std::to_string(i) + " of " + std::to_string(bodies[i].size()) +
                    " bytes arrived changed, with " + std::to_string(end.got[i].size())))
      return;
}

// ---- cases ----

const std::vector<Case>& transport_cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> joined;
    for (const auto& part : {setup_cases(), frame_cases(), flow_cases(), end_cases(), fact_cases()})
      joined.insert(joined.end(), part.begin(), part.end());
    return joined;
  }();
  return all;
}

std::vector<std::string> run_case(const Case& tried, const MakeMedium& make, std::string& skipped) {
  Acceptance acceptance;
  const std::unique_ptr<Medium> medium = make();
  std::vector<std::string> failures;
  const Facts facts = medium->type().facts(OptionValues(medium->type().options), {});
  if (!facts.word.covers(tried.needs)) {
    skipped = "the medium does not promise " + property::to_string(tried.needs.without(facts.word));
    return failures;
  }
  {
    Trial trial(*medium, acceptance);
    tried.run(trial);
    failures = trial.failures();
    skipped = trial.skipped();
  }
  medium->rest();
  acceptance.waiting.clear();  // a dial that nobody waited for
  medium->rest();
  if (const auto alive = medium->engine().pool().alive_count(); alive != 0)
    failures.push_back(std::to_string(alive) + " slabs were never given back");
  return failures;
}

}  // namespace harness::tests
