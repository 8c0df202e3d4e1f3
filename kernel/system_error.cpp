// SPDX-License-Identifier: Apache-2.0
// errno to Error.
#include <harness/kernel/system_error.hpp>

#include <cerrno>
#include <system_error>

namespace harness {

namespace {

Errc code_of(int number) {
  switch (number) {
    case ENOENT: return Errc::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP: return Errc::denied;
    case EEXIST:
    case EISDIR:
    case ENOTDIR:
    case ENOTEMPTY:
    case EADDRINUSE: return Errc::exists;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return Errc::exhausted;
    case ECONNREFUSED: return Errc::unreachable;
    case ETIMEDOUT: return Errc::timed_out;
    default: return Errc::io;
  }
}

std::string usual_advice(int number) {
  switch (number) {
    case ENOENT: return "check the spelling, or make it first";
    case EACCES:
    case EPERM: return "check the owner and the mode: ls -ld";
    case EROFS: return "choose a place that can be written";
    case ENOSPC:
    case EDQUOT: return "free some space: df -h";
    case EFBIG: return "raise the limit of file sizes: ulimit -f";
    case EMFILE:
    case ENFILE: return "raise the limit of open files: ulimit -n";
    default: return {};
  }
}

}  // namespace

Error system_error(int number, std::string what, std::string advice) {
  if (advice.empty()) advice = usual_advice(number);
  return {code_of(number), std::move(what), std::generic_category().message(number), std::move(advice)};
}

}  // namespace harness
