// SPDX-License-Identifier: Apache-2.0
// See figures.hpp.
#include <harness/bench/support/figures.hpp>

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace harness::bench {

namespace {

using nlohmann::json;

constexpr std::array verdict_words = {"shown", "met", "missed", "skipped"};
constexpr int schema = 1;

const char* word(Verdict verdict) { return verdict_words[static_cast<std::size_t>(verdict)]; }

std::string number(double value) {
  if (std::isnan(value)) return "";
  const double size = std::abs(value);
  if (size == 0) return "0";
  if (size >= 1e6) return fmt::format("{:.2f} M", value / 1e6);
  return fmt::format("{:.{}f}", value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

std::string with_unit(double value, const std::string& unit) {
  return std::isnan(value) ? std::string("–") : number(value) + " " + unit;
}

json to_value(const Figure& figure) {
  json value{{"name", figure.name}, {"unit", figure.unit}, {"verdict", word(figure.verdict)}};
  const auto put = [&](const char* key, double number) {
    if (!std::isnan(number)) value[key] = number;
  };
  const auto put_text = [&](const char* key, const std::string& text) {
    if (!text.empty()) value[key] = text;
  };
  put("value", figure.value);
  put("p50", figure.p50);
  put("p99", figure.p99);
  put_text("peer", figure.peer);
  put("peer_value", figure.peer_value);
  put("ratio", figure.ratio);
  put_text("floor", figure.floor);
  put("floor_before_ns", figure.floor_before);
  put("floor_after_ns", figure.floor_after);
  put_text("target", figure.target);
  put_text("note", figure.note);
  put_text("chart", figure.chart);
  put_text("subject", figure.subject);
  put_text("role", figure.role);
  if (figure.bytes != 0) value["bytes"] = figure.bytes;
  if (figure.slices != 0) value["slices"] = figure.slices, value["dropped"] = figure.dropped;
  return value;
}

Figure to_figure(const json& value) {
  Figure figure;
  figure.name = value.at("name");
  figure.unit = value.at("unit");
  const auto found = std::find(verdict_words.begin(), verdict_words.end(),
                               value.at("verdict").get_ref<const std::string&>());
  figure.verdict = static_cast<Verdict>((found - verdict_words.begin()) % 4);
  figure.value = value.value("value", not_measured);
  figure.p50 = value.value("p50", not_measured);
  figure.p99 = value.value("p99", not_measured);
  figure.peer = value.value("peer", "");
  figure.peer_value = value.value("peer_value", not_measured);
  figure.ratio = value.value("ratio", not_measured);
  figure.floor = value.value("floor", "");
  figure.floor_before = value.value("floor_before_ns", not_measured);
  figure.floor_after = value.value("floor_after_ns", not_measured);
  figure.target = value.value("target", "");
  figure.note = value.value("note", "");
  figure.chart = value.value("chart", "");
  figure.subject = value.value("subject", "");
  figure.role = value.value("role", "");
  figure.bytes = value.value("bytes", 0u);
  figure.slices = value.value("slices", 0u);
  figure.dropped = value.value("dropped", 0u);
  return figure;
}

Figure& judge(Figure& figure, bool good, double judged, std::string text) {
  figure.target = std::move(text);
  figure.verdict = std::isnan(judged) ? Verdict::skipped : good ? Verdict::met : Verdict::missed;
  return figure;
}

// Floor and slices in one cell: "cache line 58 → 61 ns, 25 slices, 2 dropped".
std::string circumstances(const Figure& figure) {
  std::string text;
  if (!figure.floor.empty())
    text =
        fmt::format("{} {} → {} ns", figure.floor, number(figure.floor_before), number(figure.floor_after));
  if (figure.slices != 0) text += fmt::format("{}{} slices", text.empty() ? "" : ", ", figure.slices);
  if (figure.dropped != 0) text += fmt::format(", {} dropped", figure.dropped);
  return text;
}

std::string compared(const Figure& figure) {
  if (figure.peer.empty()) return "";
  return fmt::format("{} {}", figure.peer, with_unit(figure.peer_value, figure.unit));
}

void add_rows(std::string& text, const Report& report, bool with_target) {
  bool head = false;
  for (const Figure& figure : report.figures) {
    if (figure.target.empty() == with_target) continue;
    if (!std::exchange(head, true))
      text += with_target
                  ? "\n| what | measured | p50 / p99 | against | ratio | target | verdict | floor, slices |\n"
                    "|---|---|---|---|---|---|---|---|\n"
                  : "\n| what | measured | p50 / p99 | against | ratio | floor, slices "
                    "|\n|---|---|---|---|---|---|\n";
    const std::string spread = std::isnan(figure.p50) ? "" : number(figure.p50) + " / " + number(figure.p99);
    text += fmt::format("| {} | {} | {} | {} | {} |", figure.name, with_unit(figure.value, figure.unit),
                        spread, compared(figure), number(figure.ratio));
    if (with_target) text += fmt::format(" {} | {} |", figure.target, word(figure.verdict));
    text += fmt::format(
        " {} |\n", figure.note.empty()
                       ? circumstances(figure)
                       : circumstances(figure) + (circumstances(figure).empty() ? "" : "; ") + figure.note);
  }
}

}  // namespace

Figure& Figure::at_most(double judged, double bound, std::string text) {
  return judge(*this, judged <= bound, judged, std::move(text));
}

Figure& Figure::at_least(double judged, double bound, std::string text) {
  return judge(*this, judged >= bound, judged, std::move(text));
}

Figure& Figure::from(const Outcome& outcome, std::size_t course, double scale) {
  value = outcome.courses[course].median() * scale;
  slices = outcome.courses[course].kept();
  dropped = static_cast<unsigned>(outcome.courses[course].values.size()) - slices;
  floor = outcome.floor_name;
  floor_before = outcome.floor_first;
  floor_after = outcome.floor_last;
  return *this;
}

Figure& Figure::against(const Outcome& outcome, std::size_t course, std::size_t other, double scale) {
  from(outcome, course, scale);
  peer = outcome.courses[other].name;
  peer_value = outcome.courses[other].median() * scale;
  ratio = outcome.ratio(course, other);
  return *this;
}

std::string size_text(std::uint32_t bytes) {
  if (bytes < 1024 || bytes % 1024 != 0) return fmt::format("{} B", bytes);
  return bytes < 1 << 20 ? fmt::format("{} KiB", bytes >> 10) : fmt::format("{} MiB", bytes >> 20);
}

std::string to_json(const std::vector<Report>& reports) {
  json all{{"schema", schema}, {"reports", json::array()}};
  for (const Report& report : reports) {
    const Machine& machine = report.machine;
    json one{{"program", report.program},
             {"machine",
              {{"cpu", machine.cpu},
               {"cores", machine.cores},
               {"kernel", machine.kernel},
               {"build", machine.build},
               {"commit", machine.commit},
               {"date", machine.date},
               {"load", machine.load}}},
             {"figures", json::array()}};
    for (const Figure& figure : report.figures) one["figures"].push_back(to_value(figure));
    all["reports"].push_back(std::move(one));
  }
  return all.dump(2) + "\n";
}

Result<std::vector<Report>> from_json(const std::string& text) {
  try {
    const json all = json::parse(text);
    std::vector<Report> reports;
    if (all.at("schema") != schema)
      return fail(Errc::invalid, "cannot read the report", "its schema is not 1");
    for (const json& one : all.at("reports")) {
      const json& at = one.at("machine");
      Report report{one.at("program"),
                    {at.at("cpu"), at.at("cores"), at.at("kernel"), at.at("build"), at.at("commit"),
                     at.at("date"), at.at("load")},
                    {}};
      for (const json& figure : one.at("figures")) report.figures.push_back(to_figure(figure));
      reports.push_back(std::move(report));
    }
    return reports;
  } catch (const json::exception& error) {
    return fail(Errc::invalid, "cannot read the report", error.what(), "bench/run, which writes it anew");
  }
}

std::string to_markdown(const std::vector<Report>& reports) {
  std::string text = "# Benchmark report\n";
  if (!reports.empty()) {
    const Machine& machine = reports.front().machine;
    text +=
        fmt::format("\n{}, {} cores, {}, {}. Commit {}. {}, load {:.2f} at the start.\n", machine.cpu,
                    machine.cores, machine.kernel, machine.build, machine.commit, machine.date, machine.load);
  }
  text += "\n## Targets\n";
  for (const Report& report : reports) add_rows(text, report, true);
  for (const Report& report : reports) {
    text += "\n## " + report.program + "\n";
    add_rows(text, report, false);
  }
  return text;
}

std::string to_lines(const std::vector<Figure>& figures) {
  std::string text;
  for (const Figure& figure : figures) {
    text += fmt::format("{:<52} {:>14}", figure.name, with_unit(figure.value, figure.unit));
    if (!std::isnan(figure.p50))
      text += fmt::format("  p50 {} p99 {}", number(figure.p50), number(figure.p99));
    if (!figure.peer.empty()) text += fmt::format("  {} × {}", number(figure.ratio), compared(figure));
    if (!figure.target.empty()) text += fmt::format("  {} ({})", word(figure.verdict), figure.target);
    if (!figure.note.empty()) text += "  " + figure.note;
    text += "\n";
  }
  return text;
}

}  // namespace harness::bench
