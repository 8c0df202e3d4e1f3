// SPDX-License-Identifier: Apache-2.0
// What the admin socket speaks about: requests and results as plain structs, each with one list of its
// fields.
//
// JSON (both ways), the tables of docs/admin.md and the CLI's --json come from these lists. A field that is
// missing in a request has the default that stands here; an unknown one in a request is refused, in a result
// ignored, so that an older command line understands a newer node. Sizes in bytes, times as their names say.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <harness/stack/result.hpp>

namespace harness::apps::admin {

inline constexpr int version = 1;

struct Nothing {
  template <class Self, class Visit>
  static void fields(Self&, Visit&&) {}
};

struct NodeStatus {
  std::string name, domain, identity, root, host, user, cluster, state_folder, release;
  std::uint64_t pid = 0, uptime_ms = 0, certificate_until = 0;
  std::vector<std::string> addresses;
  std::uint32_t links_up = 0, links_declared = 0;
  std::uint64_t refused = 0, late_turns = 0, late_ns_max = 0, pool_bytes = 0;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("name", self.name, "the node's name");
    visit("domain", self.domain, "its trust domain");
    visit("identity", self.identity, "as its certificate names it; empty: it has none");
    visit("root", self.root, "fingerprint of the root that it believes of its own domain");
    visit("certificate_until", self.certificate_until,
          "when that certificate expires, in seconds since 1970");
    visit("host", self.host, "its host; equal texts are the same host");
    visit("user", self.user, "whose process it is, as a number");
    visit("cluster", self.cluster, "name of the cluster file it runs");
    visit("state_folder", self.state_folder, "where its socket and received files are");
    visit("release", self.release, "version of the program");
    visit("pid", self.pid, "process");
    visit("uptime_ms", self.uptime_ms, "since it started");
    visit("addresses", self.addresses, "where it listens, ports filled in");
    visit("links_up", self.links_up, "links that carry traffic now");
    visit("links_declared", self.links_declared, "links of the cluster file that end here");
    visit("refused", self.refused, "strangers and broken set-up frames turned away");
    visit("late_turns", self.late_turns, "turns of the engine that took longer than 50 µs");
    visit("late_ns_max", self.late_ns_max, "the longest of them, in ns");
    visit("pool_bytes", self.pool_bytes, "memory that messages hold");
  }
};

struct LinkStatus {
  std::string name, peer, state, role, stack, address, error, proven;
  std::uint64_t opened_us = 0, reopened = 0;
  std::uint32_t header_bytes = 0, max_message = 0;
  std::uint64_t sent_messages = 0, sent_bytes = 0, received_messages = 0, received_bytes = 0;
  bool measured = false;
  std::uint64_t retransmits = 0, rtt_us = 0;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("name", self.name, "the link's name, equal at both ends");
    visit("peer", self.peer, "the node at the other end");
    visit("state", self.state, "waiting, dialing, accepted, up, closing, closed or lost");
    visit("role", self.role, "initiator or responder");
    visit("stack", self.stack, "the agreed stack, empty while there is none");
    visit("address", self.address, "of the peer");
    visit("error", self.error, "why it is not up, in one line");
    visit("proven", self.proven, "who the peer has proved to be, `spiffe://DOMAIN/node/NAME`; empty: nobody");
    visit("opened_us", self.opened_us, "from dialling to up");
    visit("reopened", self.reopened, "times it came up after the first");
    visit("header_bytes", self.header_bytes, "of a small message, all layers and the transport");
    visit("max_message", self.max_message, "the largest message it takes");
    visit("sent_messages", self.sent_messages, "by this end, since it came up");
    visit("sent_bytes", self.sent_bytes, "their bytes");
    visit("received_messages", self.received_messages, "at this end");
    visit("received_bytes", self.received_bytes, "their bytes");
    visit("measured", self.measured, "a layer of its stack tells the next two");
    visit("retransmits", self.retransmits, "packets that this end sent again");
    visit("rtt_us", self.rtt_us, "smoothed round trip");
  }
};

struct LinkList {
  std::vector<LinkStatus> links;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("links", self.links, "in the order of the cluster file");
  }
};

struct LinkName {
  std::string link;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("link", self.link, "a link's name, a peer's name, or PEER/LINK");
  }
};

