// SPDX-License-Identifier: Apache-2.0
// See ofi_guard.hpp. It stands with the loader: the first load must be guarded from outside.
#include <harness/transports/ofi_guard.hpp>

#include <cstdlib>
#include <cstring>

#include <harness/transports/ofi/crossover.hpp>

namespace harness::transports::ofi {

namespace {

struct Variable {
  const char* name;
  const char* value;
};
// No handlers of libinfinipath and libpsm2; no cache of registrations, which breaks when memory is unmapped.
// ofi_rxm over tcp sends up to here from where the bytes lie to where they are wanted; what is larger it
// offers and reads, as we do.
constexpr std::array<Variable, 4> wanted = {{{"IPATH_NO_BACKTRACE", "1"},
                                             {"HFI_NO_BACKTRACE", "1"},
                                             {"FI_MR_CACHE_MAX_COUNT", "0"},
                                             {"FI_OFI_RXM_EAGER_LIMIT", "65552"}}};
static_assert(eager_bytes_max == 65552);

// The system knows 64 signals; what lies behind them in a mask is not written. The C library adds a flag of
// its own to every handler that is set.
constexpr std::size_t mask_bytes = 64 / 8;
constexpr int flag_of_the_library = 0x04000000;

bool is_same(const struct sigaction& one, const struct sigaction& other) noexcept {
  return one.sa_handler == other.sa_handler &&
         (one.sa_flags | flag_of_the_library) == (other.sa_flags | flag_of_the_library) &&
         std::memcmp(&one.sa_mask, &other.sa_mask, mask_bytes) == 0;
}

}  // namespace

Guard::Guard() : handlers_{} {
  for (std::size_t i = 0; i < variables; ++i) {
    if (const char* value = std::getenv(wanted[i].name); value != nullptr) values_[i] = value;
    ::setenv(wanted[i].name, wanted[i].value, 1);
  }
  for (int number = 1; number < NSIG; ++number)
    ::sigaction(number, nullptr, &handlers_[static_cast<std::size_t>(number)]);
}

Guard::~Guard() {
  for (int number = 1; number < NSIG; ++number) {
    const auto& before = handlers_[static_cast<std::size_t>(number)];
    struct sigaction now{};
    if (::sigaction(number, nullptr, &now) == 0 && !is_same(now, before))
      ::sigaction(number, &before, nullptr);
  }
  for (std::size_t i = 0; i < variables; ++i) {
    if (values_[i]) {
      ::setenv(wanted[i].name, values_[i]->c_str(), 1);
    } else {
      ::unsetenv(wanted[i].name);
    }
  }
}

}  // namespace harness::transports::ofi
