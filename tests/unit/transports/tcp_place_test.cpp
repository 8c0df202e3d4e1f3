// SPDX-License-Identifier: Apache-2.0
// tcp: large frames whose bodies are received straight into a region, byte for byte from a socket.
#include <deque>

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <harness/layers/all.hpp>
#include <harness/stack/node.hpp>
#include <harness/stack/region.hpp>
#include <harness/tests/support/described.hpp>
#include <harness/transports/all.hpp>
#include <harness/transports/tcp.hpp>

namespace harness::transports {
namespace {

using tests::Described;

constexpr std::uint64_t long_ns = 20'000'000'000;  // a bound for tests that fail
constexpr std::uint32_t frame_head = 8, own_head = 24;
constexpr std::uint32_t body_bytes = 60'000;

// Receives frames behind a header of its own: key, offset, and how long it is.
struct Target final : Acceptor {
  struct Head {
    std::uint64_t key, offset, bytes;
  };
  static bool place(void* self, Bytes front, std::uint32_t frame_bytes, Placement& to) noexcept {
    auto& target = *static_cast<Target*>(self);
    target.shown.emplace_back(as_text(front));
    Head head{};
    std::memcpy(&head, front.data(), sizeof head);
    std::byte* at = nullptr;
    const Errc code =
        target.regions->find(head.key, head.offset, frame_bytes - head.bytes, Access::write, at);
    if (code != Errc::ok) return false;
    target.regions->place(head.key, at, to);
    to.header_bytes = static_cast<std::uint32_t>(head.bytes);
    return true;
  }
  void accepted(std::unique_ptr<Endpoint> other) override {
    endpoint = std::move(other);
    Receiver receiver;
    receiver.up = {[](void* self, const Entry*, harness_message* m) {
                     static_cast<Target*>(self)->take(Message::from_c(m));
                   },
                   this, nullptr};
    receiver.self = this;
    receiver.event = [](void* self, const Event& event) {
      static_cast<Target*>(self)->events.push_back(event.kind);
    };
    receiver.place = {&place, this};
    receiver.gate = &gate;
    receiver.quota = quota.get();
    endpoint->attach(receiver);
  }
  void take(Message& message) {
    std::string bytes(message.size(), '\0');
    message.copy_to(reinterpret_cast<std::byte*>(bytes.data()));
    got.push_back(std::move(bytes));
    Message copy = message.share(*pool);
    kept += copy ? 1u : 0u;
    message.drop_front(own_head);
    in_place += message.stands_at(memory.data()) ? 1u : 0u;
    if (on_frame) on_frame();
  }

  Random random{7};
  std::vector<std::byte> memory = std::vector<std::byte>(body_bytes);
  std::unique_ptr<Regions> regions = std::make_unique<Regions>(random);
  RegionHandle region = *regions->expose(memory, Access::all);
  Quota::Owner quota = Quota::make(1 << 20);
  Gate gate;
  Pool* pool = nullptr;
  std::unique_ptr<Endpoint> endpoint;
  std::vector<std::string> got, shown;
  std::vector<EventKind> events;
  std::function<void()> on_frame;
  unsigned in_place = 0, kept = 0;
};

struct TcpPlaceTest : testing::Test {
  void SetUp() override {
    target.pool = &engine->pool();
    const std::string at = tcp.listen("127.0.0.1:0", target).value();
    const std::uint16_t port = static_cast<std::uint16_t>(std::stoi(at.substr(at.rfind(':') + 1)));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socket = ::socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_TRUE(until([&] { return target.endpoint != nullptr; }));
  }
  ~TcpPlaceTest() override { hang_up(); }
  void hang_up() {
    if (socket >= 0) ::close(std::exchange(socket, -1));
  }
  bool until(const std::function<bool()>& done) { return engine->run_until(done, long_ns); }
  std::uint64_t value(std::string_view name) const { return Described(*target.endpoint)[name]; }

