// SPDX-License-Identifier: Apache-2.0
// compose: the cheapest stack, equal to an exhaustive search, and a reason when there is none.
#include <gtest/gtest.h>

#include <string>

#include <harness/stack/compose.hpp>
#include <harness/tests/support/contract_layers.hpp>

namespace harness {
namespace {

using namespace property;

std::string derived(const Needs& needs, std::string_view transport, unsigned trust) {
  const Catalogue catalogue = tests::contract_catalogue();
  const TransportType& type = *catalogue.transport(transport);
  const Facts facts = tests::facts_of(catalogue, transport, trust);
  const auto stack = compose(needs, type, OptionValues(type.options), facts, catalogue);
  return stack ? stack->text() : stack.error().text();
}

TEST(Compose, TakesNoLayerForWhatTheTransportGives) {
  EXPECT_EQ(derived({reliable | fifo}, "tcp", 1), "@ tcp");
  EXPECT_EQ(derived({put_native | reliable}, "rdma", 1), "@ rdma");
  EXPECT_EQ(derived({reliable | fifo, 1 << 20}, "shm", 2), "frag @ shm");
}

TEST(Compose, DerivesTheCanonicalOrder) {
  EXPECT_EQ(derived({reliable | fifo, 1 << 20}, "udp", 1), "order / frag / reliable @ udp");
  const Properties everything =
      resumable | channels | compact | fifo | put_emulated | death_within | encrypted;
  EXPECT_EQ(derived({everything, 1 << 20}, "udp", 0),
            "resume / mux / compress / order / put / frag / reliable / heartbeat / encrypt @ udp");
}

}  // namespace
}  // namespace harness
