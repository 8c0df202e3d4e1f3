// SPDX-License-Identifier: Apache-2.0
// ofi over a provider of libfabric or of the mock, which stands in for cards (docs/transports/ofi-mock.md).
#pragma once

#include <memory>
#include <string_view>

#include <harness/tests/support/ofi_options.hpp>
#include <harness/transports/ofi/entry.hpp>
#include <harness/transports/ofi/library.hpp>
#include <harness/transports/ofi/mock/mock.hpp>

namespace harness::tests {

namespace mock = transports::ofi::mock;

inline const transports::ofi::Library mock_library{mock::mock_version,  mock::mock_getinfo,
                                                   mock::mock_freeinfo, mock::mock_dupinfo,
                                                   mock::mock_fabric,   mock::mock_strerror};

inline Result<std::unique_ptr<Transport>> make_ofi(transports::OsEngine& engine,
                                                   const OptionValues& options) {
  namespace ofi = transports::ofi;
  const auto provider = ofi::provider_words()[static_cast<std::size_t>(options[ofi::option_provider])];
  if (!provider.starts_with("mock")) return ofi::type().make(engine, options);
  const auto table = ofi::load();
  if (!table) return tl::unexpected<Error>(table.error());
  return (*table)->make(engine, options, &mock_library);
}
inline Result<std::unique_ptr<Transport>> make_ofi(transports::OsEngine& engine, std::string_view provider) {
  return make_ofi(engine, ofi_options(provider));
}

}  // namespace harness::tests
