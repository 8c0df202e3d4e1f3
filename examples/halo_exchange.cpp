// SPDX-License-Identifier: Apache-2.0
// A stencil on a plate, cut into strips among processes that write their border rows into each other's
// memory.
//
//   halo_exchange [PROCESSES] [shm|tcp|udp|ofi]    2 to 4 processes; default: 3 over shm
//
// Each process exposes one region: two words that its neighbours set, two pairs of border rows, and its
// strip. A step puts the own border rows into the neighbours' and signals with the number of the step; a
// neighbour goes on when it sees that number, because a signal that is seen says that the bytes of its put
// are there. Rows of odd and even steps have places of their own, so nobody overwrites what is still read.
// The region stands in memory that other processes can map: over shm the rows are stored right there, without
// a message, over ofi they are written there by the card; over tcp and udp the same program sends them.
// In the end process 0 reads every strip with `get` and compares the plate, bit by bit, with one that it
// computes alone.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <harness/layers/all.hpp>
#include <harness/stack/node.hpp>
#include <harness/transports/all.hpp>
#include <harness/transports/engine.hpp>
#include <harness/transports/region_memory.hpp>

namespace {

constexpr unsigned width = 256, height = 240, steps = 300;  // height divides by 2, 3 and 4
constexpr unsigned up = 0, down = 1;                        // sides of a strip

using Row = std::array<double, width>;
using Plate = std::vector<Row>;

double start_value(unsigned row, unsigned column) { return (row * 31 + column * 17) % 101; }

void relax(const Row& above, const Row& here, const Row& below, Row& next) {
  next.front() = here.front();
  next.back() = here.back();
  for (unsigned i = 1; i + 1 < width; ++i) next[i] = 0.25 * (above[i] + below[i] + here[i - 1] + here[i + 1]);
}

Plate alone() {
  Plate plate(height), next;
  for (unsigned r = 0; r < height; ++r)
    for (unsigned c = 0; c < width; ++c) plate[r][c] = start_value(r, c);
  for (unsigned step = 0; step < steps; ++step) {
    next = plate;
    for (unsigned r = 1; r + 1 < height; ++r) relax(plate[r - 1], plate[r], plate[r + 1], next[r]);
    plate.swap(next);
  }
  return plate;
}

// What a process exposes.
struct Exposed {
  std::array<std::uint64_t, 2> step{};          // of the neighbour on each side, set by its signal
  std::uint64_t finished = 0;                   // at process 0: how many others are
  std::array<std::array<Row, 2>, 2> borders{};  // [odd or even step][side]
  std::array<Row, height / 2> strip{};
};

class Process {
 public:
  Process(unsigned rank, unsigned count, std::string transport)
      : rank_(rank), count_(count), rows_(height / count), transport_(std::move(transport)),
        engine_(harness::transports::OsEngine::make().value()) {
    harness::layers::add_all(catalogue_);
    harness::transports::add_all(catalogue_);
    const harness::NodeOptions options{name(rank), "local", "here",
                                       "me"};  // one host, one user: shm may be used
    node_ = std::make_unique<harness::Node>(*engine_, catalogue_, options);
    node_->on_link([this](auto& link) { join(link); });
  }

  std::string listen() {
    const std::string any = transport_ == "shm" ? "shm:" : transport_ + ":127.0.0.1:0";
    return node_->listen(any).value();
  }

  // Everybody dials those of higher rank, and tells by a message where its memory is.
  void connect(const std::vector<std::string>& addresses) {
    const std::string stack =
        transport_ == "udp" ? "order / put / frag / reliable @ udp" : "order / put / frag @ " + transport_;
    for (unsigned other = rank_ + 1; other < count_; ++other)
      join(node_->connect(name(other), stack, {addresses[other]}).value());
    await([this] { return handles_.size() + 1 == count_; });
  }

