// SPDX-License-Identifier: Apache-2.0
// See put_end.hpp.
#include <harness/bench/put/put_end.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>

#include <fmt/format.h>

#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>
#include <harness/stack/one_sided.hpp>
#include <harness/stack/spec.hpp>

namespace harness::bench {

namespace {

constexpr unsigned near_text = 1, far_text = 2;  // of the board: the handles

std::string text_of(const RegionHandle& handle) {
  std::string text;
  for (const std::byte byte : handle.pack()) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return text;
}

RegionHandle handle_of(const std::string& text) {
  std::array<std::byte, RegionHandle::packed_bytes> packed{};
  for (std::size_t i = 0; i < packed.size() && 2 * i + 1 < text.size(); ++i) {
    unsigned value = 0;
    std::from_chars(text.data() + 2 * i, text.data() + 2 * i + 2, value, 16);
    packed[i] = static_cast<std::byte>(value);
  }
  auto handle = RegionHandle::unpack(packed);
  if (!handle) give_up(handle.error());
  return *handle;
}

void must(Errc code, const char* what) {
  if (code != Errc::ok) give_up({code, what, "the link refused it", "the program again"});
}

}  // namespace

PutEnd::PutEnd(const std::string& name, unsigned batch) : end_(name), batch_(batch) {
  auto memory = RegionMemory::make(bytes_at + 2 * std::uint64_t{bytes_max});
  if (!memory) give_up(memory.error());
  memory_ = std::move(*memory);
  std::ranges::fill(source(bytes_max), std::byte{'x'});
}

// ---- far side ----

Result<std::string> PutEnd::listen(const std::string& stack) {
  const auto name = add_transport(stack);
  if (!name) return name;
  return end_.listen(*name == "shm" ? "shm:" : *name + ":127.0.0.1:0");
}

void PutEnd::meet(Board& board) {
  link_ = end_.node().find("near", "echo");
  if (link_ == nullptr)
    give_up({Errc::not_found, "no link to put over", "nobody dialled", "the program again"});
  board.put_text(far_text, expose(*link_));
  take(board);
  board.answer.set(2);
}

void PutEnd::answer(const Duo::Still& still, Told told, unsigned looks) {
  while (still)
    if (look_for(number_ + 1, told, looks, still)) put_back(++number_, told);
}

// ---- near side ----

Result<> PutEnd::open(const std::string& stack, const std::string& address) {
  if (auto name = add_transport(stack); !name) return tl::unexpected<Error>(name.error());
  link_ = end_.open(stack, address, "echo");
  sink_ = end_.open(stack, address, "sink");
  return {};
}

void PutEnd::offer(Board& board) { board.put_text(near_text, expose(*link_)); }

void PutEnd::take(const Board& board) {
  theirs_ = handle_of(board.get_text(link_->role() == Role::initiator ? far_text : near_text));
}

double PutEnd::puts(std::uint64_t budget_ns, Told told, unsigned looks) {
  const double round_trip = median_of_batches(budget_ns, sizeof carried_, [&] {
    put_back(++number_, told);
    look_for(number_, told, looks, true);
  });
  return round_trip / 2;
}

double PutEnd::delivered(std::uint32_t bytes, std::uint64_t budget_ns) {
  return median_of_batches(budget_ns, bytes, [&] {
    must(one_sided().put(operations_[0], theirs_, bytes_at, source(bytes), {.done = Done::delivered}),
         "a put");
    end(operations_[0]);
  });
}

double PutEnd::flood(std::uint32_t bytes, std::uint64_t count) {
  return time_of(count, [&](Operation& operation) {
    must(one_sided().put(operation, theirs_, bytes_at, source(bytes)), "a put");
  });
}

double PutEnd::get(std::uint32_t bytes, std::uint64_t budget_ns) {
  return median_of_batches(budget_ns, bytes, [&] {
    must(one_sided().get(operations_[0], theirs_, bytes_at, source(bytes)), "a get");
    end(operations_[0]);
  });
}

double PutEnd::fetch_add(std::uint64_t budget_ns) {
  return median_of_batches(budget_ns, sizeof carried_, [&] {
    must(one_sided().atomic(operations_[0], AtomicOp::add, theirs_, offsetof(Words, counter), 1), "an add");
    end(operations_[0]);
  });
}

double PutEnd::adds(std::uint64_t count) {
  return time_of(count, [&](Operation& operation) {
    must(one_sided().atomic(operation, AtomicOp::add, theirs_, offsetof(Words, counter), 1), "an add");
  });
}

double PutEnd::round_trip(std::uint32_t bytes, std::uint64_t budget_ns) {
  return 2 * end_.trips(*link_, bytes, batch(bytes), budget_ns);
}

double PutEnd::messages(std::uint32_t bytes, std::uint64_t count, const Board& board) {
  return end_.flood(*sink_, bytes, count, board);
}

// ---- both ----

// One for the node, with the stack's options; its name.
Result<std::string> PutEnd::add_transport(const std::string& stack) {
  const auto spec = stack_from(stack, end_.node().catalogue());
  if (!spec) return tl::unexpected<Error>(spec.error());
  auto transport = spec->transport->make(end_.engine(), spec->transport_options);
  if (!transport) return tl::unexpected<Error>(transport.error());
  end_.node().add(std::shared_ptr<Transport>(std::move(*transport)));
  return std::string(spec->transport->name);
}

OneSided& PutEnd::one_sided() {
  OneSided* const access = link_->one_sided();
  if (access == nullptr) give_up(link_->error());
  return *access;
}

std::string PutEnd::expose(Link& link) {
  auto handle = link.regions().expose(memory_->bytes(), Access::all, AtomicDomain::cpu, memory_);
  if (!handle) give_up(handle.error());
  return text_of(*handle);
}

void PutEnd::put_back(std::uint64_t number, Told told) {
  Operation& operation = operations_[number % operations];
  end(operation);
  carried_ = number;
  const Signal signal{.kind = told == Told::by_signal ? Signal::Kind::word : Signal::Kind::none,
                      .region = theirs_,
                      .offset = offsetof(Words, signalled),
                      .value = number};
  must(one_sided().put(operation, theirs_, offsetof(Words, data), std::as_bytes(std::span(&carried_, 1)),
                       {.signal = signal}),
       "a put");
}

// False: it no longer goes on. The bytes are there when the word is.
template <class Goes>
bool PutEnd::look_for(std::uint64_t number, Told told, unsigned looks, const Goes& goes) {
  const std::atomic_ref word(told == Told::by_signal ? words().signalled : words().data);
  while (goes) {
    for (unsigned look = 0; look < looks; ++look)
      if (word.load(std::memory_order_acquire) == number) {
        if (words().data != number) give_up({Errc::corrupt, "a signal came before its bytes", {}, {}});
        return true;
      }
    end_.engine().poll();
  }
  return false;
}

void PutEnd::end(Operation& operation) {
  while (operation.busy()) end_.engine().poll();
  must(operation.code(), "an operation");
}

void PutEnd::flush() {
  Operation operation;
  must(one_sided().flush(operation), "a flush");
  end(operation);
}

template <class Once>
double PutEnd::median_of_batches(std::uint64_t budget_ns, std::uint32_t bytes, Once once) {
  std::vector<double> times;
  const unsigned count = batch(bytes);
  const std::uint64_t stop = now_ns() + budget_ns;
  for (std::uint64_t begin = now_ns(); begin < stop;) {
    for (unsigned i = 0; i < count; ++i) once();
    const std::uint64_t now = now_ns();
    times.push_back(static_cast<double>(now - begin) / count);
    begin = now;
  }
  return median_of(std::move(times));
}

template <class Once>
double PutEnd::time_of(std::uint64_t count, Once once) {
  const std::uint64_t begin = now_ns();
  for (std::uint64_t i = 0; i < count; ++i) {
    Operation& operation = operations_[i % operations];
    while (operation.busy()) end_.engine().poll();
    once(operation);
  }
  flush();
  for (Operation& operation : operations_) end(operation);
  return static_cast<double>(now_ns() - begin) / static_cast<double>(count);
}

}  // namespace harness::bench
