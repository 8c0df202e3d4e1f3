// SPDX-License-Identifier: Apache-2.0
// Requests and results of what takes time: pings, load, files, taps. See admin_values.hpp.
#pragma once

#include <harness/apps/common/admin_values.hpp>

namespace harness::apps::admin {

struct PingRequest {
  std::string link;
  std::uint32_t count = 5, bytes = 0, interval_us = 200'000, timeout_ms = 5'000, duration_ms = 0;
  bool each = true;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("link", self.link, "a link's name, a peer's name, or PEER/LINK");
    visit("count", self.count, "how many; 0: until cancelled");
    visit("bytes", self.bytes, "of each, beside the header");
    visit("interval_us", self.interval_us, "between two; 0: the next when the answer is there");
    visit("timeout_ms", self.timeout_ms, "after which one counts as lost");
    visit("duration_ms", self.duration_ms, "after which no more are sent; 0: no bound");
    visit("each", self.each, "report every answer as progress");
  }
};

struct PingAnswer {
  std::uint32_t sequence = 0;
  std::uint64_t rtt_ns = 0;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("sequence", self.sequence, "from 0");
    visit("rtt_ns", self.rtt_ns, "there and back");
  }
};

struct PingResult {
  std::string link, peer, stack;
  std::uint32_t sent = 0, received = 0, lost = 0;
  std::uint64_t min_ns = 0, p50_ns = 0, p90_ns = 0, p99_ns = 0, p999_ns = 0, max_ns = 0, mean_ns = 0;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("link", self.link, "its name");
    visit("peer", self.peer, "who answered");
    visit("stack", self.stack, "that the pings crossed");
    visit("sent", self.sent, "pings");
    visit("received", self.received, "answers");
    visit("lost", self.lost, "without answer in time");
    visit("min_ns", self.min_ns, "round trip");
    visit("p50_ns", self.p50_ns, "half of them are not slower");
    visit("p90_ns", self.p90_ns, "nine of ten");
    visit("p99_ns", self.p99_ns, "99 of 100");
    visit("p999_ns", self.p999_ns, "999 of 1000");
    visit("max_ns", self.max_ns, "the slowest");
    visit("mean_ns", self.mean_ns, "on average");
  }
};

struct LoadRequest {
  std::string link;
  std::uint32_t bytes = 64, duration_ms = 1'000;
  std::uint64_t messages = 0;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("link", self.link, "a link's name, a peer's name, or PEER/LINK");
    visit("bytes", self.bytes, "of each message, beside the header");
    visit("duration_ms", self.duration_ms, "how long to send");
    visit("messages", self.messages, "how many at most; 0: no bound");
  }
};

struct LoadResult {
  std::string link, peer, stack;
  std::uint32_t message_bytes = 0;
  std::uint64_t sent = 0, received = 0, bytes = 0, elapsed_ns = 0;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("link", self.link, "its name");
    visit("peer", self.peer, "who counted");
    visit("stack", self.stack, "that the messages crossed");
    visit("message_bytes", self.message_bytes, "of each");
    visit("sent", self.sent, "messages");
    visit("received", self.received, "messages that arrived");
    visit("bytes", self.bytes, "that arrived");
    visit("elapsed_ns", self.elapsed_ns, "from the first message to the count");
  }
};

struct SendRequest {
  std::string link, root, list, as;
  std::vector<std::string> paths;
  bool stream = false, sync = false;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("link", self.link, "a link's name, a peer's name, or PEER/LINK");
    visit("paths", self.paths, "absolute paths of files and folders");
    visit("list", self.list, "a file with names below root, each ended by a NUL, in place of paths");
    visit("root", self.root, "the folder that list is about");
    visit("as", self.as, "the name at the receiver: of the stream, or of root");
    visit("stream", self.stream, "data frames follow on this connection; as is their name");
    visit("sync", self.sync, "to disk before a file gets its name");
  }
};

