// SPDX-License-Identifier: Apache-2.0
// One way, or a flood, between two ranks of an MPI; prints ns. Compiled against Open MPI and MPICH alike.
//
//   mpirun -np 2 driver one_way BYTES TIMES    median of batches of half round trips
//   mpirun -np 2 driver flood BYTES TIMES      64 under way at a time, until the last has arrived
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <mpi.h>

namespace {

constexpr int window = 64;
constexpr int batches = 20;

void send(std::vector<char>& buffer) {
  MPI_Send(buffer.data(), static_cast<int>(buffer.size()), MPI_CHAR, 1, 0, MPI_COMM_WORLD);
}
void receive(std::vector<char>& buffer, int from) {
  MPI_Recv(buffer.data(), static_cast<int>(buffer.size()), MPI_CHAR, from, 0, MPI_COMM_WORLD,
           MPI_STATUS_IGNORE);
}

double one_way(int rank, std::vector<char>& buffer, long times) {
  std::vector<double> found;
  const long each = std::max(1L, times / batches);
  for (int batch = -2; batch < batches; ++batch) {
    const double begin = MPI_Wtime();
    for (long i = 0; i < each; ++i) {
      if (rank == 0) {
        send(buffer);
        receive(buffer, 1);
      } else {
        receive(buffer, 0);
        MPI_Send(buffer.data(), static_cast<int>(buffer.size()), MPI_CHAR, 0, 0, MPI_COMM_WORLD);
      }
    }
    if (batch >= 0) found.push_back((MPI_Wtime() - begin) * 1e9 / static_cast<double>(2 * each));
  }
  std::nth_element(found.begin(), found.begin() + batches / 2, found.end());
  return found[batches / 2];
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

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (argc == 4) {
    std::vector<char> buffer(static_cast<std::size_t>(std::strtol(argv[2], nullptr, 10)), 'x');
    const long times = std::strtol(argv[3], nullptr, 10);
    const bool ping = std::strcmp(argv[1], "one_way") == 0;
    const double ns = ping ? one_way(rank, buffer, times) : flood(rank, buffer, times);
    if (rank == 0) std::printf("%.1f\n", ns);
  }
  MPI_Finalize();
  return argc == 4 ? 0 : 2;
}
