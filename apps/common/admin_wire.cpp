// SPDX-License-Identifier: Apache-2.0
// Lines of the admin socket.
#include <harness/apps/common/admin_wire.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <harness/apps/common/admin_values.hpp>

namespace harness::apps::admin {

namespace {

using nlohmann::json;

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

tl::unexpected<Error> bad_line(std::string because) {
  return fail(Errc::invalid, "this is no line of the admin protocol", std::move(because),
              "docs/admin.md describes it");
}

json to_json(const Error& error) {
  return {{"code", std::string(to_string(error.code))},
          {"what", error.what},
          {"because", error.because},
          {"try", error.advice}};
}

std::string text_of(const json& from, const char* name) {
  const auto at = from.find(name);
  return at != from.end() && at->is_string() ? at->get<std::string>() : std::string();
}

Error error_from(const json& from) {
  return {errc_from(text_of(from, "code")), text_of(from, "what"), text_of(from, "because"),
          text_of(from, "try")};
}

// The object of a line, its version checked and its id taken.
Result<json> read_line(std::string_view line, std::uint64_t& id) {
  if (too_deep(line)) return bad_line(fmt::format("it is nested deeper than {}", depth_max));
  json parsed = json::parse(line, nullptr, false);
  if (!parsed.is_object()) return bad_line("it is no JSON object");
  const auto number = parsed.find("id");
  if (number != parsed.end() && number->is_number_unsigned()) id = number->get<std::uint64_t>();
  const auto spoken = parsed.find("v");
  if (spoken == parsed.end() || !spoken->is_number_unsigned()) return bad_line("it has no version, \"v\":1");
  if (spoken->get<std::uint64_t>() != static_cast<std::uint64_t>(version))
    return fail(Errc::conflict, "this node speaks another version of the admin protocol",
                fmt::format("version {} came, {} is spoken here", spoken->get<std::uint64_t>(), version),
                "use the command line of the same release");
  if (number == parsed.end() || !number->is_number_unsigned()) return bad_line("it has no id, \"id\":1");
  return parsed;
}

}  // namespace

Result<Request> read_request(std::string_view line, std::uint64_t& id) {
  auto parsed = read_line(line, id);
  if (!parsed) return tl::unexpected<Error>(parsed.error());
  Request request;
  request.id = id;
  request.method = text_of(*parsed, "method");
  if (request.method.empty()) return bad_line("it has no method");
  if (const auto params = parsed->find("params"); params != parsed->end()) {
    if (!params->is_object()) return bad_line("params is no object");
    request.params = dump(*params);
  }
  return request;
}

Result<Reply> read_reply(std::string_view line) {
  Reply reply;
  auto parsed = read_line(line, reply.id);
  if (!parsed) return tl::unexpected<Error>(parsed.error());
  if (const auto at = parsed->find("result"); at != parsed->end()) {
    reply.value = dump(*at);
  } else if (const auto more = parsed->find("progress"); more != parsed->end()) {
    reply.kind = Reply::Kind::progress;
    reply.value = dump(*more);
  } else if (const auto error = parsed->find("error"); error != parsed->end() && error->is_object()) {
    reply.kind = Reply::Kind::error;
    reply.error = error_from(*error);
  } else {
    return bad_line("it is neither result, progress nor error");
  }
  return reply;
}

std::string write_request(const Request& request) {
  return fmt::format("{{\"v\":{},\"id\":{},\"method\":{},\"params\":{}}}\n", version, request.id,
                     dump(request.method), request.params);
}

std::string write_reply(const Reply& reply) {
  const std::string head = fmt::format("{{\"v\":{},\"id\":{},", version, reply.id);
  switch (reply.kind) {
    case Reply::Kind::result: return fmt::format("{}\"result\":{}}}\n", head, reply.value);
    case Reply::Kind::progress: return fmt::format("{}\"progress\":{}}}\n", head, reply.value);
    case Reply::Kind::error: break;
  }
  return fmt::format("{}\"error\":{}}}\n", head, dump(to_json(reply.error)));
}

Result<std::uint64_t> cancelled_id(std::string_view params) {
  const json parsed = too_deep(params) ? json() : json::parse(params, nullptr, false);
  const auto id = parsed.is_object() ? parsed.find("id") : parsed.end();
  if (!parsed.is_object() || id == parsed.end() || !id->is_number_unsigned())
    return bad_line("cancel needs the id of a request");
  return id->get<std::uint64_t>();
}

std::string with_version(const std::string& object) {
  return object == "{}" ? fmt::format("{{\"v\":{}}}", version)
                        : fmt::format("{{\"v\":{},{}", version, object.substr(1));
}

std::string error_json(const Error& error) {
  return fmt::format("{{\"v\":{},\"error\":{}}}", version, dump(to_json(error)));
}

bool too_deep(std::string_view text) noexcept {
  unsigned depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > depth_max) return true;
    } else if ((c == ']' || c == '}') && depth != 0) {
      --depth;
    }
  }
  return false;
}

Errc errc_from(std::string_view name) noexcept {
  for (std::uint16_t code = 0; code <= static_cast<std::uint16_t>(Errc::io); ++code)
    if (to_string(static_cast<Errc>(code)) == name) return static_cast<Errc>(code);
  return Errc::io;
}

}  // namespace harness::apps::admin
