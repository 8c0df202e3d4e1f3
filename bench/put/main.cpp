// SPDX-License-Identifier: Apache-2.0
// One-sided operations over each transport against the machine, messages of the same link, and the peers.
//
// A row is a contest: ours, what the machine or a message costs, and each peer in its best setting, in turns.
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include <harness/bench/put/put_end.hpp>
#include <harness/bench/put/row.hpp>
#include <harness/bench/support/machine.hpp>

namespace {

using namespace harness;
using namespace harness::bench;

constexpr std::string_view help = R"(put --quick               every row, briefly
put --json put.json       all figures for a report
put --only shm            one transport: shm, tcp, udp, ofi-shm, ofi-tcp
put --only "shm get"      one row of it: put, delivered, put_flood, get, fetch_add, add_flood

put: each side puts 8 B and a word that signals them, and the other's program waits for the word in its own
memory; half of a round trip. delivered: one put until the other side has it. Floods: as fast as they are
taken, until all are delivered. Peers: UCX, Open MPI, MPICH, OpenSHMEM; over ofi libfabric by itself and
Open MPI over the same provider.
)";

constexpr std::uint64_t slice_ns = 5'000'000;
constexpr double flood_ns = 12e6;

struct Case {
  const char* name;
  const char* stack;
  bool memory;         // the other side's memory can be mapped: put reaches it without an engine
  const char* fabric;  // libfabric's provider; null: none
};
constexpr Case cases[] = {
    {"shm", "order / put / frag @ shm", true, nullptr},
    {"tcp", "order / put / frag @ tcp", false, nullptr},
    {"udp", "order / put / frag / reliable @ udp", false, nullptr},
    {"ofi-shm", "order / put / frag @ ofi(provider=shm)", false, "shm"},
    {"ofi-tcp", "order / put / frag @ ofi(provider=tcp)", false, "tcp;ofi_rxm"},
};
constexpr unsigned seldom = 1000;  // looks between two turns of the engine, where putting needs none

constexpr const char* round_trip_name = "round trip of a message";
constexpr const char* messages_name = "messages";
constexpr const char* raw_name = "raw libfabric";

std::function<double()> memory_copy(std::uint32_t bytes) {
  return [bytes, from = std::vector<char>(bytes, 1), to = std::vector<char>(bytes)]() mutable {
    const std::uint64_t times = std::max<std::uint64_t>(50'000'000 / (bytes + 200), 16);
    const std::uint64_t begin = now_ns();
    for (std::uint64_t i = 0; i < times; ++i) {
      std::memcpy(to.data(), from.data(), bytes);
      keep(to.data());
    }
    return static_cast<double>(now_ns() - begin) / static_cast<double>(times);
  };
}

class Bench {
 public:
  Bench(Program& program, const Case& what)
      : program_(program), case_(what),
        domain_{std::string("put-") + what.name, what.memory || is_fabric_shm()},
        duo_({[this](Board& board, const Duo::Still& still) {
                if (far_ == nullptr) listen(board);
                if (far_ != nullptr) far_->serve(board, still);
              },
              [this](Board& board, const Duo::Still& still) {
                far_->meet(board);
                far_->serve(board, still);
              },
              [this](Board&, const Duo::Still& still) { far_->answer(still, Told::by_signal, looks()); },
              [this](Board&, const Duo::Still& still) { far_->answer(still, Told::by_bytes, looks()); },
              [this](Board&, const Duo::Still& still) { far_->answer(still, Told::by_signal, 1); }}) {
    duo_.start(serving);
    duo_.wait_for([&] { return duo_.board().answer.get() != 0; }, "the far side to listen");
    if (duo_.board().answer.get() == refused) return;
    near_ = std::make_unique<PutEnd>("near", batch());
    if (auto opened = near_->open(case_.stack, duo_.board().get_text(0)); !opened) give_up(opened.error());
    near_->offer(duo_.board());
    duo_.start(meeting);
    duo_.wait_for([&] { return duo_.board().answer.get() == 2; }, "the handles to be swapped");
    near_->take(duo_.board());
    duo_.start(serving);
  }

