// SPDX-License-Identifier: Apache-2.0
// Ours against the machine and its peers.
#include <harness/bench/compare/parts.hpp>

namespace {

using namespace harness::bench;

constexpr std::string_view help = R"(compare --quick            every comparison, briefly
compare --only latency     tcp, 64 B one way: raw sockets, ZeroMQ
compare --only rate        tcp, 64 B messages a second: ZeroMQ
compare --only bulk        tcp, bytes a second: iperf3
compare --only shm         shared memory by size: UCX, libfabric, Open MPI, MPICH, ZeroMQ ipc and inproc
compare --only tcp         tcp by size: the same over tcp, ZeroMQ with CURVE, raw sockets, iperf3
compare --only udp         udp by size: raw sockets, sendto, GSO and GRO; iperf3 over TCP
compare --only sealed      encrypted links: what they add over shared memory; udp and tcp against TLS 1.3,
                           ZeroMQ CURVE, iperf3 in clear

Two pinned processes of this machine, ours through Node and Link. A stack whose layers or transport this
program does not have, and a peer that is not installed, is skipped by name.
)";

}  // namespace

int main(int argc, char** argv) {
  Program program(argc, argv, "compare", help);
  if (program.wants("latency")) latency(program);
  if (program.wants("rate")) rate(program);
  if (program.wants("bulk")) bulk(program);
  for (const char* domain : {"shm", "tcp", "udp"})
    if (program.wants(domain)) sweep(program, domain);
  if (program.wants("sealed")) sealed(program);
  return program.finish();
}
