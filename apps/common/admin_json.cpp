// SPDX-License-Identifier: Apache-2.0
// Admin values to JSON and back, by the list of their fields.
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <harness/apps/common/admin_runs.hpp>
#include <harness/apps/common/admin_wire.hpp>
#include <harness/stack/text.hpp>

namespace harness::apps::admin {

namespace {

using nlohmann::json;

template <class T>
concept Struct = requires(T& value) { T::fields(value, [](const char*, auto&, const char*) {}); };
template <class T>
struct element_of;
template <class T>
struct element_of<std::vector<T>> {
  using type = T;
};
template <class T>
concept List = requires { typename element_of<T>::type; };

template <class T>
json to_json(const T& value) {
  if constexpr (Struct<T>) {
    json object = json::object();
    T::fields(value,
              [&](const char* name, const auto& field, const char*) { object[name] = to_json(field); });
    return object;
  } else if constexpr (List<T>) {
    json array = json::array();
    for (const auto& one : value) array.push_back(to_json(one));
    return array;
  } else {
    return value;
  }
}

template <class T>
bool fits(const json& from) {
  if constexpr (std::is_same_v<T, bool>) {
    return from.is_boolean();
  } else if constexpr (std::is_same_v<T, std::string>) {
    return from.is_string();
  } else {
    return from.is_number_unsigned() && from.get<std::uint64_t>() <= std::numeric_limits<T>::max();
  }
}

template <class T>
const char* kind_of() {
  if constexpr (Struct<T>) {
    return "object";
  } else if constexpr (List<T>) {
    return "array";
  } else if constexpr (std::is_same_v<T, bool>) {
    return "true or false";
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "text";
  } else {
    return sizeof(T) == 4 ? "number, at most 2^32 - 1" : "number";
  }
}

/// Reads into a value; the first thing that does not fit is kept.
class JsonReader {
 public:
  explicit JsonReader(bool strict) : strict_(strict) {}

  template <class T>
  void read(const json& from, T& value, const std::string& path) {
    if constexpr (Struct<T>) {
      if (!from.is_object()) return wrong<T>(path);
      std::set<std::string> known;
      T::fields(value, [&](const char* name, auto& field, const char*) {
        known.insert(name);
        if (const auto at = from.find(name); at != from.end())
          read(*at, field, path.empty() ? name : path + "." + name);
      });
      if (strict_) refuse_unknown(from, known);
    } else if constexpr (List<T>) {
      if (!from.is_array()) return wrong<T>(path);
      value.clear();
      for (const json& one : from) read(one, value.emplace_back(), path + "[]");
    } else {
      if (!fits<T>(from)) return wrong<T>(path);
      value = from.get<T>();
    }
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  template <class T>
  void wrong(const std::string& path) {
    if (error_) return;
    error_ = Error{Errc::invalid, fmt::format("{} does not fit", path.empty() ? "the value" : path),
                   fmt::format("a {} is wanted here", kind_of<T>()), "docs/admin.md lists every field"};
  }
  void refuse_unknown(const json& from, const std::set<std::string>& known) {
    for (const auto& [name, ignored] : from.items()) {
      if (error_ || known.contains(name)) continue;
      const std::vector<std::string> all(known.begin(), known.end());
      error_ =
          Error{Errc::invalid, fmt::format("unknown field {}", text::quoted(name)),
                all.empty() ? "this method has no parameters" : "known are " + text::list(std::span(all)),
                "docs/admin.md lists every field"};
    }
  }

  bool strict_;
  std::optional<Error> error_;
};

template <class T>
void describe(T& value, const std::string& before, std::vector<std::vector<std::string>>& rows) {
  T::fields(value, [&]<class F>(const char* name, F& field, const char* doc) {
    rows.push_back({before + name, kind_of<F>(), doc});
    if constexpr (List<F>) {
      if constexpr (Struct<typename element_of<F>::type>) {
        typename element_of<F>::type one;
        describe(one, before + name + "[].", rows);
      } else {
        rows.back()[1] = std::string("array of ") + kind_of<typename element_of<F>::type>();
      }
    } else if constexpr (Struct<F>) {
      describe(field, before + name + ".", rows);
    }
  });
}

}  // namespace

// Bytes that are no UTF-8 (a path may hold any) are replaced: JSON has no other way to say them.
template <class T>
std::string write_json(const T& value) {
  return to_json(value).dump(-1, ' ', false, json::error_handler_t::replace);
}

template <class T>
Result<T> read_json(std::string_view text, bool strict) {
  const json parsed = too_deep(text) ? json(json::value_t::discarded) : json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return fail(Errc::invalid, "this is no JSON", {}, {});
  T value;
  JsonReader reader(strict);
  reader.read(parsed, value, {});
  if (reader.error()) return tl::unexpected<Error>(*reader.error());
  return value;
}

template <class T>
std::vector<std::vector<std::string>> describe_fields() {
  std::vector<std::vector<std::string>> rows;
  T value;
  describe(value, {}, rows);
  return rows;
}

#define HARNESS_ADMIN_VALUE(T)                             \
  template std::string write_json(const T&);               \
  template Result<T> read_json<T>(std::string_view, bool); \
  template std::vector<std::vector<std::string>> describe_fields<T>();
HARNESS_ADMIN_VALUE(Nothing)
HARNESS_ADMIN_VALUE(NodeStatus)
HARNESS_ADMIN_VALUE(LinkList)
HARNESS_ADMIN_VALUE(LinkName)
HARNESS_ADMIN_VALUE(LinkDetail)
HARNESS_ADMIN_VALUE(LinkWhy)
HARNESS_ADMIN_VALUE(PeerFacts)
HARNESS_ADMIN_VALUE(Config)
HARNESS_ADMIN_VALUE(PingRequest)
HARNESS_ADMIN_VALUE(PingAnswer)
HARNESS_ADMIN_VALUE(PingResult)
HARNESS_ADMIN_VALUE(LoadRequest)
HARNESS_ADMIN_VALUE(LoadResult)
HARNESS_ADMIN_VALUE(SendRequest)
HARNESS_ADMIN_VALUE(TransferResult)
HARNESS_ADMIN_VALUE(ReceiveRequest)
HARNESS_ADMIN_VALUE(ReceiveProgress)
HARNESS_ADMIN_VALUE(ReceiveResult)
HARNESS_ADMIN_VALUE(TapRequest)
HARNESS_ADMIN_VALUE(TapProgress)
HARNESS_ADMIN_VALUE(TapResult)
#undef HARNESS_ADMIN_VALUE

}  // namespace harness::apps::admin