  void run() {
    if (near_ == nullptr) return program_.skip(domain_.name, duo_.board().get_text(0));
    if (wants("put")) puts();
    if (wants("delivered"))
      for (const std::uint32_t bytes : sizes({8, 64u << 10})) delivered(bytes);
    if (wants("put_flood"))
      for (const std::uint32_t bytes : sizes({8, 64u << 10, 256u << 10, 1u << 20, 4u << 20})) flood(bytes);
    if (wants("get"))
      for (const std::uint32_t bytes : sizes({8, 64u << 10, 1u << 20})) get(bytes);
    if (wants("fetch_add")) fetch_add();
    if (wants("add_flood")) adds();
  }

 private:
  static constexpr std::size_t serving = 0, meeting = 1, signalling = 2, silent = 3, turning = 4;
  static constexpr std::uint64_t refused = 9;

  void listen(Board& board) {
    auto end = std::make_unique<PutEnd>("far", batch());
    const auto address = end->listen(case_.stack);
    board.put_text(0, address ? *address : address.error().what + ": " + address.error().because);
    if (address) far_ = std::move(end);
    board.answer.set(address ? 1 : refused);
  }
  [[nodiscard]] bool is_fabric_shm() const {
    return case_.fabric != nullptr && case_.fabric == std::string("shm");
  }
  [[nodiscard]] bool wants(const std::string& row) const {
    return program_.wants(case_.name) || program_.wants(case_.name + (" " + row));
  }

  // Where an operation is so short that a look at the clock would be a part of it.
  [[nodiscard]] unsigned batch() const { return case_.memory || is_fabric_shm() ? 100 : 1; }
  // Between two turns of the engine.
  [[nodiscard]] unsigned looks() const noexcept { return case_.memory ? seldom : 1; }
  // Briefly: the smallest alone.
  [[nodiscard]] std::vector<std::uint32_t> sizes(std::vector<std::uint32_t> all) const {
    if (program_.quick()) all.resize(1);
    return all;
  }

  // ---- subjects ----

  // The far side does `job` meanwhile.
  template <class Slice>
  std::function<double()> with(std::size_t job, Slice slice) {
    return [this, job, slice]() mutable {
      duo_.start(job);
      return slice();
    };
  }
  // Floods of about flood_ns, the number learnt from the one before.
  template <class Flood>
  std::function<double()> flooding(std::uint32_t bytes, Flood flood) {
    const std::uint64_t first = std::max<std::uint64_t>((1u << 20) / (bytes + 100), 4);
    return with(serving, [flood, count = first]() mutable {
      const double ns = flood(count);
      count = static_cast<std::uint64_t>(std::clamp(flood_ns / ns, 4.0, 1e6));
      return ns;
    });
  }
  Row row(Measure what, std::uint32_t bytes) { return {program_, domain_, duo_, {what, bytes}}; }
  void add_peers(Row& row) const {
    if (case_.fabric != nullptr) {
      for (auto* make : {&raw_libfabric, &open_mpi_over}) row.add(make(case_.fabric));
      return;
    }
    if (case_.name == std::string("udp")) return;
    for (auto* make : {&ucx, &open_mpi, &mpich, &open_shmem}) row.add(make(case_.memory));
  }
  // Held against libfabric with the same provider: so many ns over shm, 3 % over tcp.
  void judge_by_raw(Row& row, std::size_t ours) const {
    if (case_.fabric == nullptr) return;
    is_fabric_shm() ? row.at_most_more(ours, raw_name, 60) : row.at_most(ours, raw_name, 1.03);
  }

  // ---- rows ----

