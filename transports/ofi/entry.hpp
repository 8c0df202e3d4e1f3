// SPDX-License-Identifier: Apache-2.0
// What the shared object libharness_ofi.so exports: one function, which says who it is before anything else.
//
// Loader and object exchange C++ objects whose inline functions both have compiled in, so they must come from
// one build: the word is made of the sizes of what crosses and of the compiler.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <harness/config.hpp>
#include <harness/stack/transport.hpp>
#include <harness/transports/engine.hpp>
#include <harness/transports/ofi.hpp>

namespace harness::transports::ofi {

constexpr std::uint64_t mixed(std::uint64_t word, std::uint64_t value) noexcept {
  return (word ^ value) * 0x100000001b3;
}
inline constexpr std::uint64_t entry_word = [] {
  std::uint64_t word = 0xcbf29ce484222325;
  for (const std::uint64_t value :
       {std::uint64_t{1}, std::uint64_t{sizeof(Message)}, std::uint64_t{sizeof(Slab)},
        std::uint64_t{sizeof(Pool)}, std::uint64_t{sizeof(OsEngine)}, std::uint64_t{sizeof(Endpoint)},
        std::uint64_t{sizeof(Receiver)}, std::uint64_t{sizeof(Facts)}, std::uint64_t{sizeof(Error)},
        std::uint64_t{sizeof(Gate)}, std::uint64_t{sizeof(Quota)}, std::uint64_t{sizeof(ProviderReport)},
        std::uint64_t{__GNUC__}, std::uint64_t{sizeof(std::vector<int>)}, std::uint64_t{axis_count}})
    word = mixed(word, value);
  for (const char* at = __VERSION__; *at != '\0'; ++at) word = mixed(word, static_cast<unsigned char>(*at));
  return word;
}();

struct EntryTable {
  std::uint64_t word;  // entry_word; the rest means nothing when it differs
  /// `library`: an ofi::Library instead of libfabric's own; may be null.
  Result<std::unique_ptr<Transport>> (*make)(OsEngine& engine, const OptionValues& options,
                                             const void* library);
  std::vector<ProviderReport> (*providers)(const void* library);
};

inline constexpr const char* entry_symbol = "harness_ofi_entry";

/// The table of the loaded object; loads it at the first call. Errors: not_found (no object, or no
/// libfabric), conflict (of another build). [stack-thread]
Result<const EntryTable*> load();

}  // namespace harness::transports::ofi
