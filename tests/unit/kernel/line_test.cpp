// SPDX-License-Identifier: Apache-2.0
// Documents as lines: what a person may do to them, and what is noticed.
#include <harness/kernel/identity/line.hpp>

#include <gtest/gtest.h>

#include <harness/tests/unit/kernel/identity_fixture.hpp>

namespace harness::identity {
namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

TEST(Line, BringsBackBytesOfEveryLength) {
  std::string content;
  for (unsigned char i = 0; i < 70; ++i, content += static_cast<char>(37 * i)) {
    auto read = read_line(write_line("x-", as_bytes(content)), "x-", "an x", 70);
    ASSERT_TRUE(read) << int{i};
    EXPECT_EQ(*read, bytes_of(content));
  }
}

TEST(Line, EncodesBase32AsCrockfordDoes) {
  EXPECT_EQ(base32(as_bytes("")), "");
  EXPECT_EQ(base32(as_bytes("f")), "cr");
  EXPECT_EQ(base32(as_bytes("foobar")), "csqpyrk1e8");
}

TEST(Line, IsReadInAnyCaseAndWithLettersThatLookAlike) {
  const std::string line = write_line("x-", as_bytes("some bytes of a document"));
  std::string typed = "x-";
  for (const char letter : line.substr(2))
    typed += letter == '0' ? 'O' : letter == '1' ? 'l' : static_cast<char>(std::toupper(letter));
  EXPECT_TRUE(read_line(typed, "x-", "an x", 64));
  EXPECT_TRUE(read_line("\t " + line + " \r\n", "x-", "an x", 64));
}

TEST(Line, NoticesEveryMistypedLetterAndEveryCut) {
  const std::string line = write_line("x-", as_bytes("some bytes of a document"));
  for (std::size_t at = 2; at < line.size(); ++at) {
    std::string typed = line;
    typed[at] = typed[at] == '7' ? '8' : '7';
    EXPECT_EQ(error_of(read_line(typed, "x-", "an x", 64)).code, Errc::corrupt) << at;
    EXPECT_EQ(error_of(read_line(line.substr(0, at), "x-", "an x", 64)).code, Errc::corrupt) << at;
  }
  EXPECT_EQ(error_of(read_line(line + "u", "x-", "an x", 64)).code, Errc::corrupt);
  EXPECT_EQ(error_of(read_line(line + "0", "x-", "an x", 64)).code, Errc::corrupt);
}

// The last letter has bits that no byte takes.
TEST(Line, HasOneSpelling) {
  for (std::size_t size = 0; size < 5; ++size) {
    const std::string line = write_line("x-", as_bytes(std::string(size, 'b')));
    for (const char letter : std::string_view("0123456789abcdefghjkmnpqrstvwxyz")) {
      std::string typed = line;
      typed.back() = letter;
      EXPECT_EQ(read_line(typed, "x-", "an x", 64).has_value(), letter == line.back()) << typed;
    }
  }
}

TEST(Line, OfAnotherKindOrTooLongIsRefusedAsSuch) {
  expect_error(error_of(read_line("y-00000000", "x-", "an x", 64)), Errc::invalid, "this is not an x");
  expect_error(error_of(read_line("", "x-", "an x", 64)), Errc::invalid, "this is not an x");
  expect_error(error_of(read_line(write_line("x-", as_bytes("12345")), "x-", "an x", 4)), Errc::invalid,
               "more than any");
  EXPECT_TRUE(is_line(" x-0", "x-"));
  EXPECT_FALSE(is_line("y-0", "x-"));
}

}  // namespace
}  // namespace harness::identity
