// SPDX-License-Identifier: Apache-2.0
// Puts the figures of several programs into one report: JSON, Markdown, HTML; the targets on the terminal.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string_view>

#include <harness/bench/report/google.hpp>
#include <harness/bench/report/html.hpp>
#include <harness/bench/support/figures.hpp>
#include <harness/bench/support/program.hpp>

namespace {

using namespace harness;
using namespace harness::bench;

constexpr std::string_view help =
    R"(report stack.json tcp.json --md report.md    one report of what two programs found
report *.json --json all.json --html all.html    and one page with plots

Prints the figures that have a target. Exit status: 0; 1 when a file cannot be read.
)";

std::vector<Report> read(const std::string& path) {
  std::ifstream file(path);
  if (!file)
    give_up({Errc::io, "cannot read " + path, "there is no such file", "bench/run, which writes it"});
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (Report micro; from_google(text, micro)) return {std::move(micro)};
  auto reports = from_json(text);
  if (!reports) give_up(reports.error());
  return *std::move(reports);
}

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) give_up({Errc::io, "cannot write " + path, "the system refused", "another folder"});
}

void print_targets(const std::vector<Report>& reports) {
  std::vector<Figure> judged;
  for (const Report& report : reports)
    std::copy_if(report.figures.begin(), report.figures.end(), std::back_inserter(judged),
                 [](const Figure& figure) { return figure.verdict != Verdict::shown; });
  const auto count = [&](Verdict verdict) {
    return std::count_if(judged.begin(), judged.end(),
                         [&](const Figure& figure) { return figure.verdict == verdict; });
  };
  std::printf("\n%s\n%td met, %td missed, %td skipped\n", to_lines(judged).c_str(), count(Verdict::met),
              count(Verdict::missed), count(Verdict::skipped));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Report> all;
  std::string json, markdown, html;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::fputs(help.data(), stdout);
      return 0;
    }
    std::string* const takes = argument == "--json"   ? &json
                               : argument == "--md"   ? &markdown
                               : argument == "--html" ? &html
                                                      : nullptr;
    if (takes != nullptr && i + 1 < argc) {
      *takes = argv[++i];
      continue;
    }
    for (Report& report : read(argument)) all.push_back(std::move(report));
  }
  if (!json.empty()) write(json, to_json(all));
  if (!markdown.empty()) write(markdown, to_markdown(all));
  if (!html.empty()) write(html, to_html(all));
  print_targets(all);
  return 0;
}
