// SPDX-License-Identifier: Apache-2.0
// Nodes with an authority each that meet over loop by `vouch`, and a man in the middle between them.
#pragma once

#include <harness/layers/frag.hpp>
#include <harness/tests/support/middle.hpp>
#include <harness/tests/support/vouch.hpp>
#include <harness/tests/unit/stack/node_fixture.hpp>

namespace harness::tests {

class HandshakeTest : public NodeTest {
 protected:
  HandshakeTest() {
    catalogue_.add<Vouch>();
    catalogue_.add<layers::Frag>();
  }

  struct Proven {
    Proven(const std::string& name, const std::string& domain) : authority(name, domain) {}
    VouchAuthority authority;
    std::unique_ptr<Node> node;
    Ear ear;
  };
  /// `claimed`, `claimed_domain`: what the node says of itself; its certificate says `name` of `domain`.
  std::unique_ptr<Proven> prove(const std::string& name, const std::string& domain = "lab",
                                std::string claimed = {}, bool listens = true,
                                const std::string& claimed_domain = {}) {
    auto host = std::make_unique<Proven>(name, domain);
    if (claimed.empty()) claimed = name;
    NodeOptions options{claimed, claimed_domain.empty() ? domain : claimed_domain, "host", {}};
    options.authority = &host->authority;
    host->node = std::make_unique<Node>(engine_, catalogue_, options);
    host->node->add(loop_);
    host->node->on_link([raw = host.get()](const std::shared_ptr<Link>& link) { raw->ear.listen_to(link); });
    host->node->set_admission([](const setup::Identity&, const std::string&) { return Admission{}; });
    if (listens) {
      EXPECT_TRUE(host->node->listen("loop:" + claimed));
    }
    return host;
  }
  std::shared_ptr<Link> dial(Node& from, const std::string& peer, const std::string& address,
                             const std::string& stack = "vouch @ loop") {
    LinkOptions options = to(address, stack);
    options.timeout_ns = 500 * ms;
    auto link = from.connect(peer, options);
    EXPECT_TRUE(link) << link.error().text();
    return *link;
  }
  /// A man in the middle at `at`, in front of `onward`.
  std::unique_ptr<Middle> stand_between(const std::string& onward, const std::string& at = "middle") {
    auto middle = std::make_unique<Middle>(engine_, *loop_, onward);
    middle->greeter = &insider_;
    EXPECT_TRUE(loop_->listen(at, *middle));
    return middle;
  }

 private:
  VouchAuthority insider_{"insider", "lab"};  // knows every root, and nobody's key
};

}  // namespace harness::tests
