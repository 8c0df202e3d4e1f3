// SPDX-License-Identifier: Apache-2.0
// See chart.hpp. Colours, widths and dashes are the page's CSS; here stand only places.
#include <harness/bench/report/chart.hpp>

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

namespace harness::bench {

namespace {

constexpr double width = 640, height = 380, left = 62, right = 18, top = 16, bottom = 44;

// A logarithmic axis from one place on the page to another.
struct Axis {
  double low, high, from, to;
  [[nodiscard]] double at(double value) const {
    return from + (std::log(value) - std::log(low)) / (std::log(high) - std::log(low)) * (to - from);
  }
};

std::pair<double, double> range(const Chart& chart) {
  double low = 1e300;
  double high = 0;
  for (const Series& series : chart.series)
    for (const Figure* figure : series.points) {
      if (!(figure->value > 0)) continue;
      low = std::min(low, figure->value);
      high = std::max(high, figure->value);
    }
  return {low / 1.35, high * 1.35};
}

std::set<std::uint32_t> sizes(const Chart& chart) {
  std::set<std::uint32_t> all;
  for (const Series& series : chart.series)
    for (const Figure* figure : series.points) all.insert(figure->bytes);
  return all;
}

// 1, 2, 5 of each decade; of many decades the ones alone.
std::vector<double> ticks(double low, double high) {
  std::vector<double> all;
  const bool sparse = std::log10(high / low) > 3;
  for (double decade = std::pow(10, std::floor(std::log10(low))); decade < high; decade *= 10)
    for (const double step : {1.0, 2.0, 5.0})
      if (const double tick = decade * step; tick >= low && tick <= high && (!sparse || step == 1.0))
        all.push_back(tick);
  return all;
}

std::string grid(const Chart& chart, const Axis& x, const Axis& y) {
  std::string svg;
  for (const double tick : ticks(y.low, y.high))
    svg += fmt::format(R"(<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>)"
                       R"(<text class="tick" text-anchor="end" x="{}" y="{:.1f}">{}</text>)",
                       left, width - right, y.at(tick), y.at(tick), left - 8, y.at(tick) + 4,
                       value_text(tick, chart.unit));
  for (const std::uint32_t bytes : sizes(chart))
    svg += fmt::format(R"(<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>)"
                       R"(<text class="tick" text-anchor="middle" x="{:.1f}" y="{}">{}</text>)",
                       x.at(bytes), x.at(bytes), top, height - bottom, x.at(bytes), height - bottom + 18,
                       size_text(bytes));
  svg += fmt::format(R"(<text class="unit" x="{}" y="{}">{}</text>)", left + 6, top + 12,
                     chart.unit == "ns" || chart.unit == "us" ? "" : chart.unit);
  svg += fmt::format(R"(<text class="tick" text-anchor="middle" x="{}" y="{}">message</text>)",
                     (left + width - right) / 2, height - 6);
  return svg;
}

std::string line(const Series& series, const Palette& palette, const std::string& unit, const Axis& x,
                 const Axis& y) {
  std::string path;
  std::string dots;
  for (const Figure* figure : series.points) {
    if (!(figure->value > 0)) continue;
    const double at_x = x.at(figure->bytes);
    const double at_y = y.at(figure->value);
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", at_x, at_y);
    dots +=
        fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="3.4"><title>{}, {}: {}</title></circle>)", at_x,
                    at_y, escaped(series.subject), size_text(figure->bytes), value_text(figure->value, unit));
  }
  return fmt::format(R"(<g class="line {} c{}"><path d="{}"/>{}</g>)", series.role,
                     palette.of(series.subject), path, dots);
}

}  // namespace

std::vector<Chart> charts_of(const std::vector<Report>& reports) {
  std::vector<Chart> charts;
  for (const Report& report : reports)
    for (const Figure& figure : report.figures) {
      if (figure.chart.empty()) continue;
      auto chart = std::find_if(charts.begin(), charts.end(),
                                [&](const Chart& one) { return one.name == figure.chart; });
      if (chart == charts.end()) chart = charts.insert(chart, {figure.chart, figure.unit, {}});
      auto series = std::find_if(chart->series.begin(), chart->series.end(),
                                 [&](const Series& one) { return one.subject == figure.subject; });
      if (series == chart->series.end())
        series = chart->series.insert(series, {figure.subject, figure.role, {}});
      series->points.push_back(&figure);
    }
  return charts;
}

Palette::Palette(const std::vector<Chart>& charts) {
  unsigned machines = 0;
  unsigned others = 0;
  for (const Chart& chart : charts)
    for (const Series& series : chart.series) {
      if (numbers_.contains(series.subject)) continue;
      unsigned number = series.subject.starts_with('@') ? 0 : 1;  // a transport alone, or with layers
      if (series.role == "machine") number = ours + machines++ % machine;
      if (series.role == "peer") number = ours + machine + others++ % peers;
      numbers_[series.subject] = number;
    }
}

unsigned Palette::of(const std::string& subject) const {
  const auto found = numbers_.find(subject);
  return found == numbers_.end() ? 0 : found->second;
}

std::string value_text(double value, const std::string& unit) {
  if (std::isnan(value)) return "–";
  struct Step {
    double from, by;
    const char* suffix;
  };
  static constexpr Step times[] = {{1e9, 1e9, " s"}, {1e6, 1e6, " ms"}, {1e3, 1e3, " µs"}, {0, 1, " ns"}};
  static constexpr Step counts[] = {{1e9, 1e9, " G"}, {1e6, 1e6, " M"}, {1e4, 1e3, " k"}, {0, 1, ""}};
  const bool time = unit == "ns" || unit == "us";
  const double base = unit == "us" ? value * 1e3 : value;
  const Step* step = time ? times : counts;
  while (base < step->from) ++step;
  const double shown = base / step->by;
  std::string text = fmt::format("{:.{}f}", shown, shown >= 100 ? 0 : shown >= 10 ? 1 : shown >= 1 ? 2 : 3);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text + step->suffix;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char letter : text) {
    if (letter == '<')
      out += "&lt;";
    else if (letter == '&')
      out += "&amp;";
    else if (letter == '"')
      out += "&quot;";
    else
      out += letter;
  }
  return out;
}

std::string to_svg(const Chart& chart, const Palette& palette) {
  const auto all = sizes(chart);
  const auto [low, high] = range(chart);
  if (all.size() < 2 || !(high > 0)) return {};  // one size is no line: its table tells it
  const Axis x{*all.begin() / 1.6, *all.rbegin() * 1.6, left, width - right};
  const Axis y{low, high, height - bottom, top};
  std::string svg = fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}">)", width, height,
                                escaped(chart.name));
  svg += grid(chart, x, y);
  for (const char* role : {"machine", "peer", "ours"})  // ours on top
    for (const Series& series : chart.series)
      if (series.role == role) svg += line(series, palette, chart.unit, x, y);
  return svg + "</svg>";
}

}  // namespace harness::bench
