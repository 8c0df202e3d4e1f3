// SPDX-License-Identifier: Apache-2.0
// See program.hpp.
#include <harness/bench/support/program.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace harness::bench {

namespace {

constexpr std::string_view options_text = R"(
  --quick      fewer and shorter slices: shows that it works, not how fast
  --only PART  this part alone
  --json FILE  write the figures as JSON
  --md FILE    write the figures as Markdown
)";

[[noreturn]] void usage_error(const std::string& program, const std::string& what, const char* because) {
  std::fprintf(stderr, "error: %s\nbecause: %s\ntry: %s --help\n", what.c_str(), because, program.c_str());
  std::exit(2);
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) give_up({Errc::io, "cannot write " + path, "the system refused", "another folder"});
}

}  // namespace

void give_up(const Error& error) {
  std::fprintf(stderr, "%s\n", error.text().c_str());
  std::exit(1);
}

Program::Program(int argc, char** argv, std::string name, std::string_view help)
    : report_{std::move(name), this_machine(), {}} {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::printf("%.*s%.*s", static_cast<int>(help.size()), help.data(),
                  static_cast<int>(options_text.size()), options_text.data());
      std::exit(0);
    }
    if (argument == "--quick") {
      quick_ = true;
      continue;
    }
    std::string* const takes = argument == "--only"   ? &only_
                               : argument == "--json" ? &json_
                               : argument == "--md"   ? &markdown_
                                                      : nullptr;
    if (takes == nullptr) usage_error(argv[0], std::string(argument), "there is no such option");
    if (++i == argc) usage_error(argv[0], std::string(argument), "it needs a value");
    *takes = argv[i];
  }
  const Machine& at = report_.machine;
  std::printf("%s: %s, %u cores, %s, load %.2f\n", report_.program.c_str(), at.cpu.c_str(), at.cores,
              at.build.c_str(), at.load);
}

bool Program::wants(std::string_view part) const noexcept { return only_.empty() || only_ == part; }

ContestOptions Program::contest_options(unsigned rounds) const noexcept {
  if (quick_) return {.rounds = 2, .rounds_max = 2, .warm_up = 1};
  return {.rounds = rounds, .rounds_max = rounds * 2 + rounds / 2};
}

void Program::show(Figure figure) {
  std::printf("%s", to_lines({figure}).c_str());
  std::fflush(stdout);
  report_.figures.push_back(std::move(figure));
}

void Program::skip(std::string name, std::string why) {
  Figure figure{.name = std::move(name)};
  figure.verdict = Verdict::skipped;
  figure.note = std::move(why);
  show(std::move(figure));
}

int Program::finish() {
  if (!json_.empty()) write_file(json_, to_json({report_}));
  if (!markdown_.empty()) write_file(markdown_, to_markdown({report_}));
  return 0;
}

}  // namespace harness::bench
