// SPDX-License-Identifier: Apache-2.0
// Any datagrams, from a peer with an open endpoint and from a stranger, through real sockets: nothing
// crashes, a stranger opens nothing, what a peer makes us keep is bounded.
//
// Input: datagrams one behind the other, each one byte (1: from the stranger; 2: our cookie is put in; 4: the
// peer's; 8: the token), a 16-bit length, and bytes.
#include <algorithm>
#include <cstdlib>
#include <optional>

#include <harness/tests/support/udp_stranger.hpp>
#include <harness/transports/udp.hpp>

namespace {

using namespace harness;
using tests::UdpStranger;
constexpr std::size_t outer_bytes = wire::bytes_of<wire::Datagram>;
constexpr std::size_t setup_bytes = wire::bytes_of<wire::DatagramSetup>;

struct World final : Acceptor {
  std::unique_ptr<transports::OsEngine> engine = std::move(transports::OsEngine::make().value());
  std::vector<std::unique_ptr<Endpoint>> endpoints;
  transports::Udp udp{*engine};
  std::string address = udp.listen("127.0.0.1:0", *this).value();
  std::optional<UdpStranger> peer{address};
  UdpStranger stranger{address};
  std::uint64_t token = 0;
  std::uint32_t cookie = 0;

  World() { open(); }
  ~World() { endpoints.clear(); }
  void accepted(std::unique_ptr<Endpoint> endpoint) override { endpoints.push_back(std::move(endpoint)); }
  void settle() {
    for (unsigned idle = 0; idle < 3;) idle = engine->poll() == 0 ? idle + 1 : 0;
  }
  void open() {
    peer->send(UdpStranger::ask());
    settle();
    token = UdpStranger::token_of(peer->receive().value()).value();
    peer->send(UdpStranger::setup(0, token, "hello"));
    settle();
    if (endpoints.size() != 1) std::abort();
    endpoints[0]->send_setup(Message::copy_of(engine->pool(), "welcome"));
    settle();
    const auto welcome = peer->receive().value();
    cookie = wire::decode<wire::DatagramSetup>(welcome.data() + outer_bytes).sender;
  }
  void send(unsigned flags, UdpStranger::Datagram datagram) {
    if ((flags & 2) != 0 && datagram.size() >= 4) store(datagram.data(), cookie);
    if ((flags & 4) != 0 && datagram.size() >= outer_bytes + 4)
      store(datagram.data() + outer_bytes, UdpStranger::cookie);
    if ((flags & 8) != 0 && datagram.size() >= outer_bytes + setup_bytes + 8)
      store(datagram.data() + outer_bytes + setup_bytes, token);
    ((flags & 1) != 0 ? stranger : *peer).send(datagram);
  }
  void check() {
    settle();
    while (peer->receive() || stranger.receive()) {
    }
    if (udp.channel_count() != 1 || engine->pool().alive_count() > 1) std::abort();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  Reader reader(Bytes(reinterpret_cast<const std::byte*>(data), size));
  while (reader.remaining() > 3) {
    const auto flags = reader.take<std::uint8_t>();
    const auto bytes = reader.take<std::uint16_t>();
    const Bytes body = reader.take_bytes(std::min<std::size_t>(bytes, reader.remaining()));
    world.send(flags, {body.begin(), body.end()});
  }
  world.check();
  return 0;
}
