// SPDX-License-Identifier: Apache-2.0
// harness ping: round trips over a link.  harness bench: its latency, rate and goodput.
#include <algorithm>

#include <fmt/format.h>

#include <harness/apps/common/admin_runs.hpp>
#include <harness/apps/common/human.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/apps/harness/local.hpp>

namespace harness::apps {

namespace {

constexpr std::uint64_t size_max = 64u << 20;
constexpr Argument link_argument{
    "link", Argument::Kind::word, "a link's name, a peer's name, or PEER/LINK", "LINK", {}, true};

constexpr Argument ping_arguments[] = {
    link_argument,
    {"--count", Argument::Kind::option, "how many; 0: until Ctrl-C", "N", "5"},
    {"--interval", Argument::Kind::option, "between two; 0s: the next when the answer is there", "TIME",
     "200ms"},
    {"--size", Argument::Kind::option, "bytes of each, beside the header", "SIZE", "56"},
    {"--timeout", Argument::Kind::option, "after which one counts as lost", "TIME", "5s"},
    node_option,
};

Result<admin::PingRequest> ping_request(const Context& context) {
  const auto count = context.arguments.count("--count", 0, 1'000'000'000);
  const auto interval = context.arguments.micros("--interval", 0, 3'600'000'000);
  const auto size = context.arguments.size("--size", 0, size_max);
  const auto timeout = context.arguments.micros("--timeout", 1'000, 3'600'000'000);
  for (const auto* value : {&count, &interval, &size, &timeout})
    if (!*value) return tl::unexpected<Error>(value->error());
  admin::PingRequest request;
  request.count = static_cast<std::uint32_t>(*count);
  request.interval_us = static_cast<std::uint32_t>(*interval);
  request.bytes = static_cast<std::uint32_t>(*size);
  request.timeout_ms = static_cast<std::uint32_t>((*timeout + 999) / 1000);
  request.each = !context.common.json;
  return request;
}

Result<ExitCode> ping(Context& context) {
  auto request = ping_request(context);
  if (!request) return tl::unexpected<Error>(request.error());
  auto found = find_link(context, context.arguments.text("link"));
  if (!found) return tl::unexpected<Error>(found.error());
  request->link = found->link;
  auto result = found->client.ask<admin::PingResult>(
      "link.ping", *request, &context.interrupts, [&](const std::string& json) {
        if (auto answer = admin::read_json<admin::PingAnswer>(json))
          context.print(fmt::format("{} to {}: {:>4}  {}\n", found->node, found->peer, answer->sequence + 1,
                                    human_time(answer->rtt_ns)));
      });
  if (!result) return tl::unexpected<Error>(result.error());
  if (context.common.json) {
    context.print_json(admin::write_json(*result));
  } else {
    context.print(fmt::format("{} of {} came back over {}: min {}, p50 {}, p99 {}, max {}\n",
                              result->received, human_count(result->sent, "ping", "pings"), result->stack,
                              human_time(result->min_ns), human_time(result->p50_ns),
                              human_time(result->p99_ns), human_time(result->max_ns)));
  }
  if (result->received != 0) return ExitCode::ok;
  return fail(Errc::timed_out, "no ping came back",
              fmt::format("{} were sent to {}", result->sent, result->peer),
              "harness link show " + found->link);
}

constexpr Argument bench_arguments[] = {
    link_argument,
    {"--size", Argument::Kind::options, "bytes of each message; may be repeated; else 64, 4KiB and 256KiB",
     "SIZE"},
    {"--duration", Argument::Kind::option, "of each measurement", "TIME", "1s"},
    node_option,
};

struct BenchRow {
  admin::PingResult latency;
  admin::LoadResult load;
};

Result<BenchRow> measure(Context& context, FoundLink& found, std::uint32_t bytes, std::uint32_t duration_ms) {
  BenchRow row;
  admin::PingRequest ping;
  ping.link = found.link;
  ping.count = 0;
  ping.bytes = bytes;
  ping.interval_us = 0;
  ping.each = false;
  ping.duration_ms = duration_ms;
  context.status(fmt::format("{}: latency", human_bytes(bytes)));
  auto latency = found.client.ask<admin::PingResult>("link.ping", ping, &context.interrupts);
  if (!latency) return tl::unexpected<Error>(latency.error());
  if (context.interrupts.wanted()) return fail(Errc::cancelled, "interrupted");
  row.latency = std::move(*latency);
  admin::LoadRequest load;
  load.link = found.link;
  load.bytes = bytes;
  load.duration_ms = duration_ms;
  context.status(fmt::format("{}: rate", human_bytes(bytes)));
  auto loaded = found.client.ask<admin::LoadResult>("link.load", load, &context.interrupts);
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  row.load = std::move(*loaded);
  return row;
}

std::string rate(const admin::LoadResult& load) {
  if (load.elapsed_ns == 0) return "–";
  return fmt::format("{:.0f}/s",
                     static_cast<double>(load.received) * 1e9 / static_cast<double>(load.elapsed_ns));
}

Result<std::vector<std::uint32_t>> sizes(const Context& context) {
  std::vector<std::string> texts = context.arguments.texts("--size");
  if (texts.empty()) texts = {"64", "4KiB", "256KiB"};
  std::vector<std::uint32_t> all;
  for (const std::string& text : texts) {
    auto size = parse_value({"--size", OptionKind::size, 0, size_max, 64, {}}, text);
    if (!size) return tl::unexpected<Error>(size.error());
    all.push_back(static_cast<std::uint32_t>(*size));
  }
  return all;
}

Result<ExitCode> bench(Context& context) {
  auto wanted = sizes(context);
  if (!wanted) return tl::unexpected<Error>(wanted.error());
  auto duration = context.arguments.micros("--duration", 1'000, 600'000'000);
  if (!duration) return tl::unexpected<Error>(duration.error());
  auto found = find_link(context, context.arguments.text("link"));
  if (!found) return tl::unexpected<Error>(found.error());
  Table table({{"SIZE", Table::Align::right},
               {"P50", Table::Align::right},
               {"P99", Table::Align::right},
               {"P99.9", Table::Align::right},
               {"MAX", Table::Align::right},
               {"RATE", Table::Align::right},
               {"GOODPUT", Table::Align::right}});
  std::string json;
  std::string stack;
  for (const std::uint32_t bytes : *wanted) {
    auto row = measure(context, *found, bytes, static_cast<std::uint32_t>(*duration / 1000));
    if (!row) return tl::unexpected<Error>(row.error());
    stack = row->load.stack;
    json += fmt::format("{}{{\"bytes\":{},\"latency\":{},\"load\":{}}}", json.empty() ? "" : ",", bytes,
                        admin::write_json(row->latency), admin::write_json(row->load));
    table.row({human_bytes(bytes), human_time(row->latency.p50_ns), human_time(row->latency.p99_ns),
               human_time(row->latency.p999_ns), human_time(row->latency.max_ns), rate(row->load),
               human_rate(row->load.bytes, row->load.elapsed_ns)});
  }
  context.status("");
  if (context.common.json) {
    context.print_json("{\"measured\":[" + json + "]}");
  } else {
    context.print(fmt::format(
        "{} to {} over {}; round trips, one after the other; then messages in one direction\n\n{}",
        found->node, found->peer, stack, table.text()));
  }
  return ExitCode::ok;
}

}  // namespace

void add_ping(Cli& cli) {
  TableCommand::add(
      cli, {"",
            "",
            "ping",
            "Sends pings over a link and tells how long each took.",
            ping_arguments,
            {{"harness ping b"}, {"harness ping derived --count 1000 --interval 0s --size 64 --json"}},
            &ping});
  TableCommand::add(cli, {"",
                          "",
                          "bench",
                          "Measures a link: latency as percentiles, messages a second, goodput.",
                          bench_arguments,
                          {{"harness bench derived"},
                           {"harness bench c/packed --size 64 --size 1MiB --duration 300ms --json"}},
                          &bench});
}

}  // namespace harness::apps
