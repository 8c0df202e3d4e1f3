// SPDX-License-Identifier: Apache-2.0
// What a program of ours tells the shell: one table from error codes to exit codes, the same for every
// command; six reasons of the identity have a code of their own, so that a script can tell them apart.
#pragma once

#include <harness/kernel/identity/refusal.hpp>
#include <harness/stack/result.hpp>

namespace harness::apps {

enum class ExitCode : int {
  ok = 0,
  failed = 1,
  usage = 2,
  not_found = 3,
  denied = 4,
  unreachable = 5,  // or timed out
  conflict = 6,
  partial = 7,
  degraded = 8,
  wrong_token = 10,  // from here in the order of identity::Refusal
  expired_token = 11,
  used_up_token = 12,
  wrong_root = 13,
  revoked = 14,
  floor_not_met = 15,
  interrupted = 130,
};

/// The exit code that stands for an error code alone. [any-thread]
constexpr ExitCode exit_code(Errc code) noexcept {
  switch (code) {
    case Errc::ok: return ExitCode::ok;
    case Errc::not_found: return ExitCode::not_found;
    case Errc::denied: return ExitCode::denied;
    case Errc::timed_out:
    case Errc::unreachable:
    case Errc::peer_lost: return ExitCode::unreachable;
    case Errc::exists:
    case Errc::conflict: return ExitCode::conflict;
    case Errc::cancelled: return ExitCode::interrupted;
    case Errc::invalid: return ExitCode::usage;
    default: return ExitCode::failed;
  }
}

/// The exit code that stands for an error. [any-thread]
inline ExitCode exit_code(const Error& error) noexcept {
  const auto refusal = identity::refusal_of(error);
  if (!refusal) return exit_code(error.code);
  return static_cast<ExitCode>(static_cast<int>(ExitCode::wrong_token) + static_cast<int>(*refusal));
}

}  // namespace harness::apps