  void compute() {
    for (unsigned r = 0; r < rows_; ++r)
      for (unsigned c = 0; c < width; ++c) memory_.strip[r][c] = start_value(rank_ * rows_ + r, c);
    std::array<Row, height / 2> next = memory_.strip;
    for (std::uint64_t step = 1; step <= steps; ++step) {
      if (rank_ > 0) put_border(rank_ - 1, down, memory_.strip[0], step);
      if (rank_ + 1 < count_) put_border(rank_ + 1, up, memory_.strip[rows_ - 1], step);
      await([&] { return (rank_ == 0 || seen(up) >= step) && (rank_ + 1 == count_ || seen(down) >= step); });
      const auto& border = memory_.borders[step % 2];
      for (unsigned r = 0; r < rows_; ++r) {
        const bool edge = (rank_ == 0 && r == 0) || (rank_ + 1 == count_ && r + 1 == rows_);
        const Row& above = r == 0 ? border[up] : memory_.strip[r - 1];
        const Row& below = r + 1 == rows_ ? border[down] : memory_.strip[r + 1];
        if (!edge) relax(above, memory_.strip[r], below, next[r]);
      }
      std::swap(memory_.strip, next);
    }
  }

  // Process 0 compares; the others wait until it has read what they have.
  int finish() {
    if (rank_ != 0) {
      harness::Operation told;
      const harness::Signal done{harness::Signal::Kind::word, 0, harness::SignalOp::add, handles_.at(0),
                                 offsetof(Exposed, finished), 1};
      links_.at(0)->one_sided()->put(told, handles_.at(0), 0, {}, {.signal = done});
      await([this] { return ended_ != 0; });
      return 0;
    }
    await([this] { return std::atomic_ref(memory_.finished).load() + 1 == count_; });
    Plate plate(memory_.strip.begin(), memory_.strip.begin() + rows_);
    for (unsigned other = 1; other < count_; ++other) {
      Plate rows(rows_);
      harness::Operation get;
      links_.at(other)->one_sided()->get(get, handles_.at(other), offsetof(Exposed, strip),
                                         std::as_writable_bytes(std::span(rows)));
      await([&] { return !get.busy(); });
      if (get.code() != harness::Errc::ok) return 1;
      plate.insert(plate.end(), rows.begin(), rows.end());
    }
    for (auto& [other, link] : links_) link->close();
    await([this] { return ended_ + 1 == count_; });
    const bool equal = plate == alone();
    std::cout << count_ << " processes over " << transport_ << ", " << steps << " steps of " << height
              << " x " << width << ": " << (equal ? "equal to the plate computed alone" : "DIFFERENT")
              << '\n';
    return equal ? 0 : 1;
  }

 private:
  static std::string name(unsigned rank) { return "process" + std::to_string(rank); }

  void join(const std::shared_ptr<harness::Link>& link) {
    link->on_event([this, raw = link.get()](const harness::Event& event) {
      if (event.kind == harness::EventKind::up) greet(*raw);
      if (event.kind == harness::EventKind::closed || event.kind == harness::EventKind::peer_lost) ++ended_;
    });
    link->on_message([this, raw = link.get()](harness::Message&& message) {
      const unsigned other = static_cast<unsigned>(raw->peer().name.back() - '0');
      handles_[other] = harness::RegionHandle::unpack(message.front()).value();
      links_[other] = raw->shared_from_this();
    });
    if (link->is_up()) greet(*link);
  }

  void greet(harness::Link& link) {
    const auto handle = link.regions()
                            .expose(pages_->bytes(), harness::Access::all, harness::AtomicDomain::cpu, pages_)
                            .value()
                            .pack();
    link.send(harness::Message::copy_of(engine_->pool(), handle));
  }

  void put_border(unsigned to, unsigned side, const Row& row, std::uint64_t step) {
    harness::Operation& put = puts_[to > rank_ ? 0 : 1];
    await([&] { return !put.busy(); });
    const auto& handle = handles_.at(to);
    const std::size_t place = offsetof(Exposed, borders) + ((step % 2) * 2 + side) * sizeof(Row);
    const harness::Signal signal{harness::Signal::Kind::word,
                                 0,
                                 harness::SignalOp::set,
                                 handle,
                                 offsetof(Exposed, step) + side * sizeof(std::uint64_t),
                                 step};
    sources_[to > rank_ ? 0 : 1] = row;
    const auto source = std::as_bytes(std::span(sources_[to > rank_ ? 0 : 1]));
    links_.at(to)->one_sided()->put(put, handle, place, source, {.signal = signal});
  }

