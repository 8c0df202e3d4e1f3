// SPDX-License-Identifier: Apache-2.0
// The only file that knows toml++.
#include <harness/apps/common/cluster_table.hpp>

#include <algorithm>
#include <map>
#include <sstream>

#define TOML_EXCEPTIONS 0
// Its parser asserts on some malformed keys just before it reports them: a typo must not end the process.
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <fmt/format.h>
#include <toml++/toml.h>

#include <harness/apps/common/human.hpp>
#include <harness/stack/text.hpp>

namespace harness::apps {

namespace {

const toml::table* as_table(const void* table) { return static_cast<const toml::table*>(table); }

std::string written(const toml::node& node) {
  std::ostringstream text;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_value<decltype(value)>) {
      text << toml::toml_formatter{value};
    } else if constexpr (toml::is_array<decltype(value)>) {
      text << value;
    }
  });
  return text.str();
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> keys;
  for (;;) {
    const std::size_t dot = path.find('.');
    keys.emplace_back(path.substr(0, dot));
    if (dot == std::string_view::npos) return keys;
    path.remove_prefix(dot + 1);
  }
}

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

// toml++ 3.3 runs into undefined behaviour on some characters beyond ASCII where it expects a key or a blank.
// Nothing we read needs them, so they are refused, but for lines that are comments: there they become '?'.
Result<std::string> ascii_only(std::string_view text, const std::string& file) {
  std::string clean(text);
  std::size_t begin = 0;
  for (int line = 1; begin < clean.size(); ++line) {
    const std::size_t end = std::min(clean.find('\n', begin), clean.size());
    const std::size_t first = clean.find_first_not_of(" \t", begin);
    const bool comment = first < end && clean[first] == '#';
    for (std::size_t at = begin; at < end; ++at) {
      if (static_cast<unsigned char>(clean[at]) < 0x80) continue;
      if (!comment)
        return harness::fail(
            Errc::invalid, fmt::format("{}:{}:{}: a character beyond ASCII", file, line, at - begin + 1),
            "names, addresses and stacks are ASCII", "write it without, or on a comment line of its own");
      clean[at] = '?';
    }
    begin = end + 1;
  }
  return clean;
}

}  // namespace

struct TomlFile::Tree {
  toml::table root;
};

TomlFile::TomlFile(std::string file) : file_(std::move(file)), tree_(std::make_unique<Tree>()) {}
TomlFile::~TomlFile() = default;

Result<std::unique_ptr<TomlFile>> TomlFile::parse(std::string_view text, std::string file,
                                                  const std::vector<std::string>& overrides) {
  std::unique_ptr<TomlFile> made(new TomlFile(std::move(file)));
  auto clean = ascii_only(text, made->file_);
  if (!clean) return tl::unexpected<Error>(clean.error());
  toml::parse_result parsed = toml::parse(*clean, made->file_);
  if (!parsed) {
    const auto& at = parsed.error().source().begin;
    return harness::fail(
        Errc::invalid, fmt::format("{}:{}:{}: this is no TOML", made->file_, at.line, at.column),
        printable(parsed.error().description()), "docs/cluster-file.md has an example of everything");
  }
  made->tree_->root = std::move(parsed).table();
  for (const std::string& one : overrides)
    if (auto done = made->override_one(one); !done) return tl::unexpected<Error>(done.error());
  return made;
}

// key.key=value: the value as TOML, or else as a plain text. Tables on the way are made. A copied node has no
// place in the file, which is how `origin` knows.
Result<> TomlFile::override_one(const std::string& text) {
  const std::size_t equals = text.find('=');
  const auto wrong = [&](std::string because) {
    return harness::fail(Errc::invalid, fmt::format("--set {} makes no sense", printable(text)),
                         std::move(because), "--set links.NAME.quota=32MiB");
  };
  if (equals == std::string::npos || equals == 0) return wrong("it is not written KEY=VALUE");
  if (!is_ascii(text)) return wrong("names, addresses and stacks are ASCII");
  const auto keys = split_path(std::string_view(text).substr(0, equals));
  const std::string value = text.substr(equals + 1);
  toml::table* table = &tree_->root;
  for (std::size_t i = 0; i + 1 < keys.size(); ++i) {
    toml::node* next = table->get(keys[i]);
    if (next == nullptr) next = &table->insert_or_assign(keys[i], toml::table{}).first->second;
    table = next->as_table();
    if (table == nullptr) return wrong(fmt::format("{} is no table", printable(keys[i])));
  }
  toml::parse_result parsed = toml::parse("v = " + value);
  if (parsed && parsed.table().size() == 1 && !parsed.table().get("v")->is_table()) {
    table->insert_or_assign(keys.back(), *parsed.table().get("v"));
  } else {
    table->insert_or_assign(keys.back(), value);
  }
  return {};
}

TomlTable TomlFile::root() { return {*this, &tree_->root, {}}; }

// ---- taking ----

const void* TomlTable::node(std::string_view key) {
  taken_.emplace_back(key);
  return table_ == nullptr ? nullptr : as_table(table_)->get(key);
}

bool TomlTable::has(std::string_view key) const {
  return table_ != nullptr && as_table(table_)->contains(key);
}

std::string TomlTable::origin(std::string_view key) const {
  const toml::node* node = as_table(table_);
  if (node != nullptr && !key.empty()) node = as_table(table_)->get(key);
  if (node == nullptr) return "default";
  const auto& at = node->source().begin;
  return at.line == 0 ? "--set" : fmt::format("{}:{}:{}", file_->file_, at.line, at.column);
}

void TomlTable::remember(std::string_view key, std::string value) {
  file_->settings_.push_back(
      {path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key), std::move(value), origin(key)});
}

