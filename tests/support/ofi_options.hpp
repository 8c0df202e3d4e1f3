// SPDX-License-Identifier: Apache-2.0
// ofi over a provider that a test names, and why it cannot be had here. Eager ends where the table says: what
// is learnt differs from one run to the next.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include <harness/transports/engine.hpp>
#include <harness/transports/ofi.hpp>
#include <harness/transports/ofi/crossover.hpp>

namespace harness::tests {

inline OptionValues ofi_options(std::string_view provider) {
  namespace ofi = transports::ofi;
  OptionValues values(ofi::type().options);
  const auto words = ofi::provider_words();
  values.set(ofi::option_provider, std::find(words.begin(), words.end(), provider) - words.begin());
  values.set(ofi::option_eager, provider == "shm" ? 4096 : provider == "tcp" ? ofi::eager_bytes_max : 16384);
  return values;
}

/// Empty when the provider is usable. Loads libfabric.
inline std::string ofi_missing(std::string_view provider) {
  const auto engine = std::move(transports::OsEngine::make().value());
  const auto made = transports::ofi::type().make(*engine, ofi_options(provider));
  return made ? std::string() : "not usable here: " + made.error().text();
}

}  // namespace harness::tests
