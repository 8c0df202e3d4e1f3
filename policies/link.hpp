// SPDX-License-Identifier: Apache-2.0
// Which stacks a link may use: facts about two nodes and wishes for their link in, an ordered list of stacks
// out, with a reason for each and for everything refused.
//
// A policy is a pure function: no I/O, no clock, no state. It states needs (what is asked for, what the
// floors of the two domains demand) and lets compose find stacks; no stack text and no transport's name
// stands here. What two nodes have in common decides how they may meet: a transport says what it needs there
// (same user, same process), and is refused with the fact that is missing. Nothing is tried that was not
// asked for: where stacks are written or transports preferred, the others are looked at, so that a person can
// be told what they would give, and not offered. Both ends, and every host, decide the same from the same
// facts, whichever end asks and in whatever order the candidates come. Sources: design §3, §6.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <harness/stack/compose.hpp>

namespace harness::policies {

/// Where a node is. Equal non-empty texts mean the same; an empty one is unknown, and never the same as
/// another. A user is one of his host, a process one of its user.
struct Place {
  std::string domain;
  std::string host;
  std::string user;
  std::string process;
};

/// The trust word between two places: foreign, same domain, same host, same user, same process. [any-thread]
Properties trust_between(const Place& a, const Place& b) noexcept;

/// What links between two domains must give at least, whoever asks; the order of the two does not matter.
/// Floors only raise what is needed.
struct Floor {
  std::string domain_a;
  std::string domain_b;
  Properties word{};
};

/// A transport by which the peer can be reached.
struct Candidate {
  const TransportType* transport = nullptr;
  OptionValues options;
  std::string address;  // handed through
};

/// What is wished for a link: needs, or written stacks that must still meet them.
struct Wish {
  Needs needs;
  std::vector<std::string> transports;  // by preference, and no others; empty: any, the cheapest stack first
  std::vector<StackSpec> stacks;        // written, by preference, and no others; empty: derive
};

struct Choice {
  StackSpec stack;
  std::string address;
  Given given;
  std::string why;  // "cheapest for reliable, fifo over tcp …"
};

struct Refusal {
  std::string what;     // a stack's text, or a transport's name where none was found
  std::string address;  // "tcp:10.0.0.2:7001"; empty when there is none
  Error why;
};

struct Decision {
  Properties trust{};
  Needs needs;                   // wished ∪ floors: what both ends check the agreed stack against
  Properties floor{};            // of the floors alone
  std::vector<Choice> offers;    // most preferred first; empty: the link cannot be
  std::vector<Refusal> refused;  // asked for, and impossible
  std::vector<Refusal> unasked;  // never tried: not among what was asked for, or no address to dial
};

/// Decides. Everything that `wish` names is in the catalogue, which outlives the decision. Every transport
/// that the catalogue can make and every candidate stands in one of the three lists. [any-thread]
Decision decide_link(const Place& from, const Place& to, const Wish& wish, std::span<const Floor> floors,
                     std::span<const Candidate> candidates, const Catalogue& catalogue);

/// Why a decision has no offers, in three parts; the first refusal speaks for all. [any-thread]
Error why_no_link(const Decision& decision);

}  // namespace harness::policies