struct NamedValue {
  std::string name, value;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("name", self.name, "what it is");
    visit("value", self.value, "a number or a text");
  }
};

struct LayerStatus {
  std::string name;
  std::vector<NamedValue> values;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("name", self.name, "of the layer or transport");
    visit("values", self.values, "what it tells about itself");
  }
};

struct LinkDetail {
  LinkStatus link;
  std::vector<LayerStatus> layers;
  std::uint64_t quota_bytes = 0, quota_used_bytes = 0, quota_peak_bytes = 0;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("link", self.link, "as in link.ls");
    visit("layers", self.layers, "top first, the transport last");
    visit("quota_bytes", self.quota_bytes, "of received messages that may be alive");
    visit("quota_used_bytes", self.quota_used_bytes, "now");
    visit("quota_peak_bytes", self.quota_peak_bytes, "at most so far");
  }
};

struct WhyLayer {
  std::string layer, why;
  std::uint32_t header_bytes = 0, nominal_ns = 0;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("layer", self.layer, "or the transport");
    visit("why", self.why, "what needs it");
    visit("header_bytes", self.header_bytes, "of a small message");
    visit("nominal_ns", self.nominal_ns, "send and deliver, on the reference machine");
  }
};

struct WhyOffer {
  std::string stack, why, address, outcome;
  bool chosen = false;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("stack", self.stack, "offered to the peer");
    visit("why", self.why, "written, or cheapest for what is needed");
    visit("address", self.address, "dialled for it");
    visit("chosen", self.chosen, "the peer took it");
    visit("outcome", self.outcome,
          "what became of it at this end: chosen, why it failed, or why it was not tried");
  }
};

struct WhyRefusal {
  std::string stack, address, what, because, advice;
  bool asked = true;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("stack", self.stack, "or the transport, where no stack was found");
    visit("address", self.address, "it would be dialled at, empty when there is none");
    visit("asked", self.asked, "the cluster file asks for it; else it is never tried");
    visit("what", self.what, "stands against it");
    visit("because", self.because, "of this");
    visit("try", self.advice, "this");
  }
};

struct LinkWhy {
  std::string name, peer, needs, trust, gives, stack;
  std::vector<WhyLayer> layers;
  std::vector<WhyOffer> offers;
  std::vector<WhyRefusal> refused;
  std::vector<std::string> rejected, notes;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("name", self.name, "the link's name");
    visit("peer", self.peer, "the node at the other end");
    visit("needs", self.needs, "asked for, and the floors of the domains");
    visit("trust", self.trust, "how near the two nodes are");
    visit("gives", self.gives, "what the stack guarantees");
    visit("stack", self.stack, "the one explained: the chosen one, or the first offer");
    visit("layers", self.layers, "top first, the transport last");
    visit("offers", self.offers, "most preferred first");
    visit("refused", self.refused, "every other way to the peer, first what was asked for");
    visit("rejected", self.rejected, "other stacks, and what is wrong with them");
    visit("notes", self.notes, "layers that are not needed, and what the transport has decided");
  }
};

struct PeerFacts {
  std::string node;
  std::vector<std::string> addresses;
  std::string host, user;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("node", self.node, "of the cluster file");
    visit("addresses", self.addresses, "where it listens now, in place of what the file says");
    visit("host", self.host, "as its node.show tells; empty: the file decides");
    visit("user", self.user, "as its node.show tells, with host");
  }
};

struct ConfigSetting {
  std::string path, value, origin;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("path", self.path, "of the setting");
    visit("value", self.value, "as TOML");
    visit("origin", self.origin, "file:line:column, --set, or default");
  }
};

struct Config {
  std::string cluster, file;
  std::vector<ConfigSetting> settings;
  template <class Self, class Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("cluster", self.cluster, "its name");
    visit("file", self.file, "it was read from");
    visit("settings", self.settings, "every one, defaults too");
  }
};

/// A request as text: its method, and parameters as JSON. [any-thread]
template <class T>
std::string write_json(const T& value);
/// From JSON. `strict`: unknown fields are refused. Errors: invalid, naming the field. [any-thread]
template <class T>
Result<T> read_json(std::string_view json, bool strict = false);
/// "name · type · meaning" of every field, nested ones below; for documentation. [any-thread]
template <class T>
std::vector<std::vector<std::string>> describe_fields();

}  // namespace harness::apps::admin
