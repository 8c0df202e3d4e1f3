// SPDX-License-Identifier: Apache-2.0
// Reads a spec: recursive descent over the grammar of spec.hpp, one character of look-ahead, no recursion.
//
// Bounded on hostile input: the text by spec_text_bytes_max before anything is read, the parts by the other
// limits. An error names line and column (both from 1, columns in bytes), what was expected there and what
// was found.
#include <algorithm>

#include <harness/stack/spec.hpp>
#include <harness/stack/text.hpp>

namespace harness {

namespace {

constexpr std::string_view example = "order / frag(size=16KiB) @ tcp | order / frag @ loop";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool in_name(char c) { return is_letter(c) || is_digit(c); }
bool in_value(char c) { return in_name(c) || std::string_view(".%+-:").find(c) != std::string_view::npos; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<SpecText> spec() {
    SpecText spec;
    do {
      if (spec.stacks.size() == spec_stacks_max) return too_many("stacks", spec_stacks_max);
      auto stack = this->stack();
      if (!stack) return tl::unexpected(std::move(stack.error()));
      spec.stacks.push_back(std::move(*stack));
    } while (accept('|'));
    if (!at_end()) return expected("'|' and another stack, or the end");
    return spec;
  }

 private:
  Result<StackText> stack() {
    StackText stack;
    if (!accept('@')) {
      do {
        if (stack.layers.size() == spec_layers_max) return too_many("layers", spec_layers_max);
        auto layer = word("a layer or '@'");
        if (!layer) return tl::unexpected(std::move(layer.error()));
        stack.layers.push_back(std::move(*layer));
      } while (accept('/'));
      if (!accept('@')) return expected("'/' and another layer, or '@' and a transport");
    }
    auto transport = word("a transport");
    if (!transport) return tl::unexpected(std::move(transport.error()));
    stack.transport = std::move(*transport);
    return stack;
  }

  Result<Word> word(std::string_view what) {
    Word word;
    word.name = take_name();
    if (word.name.empty()) return expected(what);
    if (!accept('(')) return word;
    do {
      if (word.options.size() == spec_options_max) return too_many("options", spec_options_max);
      std::string key = take_name();
      if (key.empty()) return expected("an option name");
      if (!accept('=')) return expected("'=' and a value");
      std::string value = take_while(in_value);
      if (value.empty()) return expected("a value");
      word.options.emplace_back(std::move(key), std::move(value));
    } while (accept(','));
    if (!accept(')')) return expected("',' and another option, or ')'");
    return word;
  }

  std::string take_name() {
    skip_blanks();
    return at_ < text_.size() && is_letter(text_[at_]) ? take_while(in_name) : std::string();
  }
  std::string take_while(bool (*belongs)(char)) {
    skip_blanks();
    const std::size_t begin = at_;
    while (at_ < text_.size() && belongs(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  bool accept(char c) {
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool at_end() {
    skip_blanks();
    return at_ == text_.size();
  }
  void skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }

  /// "line 1, column 9".
  std::string where() const {
    const std::string_view before = text_.substr(0, at_);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
    return text::join(
        {"line ", text::number(line), ", column ", text::number(static_cast<int>(at_ - line_begin) + 1)});
  }
  tl::unexpected<Error> expected(std::string_view what) {
    skip_blanks();
    const std::string found = at_ == text_.size() ? "the end" : text::quoted(text_.substr(at_, 1));
    return fail(Errc::invalid, text::join({"the stack text is wrong at ", where()}),
                text::join({"expected ", what, ", found ", found}), text::join({"write it like  ", example}));
  }
  tl::unexpected<Error> too_many(std::string_view what, std::size_t most) {
    return fail(Errc::invalid, text::join({"the stack text has too many ", what, " at ", where()}),
                text::join({"at most ", text::number(static_cast<int>(most)), " are allowed"}),
                text::join({"write it like  ", example}));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

void print_to(std::string& text, const Word& word) {
  text.append(word.name);
  char separator = '(';
  for (const auto& [key, value] : word.options) {
    text.push_back(separator);
    if (separator == ',') text.push_back(' ');
    text.append(key).append("=").append(value);
    separator = ',';
  }
  if (!word.options.empty()) text.push_back(')');
}

}  // namespace

Result<SpecText> parse_spec(std::string_view text) {
  if (text.size() > spec_text_bytes_max) {
    return fail(Errc::invalid, "the stack text is too long",
                text::join({text::number(static_cast<std::int64_t>(text.size())), " bytes, at most ",
                            text::number(static_cast<int>(spec_text_bytes_max)), " are read"}),
                text::join({"write it like  ", example}));
  }
  return Parser(text).spec();
}

std::string print(const Word& word) {
  std::string text;
  print_to(text, word);
  return text;
}

std::string print(const StackText& stack) {
  std::string text;
  for (const Word& layer : stack.layers) {
    if (!text.empty()) text.append(" / ");
    print_to(text, layer);
  }
  text.append(text.empty() ? "@ " : " @ ");
  print_to(text, stack.transport);
  return text;
}

std::string print(const SpecText& spec) {
  std::string text;
  for (const StackText& stack : spec.stacks) {
    if (!text.empty()) text.append(" | ");
    text.append(print(stack));
  }
  return text;
}

}  // namespace harness
