// SPDX-License-Identifier: Apache-2.0
// Bytes in JSON: base64 with padding (RFC 4648 §4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <harness/stack/bytes.hpp>

namespace harness::apps {

std::string base64(Bytes bytes);
/// Nothing when the text is not exactly what base64 gives. [any-thread]
std::optional<std::string> from_base64(std::string_view text);

}  // namespace harness::apps
