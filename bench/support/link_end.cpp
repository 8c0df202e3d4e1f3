// SPDX-License-Identifier: Apache-2.0
// See link_end.hpp.
#include <harness/bench/support/link_end.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

#include <harness/bench/support/known_peer.hpp>
#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>
#include <harness/layers/all.hpp>
#include <harness/transports/all.hpp>

namespace harness::bench {

namespace {
constexpr std::uint32_t filled_bytes_max = 4096;
constexpr std::uint32_t line_bytes = 64;
constexpr std::uint64_t quota_bytes = 64u << 20;  // at both ends: messages may have half of it

// What a receiver that wants both ends of a message does.
std::uint8_t look_at_both_ends(const Message& message) noexcept {
  const Bytes body = message.front();
  return std::to_integer<std::uint8_t>(body.front() ^ body.back());
}

Message private_copy(Pool& pool, std::uint32_t bytes) noexcept {
  Message message = Message::make(pool, bytes);
  if (message) std::memset(message.writable().data(), 'x', std::min(bytes, filled_bytes_max));
  return message;
}
}  // namespace

Message filled(Link& link, std::uint32_t bytes) noexcept {
  Message message = link.make(bytes);
  if (message) std::memset(message.writable().data(), 'x', std::min(bytes, filled_bytes_max));
  return message;
}

LinkEnd::LinkEnd(const std::string& name, bool proven) {
  auto engine = transports::OsEngine::make();
  if (!engine) give_up(engine.error());
  engine_ = std::move(*engine);
  layers::add_all(catalogue_);
  transports::add_all(catalogue_);
  if (proven) authority_ = std::make_unique<KnownPeer>(name, name == "near" ? "far" : "near");
  node_ = std::make_unique<Node>(
      *engine_, catalogue_,
      NodeOptions{
          .name = name, .domain = "bench", .host = "here", .user = {}, .authority = authority_.get()});
}

LinkEnd::~LinkEnd() = default;

std::string LinkEnd::listen(const std::string& address) {
  node_->set_admission([](const setup::Identity&, const std::string&) -> Result<Admission> {
    return Admission{.floor = {}, .quota_bytes = quota_bytes};
  });
  node_->on_link([this](const std::shared_ptr<Link>& link) { adopt(link); });
  auto listening = node_->listen(address);
  if (!listening) give_up(listening.error());
  return *listening;
}

void LinkEnd::adopt(const std::shared_ptr<Link>& link) {
  Link* const to = link.get();
  if (link->name().starts_with("sink")) return link->on_message([this](Message&&) { ++received_; });
  if (link->name().starts_with("look"))
    return link->on_message([to](Message&& message) {
      Message answer = to->make(8);
      std::memset(answer.writable().data(), look_at_both_ends(message), 8);
      to->send(std::move(answer));
    });
  if (link->name().starts_with("copy"))
    return link->on_message(
        [this, to](Message&& message) { to->send(private_copy(engine_->pool(), message.body_size())); });
  link->on_message([to](Message&& message) {
    Message answer = to->make(message.body_size());
    const auto bytes = std::min<std::size_t>(message.front().size(), filled_bytes_max);
    std::memcpy(answer.writable().data(), message.front().data(), bytes);
    to->send(std::move(answer));
  });
}

void LinkEnd::serve(Board& board, const Duo::Still& still) {
  std::uint64_t told = board.received.get();
  received_ = told;
  while (still) {
    engine_->poll();
    if (received_ != told) board.received.set(told = received_);
  }
}

void LinkEnd::run_until(const std::function<bool()>& done, const char* what) {
  if (!engine_->run_until(done, Duo::timeout_ns))
    give_up({Errc::timed_out, std::string("waited too long: ") + what, "30 s have passed",
             "a machine with less to do"});
}

std::shared_ptr<Link> LinkEnd::open(const std::string& stack, const std::string& address,
                                    const std::string& name) {
  LinkOptions options;
  options.name = name;
  options.quota_bytes = quota_bytes;
  auto link = node_->connect("far", stack, {address}, std::move(options));
  if (!link) give_up(link.error());
  (*link)->on_message([this](Message&&) { answered_ = true; });
  run_until([&] { return (*link)->is_up() || (*link)->state() == Link::State::lost; }, "a link to open");
  if (!(*link)->is_up()) give_up((*link)->error());
  return *link;
}

void LinkEnd::close(Link& link) {
  link.close();
  run_until([&] { return link.state() == Link::State::closed || link.state() == Link::State::lost; },
            "a link to close");
}

double LinkEnd::ping(Link& link, std::uint32_t bytes, std::uint64_t budget_ns, Histogram& into) {
  Histogram slice;
  const std::uint64_t end = now_ns() + budget_ns;
  for (std::uint64_t begin = now_ns(); begin < end;) {
    Message message = filled(link, bytes);
    answered_ = false;
    if (link.send(std::move(message)) != Errc::ok) give_up(link.error());
    do {
      engine_->poll();
    } while (!answered_ && link.is_up());
    if (!answered_) give_up(link.error());
    const std::uint64_t now = now_ns();
    slice.record((now - begin) / 2);
    begin = now;
  }
  into.add(slice);
  return slice.percentile(0.5);
}

void LinkEnd::ping_once(Link& link, Message message) {
  answered_ = false;
  if (!message) give_up({Errc::exhausted, "no memory for a message", {}, "a machine with more"});
  Errc code = Errc::would_block;
  while ((code = link.send(std::move(message))) == Errc::would_block) engine_->poll();
  if (code != Errc::ok) give_up({code, "the link does not take a message", {}, {}});
  do {
    engine_->poll();
  } while (!answered_ && link.is_up());
  if (!answered_) give_up(link.error());
}

double LinkEnd::trips(Link& link, std::uint32_t bytes, std::uint64_t batch, std::uint64_t budget_ns) {
  std::vector<double> times;
  const std::uint64_t end = now_ns() + budget_ns;
  for (std::uint64_t begin = now_ns(); begin < end;) {
    for (std::uint64_t i = 0; i < batch; ++i) {
      Message message = link.make(bytes);
      const MutableBytes body = message.writable();
      const std::size_t edge = std::min<std::size_t>(body.size(), line_bytes);
      std::memset(body.data(), 'x', edge);
      std::memset(body.data() + body.size() - edge, 'y', edge);
      ping_once(link, std::move(message));
    }
    const std::uint64_t now = now_ns();
    times.push_back(static_cast<double>(now - begin) / static_cast<double>(2 * batch));
    begin = now;
  }
  return median_of(std::move(times));
}

double LinkEnd::copies(Link& link, std::uint32_t bytes, std::uint64_t budget_ns) {
  std::vector<double> times;
  const std::uint64_t end = now_ns() + budget_ns;
  for (std::uint64_t begin = now_ns(); begin < end;) {
    ping_once(link, private_copy(engine_->pool(), bytes));
    const std::uint64_t now = now_ns();
    times.push_back(static_cast<double>(now - begin) / 2);
    begin = now;
  }
  return median_of(std::move(times));
}

double LinkEnd::flood(Link& link, std::uint32_t bytes, std::uint64_t count, const Board& board) {
  const std::uint64_t wanted = board.received.get() + count;
  const std::uint64_t begin = now_ns();
  for (std::uint64_t sent = 0; sent < count;) {
    Message message = filled(link, bytes);
    Errc code = Errc::would_block;
    while (message && (code = link.send(std::move(message))) == Errc::would_block) engine_->poll();
    if (!message && code == Errc::would_block) engine_->poll();  // the pool is empty: what is sent comes back
    if (code == Errc::ok)
      ++sent;
    else if (code != Errc::would_block)
      give_up(link.error());
  }
  while (board.received.get() < wanted) {
    engine_->poll();
    if (!link.is_up()) give_up(link.error());
  }
  return static_cast<double>(now_ns() - begin) / static_cast<double>(count);
}

}  // namespace harness::bench
