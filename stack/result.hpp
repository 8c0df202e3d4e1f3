// SPDX-License-Identifier: Apache-2.0
// Errors as values: `Errc` where messages flow, `Result<T>` where links and stacks are set up.
//
// The hot path returns one 16-bit code and never a text. Set-up, configuration and everything a person reads
// returns `Error`, whose three parts are printed as they are: what failed, because of which fact, and what to
// type next.
// Rejected: exceptions (no function of this project lets one out) and std::error_code (24 bytes, and no
// second part).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace harness {

enum class Errc : std::uint16_t {
  ok,
  would_block,  // held now; the message is still the caller's, one `writable` event follows
  too_large,    // larger than the link's max_message
  closed,       // the link was closed by this side or, in order, by the peer
  timed_out,
  unreachable,  // nobody answers at that address
  peer_lost,    // the peer went away without closing
  denied,       // refused by the peer or by a policy
  corrupt,      // bytes that a checksum or a parser refuses
  not_found,
  exists,
  unsupported,
  exhausted,  // a stated bound (pool, quota, table) is used up
  cancelled,
  invalid,   // malformed text, option or argument
  conflict,  // versions or names that do not fit together
  io,        // the operating system refused; `because` carries its words
};

/// The stable lower-case name of a code, as the command line and JSON print it. [any-thread]
std::string_view to_string(Errc code) noexcept;

/// What went wrong, for a person: what, the fact with its numbers, and the command or setting that helps.
struct Error {
  Errc code = Errc::invalid;
  std::string what;
  std::string because;
  std::string advice;

  /// The three lines `error: … / because: … / try: …`, without a trailing newline; empty parts are left out.
  [[nodiscard]] std::string text() const;
};

template <class T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Errc code, std::string what, std::string because = {},
                                  std::string advice = {}) {
  return tl::unexpected<Error>(Error{code, std::move(what), std::move(because), std::move(advice)});
}

}  // namespace harness
