// SPDX-License-Identifier: Apache-2.0
// While files cross, two of the links change their stacks: one goes to shared memory and back, one is
// encrypted.
#include <harness/apps/harness/mirror.hpp>

#include <fmt/format.h>

namespace harness::apps {

namespace {

// The same layers over shared memory, and back again.
std::vector<std::string> over_shm_and_back(const StackSpec& now, const Catalogue& catalogue) {
  const TransportType* shm = catalogue.transport("shm");
  if (shm == nullptr || now.transport->name != "tcp") return {};
  StackSpec there = now;
  there.transport = shm;
  there.transport_options = OptionValues(shm->options);
  return {there.text(), now.text()};
}

// The same layers over an encrypting one. A bare transport stays: the table tells why it was derived.
std::vector<std::string> encrypted(const StackSpec& now, const Catalogue& catalogue) {
  const LayerType* encrypt = catalogue.layer("encrypt");
  if (encrypt == nullptr || encrypting_layer(now) != nullptr || now.layers.empty()) return {};
  StackSpec there = now;
  there.layers.push_back({encrypt, OptionValues(encrypt->descriptor->options)});
  return {there.text()};
}

}  // namespace

// The first link, of those that swap nothing yet, on which the node says that the swap may be.
Result<> Mirror::swap_first(admin::Client& client, StacksOf stacks_of) {
  for (MirrorLink& link : links_) {
    if (!link.swaps_to.empty()) continue;
    const std::string name = link.peer + "/" + link.name;
    auto detail = client.ask<admin::LinkDetail>("link.show", admin::LinkName{name});
    if (!detail) return tl::unexpected<Error>(detail.error());
    auto now = stack_from(detail->link.stack, context_.catalogue);
    if (!now) continue;  // it is down again
    std::vector<std::string> stacks = stacks_of(*now, context_.catalogue);
    if (stacks.empty()) continue;
    if (!client.ask<admin::SwapResult>("link.swap", admin::SwapRequest{name, stacks.front(), true})) continue;
    const auto meanwhile = [this] { return look_after(10); };
    auto proof = prove_swaps(state_of(cluster_.nodes.front().name), name, stacks, meanwhile);
    if (!proof) return tl::unexpected<Error>(proof.error());
    link.swaps_to = std::move(stacks);
    link.proof = std::move(*proof);
    if (!link.proof->is_clean())
      link.wrong.push_back(fmt::format(
          "{} lost, {} doubled, {} disordered, {} damaged while its stack was swapped", link.proof->load.lost,
          link.proof->load.doubled, link.proof->load.disordered, link.proof->load.damaged));
    return {};
  }
  return {};
}

Result<> Mirror::swap_links() {
  auto client = admin::Client::connect(state_of(cluster_.nodes.front().name));
  if (!client) return tl::unexpected<Error>(client.error());
  if (auto done = swap_first(*client, &over_shm_and_back); !done) return done;
  return swap_first(*client, &encrypted);
}

}  // namespace harness::apps
