// SPDX-License-Identifier: Apache-2.0
// Documents as one line of text that people carry by mail, chat or paper: `harness-root-04g2…`.
//
// A prefix says what it is; then come the bytes and 4 bytes of SHA-256 over prefix and bytes, in Crockford's
// base32 (no i, l, o, u; read without regard to case, and with i, l, o taken for 1, 1, 0). So a line that was
// cut or mistyped is recognised where it is read, before anything is asked of anybody. The check value
// protects from accidents only; what must not be forged is signed. One text has one value: the unused bits of
// the last letter are zero.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <harness/stack/bytes.hpp>
#include <harness/stack/result.hpp>

namespace harness::identity {

/// Crockford's base32, small letters. [any-thread]
std::string base32(Bytes bytes);

/// `prefix` ends with a dash. No newline at the end. [any-thread]
std::string write_line(std::string_view prefix, Bytes bytes);
/// The bytes of a line that may stand between blanks; at most `bytes_max`. `name` is what it should be, for
/// errors: "a root". Errors: invalid (something else, or longer), corrupt (mistyped or cut). [any-thread]
Result<std::vector<std::byte>> read_line(std::string_view text, std::string_view prefix,
                                         std::string_view name, std::size_t bytes_max);
/// Whether a text claims to be a line of this prefix. [any-thread]
bool is_line(std::string_view text, std::string_view prefix) noexcept;

}  // namespace harness::identity
