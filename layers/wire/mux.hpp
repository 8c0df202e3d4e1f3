// SPDX-License-Identifier: Apache-2.0
// The headers of `mux`: a message of a channel, with or without credit, and credit for one.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

enum class MuxForm : std::uint8_t { message = 0, credit = 1, control = 2 };

struct MuxMessage {
  MuxForm form = MuxForm::message;
  std::uint8_t channel = 0;
  static constexpr auto fields = std::tuple{
      Field<&MuxMessage::form>{"form", 2, "0: a message follows; 2: one of a layer above, uncounted"},
      Field<&MuxMessage::channel>{"channel", 6, "the channel, below 32"}};
};

struct MuxCredit {
  MuxForm form = MuxForm::credit;
  std::uint8_t channel = 0;
  std::uint64_t limit_bytes = 0;
  static constexpr auto fields =
      std::tuple{Field<&MuxCredit::form>{"form", 2, "1: credit, nothing follows"},
                 Field<&MuxCredit::channel>{"channel", 6, "the channel, below 32"},
                 Field<&MuxCredit::limit_bytes>{
                     "limit_bytes", 56, "bytes of the channel, since the link opened, that may be sent"}};
};

static_assert(bytes_of<MuxMessage> == 1 && bytes_of<MuxCredit> == 8);

}  // namespace harness::wire
