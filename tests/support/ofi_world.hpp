// SPDX-License-Identifier: Apache-2.0
// One engine with a victim that listens by ofi over a mock provider, an honest peer that is linked to it, and
// a peer that says what it likes: notes on a control link, frames of the fabric.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <harness/tests/support/ofi_peer.hpp>
#include <harness/tests/support/process_end.hpp>
#include <harness/transports/tcp.hpp>

namespace harness::tests {

struct OfiWorld final : Acceptor {
  static constexpr unsigned turns_max = 300'000;
  static constexpr unsigned kinds = 3;  // mock-verbs, mock-cxi, mock-cxi with long keys

  explicit OfiWorld(unsigned kind) {
    const char* const provider = kind == 0 ? "mock-verbs" : "mock-cxi";
    setenv("HARNESS_MOCK", kind == 2 ? "eagain=0,late=0,raw=1" : "eagain=0,late=0", 1);
    victim = std::move(make_ofi(*engine, provider).value());
    honest = std::move(make_ofi(*engine, provider).value());
    peer = std::make_unique<OfiPeer>(provider);
    in_order = kind == 0;
    address = victim->listen("127.0.0.1:0", *this).value();
    near.take(std::move(honest->dial(address).value()));
    EXPECT_TRUE(until([&] { return waiting != nullptr; }));
    far.take(std::move(waiting));
    EXPECT_TRUE(carries(near, far) && carries(far, near));
  }
  void accepted(std::unique_ptr<Endpoint> endpoint) override { waiting = std::move(endpoint); }
  void turns(unsigned count) const {
    for (; count != 0; --count) {
      engine->poll();
      peer->look();
    }
  }
  template <class Done>
  [[nodiscard]] bool until(Done&& done) const {
    for (unsigned i = 0; i < turns_max && !done(); ++i) turns(1);
    return done();
  }
  /// Whether a frame arrives, of these two or of others.
  bool carries(const LinkEnd& from, LinkEnd& to) const {
    bool came = false;
    to.up = [&](Bytes bytes) { came = as_text(bytes) == "honest"; };
    from.send(Message::copy_of(engine->pool(), "honest"));
    const bool done = until([&] { return came || from.is_over() || to.is_over(); }) && came;
    to.up = [](Bytes) {};
    return done;
  }

  std::unique_ptr<transports::OsEngine> engine =
      std::move(transports::OsEngine::make({.log = [](LogLevel, std::string_view) {}}).value());
  std::unique_ptr<Transport> victim, honest;
  std::unique_ptr<OfiPeer> peer;
  transports::Tcp tcp{*engine};
  std::string address;
  LinkEnd near, far;  // of the honest link
  std::unique_ptr<Endpoint> waiting;
  bool in_order = true;
};

/// One link of the peer that lies.
class OfiLiar {
 public:
  using Body = std::vector<std::byte>;

  explicit OfiLiar(OfiWorld& world) : world_(world) {
    control.up = [this](Bytes note) { hear(note); };
    control.take(std::move(world_.tcp.dial(world_.address).value()));
    EXPECT_TRUE(world_.until([&] { return world_.waiting != nullptr; }));
    victim.take(std::move(world_.waiting));
  }
  OfiLiar(const OfiLiar&) = delete;
  OfiLiar& operator=(const OfiLiar&) = delete;

