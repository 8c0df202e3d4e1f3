// SPDX-License-Identifier: Apache-2.0
// Messages and one-sided operations between two ranks of an MPI; prints ns. Compiled against Open MPI and
// MPICH alike.
//
//   mpirun -np 2 driver one_way BYTES TIMES    median of batches of half round trips
//   mpirun -np 2 driver flood BYTES TIMES      64 under way at a time, until the last has arrived
//   mpirun -np 2 driver put 8 TIMES            each puts 8 bytes and looks into its own memory: half of it
//   … delivered BYTES TIMES                    MPI_Put and MPI_Win_flush
//   … put_flood, get, fetch_add, add_flood     floods: MPI_Win_flush_local every 64, MPI_Win_flush at the end
//
// The window is MPI_Win_allocate's under MPI_Win_lock_all, the cheapest that both have; with
// HARNESS_MPI_WINDOW=create it is MPI_Win_create's over memory of our own, which Open MPI does not reach past
// the network of its choice on one host. Who waits for bytes in its memory lets the library turn (MPI_Iprobe)
// every 16 looks; the target of all else waits in MPI_Recv.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <mpi.h>

namespace {

constexpr int window = 64;
constexpr int batches = 20;
constexpr std::size_t page = 4096;

void send(std::vector<char>& buffer) {
  MPI_Send(buffer.data(), static_cast<int>(buffer.size()), MPI_CHAR, 1, 0, MPI_COMM_WORLD);
}
void receive(std::vector<char>& buffer, int from) {
  MPI_Recv(buffer.data(), static_cast<int>(buffer.size()), MPI_CHAR, from, 0, MPI_COMM_WORLD,
           MPI_STATUS_IGNORE);
}

// The median of batches of `once`, in ns.
template <class Once>
double median_of(long times, Once once) {
  std::vector<double> found;
  const long each = std::max(1L, times / batches);
  for (int batch = -2; batch < batches; ++batch) {
    const double begin = MPI_Wtime();
    for (long i = 0; i < each; ++i) once();
    if (batch >= 0) found.push_back((MPI_Wtime() - begin) * 1e9 / static_cast<double>(each));
  }
  std::nth_element(found.begin(), found.begin() + batches / 2, found.end());
  return found[batches / 2];
}

double one_way(int rank, std::vector<char>& buffer, long times) {
  return median_of(times,
                   [&] {
                     if (rank == 0) {
                       send(buffer);
                       receive(buffer, 1);
                     } else {
                       receive(buffer, 0);
                       MPI_Send(buffer.data(), static_cast<int>(buffer.size()), MPI_CHAR, 0, 0,
                                MPI_COMM_WORLD);
                     }
                   }) /
         2;
}

double flood(int rank, std::vector<char>& buffer, long times) {
  std::vector<MPI_Request> requests(window);
  const long rounds = std::max(1L, times / window);
  const int bytes = static_cast<int>(buffer.size());
  char answer = 0;
  double begin = 0;
  for (long round = -1; round < rounds; ++round) {  // the first one warms up
    if (round == 0) begin = MPI_Wtime();
    for (MPI_Request& request : requests) {
      if (rank == 0) {
        MPI_Isend(buffer.data(), bytes, MPI_CHAR, 1, 0, MPI_COMM_WORLD, &request);
      } else {
        MPI_Irecv(buffer.data(), bytes, MPI_CHAR, 0, 0, MPI_COMM_WORLD, &request);
      }
    }
    MPI_Waitall(window, requests.data(), MPI_STATUSES_IGNORE);
  }
  if (rank == 0) {
    MPI_Recv(&answer, 1, MPI_CHAR, 1, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  } else {
    MPI_Send(&answer, 1, MPI_CHAR, 0, 1, MPI_COMM_WORLD);
  }
  return (MPI_Wtime() - begin) * 1e9 / static_cast<double>(rounds * window);
}

// What is one-sided, on a window of each rank's.
class OneSided {
 public:
  OneSided(int rank, std::size_t bytes) : rank_(rank), bytes_(static_cast<int>(bytes)), buffer_(bytes, 'x') {
    const std::size_t size = (bytes + page - 1) / page * page;
    const auto length = static_cast<MPI_Aint>(size);
    if (const char* kind = std::getenv("HARNESS_MPI_WINDOW");
        kind != nullptr && kind == std::string("create")) {
      own_.reset(std::aligned_alloc(page, size));
      memory_ = own_.get();
      MPI_Win_create(memory_, length, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &window_);
    } else {
      MPI_Win_allocate(length, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &memory_, &window_);
    }
    std::memset(memory_, 0, size);
    MPI_Win_lock_all(MPI_MODE_NOCHECK, window_);
    MPI_Barrier(MPI_COMM_WORLD);
  }
  ~OneSided() {
    MPI_Win_unlock_all(window_);
    MPI_Win_free(&window_);
  }
  OneSided(const OneSided&) = delete;
  OneSided& operator=(const OneSided&) = delete;

  double run(const std::string& what, long times) {
    if (what == "put") return puts(times);
    const double ns = rank_ == 0 ? measure(what, times) : 0;
    char over = 0;
    if (rank_ == 0) {
      MPI_Send(&over, 1, MPI_CHAR, 1, 2, MPI_COMM_WORLD);
    } else {
      MPI_Recv(&over, 1, MPI_CHAR, 0, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    return ns;
  }

 private:
  double puts(long times) {
    std::uint64_t number = 0;
    return median_of(times,
                     [&] {
                       ++number;
                       if (rank_ == 1) wait_for(number);
                       MPI_Put(&number, 1, MPI_UINT64_T, 1 - rank_, 0, 1, MPI_UINT64_T, window_);
                       MPI_Win_flush(1 - rank_, window_);
                       if (rank_ == 0) wait_for(number);
                     }) /
           2;
  }
  double measure(const std::string& what, long times) {
    if (what == "delivered")
      return median_of(times, [&] {
        put();
        flush();
      });
    if (what == "get")
      return median_of(times, [&] {
        MPI_Get(buffer_.data(), bytes_, MPI_CHAR, 1, 0, bytes_, MPI_CHAR, window_);
        flush();
      });
    if (what == "fetch_add")
      return median_of(times, [&] {
        MPI_Fetch_and_op(&one_, &former_, MPI_UINT64_T, 1, 0, MPI_SUM, window_);
        flush();
      });
    if (what == "add_flood")
      return flood(times,
                   [&] { MPI_Accumulate(&one_, 1, MPI_UINT64_T, 1, 0, 1, MPI_UINT64_T, MPI_SUM, window_); });
    return flood(times, [&] { put(); });
  }
  template <class Once>
  double flood(long times, Once once) {
    const long rounds = std::max(1L, times / window);
    double begin = 0;
    for (long round = -1; round < rounds; ++round) {  // the first one warms up
      if (round == 0) begin = MPI_Wtime();
      for (int i = 0; i < window; ++i) once();
      MPI_Win_flush_local(1, window_);
    }
    flush();
    return (MPI_Wtime() - begin) * 1e9 / static_cast<double>(rounds * window);
  }
  void put() { MPI_Put(buffer_.data(), bytes_, MPI_CHAR, 1, 0, bytes_, MPI_CHAR, window_); }
  void flush() { MPI_Win_flush(1, window_); }
  void wait_for(std::uint64_t number) {
    const std::atomic_ref word(*static_cast<std::uint64_t*>(memory_));
    for (unsigned looks = 1; word.load(std::memory_order_acquire) != number; ++looks) {
      int waits = 0;
      if (looks % 16 == 0) MPI_Iprobe(1 - rank_, 1, MPI_COMM_WORLD, &waits, MPI_STATUS_IGNORE);
    }
  }

  struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
  };
  int rank_, bytes_;
  std::vector<char> buffer_;
  std::unique_ptr<void, Free> own_;
  void* memory_ = nullptr;
  MPI_Win window_ = MPI_WIN_NULL;
  std::uint64_t one_ = 1, former_ = 0;
};

double measured(const std::string& what, int rank, std::size_t bytes, long times) {
  std::vector<char> buffer(bytes, 'x');
  if (what == "one_way") return one_way(rank, buffer, times);
  if (what == "flood") return flood(rank, buffer, times);
  return OneSided(rank, bytes).run(what, times);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (argc == 4) {
    const auto bytes = static_cast<std::size_t>(std::strtol(argv[2], nullptr, 10));
    const double ns = measured(argv[1], rank, bytes, std::strtol(argv[3], nullptr, 10));
    if (rank == 0) std::printf("%.1f\n", ns);
  }
  MPI_Finalize();
  return argc == 4 ? 0 : 2;
}
