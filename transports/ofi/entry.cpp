// SPDX-License-Identifier: Apache-2.0
// The one symbol of the shared object.
#include <harness/transports/ofi/entry.hpp>

#include <harness/transports/ofi/transport.hpp>
#include <harness/transports/ofi_guard.hpp>

namespace {

using namespace harness;
using namespace harness::transports;

const ofi::Library& library_of(const void* library) {
  return library != nullptr ? *static_cast<const ofi::Library*>(library) : ofi::system_library();
}

constexpr ofi::EntryTable table{ofi::entry_word,
                                [](OsEngine& engine, const OptionValues& options, const void* library) {
                                  return ofi::Ofi::make(engine, options, library_of(library));
                                },
                                [](const void* library) {
                                  const ofi::Guard guard;
                                  return ofi::report(library_of(library));
                                }};

}  // namespace

extern "C" __attribute__((visibility("default"))) const harness::transports::ofi::EntryTable*
harness_ofi_entry() {
  return &table;
}
