// SPDX-License-Identifier: Apache-2.0
// The headers of `resume`: a message with its number, and what this end has got.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

enum class ResumeForm : std::uint8_t { message = 0, have = 1, have_first = 2 };

struct ResumeMessage {
  ResumeForm form = ResumeForm::message;
  std::uint8_t channel = 0;
  std::uint64_t sequence = 0;
  static constexpr auto fields = std::tuple{
      Field<&ResumeMessage::form>{"form", 2, "0: a message follows"},
      Field<&ResumeMessage::channel>{"channel", 6, "the channel, below 32"},
      Field<&ResumeMessage::sequence>{"sequence", 48, "1, 2, 3 … in the channel, across reconnects"}};
};

struct ResumeHave {
  ResumeForm form = ResumeForm::have;
  std::uint8_t asks = 0;
  static constexpr auto fields =
      std::tuple{Field<&ResumeHave::form>{"form", 2, "1: have; 2: the first since the link was opened again"},
                 Field<&ResumeHave::asks>{"asks", 6, "1: the peer shall say at once what it has"}};
};

/// Follows ResumeHave, once for each channel that is told about.
struct ResumeGot {
  std::uint8_t channel = 0;
  std::uint64_t sequence = 0;
  static constexpr auto fields =
      std::tuple{Field<&ResumeGot::channel>{"channel", 8, "the channel, below 32"},
                 Field<&ResumeGot::sequence>{"sequence", 48, "the last message the application has got"}};
};

static_assert(bytes_of<ResumeMessage> == 7 && bytes_of<ResumeHave> == 1 && bytes_of<ResumeGot> == 7);

}  // namespace harness::wire
