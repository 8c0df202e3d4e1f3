// SPDX-License-Identifier: Apache-2.0
// The two headers of `frag`: a message that fits one frame, and a part of one that does not.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

enum class FragForm : std::uint8_t { whole = 0, part = 1 };

struct FragWhole {
  FragForm form = FragForm::whole;
  std::uint32_t id = 0;
  static constexpr auto fields =
      std::tuple{Field<&FragWhole::form>{"form", 4, "0: the whole message follows"},
                 Field<&FragWhole::id>{"id", 28, "message number of this sender, wraps"}};
};

struct FragPart {
  FragForm form = FragForm::part;
  std::uint32_t id = 0;
  std::uint32_t offset = 0;
  std::uint32_t total = 0;
  static constexpr auto fields = std::tuple{
      Field<&FragPart::form>{"form", 4, "1: a part follows"},
      Field<&FragPart::id>{"id", 28, "message number of this sender, equal in all parts of a message"},
      Field<&FragPart::offset>{"offset", 32, "where the part belongs, in bytes; below 2^28"},
      Field<&FragPart::total>{"total", 32,
                              "bytes of the whole message; below 2^28 and equal in all its parts"}};
};

static_assert(bytes_of<FragWhole> == 4 && bytes_of<FragPart> == 12);

}  // namespace harness::wire