  std::uint64_t seen(unsigned side) {
    return std::atomic_ref(memory_.step[side]).load(std::memory_order_acquire);
  }

  // A word that a neighbour stores wakes nobody: whoever waits for one looks, and lets others run.
  void await(const std::function<bool()>& done) {
    engine_->poll();
    const std::uint64_t limit_ns = engine_->now_ns() + 60'000'000'000;
    for (; !done(); engine_->poll(), std::this_thread::yield())
      if (engine_->now_ns() >= limit_ns) std::cerr << "waited for a minute\n", std::exit(1);
  }

  unsigned rank_, count_, rows_;
  std::string transport_;
  std::shared_ptr<harness::RegionMemory> pages_ = harness::RegionMemory::make(sizeof(Exposed)).value();
  Exposed& memory_ = *pages_->as<Exposed>();  // zeros until written
  std::array<Row, 2> sources_{};
  std::array<harness::Operation, 2> puts_;
  std::unique_ptr<harness::transports::OsEngine> engine_;
  harness::Catalogue catalogue_;
  std::unique_ptr<harness::Node> node_;
  std::map<unsigned, std::shared_ptr<harness::Link>> links_;
  std::map<unsigned, harness::RegionHandle> handles_;
  unsigned ended_ = 0;
};

// A pipe a process: each hears the addresses of all by it, the first collects them.
struct Pipe {
  std::array<int, 2> ends{};
  Pipe() {
    if (pipe(ends.data()) != 0) std::exit(1);
  }
  void write(std::string text) const {
    text.resize(128, ' ');
    if (::write(ends[1], text.data(), text.size()) != 128) std::exit(1);
  }
  std::string read() const {
    std::string text(128, ' ');
    for (std::size_t have = 0; have < 128;) {
      const ssize_t bytes = ::read(ends[0], text.data() + have, 128 - have);
      if (bytes <= 0) std::exit(1);
      have += static_cast<std::size_t>(bytes);
    }
    return text.substr(0, text.find(' '));
  }
};

int play(unsigned rank, unsigned count, const std::string& transport, const std::vector<Pipe>& pipes) {
  Process process(rank, count, transport);
  const std::string mine = process.listen();
  if (rank != 0) pipes[0].write(std::to_string(rank) + mine);
  std::vector<std::string> all(count);
  if (rank == 0) {
    all[0] = mine;
    for (unsigned i = 1; i < count; ++i) {
      const std::string told = pipes[0].read();
      all[static_cast<unsigned>(told[0] - '0')] = told.substr(1);
    }
    for (unsigned to = 1; to < count; ++to)
      for (const std::string& address : all) pipes[to].write(address);
  } else {
    for (std::string& address : all) address = pipes[rank].read();
  }
  process.connect(all);
  process.compute();
  return process.finish();
}

int run(unsigned rank, unsigned count, const std::string& transport, const std::vector<Pipe>& pipes) {
  try {
    return play(rank, count, transport, pipes);
  } catch (const tl::bad_expected_access<harness::Error>& failed) {
    if (rank == 0) std::cerr << failed.error().text() << '\n';
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view asked = argc > 1 ? argv[1] : "3";
  const unsigned count = asked.size() == 1 ? static_cast<unsigned>(asked[0] - '0') : 0;
  const std::string transport = argc > 2 ? argv[2] : "shm";
  if (asked == "--help" || asked == "-h") {
    std::cout << "halo_exchange [PROCESSES] [shm|tcp|udp|ofi]    2 to 4 processes; default: 3 over shm\n";
    return 0;
  }
  if (count < 2 || count > 4) {
    std::cerr << "error: " << asked
              << " processes\nbecause: the plate is cut for 2 to 4\ntry: halo_exchange 3 shm\n";
    return 2;
  }
  const std::vector<Pipe> pipes(count);
  for (unsigned rank = 1; rank < count; ++rank)
    if (fork() == 0) return run(rank, count, transport, pipes);
  int failed = run(0, count, transport, pipes);
  for (unsigned rank = 1; rank < count; ++rank) {
    int status = 0;
    wait(&status);
    failed |= status;
  }
  return failed == 0 ? 0 : 1;
}
