// SPDX-License-Identifier: Apache-2.0
// Field tables as Lua and as Markdown.
#include <harness/apps/common/dissector.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <harness/apps/common/service_wire.hpp>

namespace harness::apps {

namespace {

// Reads bits of a header that starts at `at`; Lua numbers are doubles, so at most 52 bits of a field are
// shown.
constexpr const char* prelude = R"lua(-- Written by `harness docs dissector`; do not edit.
local harness = Proto("harness", "Harness")
local headers = {}
local opaque = nil
local interface_name = Field.new("frame.interface_name")

local function bits(buffer, at, first, count)
  local value, scale = 0, 1
  for bit = first, first + math.min(count, 52) - 1 do
    local byte = buffer(at + math.floor(bit / 8), 1):uint()
    if math.floor(byte / 2 ^ (bit % 8)) % 2 == 1 then value = value + scale end
    scale = scale * 2
  end
  return value
end

local function show(buffer, at, tree, header)
  local size = math.ceil(header.bits / 8)
  if buffer:len() - at < size then return nil end
  local branch = tree:add(harness, buffer(at, size), header.name)
  local first = 0
  for _, field in ipairs(header.fields) do
    local from = math.floor(first / 8)
    local to = math.ceil((first + field.bits) / 8)
    local value = bits(buffer, at, first, field.bits)
    local text = string.format("%s: %d (%s)", field.name, value, field.doc)
    branch:add(buffer(at + from, to - from), text)
    first = first + field.bits
    -- Behind a later part of a message, and in compressed bytes, no further header can be read.
    if field.name == "offset" and header.carries and value ~= 0 then opaque = "a later part" end
    if field.name == "original_bytes" then opaque = "compressed" end
    if field.name == "tag_8" then opaque = "encrypted" end
  end
  return at + size
end

local function choose(buffer, at, forms)
  for _, form in ipairs(forms) do
    if form.tag < 0 then return form end
    local width = form.fields[1].bits
    local enough = buffer:len() - at >= math.ceil(width / 8)
    if enough and bits(buffer, at, 0, width) == form.tag then return form end
  end
  return nil
end

)lua";

constexpr const char* epilogue = R"lua(
function harness.dissector(buffer, pinfo, tree)
  pinfo.cols.protocol = "Harness"
  local names = interface_name()
  local at, shown = 0, {}
  opaque = nil
  for name in string.gmatch(names and names.value or "payload", "[^,]+") do
    if opaque or name == "payload" or at == buffer:len() then break end
    local form = headers[name] and choose(buffer, at, headers[name])
    local after = form and show(buffer, at, tree, form)
    if not after then
      tree:add_expert_info(PI_MALFORMED, PI_ERROR, "header of " .. name .. " cut or unknown")
      break
    end
    at = after
    local whole = form.name == name or name == "service"
    table.insert(shown, whole and form.name or name .. " " .. form.name)
  end
  if opaque then table.insert(shown, opaque) end
  if at < buffer:len() then tree:add(buffer(at), string.format("payload (%d bytes)", buffer:len() - at)) end
  pinfo.cols.info = table.concat(shown, " / ") .. string.format(" payload %d", buffer:len() - at)
end
DissectorTable.get("wtap_encap"):add(wtap.USER0, harness)
)lua";

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

void add_lua(std::string& out, std::string_view owner, std::span<const HeaderInfo> headers) {
  if (headers.empty()) return;
  out += fmt::format("headers[{}] = {{\n", quoted(owner));
  for (const HeaderInfo& header : headers) {
    std::string fields;
    unsigned bits = 0;
    for (const FieldInfo& field : header.fields) {
      fields += fmt::format("    {{name = {}, bits = {}, doc = {}}},\n", quoted(field.name), field.bits,
                            quoted(field.doc));
      bits += field.bits;
    }
    out += fmt::format("  {{name = {}, tag = {}, bits = {}, carries = {}, fields = {{\n{}  }}}},\n",
                       quoted(header.name), header.tag, bits, owner != service_name, fields);
  }
  out += "}\n";
}

void add_markdown(std::string& out, std::string_view kind, std::string_view owner,
                  std::span<const HeaderInfo> headers) {
  for (const HeaderInfo& header : headers) {
    unsigned bits = 0;
    std::string rows;
    for (const FieldInfo& field : header.fields) {
      rows += fmt::format("| {} | {} | {} | {} |\n", bits, field.bits, field.name, field.doc);
      bits += field.bits;
    }
    out += fmt::format("### {} `{}`{}\n\n", kind, owner,
                       header.name == owner ? "" : fmt::format(", {}", header.name));
    out += fmt::format(
        "{} bytes{}.\n\n| bit | bits | field | meaning |\n|---|---|---|---|\n{}\n", (bits + 7) / 8,
        header.tag < 0 ? "" : fmt::format("; `{}` is {}", header.fields[0].name, header.tag), rows);
  }
}

}  // namespace

std::string dissector(const Catalogue& catalogue) {
  std::string out = prelude;
  for (const LayerType& layer : catalogue.layers())
    add_lua(out, layer.descriptor->name, layer.descriptor->headers);
  add_lua(out, service_name, wire::service_headers());
  return out + epilogue;
}

std::string headers_at(const StackSpec& spec, std::size_t boundary, std::string_view top) {
  std::string names;
  for (std::size_t i = std::min(boundary, spec.layers.size()); i-- > 0;)
    if (!spec.layers[i].type->descriptor->headers.empty())
      names += std::string(spec.layers[i].type->descriptor->name) + ",";
  return names + std::string(top);
}

std::string wire_tables(const Catalogue& catalogue) {
  std::string out;
  for (const TransportType& transport : catalogue.transports())
    add_markdown(out, "Transport", transport.name, transport.headers);
  for (const LayerType& layer : catalogue.layers())
    add_markdown(out, "Layer", layer.descriptor->name, layer.descriptor->headers);
  for (const HeaderInfo& header : wire::service_headers())
    add_markdown(out, "Service", header.name, {&header, 1});
  return out;
}

}  // namespace harness::apps
