// SPDX-License-Identifier: Apache-2.0
// Targets first, then a plot and its table a chart, then how the peers were tuned, then every other figure.
#include <harness/bench/report/html.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include <harness/bench/report/chart.hpp>
#include <harness/bench/report/style.hpp>

namespace harness::bench {

namespace {

bool low_is_better(const std::string& unit) { return unit == "ns" || unit == "us"; }

std::string with_unit(double value, const Figure& figure) {
  if (std::isnan(value) || low_is_better(figure.unit)) return value_text(value, figure.unit);
  return value_text(value) + "&nbsp;" + figure.unit;
}

std::string ratio_text(double ratio) {
  return std::isnan(ratio) ? "" : fmt::format("{:.{}f} ×", ratio, ratio < 10 ? 2 : 1);
}

std::string head(const std::vector<Report>& reports) {
  std::string text = "<header><h1>Harness<span>what it measures</span></h1>";
  if (!reports.empty()) {
    const Machine& at = reports.front().machine;
    for (const auto& [name, value] : {std::pair{"processor", fmt::format("{}, {} cores", at.cpu, at.cores)},
                                      {"system", at.kernel},
                                      {"build", at.build},
                                      {"commit", at.commit},
                                      {"taken", at.date},
                                      {"load before", fmt::format("{:.2f}", at.load)}})
      text += fmt::format("<dl><dt>{}</dt><dd>{}</dd></dl>", name, escaped(value));
  }
  return text + "</header>";
}

// ---- targets ----

const char* state_of(const Figure& figure) {
  if (figure.verdict == Verdict::met) return "met";
  return figure.verdict == Verdict::missed ? "missed" : "open";
}

std::string target_row(const Figure& figure) {
  std::string name = figure.name;
  if (name.starts_with("target: ")) name.erase(0, 8);
  return fmt::format(
      R"(<tr class="{0}"><td>{1}</td><td class="n">{2}</td><td class="n">{3}</td><td class="n">{4}</td>)"
      R"(<td>{5}</td><td><b class="chip">{0}</b></td><td class="note">{6}</td></tr>)",
      state_of(figure), escaped(name), with_unit(figure.value, figure),
      figure.peer.empty() ? ""
                          : fmt::format("{} {}", escaped(figure.peer), with_unit(figure.peer_value, figure)),
      ratio_text(figure.ratio), escaped(figure.target), escaped(figure.note));
}

std::string targets(const std::vector<Report>& reports) {
  std::map<std::string, int> counts;
  std::string rows;
  for (const Report& report : reports)
    for (const Figure& figure : report.figures) {
      if (figure.target.empty()) continue;
      ++counts[state_of(figure)];
      rows += target_row(figure);
    }
  if (rows.empty()) return {};
  return fmt::format(R"(<section><h2>Targets</h2><p class="sum"><b class="met">{} met</b>)"
                     R"(<b class="missed">{} missed</b><b class="open">{} open</b></p>)",
                     counts["met"], counts["missed"], counts["open"]) +
         "<table><thead><tr><th>what<th class=n>measured<th class=n>against<th "
         "class=n>ratio<th>target<th>state<th></tr>"
         "</thead><tbody>" +
         rows + "</tbody></table></section>";
}

// ---- charts ----

std::string legend(const Chart& chart, const Palette& palette) {
  std::string text = R"(<p class="legend">)";
  for (const char* role : {"ours", "peer", "machine"})
    for (const Series& series : chart.series)
      if (series.role == role)
        text += fmt::format(R"(<span class="{} c{}"><i></i>{}</span>)", role, palette.of(series.subject),
                            escaped(series.subject));
  return text + "</p>";
}

const Figure* at_size(const Series& series, std::uint32_t bytes) {
  const auto found = std::find_if(series.points.begin(), series.points.end(),
                                  [&](const Figure* figure) { return figure->bytes == bytes; });
  return found == series.points.end() ? nullptr : *found;
}

std::string cell(const Figure* figure) {
  if (figure == nullptr || std::isnan(figure->value)) return R"(<td class="n dim">–</td>)";
  if (std::isnan(figure->ratio))
    return fmt::format(R"(<td class="n">{}</td>)", value_text(figure->value, figure->unit));
  const bool low = low_is_better(figure->unit);
  const bool ahead = low ? figure->ratio <= 1 : figure->ratio >= 1;
  return fmt::format(R"(<td class="n">{}<small class="{}" title="by {}">{}</small></td>)",
                     value_text(figure->value, figure->unit), ahead ? "ahead" : "behind",
                     escaped(figure->peer), ratio_text(figure->ratio));
}

std::string chart_table(const Chart& chart, const Palette& palette) {
  std::set<std::uint32_t> sizes;
  for (const Series& series : chart.series)
    for (const Figure* figure : series.points) sizes.insert(figure->bytes);
  std::string text =
      fmt::format("<table class=data><thead><tr><th>{}", low_is_better(chart.unit) ? "" : chart.unit);
  for (const std::uint32_t bytes : sizes) text += "<th class=n>" + size_text(bytes);
  text += "</tr></thead><tbody>";
  for (const char* role : {"ours", "peer", "machine"})
    for (const Series& series : chart.series) {
      if (series.role != role) continue;
      text += fmt::format(R"(<tr class="{0}"><td><span class="key {0} c{1}"><i></i>{2}</span></td>)", role,
                          palette.of(series.subject), escaped(series.subject));
      for (const std::uint32_t bytes : sizes) text += cell(at_size(series, bytes));
      text += "</tr>";
    }
  return text + "</tbody></table>";
}

std::string charts(const std::vector<Chart>& all) {
  static const std::map<std::string, std::string> titles = {
      {"shm", "Shared memory"},
      {"tcp", "TCP over loopback"},
      {"udp", "UDP over loopback"},
      {"put-shm", "One-sided: shared memory"},
      {"put-tcp", "One-sided: TCP over loopback"},
      {"put-udp", "One-sided: UDP over loopback"},
      {"put-ofi-shm", "One-sided: libfabric's shm"},
      {"put-ofi-tcp", "One-sided: libfabric's tcp;ofi_rxm"}};
  static const std::map<std::string, std::string> subtitles = {
      {"one way", "one way, one message at a time; less is better"},
      {"goodput", "goodput, as fast as they are taken; more is better"},
      {"rate", "messages a second; more is better"},
      {"delivered", "one put until it is delivered; less is better"},
      {"get", "one get until the bytes are here; less is better"}};
  const Palette palette(all);
  std::string text;
  std::string domain;
  for (const Chart& chart : all) {
    const std::string now = chart.name.substr(0, chart.name.find(' '));
    const std::string what = chart.name.substr(now.size() + 1);
    if (now != domain) {
      const auto title = titles.find(now);
      text +=
          (domain.empty() ? "" : "</div></section>") +
          fmt::format("<section><h2>{}</h2><div class=charts>", title == titles.end() ? now : title->second);
    }
    domain = now;
    const auto subtitle = subtitles.find(what);
    text += fmt::format("<figure><figcaption>{}</figcaption>{}{}{}</figure>",
                        subtitle == subtitles.end() ? what : subtitle->second, to_svg(chart, palette),
                        legend(chart, palette), chart_table(chart, palette));
  }
  return text + (domain.empty() ? "" : "</div></section>");
}

// ---- the rest ----

// A peer's best setting by point, those that are the same told once.
std::string tunings(const std::vector<Chart>& all) {
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::string>> found;
  for (const Chart& chart : all)
    for (const Series& series : chart.series)
      for (const Figure* figure : series.points)
        if (!figure->note.empty() && series.role == "peer")
          found[{chart.name, series.subject}][figure->note] += " " + size_text(figure->bytes);
  if (found.empty()) return {};
  std::string text =
      "<section><h2>How the peers were tuned</h2><p>Each ran in every setting first; this was the best of "
      "them.</p>"
      "<table><thead><tr><th>plot<th>peer<th>setting<th>at</tr></thead><tbody>";
  for (const auto& [who, settings] : found)
    for (const auto& [setting, where] : settings)
      text += fmt::format("<tr><td>{}<td>{}<td><code>{}</code><td>{}</tr>", escaped(who.first),
                          escaped(who.second), escaped(setting), where);
  return text + "</tbody></table></section>";
}

std::string rest(const std::vector<Report>& reports) {
  std::string text;
  for (const Report& report : reports) {
    std::string rows;
    for (const Figure& figure : report.figures)
      if (figure.chart.empty() && figure.target.empty())
        rows += fmt::format(
            R"(<tr><td>{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td>)"
            R"(<td class="note">{}</td></tr>)",
            escaped(figure.name), with_unit(figure.value, figure),
            std::isnan(figure.p50)
                ? ""
                : value_text(figure.p50, figure.unit) + " / " + value_text(figure.p99, figure.unit),
            ratio_text(figure.ratio), escaped(figure.note));
    if (!rows.empty())
      text += fmt::format(
          "<details><summary>{}</summary><table><thead><tr><th>what<th class=n>measured<th class=n>p50 "
          "/ p99<th class=n>ratio<th></tr></thead><tbody>{}</tbody></table></details>",
          escaped(report.program), rows);
  }
  return text.empty() ? text : "<section><h2>Every other figure</h2>" + text + "</section>";
}

}  // namespace

std::string to_html(const std::vector<Report>& reports) {
  const std::vector<Chart> all = charts_of(reports);
  return "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
         "content=\"width=device-width\"><title>Harness: what it measures</title><style>" +
         std::string(page_style) + "</style><body>" + head(reports) + "<main>" + targets(reports) +
         charts(all) + tunings(all) + rest(reports) +
         "</main><footer>bench/run --html. Medians of alternating slices; a ratio is the median of the "
         "ratios within "
         "rounds; slices in which the machine's floor moved by more than 20 % are left out. Small ratios "
         "beside our "
         "figures are against the best peer at that size.</footer></body></html>\n";
}

}  // namespace harness::bench
