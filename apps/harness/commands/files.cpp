// SPDX-License-Identifier: Apache-2.0
// harness send: files, folders and standard input to a node.  harness recv: waits for what a node is sent.
#include <filesystem>
#include <fstream>
#include <iostream>

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include <harness/apps/common/admin_runs.hpp>
#include <harness/apps/common/human.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/apps/harness/local.hpp>

namespace harness::apps {

namespace {

namespace fs = std::filesystem;

constexpr Argument send_arguments[] = {
    {"path",
     Argument::Kind::words,
     "files and folders, or - for standard input; last, the LINK or peer",
     "PATH",
     {},
     true},
    {"--as", Argument::Kind::option, "name of standard input at the receiver", "NAME", "stdin"},
    {"--sync", Argument::Kind::flag, "the receiver writes to disk before a file gets its name"},
    node_option,
};

std::string failures_text(const std::vector<admin::FailureValue>& failures, std::uint32_t count) {
  std::string text;
  for (const admin::FailureValue& failure : failures)
    text += fmt::format("\n  {}: {}{}{}", printable(failure.path), failure.what,
                        failure.because.empty() ? "" : ": ", failure.because);
  if (count > failures.size()) text += fmt::format("\n  … and {} more", count - failures.size());
  return text;
}

// Copies standard input to the node; Ctrl-C ends the connection, which cancels the transfer.
Result<> pump_input(Context& context, admin::Client& client) {
  std::vector<std::byte> bytes(admin::data_frame_bytes_max);
  for (;;) {
    pollfd waited[2] = {{STDIN_FILENO, POLLIN, 0}, {context.interrupts.descriptor(), POLLIN, 0}};
    poll(waited, 2, -1);
    if (context.interrupts.take()) return fail(Errc::cancelled, "interrupted", "the transfer was cancelled");
    if (waited[0].revents == 0) continue;
    const ssize_t got = read(STDIN_FILENO, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(Errc::io, "cannot read standard input");
    if (auto sent = client.data({bytes.data(), static_cast<std::size_t>(got)}); !sent) return sent;
    if (got == 0) return {};
  }
}

Result<admin::SendRequest> send_request(const Context& context, std::vector<std::string> paths) {
  admin::SendRequest request;
  request.sync = context.arguments.given("--sync");
  for (const std::string& path : paths) {
    if (path == "-") {
      if (paths.size() > 1)
        return fail(Errc::invalid, "standard input is sent alone", "other paths stand beside -",
                    "send them in two commands");
      request.stream = true;
      request.as = context.arguments.text("--as");
    } else {
      std::error_code code;
      request.paths.push_back(fs::absolute(path, code).string());
    }
  }
  return request;
}

Result<ExitCode> send(Context& context) {
  std::vector<std::string> paths = context.arguments.texts("path");
  if (paths.size() < 2)
    return fail(Errc::invalid, "send what, where to?",
                fmt::format("only {} was given", printable(paths.front())), "harness send FILE PEER");
  const std::string target = paths.back();
  paths.pop_back();
  auto request = send_request(context, paths);
  if (!request) return tl::unexpected<Error>(request.error());
  auto found = find_link(context, target);
  if (!found) return tl::unexpected<Error>(found.error());
  request->link = found->link;
  auto id = found->client.start("file.send", admin::write_json(*request));
  if (!id) return tl::unexpected<Error>(id.error());
  Result<> pumped;
  if (request->stream) pumped = pump_input(context, found->client);
  if (!pumped && pumped.error().code == Errc::cancelled) return tl::unexpected<Error>(pumped.error());
  auto json = found->client.wait(*id, &context.interrupts, [&](const std::string& progress) {
    if (auto now = admin::read_json<admin::TransferResult>(progress))
      context.status(
          fmt::format("{} sent, {}", human_bytes(now->bytes), human_rate(now->bytes, now->elapsed_ns)));
  });
  if (!json) return tl::unexpected<Error>(json.error());
  auto result = admin::read_json<admin::TransferResult>(*json);
  if (!result) return tl::unexpected<Error>(result.error());
  context.status("");
  if (context.common.json) {
    context.print_json(admin::write_json(*result));
  } else {
    context.print(fmt::format("{} sent to {} over {}, {}, SHA-256 verified there: {}\n",
                              human_count(result->files, "file", "files"), result->peer, result->link,
                              human_bytes(result->bytes), human_rate(result->bytes, result->elapsed_ns)));
  }
  if (result->failed == 0) return ExitCode::ok;
  (void)report(context.common, {Errc::io, human_count(result->failed, "entry", "entries") + " did not arrive",
                                failures_text(result->failures, result->failed), "send them again"});
  return ExitCode::partial;
}

constexpr Argument recv_arguments[] = {
    {"--from", Argument::Kind::option, "only from this node", "NODE"},
    {"--into", Argument::Kind::option,
     "the folder to write to, or - for standard output; else the node's own", "FOLDER"},
    {"--timeout", Argument::Kind::option, "how long to wait for a transfer to begin, as in 30s; 0s: for ever",
     "TIME", "0s"},
    node_option,
};

// The files in the order in which they came, one behind the other.
Result<> to_output(const admin::ReceiveResult& result) {
  for (const admin::ReceivedFileValue& file : result.list) {
    std::ifstream stream(result.folder + "/" + file.path, std::ios::binary);
    if (file.bytes != 0 && !(std::cout << stream.rdbuf()))
      return fail(Errc::io, "cannot copy " + printable(file.path) + " to standard output", {},
                  "receive into a folder: --into FOLDER");
  }
  std::cout.flush();
  return {};
}

Result<ExitCode> recv(Context& context) {
  auto timeout = context.arguments.micros("--timeout", 0, 4'000'000'000'000);
  if (!timeout) return tl::unexpected<Error>(timeout.error());
  const std::string into = context.arguments.text("--into");
  admin::ReceiveRequest request;
  request.from = context.arguments.text("--from");
  std::error_code code;
  if (!into.empty() && into != "-") request.into = fs::absolute(into, code).string();
  request.timeout_ms = static_cast<std::uint32_t>((*timeout + 999) / 1000);
  auto client = connect_one(context);
  if (!client) return tl::unexpected<Error>(client.error());
  const auto waits = [&](const std::string&) {
    if (!context.common.json) context.note("waiting for files; Ctrl-C ends it");
  };
  auto result = client->ask<admin::ReceiveResult>("file.receive", request, &context.interrupts, waits);
  if (!result) return tl::unexpected<Error>(result.error());
  if (into == "-") {
    if (auto copied = to_output(*result); !copied) return tl::unexpected<Error>(copied.error());
  } else if (context.common.json) {
    context.print_json(admin::write_json(*result));
  } else {
    Table table({{"FILE"}, {"SIZE", Table::Align::right}, {"SHA-256"}});
    for (const admin::ReceivedFileValue& file : result->list)
      table.row({printable(file.path), human_bytes(file.bytes), file.sha256});
    context.print(fmt::format("{} from {} in {}\n{}", human_count(result->files, "file", "files"),
                              result->peer, printable(result->folder), table.empty() ? "" : table.text()));
  }
  if (result->failed == 0) return ExitCode::ok;
  (void)report(context.common,
               {Errc::io, human_count(result->failed, "entry", "entries") + " could not be written",
                failures_text(result->failures, result->failed), "the sender was told"});
  return ExitCode::partial;
}

}  // namespace

void add_files(Cli& cli) {
  TableCommand::add(cli,
                    {"",
                     "",
                     "send",
                     "Sends files, folders or standard input to a node; each is verified by SHA-256 there.",
                     send_arguments,
                     {{"harness send notes.txt b"},
                      {"harness send src docs c/packed --sync"},
                      {"tar c . | harness send - b --as all.tar"}},
                     &send});
  TableCommand::add(cli, {"",
                          "",
                          "recv",
                          "Waits for the next transfer to a node that runs here, and tells what came.",
                          recv_arguments,
                          {{"harness recv --node b"},
                           {"harness recv --node b --from a --into inbox --timeout 30s"},
                           {"harness recv --node b --into - | tar t"}},
                          &recv});
}

}  // namespace harness::apps
