// SPDX-License-Identifier: Apache-2.0
// Open MPI and MPICH by one driver of ours, compiled against each (bench/mpi), and Open MPI's OpenSHMEM by
// another (bench/shmem). MPICH of Debian runs on UCX within a node: it is no independent peer.
#include <cstdlib>
#include <limits>
#include <sstream>

#include <unistd.h>

#include <harness/bench/support/children.hpp>
#include <harness/bench/support/tool.hpp>

namespace harness::bench {

namespace {

// Which program starts two of a driver, and what is to be installed for both.
struct Launch {
  const char* launcher;
  const char* driver;
  const char* packages;
};
constexpr Launch openmpi{"mpirun.openmpi", "mpi_openmpi", "openmpi-bin libopenmpi-dev"};
constexpr Launch mpich_hydra{"mpirun.mpich", "mpi_mpich", "mpich libmpich-dev"};
constexpr Launch oshmem{"oshrun", "shmem", "openmpi-bin libopenmpi-dev"};

class Ranks final : public Tool {
 public:
  // Those of `puts` are for what is one-sided.
  Ranks(std::string name, Launch launch, std::vector<std::string> settings, std::vector<std::string> puts)
      : name_(std::move(name)), launch_(launch), settings_(std::move(settings)), puts_(std::move(puts)) {}
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::string missing() const override {
    if (installed(launch_.launcher) && access(beside_us(launch_.driver).c_str(), X_OK) == 0) return {};
    return std::string("apt-get install ") + launch_.packages + ", then build again";
  }
  [[nodiscard]] std::vector<std::string> settings(const Point& point) const override {
    const bool of_messages = point.what == Measure::one_way || point.what == Measure::flood;
    return of_messages ? settings_ : puts_;
  }

  double ns(const Point& point, const std::string& setting, std::uint64_t repetitions) override {
    Command command{{launch_.launcher}, {}, -1};
    std::istringstream parts(setting);
    for (std::string part; parts >> part;)
      (part.find('=') == std::string::npos ? command.words : command.environment).push_back(part);
    for (const std::string& word :
         {std::string("-np"), std::string("2"), beside_us(launch_.driver), std::string(word_of(point.what)),
          std::to_string(point.bytes), std::to_string(repetitions)})
      command.words.push_back(word);
    for (const char* allow : {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"})
      command.environment.emplace_back(allow);
    const std::string text = run_alone(command);
    return text.empty() ? std::numeric_limits<double>::quiet_NaN() : std::strtod(text.c_str(), nullptr);
  }

 private:
  std::string name_;
  Launch launch_;
  std::vector<std::string> settings_, puts_;
};

using Settings = std::vector<std::string>;
std::unique_ptr<Tool> ranks(const char* name, Launch launch, Settings settings, Settings puts) {
  return std::make_unique<Ranks>(name, launch, std::move(settings), std::move(puts));
}

}  // namespace

std::unique_ptr<Tool> open_mpi(bool shared_memory) {
  // Not osc rdma over tcp: its flush ends when the own socket has the bytes, before the target has them.
  const std::string base = "--bind-to core --mca pml ob1 --mca btl ";
  if (!shared_memory)
    return ranks("Open MPI", openmpi, {base + "tcp,self"}, {base + "tcp,self --mca osc pt2pt"});
  const std::string vader = base + "vader,self";
  return ranks("Open MPI", openmpi, {vader, vader + " --mca btl_vader_single_copy_mechanism none"},
               {vader + " --mca osc sm", vader + " --mca osc rdma",
                "--bind-to core --mca osc ucx UCX_TLS=posix,self"});
}

// Over shm its one-sided operations are libfabric's own (osc rdma on btl ofi), in a window that the ranks do
// not map besides; btl ofi refuses ofi_rxm, which does not honour completion of delivery, so there messages
// of libfabric carry them (osc pt2pt on mtl ofi). That in turn refuses shm, which reaches no other host.
std::unique_ptr<Tool> open_mpi_over(const std::string& provider) {
  if (provider != "shm")
    return ranks("Open MPI", openmpi, {},
                 {"--bind-to core --mca pml cm --mca mtl ofi --mca mtl_ofi_provider_include " + provider +
                  " --mca osc pt2pt"});
  const std::string rdma =
      "HARNESS_MPI_WINDOW=create --bind-to core --mca pml ob1 --mca btl ofi,vader,self "
      "--mca btl_ofi_provider_include shm --mca osc rdma";
  return ranks("Open MPI", openmpi, {}, {rdma, rdma + " --mca btl_ofi_progress_threshold 1000"});
}

std::unique_ptr<Tool> mpich(bool shared_memory) {
  if (!shared_memory)
    return ranks("MPICH", mpich_hydra, {"-bind-to core UCX_TLS=tcp,self"},
                 {"-bind-to core MPIR_CVAR_NOLOCAL=1 UCX_TLS=tcp,self"});
  const Settings settings{"-bind-to core", "-bind-to core UCX_TLS=posix,self"};
  return ranks("MPICH", mpich_hydra, settings, settings);
}

std::unique_ptr<Tool> open_shmem(bool shared_memory) {
  if (!shared_memory) return ranks("OpenSHMEM", oshmem, {}, {"--bind-to core UCX_TLS=tcp,self"});
  return ranks("OpenSHMEM", oshmem, {},
               {"--bind-to core UCX_TLS=posix,self", "--bind-to core UCX_TLS=sysv,self",
                "--bind-to core UCX_TLS=posix,cma,self"});
}

}  // namespace harness::bench
