// SPDX-License-Identifier: Apache-2.0
// The six sentences.
#include <harness/kernel/identity/refusal.hpp>

#include <harness/stack/text.hpp>

namespace harness::identity {

namespace {

constexpr std::array<std::string_view, refusal_count> sentences = {
    "the token is wrong",      "the token has expired", "the token is used up",
    "the root is another one", "the node is revoked",   "the floor is not met",
};

}  // namespace

std::string_view sentence(Refusal refusal) noexcept { return sentences[static_cast<std::size_t>(refusal)]; }

tl::unexpected<Error> refuse(Refusal refusal, std::string_view about, std::string because,
                             std::string advice) {
  return fail(Errc::denied, text::join({about, about.empty() ? "" : ": ", sentence(refusal)}),
              std::move(because), std::move(advice));
}

std::optional<Refusal> refusal_of(const Error& error) noexcept {
  for (std::size_t i = 0; i < refusal_count; ++i)
    if (error.what.find(sentences[i]) != std::string::npos ||
        error.because.find(sentences[i]) != std::string::npos)
      return static_cast<Refusal>(i);
  return std::nullopt;
}

}  // namespace harness::identity
