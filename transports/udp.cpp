// SPDX-License-Identifier: Apache-2.0
// The transport: options, listening, dialling, turns, who is known.
#include <harness/transports/udp.hpp>

#include <array>
#include <cerrno>
#include <new>

#include <unistd.h>

#include <harness/transports/udp/listener.hpp>

namespace harness::transports {

using udp::Channel;
using udp::Handle;

namespace {

constexpr std::int64_t buffer_max = 1 << 28;

constexpr std::array options_table = {
    OptionSpec{"frame", OptionKind::size, 1024, Udp::frame_bytes_max, Udp::frame_bytes_max,
               "largest frame in bytes"},
    OptionSpec{"sndbuf", OptionKind::size, 0, buffer_max, 4 << 20,
               "the socket's send buffer; 0: the system's standard"},
    OptionSpec{"rcvbuf", OptionKind::size, 0, buffer_max, 16 << 20,
               "the socket's receive buffer, at most what the system allows; 0: its standard"},
    OptionSpec{"gso", OptionKind::flag, 0, 1, 1, "frames of one length leave as trains where the route can"},
    OptionSpec{"gro", OptionKind::flag, 0, 1, 1, "trains are received whole"},
    OptionSpec{"ecn", OptionKind::flag, 0, 1, 1,
               "datagrams say that congestion marks are heeded; off for stacks that do not"},
};

constexpr auto datagram_fields = wire::info_of<wire::Datagram>;
constexpr auto setup_fields = wire::info_of<wire::DatagramSetup>;
constexpr auto token_fields = wire::info_of<wire::DatagramToken>;
constexpr std::array headers_table = {HeaderInfo{"datagram", datagram_fields},
                                      HeaderInfo{"setup", setup_fields}, HeaderInfo{"token", token_fields}};

// UDP's checksum has 16 bits; on one host bytes do not leave its memory. The round trip is that of the token.
Facts facts_of(const OptionValues& options, Properties trust) {
  using namespace property;
  Facts facts;
  facts.word = message | checked16 | known_address | trust;
  if (trust.covers(same_host)) facts.word = facts.word | host_private;
  facts.max_message = static_cast<std::uint32_t>(options[Udp::option_frame]);
  facts.cost = {1, 3000, udp::outer_bytes};
  return facts;
}

Result<std::unique_ptr<Transport>> make(Engine& engine, const OptionValues& options) {
  auto* system = dynamic_cast<OsEngine*>(&engine);
  if (system == nullptr) return needs_system_engine("udp");
  return std::make_unique<Udp>(*system, options);
}

}  // namespace

const TransportType& Udp::type() noexcept {
  static constexpr TransportType type{
      "udp", "links over UDP datagrams, IPv4 and IPv6", options_table, headers_table, facts_of, make};
  return type;
}

Udp::Options Udp::options_of(const OptionValues& options) noexcept {
  return {.socket = {.send_buffer_bytes = static_cast<std::uint32_t>(options[option_sndbuf]),
                     .receive_buffer_bytes = static_cast<std::uint32_t>(options[option_rcvbuf]),
                     .ecn = options[option_ecn] != 0},
          .gso = options[option_gso] != 0,
          .gro = options[option_gro] != 0};
}

Udp::Udp(OsEngine& engine, const OptionValues& options)
    : engine_(engine), facts_(facts_of(options, {})), options_(options_of(options)), batch_(engine.pool()) {
  engine_.add(*this);
}

Udp::~Udp() {
  for (Channel& channel : channels_) channel.shut_down();
  const auto free = [](Channel* channel) { delete channel; };
  channels_.clear_and_dispose(free);
  graveyard_.clear_and_dispose(free);
}

Result<std::string> Udp::listen(std::string_view address, Acceptor& acceptor) {
  const std::string what = "cannot listen on udp:" + std::string(address);
  const auto at = split("udp", address);
  if (!at) return tl::unexpected<Error>(at.error());
  const auto number = numeric(*at, true);
  if (!number)
    return fail(Errc::invalid, what, "a listener needs a number, and " + at->host + " is a name",
                "udp:*:" + at->port + ", or the number of one of: ip -br addr");
  const int descriptor = udp::open_socket(*number);
  if (descriptor < 0) return fail(Errc::io, what, udp::cause_of(errno).text);
  const bool set = udp::set_options(descriptor, is_six(*number), options_.socket);
  auto bound = udp::bind_listener(descriptor, *number);
  auto listener = std::make_unique<udp::Listener>(*this, descriptor, bound ? *bound : *number, acceptor);
  if (!bound) return tl::unexpected<Error>(bound.error());
  if (!set || !listener->watch()) return fail(Errc::io, what, "the system refused the socket's options");
  listeners_.push_back(std::move(listener));
  return print(*bound);
}

Result<std::unique_ptr<Endpoint>> Udp::dial(std::string_view address) {
  const auto at = split("udp", address);
  if (!at) return tl::unexpected<Error>(at.error());
  auto* channel = new Channel(*this, draw_cookie());
  own(*channel);
  auto endpoint = std::make_unique<Handle>(*channel, facts_);
  if (const auto number = numeric(*at, false)) {
    channel->connect({*number});
  } else {
    channel->resolve(*at);
  }
  return endpoint;
}

// ---- turns ----

unsigned Udp::poll(unsigned budget) {
  graveyard_.clear_and_dispose([](Channel* channel) { delete channel; });
  unsigned done = 0;
  for (std::size_t i = 0; i < listeners_.size(); ++i) done += listeners_[i]->receive();
  if (hot_.heat()) engine_.keep_hot();
  List<Channel, ReadyTag> round;  // who becomes ready meanwhile waits for the next turn
  round.swap(ready_);
  while (!round.empty() && done < budget) {
    Channel& channel = round.front();
    round.pop_front();
    done += channel.work(budget - done);
  }
  ready_.splice(ready_.begin(), round);
  batch_.rest();
  return done;
}

void Udp::flush() {
  while (!dirty_.empty()) dirty_.front().write_out();
  if (!ready_.empty()) engine_.again();
}

std::unique_ptr<udp::SendQueue> Udp::take_queue() noexcept {
  if (queues_.empty()) return std::unique_ptr<udp::SendQueue>(new (std::nothrow) udp::SendQueue);
  auto queue = std::move(queues_.back());
  queues_.pop_back();
  return queue;
}

// ---- who is known ----

std::uint32_t Udp::draw_cookie() noexcept {
  std::uint32_t cookie = tokens_.draw_cookie();
  while (find(cookie) != nullptr) cookie = tokens_.draw_cookie();
  return cookie;
}

void Udp::own(Channel& channel) {
  channels_.push_back(channel);
  by_cookie_[channel.cookie()] = &channel;
}

Channel* Udp::find(std::uint32_t cookie) const noexcept {
  const auto found = by_cookie_.find(cookie);
  return found != by_cookie_.end() ? found->second : nullptr;
}

Channel* Udp::find_origin(std::uint64_t origin) const noexcept {
  const auto found = by_origin_.find(origin);
  return found != by_origin_.end() ? found->second : nullptr;
}

void Udp::bury(Channel& channel) noexcept {
  hot_.cool(channel);
  by_cookie_.erase(channel.cookie());
  if (channel.origin() != 0 && by_origin_.erase(channel.origin()) != 0) channel.depart();
  channel.Hook<OwnedTag>::unlink();
  graveyard_.push_back(channel);
}

}  // namespace harness::transports