  void puts() {
    Row one = row(Measure::put, 8);
    const std::string name = case_.stack;
    const auto puts = [this](std::size_t job, Told told, unsigned looks) {
      return with(job, [=, this] { return near_->puts(slice_ns, told, looks); });
    };
    const auto ours = one.add("ours", name, puts(signalling, Told::by_signal, looks()));
    const auto unsignalled = one.add("ours", name + ", no signal", puts(silent, Told::by_bytes, looks()));
    if (case_.memory)
      one.add("ours", name + ", a turn of the engine a look", puts(turning, Told::by_signal, 1));
    add_peers(one);
    one.run();
    if (case_.memory) one.at_most_floor(ours, 1.3);
    judge_by_raw(one, unsignalled);
  }

  void delivered(std::uint32_t bytes) {
    Row one = row(Measure::delivered, bytes);
    const auto ours =
        one.add("ours", case_.stack, with(serving, [=, this] { return near_->delivered(bytes, slice_ns); }));
    if (bytes == 8)  // large ones are loaned, and nobody reads them
      one.add("machine", round_trip_name,
              with(serving, [=, this] { return near_->round_trip(bytes, slice_ns); }));
    add_peers(one);
    one.run();
    if (!case_.memory && bytes == 8) one.at_most(ours, round_trip_name, 1);
    if (bytes == 8) judge_by_raw(one, ours);
  }

  void flood(std::uint32_t bytes) {
    Row one = row(Measure::put_flood, bytes);
    const auto ours =
        one.add("ours", case_.stack,
                flooding(bytes, [=, this](std::uint64_t count) { return near_->flood(bytes, count); }));
    if (!case_.memory || bytes == 8)
      one.add("machine", messages_name, flooding(bytes, [=, this](std::uint64_t count) {
                return near_->messages(bytes, count, duo_.board());
              }));
    if (case_.memory) one.add("machine", "memcpy", memory_copy(bytes));
    if (case_.memory && bytes == 8) one.add(registers_);  // its target is no ratio
    add_peers(one);
    one.run();
    if (case_.memory)
      return bytes == 8 ? one.at_least_a_second(ours, 30e6) : one.at_least(ours, "memcpy", 0.9);
    if (bytes == 8) return;
    case_.fabric != nullptr ? one.at_least(ours, raw_name, 0.97) : one.at_least(ours, messages_name, 1);
  }

  void get(std::uint32_t bytes) {
    Row one = row(Measure::get, bytes);
    const auto ours =
        one.add("ours", case_.stack, with(serving, [=, this] { return near_->get(bytes, slice_ns); }));
    if (case_.memory) one.add("machine", "memcpy", memory_copy(bytes));
    add_peers(one);
    one.run();
    if (bytes == 8) judge_by_raw(one, ours);
  }

  void fetch_add() {
    Row one = row(Measure::fetch_add, 8);
    one.add("ours", case_.stack, with(serving, [this] { return near_->fetch_add(slice_ns); }));
    add_peers(one);
    one.run();
  }

  void adds() {
    Row one = row(Measure::add_flood, 8);
    one.add("ours", case_.stack, flooding(8, [this](std::uint64_t count) { return near_->adds(count); }));
    add_peers(one);
    one.run();
  }

  Program& program_;
  const Case& case_;
  Domain domain_;
  std::unique_ptr<PutEnd> far_;  // in the far process alone
  Duo duo_;
  std::unique_ptr<PutEnd> near_;
  Registers registers_;
};

}  // namespace

int main(int argc, char** argv) {
  Program program(argc, argv, "put", help);
  constexpr const char* rows[] = {"put", "delivered", "put_flood", "get", "fetch_add", "add_flood"};
  for (const Case& one : cases) {
    const bool wanted =
        program.wants(one.name) || std::any_of(std::begin(rows), std::end(rows), [&](auto* row) {
          return program.wants(one.name + (std::string(" ") + row));
        });
    if (wanted) Bench(program, one).run();
  }
  return program.finish();
}
