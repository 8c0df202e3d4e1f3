// SPDX-License-Identifier: Apache-2.0
// A node under a flood of first frames over real sockets: how many honest handshakes are done within a
// second, and what the node uses meanwhile. The node is a process of its own; the flood comes from 16
// addresses of 127/8, the honest links from 127.0.0.1.
#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fmt/format.h>

#include <harness/bench/support/certified.hpp>
#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>
#include <harness/layers/all.hpp>
#include <harness/layers/encrypt.hpp>
#include <harness/stack/node.hpp>
#include <harness/transports/all.hpp>
#include <harness/transports/engine.hpp>
#include <harness/transports/udp/setup_pieces.hpp>
#include <harness/transports/wire/stream.hpp>

namespace {

using namespace harness;
using namespace harness::bench;

constexpr std::string_view help =
    R"(flood                 100,000 bogus first frames a second over udp, for ten seconds each
flood --quick         a second each
flood --only routable senders that hear our answers; --only blind: forged addresses; --only tcp: connections
)";

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::uint64_t frames_s = 100'000;
constexpr std::size_t sources = 16, cookies = 256, batch = 64;
constexpr const char* udp_stack = "order / frag / reliable / encrypt @ udp";
constexpr const char* tcp_stack = "frag / encrypt @ tcp";

/// What the node's process tells.
struct Board {
  std::atomic<std::uint16_t> udp{0}, tcp{0};
  std::atomic<std::uint64_t> refused{0};
};

Catalogue everything() {
  Catalogue catalogue;
  layers::add_all(catalogue);
  transports::add_all(catalogue);
  return catalogue;
}

struct Party {
  Party(const Catalogue& catalogue, const std::string& name, const std::string& domain, Authority& authority)
      : engine(std::move(*transports::OsEngine::make({}))),
        node(std::make_unique<Node>(*engine, catalogue, NodeOptions{name, domain, {}, {}, &authority})) {
    node->set_admission([](const setup::Identity&, const std::string&) { return Admission{}; });
  }
  ~Party() { node.reset(); }
  std::unique_ptr<transports::OsEngine> engine;
  std::unique_ptr<Node> node;
};

[[noreturn]] void serve(const Catalogue& catalogue, Certified& nodes, Board& board) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Party party(catalogue, "b", "office", *nodes.responder);
  for (const auto& [kind, port] : {std::pair("udp", &board.udp), std::pair("tcp", &board.tcp)}) {
    auto address = party.node->listen(fmt::format("{}:127.0.0.1:0", kind));
    if (!address) give_up(address.error());
    *port = static_cast<std::uint16_t>(std::stoul(address->substr(address->rfind(':') + 1)));
  }
  for (;;) {
    party.engine->run_until([] { return false; }, second_ns / 10);
    board.refused = party.node->refused_count();
  }
}

