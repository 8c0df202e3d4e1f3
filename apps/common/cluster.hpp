// SPDX-License-Identifier: Apache-2.0
// The cluster file: which nodes there are, where they listen, which links join them. TOML;
// docs/cluster-file.md.
//
// A cluster is a value. Every setting is remembered with its origin (file, line and column; a flag; the
// default), so that `harness config show --origin` can tell where each came from. Unknown keys are refused
// with a did-you-mean, wrong values with the line and column they stand at, stacks are read and bound when
// the file is: a node that starts has a file that makes sense. Bounds: cluster_bytes_max, cluster_nodes_max,
// cluster_links_max.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <harness/policies/link.hpp>
#include <harness/stack/authority.hpp>
#include <harness/stack/catalogue.hpp>
#include <harness/stack/result.hpp>

namespace harness::apps {

inline constexpr std::size_t cluster_bytes_max = 1u << 20;
inline constexpr std::size_t cluster_nodes_max = 1024;
inline constexpr std::size_t cluster_links_max = 4096;

/// One value of the file, or a default, and where it comes from.
struct Setting {
  std::string path;    // "links.packed.quota"
  std::string value;   // as TOML
  std::string origin;  // "cluster.toml:12:9", "--set", "default"
};

struct ClusterNode {
  std::string name;
  std::string domain;
  std::string host;                 // equal texts: the same host; empty: only the node itself can tell
  std::string user;                 // whose process it is, as a number
  std::vector<std::string> listen;  // "tcp:127.0.0.1:7101"
  std::string origin;
};

struct ClusterLink {
  std::string name;
  std::string from;               // dials
  std::vector<std::string> to;    // one link of this name to each
  std::vector<StackSpec> stacks;  // written, by preference; empty: derived from needs
  Needs needs;
  std::vector<std::string> prefer;    // transports
  std::vector<std::string> channels;  // names, the most urgent first; empty: one without a name
  std::uint64_t quota_bytes = 0;
  std::uint32_t max_message = 0;  // 0: half the quota
  std::uint64_t timeout_ns = 0;   // to open
  std::uint64_t linger_ns = 0;    // to close
  std::uint64_t new_keys_ns = 0;  // between two handshakes of an encrypted link; 0: one
  std::string origin;
};

struct Cluster {
  std::string name;
  std::string file;
  std::vector<ClusterNode> nodes;  // in the order of the file
  std::vector<ClusterLink> links;
  std::vector<policies::Floor> floors;
  std::vector<Setting> settings;

  /// Null when there is no node of that name. [any-thread]
  [[nodiscard]] const ClusterNode* node(std::string_view name) const noexcept;
  /// The declared link between the two, whoever dials; null when there is none.
  [[nodiscard]] const ClusterLink* link(std::string_view name, std::string_view a,
                                        std::string_view b) const noexcept;
};

/// Reads a cluster from text. `file` stands in errors; `overrides` are "links.packed.quota=32MiB", applied as
/// if the file said so (a value that is no TOML is taken as a text). Errors: invalid, not_found (a node,
/// layer or transport that is named and not there), always with file:line:column. [any-thread]
Result<Cluster> parse_cluster(std::string_view text, const std::string& file, const Catalogue& catalogue,
                              const std::vector<std::string>& overrides = {});
/// The same from a file. Errors: also not_found, denied, io.
Result<Cluster> read_cluster(const std::string& file, const Catalogue& catalogue,
                             const std::vector<std::string>& overrides = {});

/// An address of a transport on this host whose port or name the system chooses. [any-thread]
std::string any_address(std::string_view transport);

/// What a running node told about itself; it knows better than the file.
struct NodeFacts {
  std::vector<std::string> addresses;  // a port may have been chosen by the system
  std::string host;                    // machine_host; empty: not told, the file decides
  std::string user;                    // machine_user
};
using FactBook = std::map<std::string, NodeFacts, std::less<>>;  // by the node's name

/// Which stacks the link from its dialling node to `to` may use, and why. `authority`: who this node
/// believes, whose floors count beside those of the file; null: nobody. Both ends decide the same from the
/// same file, facts and signed floors. [any-thread]
policies::Decision decide(const Cluster& cluster, const ClusterLink& link, std::string_view to,
                          const FactBook& book, const Catalogue& catalogue,
                          const Authority* authority = nullptr);

/// Where a node may be dialled over a transport, as it told or as its file says; empty: nowhere. [any-thread]
std::string address_of(const Cluster& cluster, std::string_view node, std::string_view transport,
                       const FactBook& book);

}  // namespace harness::apps