  /// What is said in a hello; lengths that the names do not have where they are set.
  struct Hello {
    std::uint64_t version = mock::mock_version();
    wire::OfiTerms terms;
    std::uint32_t address_format;
    Body name;
    std::string provider;
    std::uint16_t name_bytes = 0;
    std::uint8_t provider_bytes = 0;
  };
  [[nodiscard]] Hello right_hello() const {
    const fi_info& info = *world_.peer->info;
    return {.terms = {77, 16384, OfiPeer::message_bytes, info.ep_attr->protocol},
            .address_format = info.addr_format,
            .name = world_.peer->name,
            .provider = info.fabric_attr->prov_name};
  }
  bool say(const Hello& hello) {
    const auto name_bytes = hello.name_bytes != 0 ? hello.name_bytes : hello.name.size();
    const auto provider_bytes = hello.provider_bytes != 0 ? hello.provider_bytes : hello.provider.size();
    Body tail(terms_bytes + fabric_bytes);
    wire::encode(hello.terms, tail.data());
    wire::encode(wire::OfiFabric{hello.address_format, static_cast<std::uint16_t>(name_bytes),
                                 static_cast<std::uint8_t>(provider_bytes)},
                 tail.data() + terms_bytes);
    const Bytes provider = as_bytes(hello.provider);
    tail.insert(tail.end(), hello.name.begin(), hello.name.end());
    tail.insert(tail.end(), provider.begin(), provider.end());
    return say(wire::OfiNote{.kind = wire::OfiNote::Kind::hello, .value = hello.version}, tail);
  }
  /// False: the control link takes nothing.
  bool say(const wire::OfiNote& note, Bytes tail = {}) {
    if (control.is_over()) return false;
    const MutableBytes room = control.endpoint->reserve(static_cast<std::uint32_t>(note_bytes + tail.size()));
    if (room.empty()) return false;
    wire::encode(note, room.data());
    if (!tail.empty()) std::memcpy(room.data() + note_bytes, tail.data(), tail.size());
    control.endpoint->commit();
    said = true;
    return true;
  }
  /// Until the victim has answered, or ended the link.
  bool meet(const Hello& hello) {
    return say(hello) && world_.until([&] { return open || victim.is_over(); });
  }
  /// Until the victim has heard everything: a link that is open rings who asks it to.
  [[nodiscard]] bool settle() {
    if (!std::exchange(said, false)) return true;
    const unsigned before = bells;
    const wire::OfiNote sleep{.kind = wire::OfiNote::Kind::sleep, .value = ~std::uint64_t{0} >> 8};
    world_.turns(4);
    if (open && say(sleep) &&
        !world_.until([&] { return bells != before || victim.is_over() || control.is_over(); }))
      return false;
    world_.turns(4);
    said = false;
    return true;
  }
  struct Share {
    wire::OfiShare what;
    wire::OfiSharePlace place;
    std::uint8_t access = 3;
    Body key, page_key;
    std::uint8_t key_bytes = 0, page_key_bytes = 0;  // as they are said
  };
  static Body tail_of(const Share& share) {
    Body tail(wire::bytes_of<wire::OfiShare> + wire::bytes_of<wire::OfiSharePlace> +
              wire::bytes_of<wire::OfiShareKeys>);
    wire::encode(share.what, tail.data());
    wire::encode(share.place, tail.data() + wire::bytes_of<wire::OfiShare>);
    wire::encode(wire::OfiShareKeys{share.access, share.key_bytes, share.page_key_bytes},
                 tail.data() + tail.size() - wire::bytes_of<wire::OfiShareKeys>);
    tail.insert(tail.end(), share.key.begin(), share.key.end());
    tail.insert(tail.end(), share.page_key.begin(), share.page_key.end());
    return tail;
  }
  /// One message of the fabric; from its return on it has left.
  [[nodiscard]] bool send(const wire::OfiFrame& header, Bytes bytes) {
    Body message(wire::bytes_of<wire::OfiFrame> + bytes.size());
    wire::encode(header, message.data());
    std::copy(bytes.begin(), bytes.end(), message.begin() + wire::bytes_of<wire::OfiFrame>);
    world_.peer->send(to, message);
    said = true;
    return world_.until([&] { return world_.peer->sends == 0; });
  }

  LinkEnd victim, control;
  std::function<void(const wire::OfiNote&)> on_note = [](const wire::OfiNote&) {};
  bool open = false;  // it has answered
  std::uint32_t cookie = 0;
  fi_addr_t to = FI_ADDR_NOTAVAIL;
  unsigned bells = 0;
  unsigned counts = 0;  // times it was told how many frames there are
  bool said = false;    // something, by either, since it last settled

 private:
  static constexpr std::size_t note_bytes = wire::bytes_of<wire::OfiNote>;
  static constexpr std::size_t terms_bytes = wire::bytes_of<wire::OfiTerms>;
  static constexpr std::size_t fabric_bytes = wire::bytes_of<wire::OfiFabric>;

  void hear(Bytes bytes) {
    if (bytes.size() < note_bytes) return;
    const auto note = wire::decode<wire::OfiNote>(bytes.data());
    const Bytes tail = bytes.subspan(note_bytes);
    if (note.kind == wire::OfiNote::Kind::bell) ++bells;
    if (note.kind == wire::OfiNote::Kind::count) ++counts;
    if (note.kind == wire::OfiNote::Kind::answer) {
      cookie = wire::decode<wire::OfiTerms>(tail.data()).cookie;
      const auto names = wire::decode<wire::OfiFabric>(tail.data() + terms_bytes);
      to = world_.peer->know(tail.subspan(terms_bytes + fabric_bytes, names.name_bytes));
      open = true;
    }
    on_note(note);
  }

  OfiWorld& world_;
};

}  // namespace harness::tests