/// One bogus sender: a socket, and a datagram for each of its cookies.
class Sender {
 public:
  Sender(unsigned number, std::uint16_t port, const Message& frame)
      : descriptor_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in here{}, there{};
    here.sin_family = there.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(0x7f000100u + number + 1);
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    there.sin_port = htons(port);
    if (bind(descriptor_, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
        connect(descriptor_, reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0)
      give_up({Errc::io, "no socket", "bind or connect failed", {}});
    for (std::size_t i = 0; i < cookies; ++i) datagrams_.push_back(opening(1000 + i, frame));
  }
  ~Sender() { close(descriptor_); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void send(std::size_t from, std::size_t count) {
    std::array<mmsghdr, batch> headers{};
    std::array<iovec, batch> parts{};
    for (std::size_t i = 0; i < count; ++i) {
      auto& datagram = datagrams_[(from + i) % cookies];
      parts[i] = {datagram.data(), datagram.size()};
      headers[i].msg_hdr.msg_iov = &parts[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
    (void)sendmmsg(descriptor_, headers.data(), static_cast<unsigned>(count), 0);
  }
  /// Hears retries, and puts their tokens into its datagrams.
  void listen() {
    std::array<std::byte, 2048> bytes;
    for (;;) {
      const ssize_t got = recv(descriptor_, bytes.data(), bytes.size(), 0);
      if (got < 0) return;
      if (static_cast<std::size_t>(got) != transports::udp::outer_bytes + transports::udp::token_bytes)
        continue;
      const auto header = wire::decode<wire::Datagram>(bytes.data());
      const std::size_t index = (header.cookie - 1000) % cookies;
      std::copy_n(bytes.begin() + transports::udp::outer_bytes, transports::udp::token_bytes,
                  datagrams_[index].begin() + token_at);
    }
  }

 private:
  static constexpr std::size_t token_at = transports::udp::outer_bytes + transports::udp::setup_bytes;
  static std::vector<std::byte> opening(std::size_t cookie, const Message& frame) {
    const auto own = static_cast<std::uint32_t>(cookie);
    std::vector<std::byte> bytes(token_at + transports::udp::token_bytes + frame.size());
    wire::encode(wire::Datagram{0, wire::DatagramKind::open, 0}, bytes.data());
    wire::encode(wire::DatagramSetup{own, transports::udp::SetupPieces::name_of(own, frame), 0, 1},
                 bytes.data() + transports::udp::outer_bytes);
    wire::encode(wire::DatagramToken{7}, bytes.data() + token_at);
    frame.copy_to(bytes.data() + token_at + transports::udp::token_bytes);
    return bytes;
  }
  int descriptor_;
  std::vector<std::vector<std::byte>> datagrams_;
};

/// A HELLO that looks like an honest one and does not greet rightly.
Message bogus_frame(Pool& pool, Authority& authority) {
  setup::Hello hello;
  hello.attempt = 42;
  hello.from = {"a", "lab", {}, {}, 7};
  hello.link = "main";
  hello.limits = {1 << 20, 1 << 24};
  hello.offers = {{1, udp_stack}};
  hello.proof = *layers::Encrypt::handshake(Role::initiator, authority)->hello(setup::bound(hello));
  hello.greeting = Code{std::byte{1}};
  return setup::write(pool, hello);
}

/// Sends until told to stop, at `frames_s`; how many.
std::uint64_t flood(std::vector<std::unique_ptr<Sender>>& senders, bool hears,
                    const std::atomic<bool>& stop) {
  const std::uint64_t begin = now_ns();
  std::uint64_t sent = 0;
  for (std::uint64_t heard_ns = 0; !stop.load(std::memory_order_relaxed);) {
    const std::uint64_t due = (now_ns() - begin) * frames_s / second_ns;
    if (sent + batch > due) continue;
    senders[sent / batch % sources]->send(sent / batch / sources * batch, batch);
    sent += batch;
    if (hears && now_ns() - heard_ns > second_ns / 20) {
      heard_ns = now_ns();
      for (auto& sender : senders) sender->listen();
    }
  }
  return sent;
}

/// Connects from one address after the other, says the frame and resets, as fast as it can; how many.
std::uint64_t connect_flood(std::uint16_t port, const Message& frame, const std::atomic<bool>& stop) {
  std::vector<std::byte> bytes(wire::bytes_of<wire::StreamFrame> + frame.size());
  wire::encode(wire::StreamFrame{frame.size(), wire::StreamKind::setup, 0, 0}, bytes.data());
  frame.copy_to(bytes.data() + wire::bytes_of<wire::StreamFrame>);
  std::uint64_t sent = 0;
  for (; !stop.load(std::memory_order_relaxed); ++sent) {
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in here{}, there{};
    here.sin_family = there.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(0x7f000101u + static_cast<std::uint32_t>(sent % sources));
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    there.sin_port = htons(port);
    const linger reset{1, 0};  // no port stays behind
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void)(bind(descriptor, reinterpret_cast<const sockaddr*>(&here), sizeof here) == 0 &&
           connect(descriptor, reinterpret_cast<const sockaddr*>(&there), sizeof there) == 0 &&
           send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0);
    close(descriptor);
  }
  return sent;
}

double resident_kib(pid_t process) {
  std::ifstream status(fmt::format("/proc/{}/status", process));
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::stod(line.substr(line.find(':') + 1));
  return 0;
}
double cpu_s(pid_t process) {
  std::ifstream stat(fmt::format("/proc/{}/stat", process));
  std::string text;
  std::getline(stat, text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skip;
  for (int i = 0; i < 11; ++i) fields >> skip;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

struct Honest {
  unsigned begun = 0, in_time = 0;
};

/// A link every 50 ms for as long; each counts when it is up within a second.
Honest knock(Party& party, const StackSpec& stack, std::uint16_t port, std::uint64_t for_ns,
             unsigned& number) {
  Honest honest;
  std::vector<std::shared_ptr<Link>> links;
  const std::uint64_t begin = now_ns();
  while (now_ns() - begin < for_ns) {
    LinkOptions options;
    options.name = fmt::format("link{}", number++);
    options.offers = {{stack, fmt::format("127.0.0.1:{}", port)}};
    links.push_back(*party.node->connect("b", std::move(options)));
    ++honest.begun;
    party.engine->run_until([] { return false; }, second_ns / 20);
  }
  party.engine->run_until([] { return false; }, second_ns);
  for (const auto& link : links) {
    honest.in_time += link->is_up() && link->opened_ns() <= second_ns ? 1u : 0u;
    link->close();
  }
  party.engine->run_until([&] { return party.node->links().empty(); }, 5 * second_ns);
  return honest;
}

void measure(Program& program, const std::string& name) {
  if (!program.wants(name)) return;
  const bool tcp = name == "tcp";
  const Catalogue catalogue = everything();
  Certified nodes;
  auto* board =
      new (mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Board;
  const pid_t server = fork();
  if (server == 0) serve(catalogue, nodes, *board);
  while (board->tcp == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  Party party(catalogue, "a", "lab", *nodes.initiator);
  const StackSpec stack = *stack_from(tcp ? tcp_stack : udp_stack, catalogue);
  const std::uint16_t port = tcp ? board->tcp : board->udp;
  const std::uint64_t for_ns = (program.quick() ? 1 : 10) * second_ns;
  unsigned number = 0;
  (void)knock(party, stack, port, second_ns / 2, number);  // what the first links need is made

  Pool pool;
  const Message frame = bogus_frame(pool, *nodes.initiator);
  std::vector<std::unique_ptr<Sender>> senders;
  for (unsigned i = 0; i < sources; ++i) senders.push_back(std::make_unique<Sender>(i, board->udp, frame));
  const double before_kib = resident_kib(server), before_s = cpu_s(server);
  std::atomic<bool> stop{false};
  std::uint64_t sent = 0;
  const std::uint64_t begin = now_ns();
  std::thread flooder(
      [&] { sent = tcp ? connect_flood(port, frame, stop) : flood(senders, name == "routable", stop); });
  const Honest honest = knock(party, stack, port, for_ns, number);
  const double seconds = static_cast<double>(now_ns() - begin) / 1e9;
  const double during_kib = resident_kib(server), used_s = cpu_s(server) - before_s;
  stop = true;
  flooder.join();
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);

  Figure figure{.name = fmt::format("honest handshakes within 1 s, {} flood", name), .unit = "%"};
  figure.value = 100.0 * honest.in_time / honest.begun;
  figure.note = fmt::format(
      "{} of {}; {:.0f} bogus frames a second from {} addresses, {} refused by the node; it used "
      "{:.0f} % of a core, memory {:+.0f} KiB",
      honest.in_time, honest.begun, static_cast<double>(sent) / seconds, sources, board->refused.load(),
      100 * used_s / seconds, during_kib - before_kib);
  program.show(figure.at_least(figure.value, 95, "≥ 95 %"));
  Figure memory{.name = fmt::format("memory grown under a {} flood", name), .unit = "KiB"};
  memory.value = during_kib - before_kib;
  program.show(memory.at_most(memory.value, 4096, "flat: ≤ 4 MiB"));
  munmap(board, sizeof(Board));
}

}  // namespace

int main(int argc, char** argv) {
  Program program(argc, argv, "flood", help);
  for (const char* name : {"blind", "routable", "tcp"}) measure(program, name);
  return program.finish();
}
