// SPDX-License-Identifier: Apache-2.0
// Opening links from what people write: a stack as text, or needs from which the cheapest stack is derived.
#include <harness/stack/node.hpp>

namespace harness {

namespace {

// "tcp:10.0.0.2:7001" → "tcp" and "10.0.0.2:7001".
std::pair<std::string_view, std::string_view> split(std::string_view address) {
  const std::size_t colon = address.find(':');
  if (colon == std::string_view::npos) return {address, {}};
  return {address.substr(0, colon), address.substr(colon + 1)};
}

}  // namespace

Result<std::shared_ptr<Link>> Node::connect(const std::string& peer, std::string_view spec,
                                            const std::vector<std::string>& addresses, LinkOptions options) {
  auto parsed = parse_spec(spec);
  if (!parsed) return tl::unexpected<Error>(parsed.error());
  auto stacks = resolve(*parsed, catalogue_);
  if (!stacks) return tl::unexpected<Error>(stacks.error());
  for (StackSpec& stack : *stacks)
    for (const std::string& address : addresses) {
      const auto [name, rest] = split(address);
      if (name != stack.transport->name) continue;
      options.offers.push_back({std::move(stack), std::string(rest)});
      break;
    }
  if (options.offers.empty())
    return fail(Errc::invalid, "no address of " + peer + " fits " + std::string(spec),
                "the stacks stand on other transports than the addresses",
                "give an address of the stack's transport, as in tcp:127.0.0.1:7001");
  return connect(peer, std::move(options));
}

Result<std::shared_ptr<Link>> Node::connect(const std::string& peer, const Needs& needs,
                                            const std::vector<std::string>& addresses, LinkOptions options) {
  Error last{Errc::invalid, "no address of " + peer, "the list is empty",
             "give one, as in tcp:127.0.0.1:7001"};
  options.needs = needs;
  for (const std::string& address : addresses) {
    const auto [name, rest] = split(address);
    const TransportType* transport = catalogue_.transport(name);
    if (transport == nullptr) {
      last = {Errc::not_found, "no transport " + std::string(name), "this program was built without it", {}};
      continue;
    }
    // How near the peer is shows only in its ACCEPT; what holds within a domain holds nearer, too.
    const OptionValues standard(transport->options);
    auto stack =
        compose(needs, *transport, standard, transport->facts(standard, property::same_domain), catalogue_);
    if (stack) {
      options.offers.push_back({std::move(*stack), std::string(rest)});
    } else {
      last = stack.error();
    }
  }
  if (options.offers.empty()) return tl::unexpected<Error>(std::move(last));
  return connect(peer, std::move(options));
}

}  // namespace harness
