// SPDX-License-Identifier: Apache-2.0
// Stack texts: parse and print are inverse, canonical text is stable, errors say where and what, hostile
// input is bounded.
#include <gtest/gtest.h>

#include <string>

#include <harness/stack/random.hpp>
#include <harness/stack/spec.hpp>
#include <harness/stack/text.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness {
namespace {

constexpr std::string_view method_words[] = {"lz4", "zstd"};
constexpr OptionSpec every_kind[] = {
    {"count", OptionKind::count, -5, 100, 7, "A count."},
    {"size", OptionKind::size, 64, 1 << 30, 16 << 10, "A size."},
    {"after", OptionKind::duration, 0, 3'600'000'000, 200'000, "A time."},
    {"loss", OptionKind::rate, 0, 1'000'000, 0, "A rate."},
    {"quiet", OptionKind::flag, 0, 1, 0, "A flag."},
    {"method", OptionKind::word, 0, 1, 0, "A word.", method_words},
};

struct Everything {
  static constexpr Descriptor descriptor{
      .name = "everything", .summary = "every kind of option", .options = every_kind};
  Everything(const OptionValues&, LayerContext&) {}
};
struct Plain {
  static constexpr Descriptor descriptor{.name = "plain", .summary = "no option"};
  Plain(const OptionValues&, LayerContext&) {}
};

Catalogue catalogue() {
  Catalogue known;
  known.add<Everything>();
  known.add<Plain>();
  known.add(TransportType{.name = "wire", .summary = "", .options = every_kind});
  known.add(TransportType{.name = "loop", .summary = "", .options = {}});
  return known;
}

std::string canonical(std::string_view text) {
  const Catalogue known = catalogue();
  auto stack = stack_from(text, known);
  return stack ? stack->text() : stack.error().text();
}

std::string pick(Random& random, std::string_view first, std::string_view rest) {
  std::string text(1, first[random.below(first.size())]);
  for (std::uint64_t i = random.below(9); i > 0; --i) text.push_back(rest[random.below(rest.size())]);
  return text;
}
Word random_word(Random& random) {
  constexpr std::string_view letters = "abcxyzABZ_";
  constexpr std::string_view in_names = "abcxyzABZ_0189";
  constexpr std::string_view in_values = "abcXYZ_0189.%+-:";
  Word word{pick(random, letters, in_names), {}};
  for (std::uint64_t i = random.below(4); i > 0; --i)
    word.options.emplace_back(pick(random, letters, in_names), pick(random, in_values, in_values));
  return word;
}
SpecText random_spec(Random& random) {
  SpecText spec;
  for (std::uint64_t i = random.between(1, 4); i > 0; --i) {
    StackText stack;
    for (std::uint64_t j = random.below(6); j > 0; --j) stack.layers.push_back(random_word(random));
    stack.transport = random_word(random);
    spec.stacks.push_back(stack);
  }
  return spec;
}

TEST(Spec, ParsingWhatWasPrintedGivesTheSameSpec) {
  const std::uint64_t seed = tests::seed(20260701);
  SCOPED_TRACE(testing::Message() << "HARNESS_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 5000; ++i) {
    const SpecText spec = random_spec(random);
    const std::string text = print(spec);
    const auto again = parse_spec(text);
    ASSERT_TRUE(again.has_value()) << text << "\n" << again.error().text();
    ASSERT_EQ(*again, spec) << text;
    ASSERT_EQ(print(*again), text);
  }
}

TEST(Spec, BlanksAndLineEndsBetweenPartsDoNotMatter) {
  const auto spec = parse_spec(" a\n/\tb ( k\r\n=  v ,l=w )\n@wire|@loop ");
  ASSERT_TRUE(spec.has_value()) << spec.error().text();
  EXPECT_EQ(print(*spec), "a / b(k=v, l=w) @ wire | @ loop");
}

TEST(Spec, CanonicalTextLeavesDefaultsOutAndKeepsTheOrderOfTheTable) {
  EXPECT_EQ(canonical("everything(method=zstd,size=65536,count=7)/plain@loop"),
            "everything(size=64KiB, method=zstd) / plain @ loop");
  EXPECT_EQ(canonical("everything(quiet=no)@wire(after=200ms)"), "everything @ wire");
  EXPECT_EQ(canonical("@loop"), "@ loop");
}

TEST(Spec, ValuesPrintInTheLargestUnitThatIsWhole) {
  EXPECT_EQ(canonical("everything(size=1024KiB, after=1500ms) @ loop"),
            "everything(size=1MiB, after=1500ms) @ loop");
  EXPECT_EQ(canonical("everything(size=1500, after=0) @ loop"), "everything(size=1500, after=0s) @ loop");
  EXPECT_EQ(canonical("everything(size=1500B, after=60000000us) @ loop"),
            "everything(size=1500, after=60s) @ loop");
  EXPECT_EQ(canonical("everything(loss=0.1%) @ wire(loss=2.50%)"), "everything(loss=0.1%) @ wire(loss=2.5%)");
  EXPECT_EQ(canonical("everything(loss=100%, count=-5) @ loop"), "everything(count=-5, loss=100%) @ loop");
  EXPECT_EQ(canonical("everything(loss=0.0001%) @ loop"), "everything(loss=0.0001%) @ loop");
}

std::string random_value(Random& random, const OptionSpec& option) {
  const auto value = option.low + static_cast<std::int64_t>(
                                      random.below(static_cast<std::uint64_t>(option.high - option.low + 1)));
  return print_value(option, value);
}

TEST(Spec, CanonicalTextIsItsOwnCanonicalTextForRandomOptions) {
  const std::uint64_t seed = tests::seed(7);
  SCOPED_TRACE(testing::Message() << "HARNESS_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 5000; ++i) {
    Word word{"everything", {}};
    for (const OptionSpec& option : every_kind)
      if (random.below(2) != 0) word.options.emplace_back(option.name, random_value(random, option));
    const std::string text = print(StackText{{word, {"plain", {}}}, {"wire", {}}});
    const std::string once = canonical(text);
    ASSERT_TRUE(once.starts_with("everything")) << text << "\n" << once;
    ASSERT_EQ(canonical(once), once);
  }
}

TEST(Spec, EveryValueReadsBackAsPrinted) {
  const std::uint64_t seed = tests::seed(11);
  SCOPED_TRACE(testing::Message() << "HARNESS_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 20000; ++i) {
    const OptionSpec& option = every_kind[random.below(std::size(every_kind))];
    const std::string text = random_value(random, option);
    const auto value = parse_value(option, text);
    ASSERT_TRUE(value.has_value()) << option.name << "=" << text;
    ASSERT_EQ(print_value(option, *value), text) << option.name;
  }
}

TEST(Spec, EqualStacksHaveEqualHashesAndDifferentOnesDoNot) {
  const Catalogue known = catalogue();
  const auto hash = [&](std::string_view text) { return stack_from(text, known)->hash(); };
  EXPECT_EQ(hash("everything(size=16KiB)/plain@loop"), hash("everything / plain @ loop"));
  EXPECT_NE(hash("everything / plain @ loop"), hash("plain / everything @ loop"));
  EXPECT_NE(hash("everything(count=1) @ loop"), hash("everything(count=2) @ loop"));
  EXPECT_EQ(hash("@ loop"), 0x49320ec127c4c8e3u);  // every host agrees; see docs/composition.md
}

struct Wrong {
  std::string_view text, what, because;
};
TEST(Spec, AnErrorNamesLineAndColumnAndWhatWasExpectedThere) {
  const Wrong cases[] = {
      {"", "line 1, column 1", "expected a layer or '@', found the end"},
      {"frag", "line 1, column 5", "expected '/' and another layer, or '@' and a transport, found the end"},
      {"frag /", "line 1, column 7", "expected a layer or '@', found the end"},
      {"frag / / x @ y", "line 1, column 8", "expected a layer or '@', found '/'"},
      {"frag @", "line 1, column 7", "expected a transport, found the end"},
      {"frag @ 7", "line 1, column 8", "expected a transport, found '7'"},
      {"frag( @ x", "line 1, column 7", "expected an option name, found '@'"},
      {"frag(a) @ x", "line 1, column 7", "expected '=' and a value, found ')'"},
      {"frag(a=) @ x", "line 1, column 8", "expected a value, found ')'"},
      {"frag(a=1 @ x", "line 1, column 10", "expected ',' and another option, or ')', found '@'"},
      {"frag @ x y", "line 1, column 10", "expected '|' and another stack, or the end, found 'y'"},
      {"a /\n  b(k=1)\n / @ x", "line 3, column 4", "expected a layer or '@', found '@'"},
      {"a @ x |", "line 1, column 8", "expected a layer or '@', found the end"},
      {"a \x01 @ x", "line 1, column 3", "found '?'"},
  };
  for (const Wrong& wrong : cases) {
    const auto spec = parse_spec(wrong.text);
    ASSERT_FALSE(spec.has_value()) << wrong.text;
    EXPECT_EQ(spec.error().code, Errc::invalid);
    EXPECT_NE(spec.error().what.find(wrong.what), std::string::npos) << wrong.text << "\n"
                                                                     << spec.error().text();
    EXPECT_NE(spec.error().because.find(wrong.because), std::string::npos) << wrong.text << "\n"
                                                                           << spec.error().text();
    EXPECT_FALSE(spec.error().advice.empty());
  }
}

TEST(Spec, EveryLimitIsRefusedWithItsNumber) {
  std::string layers, stacks, options;
  for (std::size_t i = 0; i <= spec_layers_max; ++i) layers += i == 0 ? "a" : "/a";
  for (std::size_t i = 0; i <= spec_stacks_max; ++i) stacks += i == 0 ? "@x" : "|@x";
  for (std::size_t i = 0; i <= spec_options_max; ++i) options += i == 0 ? "k=1" : ",k=1";
  for (const std::string& text :
       {layers + "@x", stacks, "a(" + options + ")@x", std::string(spec_text_bytes_max + 1, ' ')}) {
    const auto spec = parse_spec(text);
    ASSERT_FALSE(spec.has_value());
    EXPECT_NE(spec.error().what.find("too "), std::string::npos) << spec.error().text();
    EXPECT_NE(spec.error().because.find("at most"), std::string::npos) << spec.error().text();
  }
  EXPECT_TRUE(parse_spec(layers.substr(2) + "@x").has_value());
  EXPECT_TRUE(parse_spec(stacks.substr(3)).has_value());
}

TEST(Spec, AnUnknownNameIsAnsweredWithTheNearestOne) {
  const Catalogue known = catalogue();
  const auto layer = stack_from("plian @ loop", known);
  ASSERT_FALSE(layer.has_value());
  EXPECT_EQ(
      layer.error().text(),
      "error: there is no layer 'plian'\nbecause: known here: everything, plain\ntry: did you mean plain?");
  const auto transport = stack_from("plain @ loops", known);
  ASSERT_FALSE(transport.has_value());
  EXPECT_EQ(transport.error().code, Errc::not_found);
  EXPECT_NE(transport.error().text().find("did you mean loop?"), std::string::npos);
  const auto option = stack_from("everything(sise=1KiB) @ loop", known);
  ASSERT_FALSE(option.has_value());
  EXPECT_EQ(option.error().text(),
            "error: there is no option of everything: 'sise'\nbecause: known here: count, size, after, loss, "
            "quiet, method\n"
            "try: did you mean size?");
  EXPECT_NE(canonical("plain(a=1) @ loop").find("known here: none"), std::string::npos);
  EXPECT_NE(canonical("plain @ qqqq").find("one of wire, loop"), std::string::npos);
}

TEST(Spec, ABadValueIsAnsweredWithKindBoundsAndDefault) {
  EXPECT_EQ(canonical("everything(size=63) @ loop"),
            "error: everything: option size cannot be '63'\nbecause: it is a size in bytes, KiB, MiB or GiB "
            "from 64 to 1GiB: "
            "A size.\ntry: size=16KiB");
  for (std::string_view bad : {"size=2GiB",
                               "size=16KB",
                               "size=-1",
                               "size=1.5KiB",
                               "size=9223372036854775807GiB",
                               "size=99999999999999999999",
                               "after=5",
                               "after=5m",
                               "after=2h",
                               "count=101",
                               "count=1x",
                               "count=-6",
                               "loss=0.5",
                               "loss=101%",
                               "loss=1.%",
                               "loss=0.00001%",
                               "loss=-1%",
                               "loss=1.-5%",
                               "loss=%",
                               "quiet=true",
                               "method=gzip",
                               "after=-1s"}) {
    const std::string text = canonical(text::join({"everything(", bad, ") @ loop"}));
    EXPECT_TRUE(text.starts_with("error: everything: option ")) << bad << "\n" << text;
  }
  EXPECT_NE(canonical("everything(count=1, count=1) @ loop").find("is given twice"), std::string::npos);
}

TEST(Spec, OneStackIsWantedWhereOneIsAsked) {
  EXPECT_NE(canonical("plain @ loop | @ loop").find("the text offers 2"), std::string::npos);
  const Catalogue known = catalogue();
  const auto all = resolve(*parse_spec("plain @ loop | @ wire"), known);
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[1].name_of(0), "wire");
  EXPECT_EQ((*all)[0].name_of(0), "plain");
}

TEST(Spec, RandomBytesAreReadOrRefusedWithAnError) {
  const std::uint64_t seed = tests::seed(3);
  SCOPED_TRACE(testing::Message() << "HARNESS_SEED=" << seed);
  Random random(seed);
  constexpr std::string_view soup = "ab1_/@|(),= \n.%\x01\xff";
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (std::uint64_t j = random.below(40); j > 0; --j) text.push_back(soup[random.below(soup.size())]);
    if (const auto spec = parse_spec(text)) {
      EXPECT_EQ(*parse_spec(print(*spec)), *spec) << text;
    } else {
      EXPECT_FALSE(spec.error().because.empty());
    }
  }
}

}  // namespace
}  // namespace harness
