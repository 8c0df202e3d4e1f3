// SPDX-License-Identifier: Apache-2.0
// One row a method. A test asks a running node for the methods it has and compares the names.
#include <harness/apps/common/admin_page.hpp>

#include <fmt/format.h>

#include <harness/apps/common/admin_runs.hpp>

namespace harness::apps::admin {

namespace {

template <class T>
std::string table(const char* what) {
  const auto rows = describe_fields<T>();
  if (rows.empty()) return {};
  std::string out = fmt::format("{}:\n\n| field | type | meaning |\n|---|---|---|\n", what);
  for (const auto& row : rows) out += fmt::format("| `{}` | {} | {} |\n", row[0], row[1], row[2]);
  return out + "\n";
}

template <class Request, class Result, class Progress = Nothing>
std::string method(const char* name, const char* summary) {
  return fmt::format("### `{}`\n\n{}\n\n", name, summary) + table<Request>("Parameters") +
         table<Progress>("Progress") + table<Result>("Result");
}

}  // namespace

std::string method_tables() {
  std::string out;
  out += method<Nothing, NodeStatus>("node.show", "The node itself.");
  out += method<Nothing, Nothing>(
      "node.stop", "Closes every link in order, then ends the process; the connection ends with it.");
  out += method<Nothing, Config>("config.show", "Every setting in force, and where it comes from.");
  out += method<Nothing, Nothing>("identity.reload",
                                  "Reads certificate, believed domains, floors and revoked certificates "
                                  "again; when one of them is damaged, "
                                  "what was in force stays.");
  out += method<PeerFacts, Nothing>(
      "peer.set",
      "What a peer told about itself, in place of what the file says: links to it that are not up are "
      "dialled anew.");
  out += method<Nothing, LinkList>("link.ls", "Every declared link that ends at this node.");
  out += method<LinkName, LinkDetail>("link.show", "One link, with what its layers and its transport count.");
  out += method<LinkName, LinkWhy>("link.why", "Why a link has its stack, and what else was looked at.");
  out += method<PingRequest, PingResult, PingAnswer>("link.ping", "Round trips over a link.");
  out +=
      method<LoadRequest, LoadResult>("link.load", "Messages in one direction, counted where they arrive.");
  out += method<TapRequest, TapResult, TapProgress>("link.tap", "Copies of what passes between layers.");
  out += method<SendRequest, TransferResult, TransferResult>(
      "file.send", "Sends files, or with `stream` the data frames that follow on the connection.");
  out += method<ReceiveRequest, ReceiveResult, ReceiveProgress>("file.receive",
                                                                "Waits for the next transfer to this node.");
  return out;
}

}  // namespace harness::apps::admin