void TomlTable::wrong_kind(std::string_view key, const char* wanted) {
  fail(key, Errc::invalid, fmt::format("{} is not {}", key, wanted),
       fmt::format("it is {}", written(*as_table(table_)->get(key))),
       "docs/cluster-file.md has an example of everything");
}

std::string TomlTable::text(std::string_view key, std::string_view otherwise) {
  const auto* at = static_cast<const toml::node*>(node(key));
  std::string value(otherwise);
  if (at != nullptr) {
    const auto* text = at->as_string();
    if (text == nullptr) {
      wrong_kind(key, "a text");
      return value;
    }
    value = text->get();
  }
  remember(key, written(toml::value<std::string>(value)));
  return value;
}

std::vector<std::string> TomlTable::texts(std::string_view key) {
  const auto* at = static_cast<const toml::node*>(node(key));
  std::vector<std::string> values;
  if (at != nullptr && at->is_string()) {
    values.push_back(at->as_string()->get());
  } else if (at != nullptr) {
    if (!at->is_array() ||
        (!at->as_array()->empty() && !at->as_array()->is_homogeneous(toml::node_type::string))) {
      wrong_kind(key, "a text or an array of texts");
      return {};
    }
    for (const toml::node& one : *at->as_array()) values.push_back(one.as_string()->get());
  }
  remember(key, at == nullptr ? "[]" : written(*at));
  return values;
}

bool TomlTable::flag(std::string_view key, bool otherwise) {
  const auto* at = static_cast<const toml::node*>(node(key));
  if (at != nullptr && !at->is_boolean()) {
    wrong_kind(key, "true or false");
    return otherwise;
  }
  const bool value = at == nullptr ? otherwise : at->as_boolean()->get();
  remember(key, value ? "true" : "false");
  return value;
}

std::int64_t TomlTable::amount(const OptionSpec& option) {
  const auto* at = static_cast<const toml::node*>(node(option.name));
  std::int64_t value = option.standard;
  if (at != nullptr) {
    if (!at->is_string() && !at->is_integer()) {
      wrong_kind(option.name, "an amount");
      return value;
    }
    const std::string text =
        at->is_string() ? at->as_string()->get() : std::to_string(at->as_integer()->get());
    auto read = parse_value(option, text);
    if (!read) {
      fail(option.name, read.error());
      return value;
    }
    value = *read;
  }
  remember(option.name, fmt::format("\"{}\"", print_value(option, value)));
  return value;
}

// ---- tables in tables ----

TomlTable TomlTable::table(std::string_view key) {
  const auto* at = static_cast<const toml::node*>(node(key));
  if (at != nullptr && !at->is_table()) wrong_kind(key, "a table");
  return {*file_, at == nullptr ? nullptr : at->as_table(),
          path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key)};
}

void TomlTable::tables(std::string_view key,
                       const std::function<void(const std::string&, TomlTable&)>& visit) {
  TomlTable outer = table(key);
  if (outer.table_ == nullptr || !ok()) return;
  std::vector<std::string> names;
  for (const auto& [name, node] : *as_table(outer.table_)) names.emplace_back(name.str());
  const auto place = [&](const std::string& name) {
    const auto& at = as_table(outer.table_)->get(name)->source().begin;
    return std::pair(at.line, at.column);
  };
  std::stable_sort(names.begin(), names.end(),
                   [&](const auto& a, const auto& b) { return place(a) < place(b); });
  for (const std::string& name : names) {
    TomlTable inner = outer.table(name);
    if (!ok()) return;
    visit(name, inner);
  }
}

void TomlTable::list(std::string_view key, const std::function<void(TomlTable&)>& visit) {
  const auto* at = static_cast<const toml::node*>(node(key));
  if (at == nullptr) return;
  const toml::array* array = at->as_array();
  if (array == nullptr || (!array->empty() && !array->is_array_of_tables()))
    return wrong_kind(key, "an array of tables, [[…]]");
  for (std::size_t i = 0; i < array->size() && ok(); ++i) {
    TomlTable inner(*file_, array->get(i)->as_table(), fmt::format("{}.{}", key, i));
    visit(inner);
  }
}

void TomlTable::close() {
  if (table_ == nullptr || !ok()) return;
  for (const auto& [name, node] : *as_table(table_)) {
    if (std::find(taken_.begin(), taken_.end(), name.str()) != taken_.end()) continue;
    const std::vector<std::string_view> known(taken_.begin(), taken_.end());
    const std::string_view meant = text::closest(name.str(), known);
    const auto& at = name.source().begin;
    const std::string where =
        at.line == 0 ? "--set" : fmt::format("{}:{}:{}", file_->file_, at.line, at.column);
    file_->error_ = Error{Errc::invalid,
                          fmt::format("{}: unknown key {}{}", where, text::quoted(name.str()),
                                      path_.empty() ? "" : " in " + printable(path_)),
                          "known here are " + text::list(std::span(known)),
                          meant.empty() ? "remove it" : fmt::format("did you mean {}?", meant)};
    return;
  }
}

// ---- errors ----

void TomlTable::fail(std::string_view key, Errc code, const std::string& what, std::string because,
                     std::string advice) {
  if (!ok()) return;
  const std::string inside = path_.empty() ? "" : printable(path_) + ": ";
  std::string where = origin(key);
  if (where == "default") where = origin();
  file_->error_ =
      Error{code, fmt::format("{}: {}{}", where, inside, what), std::move(because), std::move(advice)};
}

void TomlTable::fail(std::string_view key, const Error& error) {
  fail(key, error.code, error.what, error.because, error.advice);
}

}  // namespace harness::apps
