// SPDX-License-Identifier: Apache-2.0
// Why a token, a root, a node or a link is refused: six reasons a program may act on, each with its sentence.
//
// They all are Errc::denied. What tells them apart is a sentence that stands in `what` or `because` of the
// error, so that it survives the admin socket and a REFUSE frame, which carry the texts of an error and its
// code; the command line gives each an exit code of its own. Rejected: a code for each in Errc, which layers
// and transports have no use for.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <harness/stack/result.hpp>

namespace harness::identity {

enum class Refusal : unsigned char {
  wrong_token,
  expired_token,
  used_up_token,
  wrong_root,
  revoked,
  floor_not_met,
};
inline constexpr std::size_t refusal_count = 6;

/// Its sentence, "the token is wrong". [any-thread]
std::string_view sentence(Refusal refusal) noexcept;
/// An error with that sentence; `about` is put before it, "the certificate of b: …". [any-thread]
tl::unexpected<Error> refuse(Refusal refusal, std::string_view about, std::string because,
                             std::string advice);
/// Which of the six an error is; nothing when it is none. [any-thread]
std::optional<Refusal> refusal_of(const Error& error) noexcept;

}  // namespace harness::identity
