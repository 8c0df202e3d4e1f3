// SPDX-License-Identifier: Apache-2.0
// Lines of the admin socket: requests, and replies to them; one JSON object a line, version 1.
//
//   {"v":1,"id":7,"method":"link.ls","params":{}}
//   {"v":1,"id":7,"result":{"links":[…]}}
//   {"v":1,"id":7,"progress":{…}}                  any number of times before the result
//   {"v":1,"id":7,"error":{"code":"not_found","what":…,"because":…,"try":…}}
//
// A request names itself by a number of its client's choice; replies carry it. `cancel {"id":7}` ends a
// running request early: its result still comes. Bounds: request_bytes_max, reply_bytes_max a line. Pure:
// text in, values out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <harness/stack/result.hpp>

namespace harness::apps::admin {

inline constexpr std::size_t request_bytes_max = 1u << 20;
inline constexpr std::size_t reply_bytes_max = 16u << 20;
inline constexpr std::size_t data_frame_bytes_max = 64u << 10;

struct Request {
  std::uint64_t id = 0;
  std::string method;
  std::string params = "{}";  // JSON
};

struct Reply {
  enum class Kind : std::uint8_t { result, progress, error };
  std::uint64_t id = 0;
  Kind kind = Kind::result;
  std::string value;  // JSON, of result and progress
  Error error{Errc::ok, {}, {}, {}};
};

/// Without the newline. Errors: invalid (no JSON, no method …), conflict (another version). `id` is told even
/// then, as far as it could be read. [any-thread]
Result<Request> read_request(std::string_view line, std::uint64_t& id);
Result<Reply> read_reply(std::string_view line);
/// With the newline. [any-thread]
std::string write_request(const Request& request);
std::string write_reply(const Reply& reply);
/// The number in the parameters of `cancel`. Errors: invalid.
Result<std::uint64_t> cancelled_id(std::string_view params);
/// An object's text with "v":1 as its first member: what --json prints. [any-thread]
std::string with_version(const std::string& object);
/// {"v":1,"error":{…}}: what --json prints of an error. [any-thread]
std::string error_json(const Error& error);

/// Whether JSON is nested deeper than depth_max: looked at before it is parsed, since printing it recurses.
bool too_deep(std::string_view json) noexcept;
inline constexpr unsigned depth_max = 32;

/// The code of a name that to_string gives; `io` for any other. [any-thread]
Errc errc_from(std::string_view name) noexcept;

}  // namespace harness::apps::admin
