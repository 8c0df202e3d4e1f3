// SPDX-License-Identifier: Apache-2.0
// Open MPI and MPICH by one driver of ours, compiled against each (bench/mpi). MPICH of Debian runs on UCX
// within a node: it is no independent peer.
#include <climits>
#include <cstdlib>
#include <limits>
#include <sstream>

#include <unistd.h>

#include <harness/bench/compare/tool.hpp>
#include <harness/bench/support/children.hpp>

namespace harness::bench {

namespace {

std::string beside_us(const std::string& name) {
  std::string path(PATH_MAX, 0);
  const ssize_t got = readlink("/proc/self/exe", path.data(), path.size());
  path.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return path.substr(0, path.rfind('/') + 1) + name;
}

class Mpi final : public Tool {
 public:
  Mpi(std::string name, std::string flavour, std::vector<std::string> settings)
      : name_(std::move(name)), flavour_(std::move(flavour)), settings_(std::move(settings)) {}
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::string missing() const override {
    if (installed("mpirun." + flavour_) && access(driver().c_str(), X_OK) == 0) return {};
    return flavour_ == "openmpi" ? "apt-get install openmpi-bin libopenmpi-dev, then build again"
                                 : "apt-get install mpich libmpich-dev, then build again";
  }
  [[nodiscard]] std::vector<std::string> settings(const Point&) const override { return settings_; }

  double ns(const Point& point, const std::string& setting, std::uint64_t repetitions) override {
    Command command{{"mpirun." + flavour_}, {}, -1};
    std::istringstream parts(setting);
    for (std::string part; parts >> part;)
      (part.find('=') == std::string::npos ? command.words : command.environment).push_back(part);
    for (const std::string& word : {std::string("-np"), std::string("2"), driver(),
                                    std::string(point.what == Measure::one_way ? "one_way" : "flood"),
                                    std::to_string(point.bytes), std::to_string(repetitions)})
      command.words.push_back(word);
    for (const char* allow : {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"})
      command.environment.emplace_back(allow);
    const std::string text = run_alone(command);
    return text.empty() ? std::numeric_limits<double>::quiet_NaN() : std::strtod(text.c_str(), nullptr);
  }

 private:
  [[nodiscard]] std::string driver() const { return beside_us("mpi_" + flavour_); }
  std::string name_, flavour_;
  std::vector<std::string> settings_;
};

}  // namespace

std::unique_ptr<Tool> open_mpi(bool shared_memory) {
  const std::string base = "--bind-to core --mca pml ob1 --mca btl ";
  if (!shared_memory)
    return std::make_unique<Mpi>("Open MPI", "openmpi", std::vector<std::string>{base + "tcp,self"});
  return std::make_unique<Mpi>(
      "Open MPI", "openmpi",
      std::vector<std::string>{base + "vader,self",
                               base + "vader,self --mca btl_vader_single_copy_mechanism none"});
}

std::unique_ptr<Tool> mpich(bool shared_memory) {
  if (!shared_memory)
    return std::make_unique<Mpi>("MPICH", "mpich",
                                 std::vector<std::string>{"-bind-to core UCX_TLS=tcp,self"});
  return std::make_unique<Mpi>("MPICH", "mpich",
                               std::vector<std::string>{"-bind-to core", "-bind-to core UCX_TLS=posix,self"});
}

}  // namespace harness::bench