  // A frame for the region, as it stands on the wire.
  std::string frame(std::uint64_t key, std::string_view body, std::uint64_t offset = 0) {
    std::string bytes(frame_head + own_head, '\0');
    const wire::StreamFrame header{static_cast<std::uint32_t>(own_head + body.size()), wire::StreamKind::data,
                                   0, sequence_++};
    wire::encode(header, reinterpret_cast<std::byte*>(bytes.data()));
    const Target::Head own{key, offset, own_head};
    std::memcpy(bytes.data() + frame_head, &own, sizeof own);
    return bytes.append(body);
  }
  std::string frame(std::string_view body) { return frame(target.region.key, body); }
  // Sends these bytes and lets all of them be received.
  void send(std::string_view bytes) {
    ASSERT_EQ(::send(socket, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    sent_ += bytes.size();
    ASSERT_TRUE(until([&] { return value("bytes_in") == sent_; }));
  }
  static std::string body(char first = 'a') {
    std::string text(body_bytes, '\0');
    for (std::size_t i = 0; i < text.size(); ++i)
      text[i] = static_cast<char>(first + static_cast<char>(i % 19));
    return text;
  }
  std::string memory() const { return std::string(as_text(Bytes(target.memory))); }
  void fill(char with) { std::memset(target.memory.data(), with, target.memory.size()); }

  std::unique_ptr<OsEngine> engine = std::move(OsEngine::make().value());
  Tcp tcp{*engine};
  Target target;
  int socket = -1;

 private:
  std::uint32_t sequence_ = 0;
  std::uint64_t sent_ = 0;
};

TEST_F(TcpPlaceTest, ALargeFramesBodyIsReceivedWhereItBelongs) {
  const std::string sent = frame(body());
  send(sent);
  ASSERT_EQ(target.got.size(), 1u);
  EXPECT_EQ(target.got[0], sent.substr(frame_head));
  EXPECT_EQ(target.in_place, 1u);
  EXPECT_EQ(target.kept, 0u) << "what stands in a region cannot be kept";
  EXPECT_EQ(memory(), body());
  EXPECT_EQ(value("placed_frames"), 1u);
  EXPECT_EQ(engine->pool().alive_count(), 0u);
}

TEST_F(TcpPlaceTest, InAsManyReadsAsItTakes) {
  std::string sent = frame(body());
  sent += frame(body('A'));
  sent += frame("short");
  sent += frame(body('b'));
  for (std::size_t at = 0; at < sent.size(); at += 7001) send(std::string_view(sent).substr(at, 7001));
  ASSERT_EQ(target.got.size(), 4u);
  EXPECT_EQ(target.in_place, 3u);
  EXPECT_EQ(target.got[2].substr(own_head), "short");
  EXPECT_EQ(memory(), body('b'));
}

TEST_F(TcpPlaceTest, WhereverAReadCutsItsHeaders) {
  for (std::size_t cut = 1; cut < frame_head + Placement::front_bytes + 4; ++cut) {
    fill('.');
    const std::string sent = frame(body());
    send(std::string_view(sent).substr(0, cut));
    send(std::string_view(sent).substr(cut, 1));
    send(std::string_view(sent).substr(cut + 1));
    ASSERT_EQ(target.got.size(), cut);
    ASSERT_EQ(target.got.back(), sent.substr(frame_head)) << cut;
    ASSERT_EQ(target.in_place, cut) << cut;
    ASSERT_EQ(memory(), body()) << cut;
    ASSERT_EQ(target.shown.back(), sent.substr(frame_head, Placement::front_bytes)) << cut;
  }
}

TEST_F(TcpPlaceTest, OnlyTheHeadersAreInMemoryOfThePool) {
  const std::string sent = frame(body());
  send(std::string_view(sent).substr(0, 30'000));
  EXPECT_LE(target.quota->used_bytes(), 256u);
  EXPECT_EQ(engine->pool().alive_count(), 1u);
  EXPECT_EQ(memory().substr(0, 20'000), body().substr(0, 20'000));
  send(std::string_view(sent).substr(30'000));
  EXPECT_EQ(target.quota->used_bytes(), 0u);
}

TEST_F(TcpPlaceTest, WhatHasNoPlaceGetsASlab) {
  fill('.');
  send(frame(target.region.key ^ 1u << 20, body()));
  send(frame(target.region.key, body(), 1));
  send(frame("short"));
  ASSERT_EQ(target.got.size(), 3u);
  EXPECT_EQ(target.got[0].substr(own_head), body());
  EXPECT_EQ(target.got[1].substr(own_head), body());
  EXPECT_EQ(target.shown.size(), 2u) << "a small frame is not asked about";
  EXPECT_EQ(target.in_place, 0u);
  EXPECT_EQ(memory(), std::string(body_bytes, '.'));
}

TEST_F(TcpPlaceTest, NoByteIsWrittenAfterTheRegionIsRevoked) {
  const std::string sent = frame(body());
  send(std::string_view(sent).substr(0, 20'000));
  ASSERT_EQ(memory().substr(0, 10'000), body().substr(0, 10'000));
  ASSERT_EQ(target.regions->revoke(target.region), Errc::ok);
  fill('#');
  send(std::string_view(sent).substr(20'000, 20'000));
  EXPECT_TRUE(target.got.empty());
  send(std::string_view(sent).substr(40'000));
  EXPECT_EQ(memory(), std::string(body_bytes, '#'));
  ASSERT_EQ(target.got.size(), 1u) << "its headers go up, to be refused";
  EXPECT_EQ(target.got[0], sent.substr(frame_head, own_head));
  send(frame("goes on"));
  EXPECT_EQ(target.got.size(), 2u);
  EXPECT_EQ(engine->pool().alive_count(), 0u);
}

TEST_F(TcpPlaceTest, NorWhenAllRegionsAreGone) {
  const std::string sent = frame(body());
  send(std::string_view(sent).substr(0, 20'000));
  target.regions.reset();
  fill('#');
  send(std::string_view(sent).substr(20'000));
  EXPECT_EQ(memory(), std::string(body_bytes, '#'));
  EXPECT_EQ(target.got.size(), 1u);
}

TEST_F(TcpPlaceTest, ARevokeOfAnotherRegionChangesNothing) {
  std::vector<std::byte> more(100);
  const RegionHandle other = *target.regions->expose(more, Access::all);
  const std::string sent = frame(body());
  send(std::string_view(sent).substr(0, 20'000));
  ASSERT_EQ(target.regions->revoke(other), Errc::ok);
  send(std::string_view(sent).substr(20'000));
  EXPECT_EQ(memory(), body());
}

TEST_F(TcpPlaceTest, APeerThatIsLostInTheMiddleLeavesNothingBehind) {
  const std::string sent = frame(body());
  send(std::string_view(sent).substr(0, 20'000));
  hang_up();
  ASSERT_TRUE(until([&] { return !target.events.empty(); }));
  EXPECT_EQ(target.events[0], EventKind::peer_lost);
  EXPECT_TRUE(target.got.empty());
  EXPECT_EQ(engine->pool().alive_count(), 0u);
  EXPECT_EQ(target.regions->revoke(target.region), Errc::ok);
}

TEST_F(TcpPlaceTest, ACloseInTheMiddleEndsIt) {
  const std::string sent = frame(body());
  send(std::string_view(sent).substr(0, 20'000));
  target.endpoint->close(1'000'000'000);
  fill('#');
  ASSERT_EQ(::send(socket, sent.data() + 20'000, 10'000, 0), 10'000);
  hang_up();
  ASSERT_TRUE(until([&] { return tcp.connection_count() == 0; }));
  EXPECT_EQ(memory(), std::string(body_bytes, '#'));
  EXPECT_TRUE(target.got.empty());
}

TEST_F(TcpPlaceTest, APauseHoldsTheWholeFrameBackAndARevokeReachesItThere) {
  for (const bool revoked : {false, true}) {
    const std::string sent = frame(body());
    send(std::string_view(sent).substr(0, 20'000));
    target.endpoint->pause_receive(true);
    send(std::string_view(sent).substr(20'000));
    engine->poll();
    EXPECT_EQ(target.got.size(), revoked ? 1u : 0u);
    if (revoked) {
      EXPECT_EQ(target.regions->revoke(target.region), Errc::ok);
    }
    target.endpoint->pause_receive(false);
    ASSERT_TRUE(until([&] { return target.got.size() == (revoked ? 2u : 1u); }));
    EXPECT_EQ(target.in_place, 1u);
  }
  EXPECT_EQ(target.got[1].size(), own_head);
}

TEST_F(TcpPlaceTest, AFrameMayRevokeWhatItWasPlacedIn) {
  target.on_frame = [&] {
    (void)target.regions->revoke(target.region);
    fill('#');
  };
  std::string sent = frame(body());
  send(sent += frame(body()));
  EXPECT_EQ(target.got.size(), 2u);
  EXPECT_EQ(target.in_place, 1u);
  EXPECT_EQ(memory(), std::string(body_bytes, '#'));
}

// ---- on links ----

struct TcpPutTest : testing::TestWithParam<const char*> {
  TcpPutTest() {
    layers::add_all(catalogue);
    add_all(catalogue);
  }
  std::unique_ptr<Node> node(const char* name) {
    auto made = std::make_unique<Node>(*engine, catalogue, NodeOptions{name, "lab", "host"});
    made->on_link([this](const std::shared_ptr<Link>& other) { accepted = other; });
    return made;
  }
  void open(const std::string& stack) {
    a = node("a");
    b = node("b");
    const std::string at = b->listen("tcp:127.0.0.1:0").value().substr(4);
    LinkOptions options;
    options.name = "main";
    options.offers = {{stack_from(stack, catalogue).value(), at}};
    link = a->connect("b", std::move(options)).value();
    ASSERT_TRUE(engine->run_until([&] { return link->is_up() && accepted != nullptr; }, long_ns))
        << link->error().text();
    region = *accepted->regions().expose(memory, Access::all);
  }

  std::unique_ptr<OsEngine> engine = std::move(OsEngine::make().value());
  Catalogue catalogue;
  std::vector<std::byte> memory = std::vector<std::byte>(1 << 20);
  std::vector<std::byte> source = [] {
    std::vector<std::byte> bytes(1 << 20);
    Random random(3);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
    return bytes;
  }();
  std::unique_ptr<Node> a, b;
  std::shared_ptr<Link> link, accepted;
  RegionHandle region;
};

TEST_P(TcpPutTest, PutsOfAnySizeStandWhereTheyBelong) {
  open(GetParam());
  std::deque<Operation> puts;
  for (const std::size_t bytes : {1u, 100u, 4096u, 20'000u, 65'536u, 65'537u, 300'000u, 1u << 20}) {
    std::fill(memory.begin(), memory.end(), std::byte{0});
    Operation& put = puts.emplace_back();
    ASSERT_EQ(link->one_sided()->put(put, region, 0, Bytes(source).first(bytes), {.done = Done::delivered}),
              Errc::ok);
    ASSERT_TRUE(engine->run_until([&] { return !put.busy(); }, long_ns));
    EXPECT_EQ(put.code(), Errc::ok);
    EXPECT_TRUE(
        std::equal(memory.begin(), memory.begin() + static_cast<std::ptrdiff_t>(bytes), source.begin()));
  }
  const bool watched = std::string_view(GetParam()).find("checksum") != std::string_view::npos;
  EXPECT_EQ(Described(*accepted->endpoint())["placed_frames"], watched ? 0u : 1 + 1 + 1 + 5 + 16u);
}

TEST_P(TcpPutTest, ARevokeWhilePutsAreUnderWayIsTheLastByte) {
  open(GetParam());
  for (unsigned polls = 0; polls < 40; ++polls) {
    std::deque<Operation> puts(4);
    for (Operation& put : puts)
      ASSERT_EQ(link->one_sided()->put(put, region, 0, source, {.done = Done::delivered}), Errc::ok);
    for (unsigned i = 0; i < polls; ++i) engine->poll();
    ASSERT_EQ(accepted->regions().revoke(region), Errc::ok);
    const std::vector<std::byte> before = memory;
    ASSERT_TRUE(engine->run_until(
        [&] { return std::none_of(puts.begin(), puts.end(), [](auto& put) { return put.busy(); }); },
        long_ns));
    EXPECT_EQ(memory, before) << polls;
    region = *accepted->regions().expose(memory, Access::all);
  }
  EXPECT_TRUE(link->is_up());
}

INSTANTIATE_TEST_SUITE_P(Stacks, TcpPutTest,
                         testing::Values("put @ tcp", "put / frag @ tcp", "order / put / frag @ tcp",
                                         "mux / compress / order / put / frag @ tcp",
                                         "put / frag / checksum @ tcp"),
                         [](const auto& at) { return "Stack" + std::to_string(at.index); });

}  // namespace
}  // namespace harness::transports
