// SPDX-License-Identifier: Apache-2.0
// From a cluster, and what its running nodes told, to the facts that policies/link decides by.
#include <algorithm>

#include <harness/apps/common/cluster.hpp>

namespace harness::apps {

namespace {

const NodeFacts* told_by(const FactBook& book, std::string_view node) {
  const auto found = book.find(node);
  return found == book.end() ? nullptr : &found->second;
}

// A node that has told nothing is where the file says: on the host of those that stand there with its text.
std::string host_of(const Cluster& cluster, const ClusterNode& node, const FactBook& book) {
  if (node.host.empty()) return {};
  for (const ClusterNode& other : cluster.nodes) {
    const NodeFacts* told = other.host == node.host ? told_by(book, other.name) : nullptr;
    if (told != nullptr && !told->host.empty()) return told->host;
  }
  return node.host;
}

policies::Place place_of(const Cluster& cluster, const ClusterNode& node, const FactBook& book) {
  const NodeFacts* told = told_by(book, node.name);
  if (told != nullptr && !told->host.empty()) return {node.domain, told->host, told->user, node.name};
  return {node.domain, host_of(cluster, node, book), node.user, node.name};
}

std::vector<policies::Candidate> candidates_of(const std::vector<std::string>& addresses,
                                               const Catalogue& catalogue) {
  std::vector<policies::Candidate> candidates;
  for (const std::string& address : addresses) {
    const std::size_t colon = address.find(':');
    const TransportType* type = catalogue.transport(std::string_view(address).substr(0, colon));
    if (type != nullptr && colon != std::string::npos)
      candidates.push_back({type, OptionValues(type->options), address.substr(colon + 1)});
  }
  return candidates;
}

}  // namespace

std::string any_address(std::string_view transport) {
  return std::string(transport) + (transport == "shm" ? ":" : ":127.0.0.1:0");
}

policies::Decision decide(const Cluster& cluster, const ClusterLink& link, std::string_view to,
                          const FactBook& book, const Catalogue& catalogue, const Authority* authority) {
  const ClusterNode& from = *cluster.node(link.from);
  const ClusterNode& peer = *cluster.node(to);
  std::vector<policies::Floor> floors = cluster.floors;
  if (authority != nullptr) {
    const bool here = authority->self().domain == from.domain;
    floors.push_back({from.domain, peer.domain, authority->floor(here ? peer.domain : from.domain)});
  }
  const NodeFacts* told = told_by(book, to);
  return policies::decide_link(
      place_of(cluster, from, book), place_of(cluster, peer, book), {link.needs, link.prefer, link.stacks},
      floors, candidates_of(told == nullptr ? peer.listen : told->addresses, catalogue), catalogue);
}

std::string address_of(const Cluster& cluster, std::string_view node, std::string_view transport,
                       const FactBook& book) {
  const NodeFacts* told = told_by(book, node);
  const std::string prefix = std::string(transport) + ":";
  for (const std::string& address : told == nullptr ? cluster.node(node)->listen : told->addresses)
    if (address.starts_with(prefix)) return address.substr(prefix.size());
  return {};
}

}  // namespace harness::apps