struct FailureValue {
  std::string path, code, what, because, advice;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("path", self.path, "of the entry");
    visit("code", self.code, "as in errors");
    visit("what", self.what, "failed");
    visit("because", self.because, "of this");
    visit("try", self.advice, "this");
  }
};

struct TransferResult {
  std::string link, peer, stack;
  std::uint32_t files = 0, failed = 0;
  std::uint64_t bytes = 0, elapsed_ns = 0;
  std::vector<FailureValue> failures;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("link", self.link, "its name");
    visit("peer", self.peer, "who received");
    visit("stack", self.stack, "that the files crossed");
    visit("files", self.files, "verified at the receiver; as progress 0");
    visit("bytes", self.bytes, "of files; as progress those sent");
    visit("failed", self.failed, "entries that did not arrive");
    visit("failures", self.failures, "the first hundred of them");
    visit("elapsed_ns", self.elapsed_ns, "since the request");
  }
};

struct ReceiveRequest {
  std::string from, into;
  std::uint32_t timeout_ms = 0;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("from", self.from, "a node; empty: any");
    visit("into", self.into, "an absolute folder; empty: the node's own");
    visit("timeout_ms", self.timeout_ms, "until a transfer begins; 0: no bound");
  }
};

struct ReceiveProgress {
  bool waiting = true;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("waiting", self.waiting, "said once: a transfer that begins from now on is this client's");
  }
};

struct ReceivedFileValue {
  std::string path, sha256;
  std::uint64_t bytes = 0;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("path", self.path, "below folder");
    visit("bytes", self.bytes, "its size");
    visit("sha256", self.sha256, "verified");
  }
};

struct ReceiveResult {
  std::string peer, name, folder;
  std::uint32_t files = 0, failed = 0;
  std::uint64_t bytes = 0;
  std::vector<ReceivedFileValue> list;
  std::vector<FailureValue> failures;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("peer", self.peer, "who sent");
    visit("name", self.name, "of the transfer");
    visit("folder", self.folder, "where the files are");
    visit("files", self.files, "that arrived and were verified");
    visit("bytes", self.bytes, "of files");
    visit("failed", self.failed, "entries that did not arrive");
    visit("list", self.list, "the first thousand files");
    visit("failures", self.failures, "the first hundred failures");
  }
};

struct TapRequest {
  std::string link;
  std::vector<std::string> at;
  std::uint32_t snap_bytes = 65'535;
  std::uint64_t messages = 0;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("link", self.link, "a link's name, a peer's name, or PEER/LINK");
    visit("at", self.at, "layers or the transport, each watched above; empty: every boundary");
    visit("snap_bytes", self.snap_bytes, "at most so many of each message");
    visit("messages", self.messages, "ends after so many; 0: when cancelled");
  }
};

struct TapInterface {
  std::string at, headers;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("at", self.at, "the layer below the boundary");
    visit("headers", self.headers, "whose headers a message has here, the first one first");
  }
};

struct TapPacket {
  std::uint32_t interface = 0, bytes = 0;
  bool down = false;
  std::uint64_t time_ns = 0;
  std::string base64;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("interface", self.interface, "index of it");
    visit("down", self.down, "on its way to the peer");
    visit("time_ns", self.time_ns, "since 1970");
    visit("bytes", self.bytes, "of the whole message");
    visit("base64", self.base64, "what was captured");
  }
};

struct TapProgress {
  std::string link, peer, stack;
  std::vector<TapInterface> interfaces;
  std::vector<TapPacket> packets;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("link", self.link, "its name");
    visit("peer", self.peer, "the other end");
    visit("stack", self.stack, "that is watched");
    visit("interfaces", self.interfaces, "in the first progress alone");
    visit("packets", self.packets, "captured since the last one");
  }
};

struct TapResult {
  std::uint64_t seen = 0, dropped = 0;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("seen", self.seen, "messages that passed");
    visit("dropped", self.dropped, "of them, which the ring or the connection had no room for");
  }
};

}  // namespace harness::apps::admin
