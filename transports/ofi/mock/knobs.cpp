// SPDX-License-Identifier: Apache-2.0
// The words of HARNESS_MOCK: one table of names, ranges and members.
#include <harness/transports/ofi/mock/knobs.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace harness::transports::ofi::mock {

namespace {

struct Word {
  std::string_view name;
  std::uint64_t Knobs::* member;
  std::uint64_t low;
  std::uint64_t high;
  bool probability = false;  // written as 0.01, kept in parts per million
};

constexpr std::array words{
    Word{"seed", &Knobs::seed, 0, UINT64_MAX},
    Word{"eagain", &Knobs::eagain_ppm, 0, 900'000, true},
    Word{"errors", &Knobs::errors_ppm, 0, 1'000'000, true},
    Word{"never", &Knobs::never_ppm, 0, 1'000'000, true},
    Word{"drops", &Knobs::drops_ppm, 0, 1'000'000, true},
    Word{"late", &Knobs::late, 0, 1'000'000},
    Word{"tx", &Knobs::tx, 1, 4096},
    Word{"rx", &Knobs::rx, 1, 4096},
    Word{"cq", &Knobs::cq, 1, 1 << 20},
    Word{"rnr", &Knobs::rnr, 1, UINT32_MAX},
    Word{"memlock", &Knobs::memlock, 0, UINT64_MAX},
    Word{"raw", &Knobs::raw, 0, 1},
    Word{"atomics", &Knobs::atomics, 0, 2},
    Word{"liar", &Knobs::liar, 0, 1},
};

std::string in_words(const Word& word, std::uint64_t value) {
  if (!word.probability) return std::to_string(value);
  std::string digits = std::to_string(value % 1'000'000);
  digits.insert(0, 6 - digits.size(), '0');
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  return std::to_string(value / 1'000'000) + "." + digits;
}

bool number_of(const Word& word, std::string_view text, std::uint64_t& value) {
  const char* end = text.data() + text.size();
  if (!word.probability) {
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    return error == std::errc{} && stop == end;
  }
  double part = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, part);
  if (error != std::errc{} || stop != end || !(part >= 0 && part <= 1)) return false;
  value = static_cast<std::uint64_t>(part * 1e6 + 0.5);
  return true;
}

tl::unexpected<Error> refuse(std::string because) {
  return fail(Errc::invalid, "HARNESS_MOCK is malformed", std::move(because),
              "HARNESS_MOCK=seed=7,eagain=0.2,late=16,errors=0.01,tx=8,rx=8,cq=64");
}

Result<> set(Knobs& knobs, std::string_view item) {
  const std::size_t sign = item.find('=');
  const std::string_view name = item.substr(0, sign);
  const auto word =
      std::find_if(words.begin(), words.end(), [&](const Word& one) { return one.name == name; });
  if (word == words.end()) {
    std::string known;
    for (const Word& one : words) known.append(known.empty() ? "" : " ").append(one.name);
    return refuse("'" + std::string(name) + "' is none of " + known);
  }
  std::uint64_t value = 0;
  const bool read =
      sign != std::string_view::npos && number_of(*word, item.substr(sign + 1), value) && value >= word->low;
  if (!read || value > word->high)
    return refuse("'" + std::string(item) + "': " + std::string(name) + " is a number from " +
                  in_words(*word, word->low) + " to " + in_words(*word, word->high));
  knobs.*word->member = value;
  return {};
}

}  // namespace

Result<Knobs> parse_knobs(std::string_view text) {
  Knobs knobs;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (auto done = set(knobs, text.substr(0, comma)); !done) return tl::unexpected(std::move(done).error());
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  }
  return knobs;
}

}  // namespace harness::transports::ofi::mock
