// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without libFuzzer: every file of the folders given as arguments, then a fixed number of
// seeded mutations of them, so that the ordinary and the sanitizer test runs (GCC) cover each target as well.
// Arguments that begin with '-' belong to libFuzzer and are skipped. HARNESS_SEED changes the mutations.
#include <harness/tests/support/seed.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;
constexpr int mutations_per_input = 200;
constexpr int inputs_from_nothing = 2000;
constexpr std::size_t input_bytes_max = 4096;

std::vector<Input> read_corpus(int argc, char** argv) {
  std::vector<Input> inputs{Input{}};
  for (int i = 1; i < argc; ++i) {
    if (argv[i][0] == '-') continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  return inputs;
}

Input mutate(Input input, std::mt19937_64& random) {
  const auto below = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const auto byte = [&random] { return static_cast<std::uint8_t>(random()); };
  for (std::size_t change = 0, changes = 1 + below(8); change < changes; ++change) {
    const auto at = input.begin() + static_cast<std::ptrdiff_t>(below(input.size() + 1));
    switch (below(4)) {
      case 0: input.insert(at, byte()); break;
      case 1:
        if (at != input.end()) input.erase(at, input.end());
        break;
      case 2:
        if (at != input.end()) *at = byte();
        break;
      default:
        if (at != input.end()) *at = static_cast<std::uint8_t>(*at ^ (1U << below(8)));
        break;
    }
  }
  if (input.size() > input_bytes_max) input.resize(input_bytes_max);
  return input;
}

void run(const Input& input) {
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t seed = harness::tests::seed(1);
  std::printf("replaying with HARNESS_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  std::mt19937_64 random(seed);
  const std::vector<Input> inputs = read_corpus(argc, argv);
  for (const Input& input : inputs) {
    run(input);
    for (int i = 0; i < mutations_per_input; ++i) run(mutate(input, random));
  }
  for (int i = 0; i < inputs_from_nothing; ++i) {
    Input input(random() % 256);
    for (auto& byte : input) byte = static_cast<std::uint8_t>(random());
    run(input);
  }
  std::printf("replayed %zu inputs\n", inputs.size());
  return 0;
}
