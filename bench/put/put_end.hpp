// SPDX-License-Identifier: Apache-2.0
// One side of a link by which both ends put into each other's memory. The handles go over the board.
//
// What the far side's program does is told apart: it lets its engine turn (`serve`), which is all that a put
// carried by messages wants of it; or it looks into its own memory for a word that a put sets, and puts one
// back (`answer`). Where the transport itself reaches the memory, looking needs no turn of the engine; an
// application has other links and timers, so the engine gets one every `looks` looks all the same.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <harness/bench/support/link_end.hpp>
#include <harness/transports/region_memory.hpp>

namespace harness::bench {

/// By what a program knows that a put is there: the word that it signals, or the last of its own bytes, which
/// says so of one word alone and is all that the peers have.
enum class Told : std::uint8_t { by_signal, by_bytes };

class PutEnd {
 public:
  static constexpr std::uint32_t bytes_max = 4u << 20;
  static constexpr unsigned operations = 64;  // under way at a time, in floods

  /// `batch`: operations of up to 1 KiB between two looks at the clock, for all that is one at a time.
  PutEnd(const std::string& name, unsigned batch);
  PutEnd(const PutEnd&) = delete;
  PutEnd& operator=(const PutEnd&) = delete;

  // ---- far side ----

  /// Listens for links of this stack, over a transport of its options. Errors: those of making the transport.
  Result<std::string> listen(const std::string& stack);
  /// Exposes the memory on the link "echo" and swaps handles over the board.
  void meet(Board& board);
  void serve(Board& board, const Duo::Still& still) { end_.serve(board, still); }
  void answer(const Duo::Still& still, Told told, unsigned looks);

  // ---- near side: every figure in ns, the far side serving, but for `puts` ----

  /// Opens the links of this stack over a transport of its options, the far side serving. Errors: as listen.
  Result<> open(const std::string& stack, const std::string& address);
  /// Exposes the memory on the link "echo"; the far side then meets; then takes its handle.
  void offer(Board& board);
  void take(const Board& board);
  /// Puts 8 B, and signals a word next to them or not, until the answering far side has put as much back;
  /// half of it.
  double puts(std::uint64_t budget_ns, Told told, unsigned looks);
  /// A put until it is delivered.
  double delivered(std::uint32_t bytes, std::uint64_t budget_ns);
  /// Puts as fast as they are taken, until all are delivered; of one.
  double flood(std::uint32_t bytes, std::uint64_t count);
  double get(std::uint32_t bytes, std::uint64_t budget_ns);
  /// 1 added to a word; ends with its former value.
  double fetch_add(std::uint64_t budget_ns);
  /// … as fast as they are taken; of one.
  double adds(std::uint64_t count);
  /// A message there and its answer, of the same link: the whole round trip.
  double round_trip(std::uint32_t bytes, std::uint64_t budget_ns);
  /// One of a flood of messages over a link of the same stack.
  double messages(std::uint32_t bytes, std::uint64_t count, const Board& board);

 private:
  // What is exposed: words, bytes that are put to, and those that are put from, each on pages of their own.
  struct Words {
    std::uint64_t data, signalled;         // of one cache line
    alignas(64) std::uint64_t counter, _;  // for atomic operations
  };
  static constexpr std::uint64_t bytes_at = 4096;

  [[nodiscard]] Words& words() noexcept { return *memory_->as<Words>(); }
  [[nodiscard]] MutableBytes source(std::uint32_t bytes) const noexcept {
    return memory_->bytes().subspan(bytes_at + bytes_max, bytes);
  }
  Result<std::string> add_transport(const std::string& stack);
  OneSided& one_sided();
  std::string expose(Link& link);
  void put_back(std::uint64_t number, Told told);
  template <class Goes>
  bool look_for(std::uint64_t number, Told told, unsigned looks, const Goes& goes);
  void end(Operation& operation);
  void flush();
  template <class Once>
  double median_of_batches(std::uint64_t budget_ns, std::uint32_t bytes, Once once);
  [[nodiscard]] unsigned batch(std::uint32_t bytes) const noexcept { return bytes <= 1024 ? batch_ : 1; }
  template <class Once>
  double time_of(std::uint64_t count, Once once);

  LinkEnd end_;
  unsigned batch_;
  std::shared_ptr<RegionMemory> memory_;
  std::shared_ptr<Link> link_, sink_;
  RegionHandle theirs_{};
  std::array<Operation, operations> operations_;
  std::uint64_t number_ = 0;   // of the last put that was signalled
  std::uint64_t carried_ = 0;  // what it puts
};

}  // namespace harness::bench
