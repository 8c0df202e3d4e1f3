// SPDX-License-Identifier: Apache-2.0
// harness tap: captures what passes between two layers of a link, for Wireshark or for the eye.
#include <cerrno>
#include <cstdio>

#include <fmt/format.h>

#include <harness/apps/common/admin_runs.hpp>
#include <harness/apps/common/base64.hpp>
#include <harness/apps/common/digest.hpp>
#include <harness/apps/common/dissector.hpp>
#include <harness/apps/common/human.hpp>
#include <harness/apps/common/pcapng.hpp>
#include <harness/apps/harness/local.hpp>
#include <harness/config.hpp>
#include <harness/kernel/system_error.hpp>

namespace harness::apps {

namespace {

constexpr Argument tap_arguments[] = {
    {"link", Argument::Kind::word, "a link's name, a peer's name, or PEER/LINK", "LINK"},
    {"--at", Argument::Kind::options, "watch above this layer or transport; may be repeated; else everywhere",
     "LAYER"},
    {"--write,-w", Argument::Kind::option, "a pcapng file, or - for standard output; else one line a message",
     "FILE"},
    {"--snap", Argument::Kind::option, "at most so many bytes of each message", "SIZE", "65535"},
    {"--count", Argument::Kind::option, "end after so many messages; 0: at Ctrl-C", "N", "0"},
    {"--dissector", Argument::Kind::flag, "print the Lua dissector for Wireshark instead"},
    node_option,
};

/// Where captured messages go: a capture file, or lines.
class Sink {
 public:
  Sink(Context& context, std::string file) : context_(context), file_(std::move(file)) {}
  ~Sink() {
    if (stream_ != nullptr && stream_ != stdout) std::fclose(stream_);
  }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  Result<> open() {
    if (file_.empty()) return {};
    stream_ = file_ == "-" ? stdout : std::fopen(file_.c_str(), "wbe");
    if (stream_ == nullptr)
      return tl::unexpected<Error>(system_error(errno, "cannot write " + printable(file_)));
    return {};
  }
  void hear(const admin::TapProgress& progress) {
    for (const admin::TapInterface& interface : progress.interfaces) {
      if (interfaces_.empty())
        write(pcapng::section(fmt::format("harness {}", config::version), progress.stack));
      write(pcapng::interface(
          interface.headers,
          fmt::format("{} to {} above {}: {}", progress.link, progress.peer, interface.at, progress.stack),
          0));
      interfaces_.push_back(interface);
    }
    for (const admin::TapPacket& packet : progress.packets) take(packet);
    flush();
    if (stream_ != nullptr && file_ != "-")
      context_.status(fmt::format("{} captured", human_count(count_, "message", "messages")));
  }
  void finish(const admin::TapResult& result) {
    for (std::uint32_t i = 0; i < interfaces_.size(); ++i)
      write(pcapng::statistics(i, last_ns_, i == 0 ? result.seen : 0, i == 0 ? result.dropped : 0));
    flush();
  }
  /// The errno of the first write that failed; 0: none did.
  [[nodiscard]] int failed() const noexcept { return failed_; }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

 private:
  void write(const std::string& bytes) {
    if (stream_ != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), stream_) != bytes.size())
      note_failure();
  }
  void flush() {
    if (stream_ != nullptr && std::fflush(stream_) != 0) note_failure();
  }
  void note_failure() noexcept {
    if (failed_ == 0) failed_ = errno;
  }
  void take(const admin::TapPacket& packet) {
    const auto bytes = from_base64(packet.base64);
    if (!bytes || packet.interface >= interfaces_.size()) return;
    ++count_;
    last_ns_ = packet.time_ns;
    if (first_ns_ == 0) first_ns_ = packet.time_ns;
    const auto direction = packet.down ? pcapng::Direction::outbound : pcapng::Direction::inbound;
    if (stream_ != nullptr)
      return write(
          pcapng::packet(packet.interface, packet.time_ns, as_bytes(*bytes), packet.bytes, direction));
    constexpr std::size_t shown = 24;
    context_.print(fmt::format(
        "{:>12.6f}  {} {:<10} {:>8}  {}{}\n", static_cast<double>(packet.time_ns - first_ns_) / 1e9,
        packet.down ? "↓" : "↑", interfaces_[packet.interface].at, human_bytes(packet.bytes),
        hex(as_bytes(std::string_view(*bytes).substr(0, shown))), bytes->size() > shown ? "…" : ""));
  }

  Context& context_;
  std::string file_;
  std::FILE* stream_ = nullptr;
  int failed_ = 0;
  std::vector<admin::TapInterface> interfaces_;
  std::uint64_t count_ = 0;
  std::uint64_t first_ns_ = 0;
  std::uint64_t last_ns_ = 0;
};

Result<ExitCode> run_tap(Context& context) {
  if (context.arguments.given("--dissector")) {
    context.print(dissector(context.catalogue));
    return ExitCode::ok;
  }
  const auto snap = context.arguments.size("--snap", 16, 1u << 20);
  const auto count = context.arguments.count("--count", 0, ~std::uint64_t{0} >> 1);
  if (!snap) return tl::unexpected<Error>(snap.error());
  if (!count) return tl::unexpected<Error>(count.error());
  if (!context.arguments.given("link"))
    return fail(Errc::invalid, "which link?", "no name was given", "harness link ls");
  Sink sink(context, context.arguments.text("--write,-w"));
  if (auto opened = sink.open(); !opened) return tl::unexpected<Error>(opened.error());
  auto found = find_link(context, context.arguments.text("link"));
  if (!found) return tl::unexpected<Error>(found.error());
  admin::TapRequest request{found->link, context.arguments.texts("--at"), static_cast<std::uint32_t>(*snap),
                            *count};
  auto result = found->client.ask<admin::TapResult>(
      "link.tap", request, &context.interrupts, [&](const std::string& json) {
        if (auto progress = admin::read_json<admin::TapProgress>(json)) sink.hear(*progress);
      });
  if (!result) return tl::unexpected<Error>(result.error());
  sink.finish(*result);
  if (sink.failed() != 0)
    return tl::unexpected<Error>(system_error(sink.failed(), "cannot write the capture"));
  if (context.common.json) {
    context.print_json(admin::write_json(*result));
  } else {
    context.note(fmt::format("{} captured, {} dropped", human_count(sink.count(), "message", "messages"),
                             result->dropped));
  }
  return ExitCode::ok;
}

}  // namespace

void add_tap(Cli& cli) {
  TableCommand::add(cli, {"",
                          "",
                          "tap",
                          "Captures messages between any two layers of a link, headers included.",
                          tap_arguments,
                          {{"harness tap written --at frag --at tcp -w x.pcapng"},
                           {"harness tap b --count 20"},
                           {"harness tap b -w - | tshark -X lua_script:harness.lua -r -"},
                           {"harness tap --dissector > harness.lua", true}},
                          &run_tap});
}

}  // namespace harness::apps
