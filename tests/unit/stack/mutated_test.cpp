// SPDX-License-Identifier: Apache-2.0
// Handshakes of encrypt, carried by set-up frames that somebody in between changes who knows every root and
// makes the outer code anew: none completes. HARNESS_HANDSHAKES sets how many.
#include <cstdlib>

#include <harness/layers/encrypt.hpp>
#include <harness/stack/random.hpp>
#include <harness/tests/support/middle.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/test_authority.hpp>
#include <harness/tests/unit/stack/node_fixture.hpp>

namespace harness::tests {
namespace {

class MutatedTest : public NodeTest {
 protected:
  MutatedTest() {
    catalogue_.add<layers::Encrypt>();
    for (auto* node : {&a_, &b_}) {
      (*node)->add(loop_);
      (*node)->set_admission([](const setup::Identity&, const std::string&) { return Admission{}; });
    }
    b_->on_link([this](const std::shared_ptr<Link>&) { ++completed_; });
    EXPECT_TRUE(b_->listen("loop:b"));
    middle_.greeter = &insider_;
    EXPECT_TRUE(loop_->listen("middle", middle_));
  }
  std::shared_ptr<Link> dial(std::uint64_t number) {
    LinkOptions options = to("middle", "encrypt @ loop", "link" + std::to_string(number));
    options.timeout_ns = ms;
    auto link = *a_->connect("b", options);
    settle();
    engine_.pass(50 * ms);  // so that the node is not under load
    return link;
  }
  /// Changes one to five bytes so that the frame can still be read, and says something else than before in
  /// what a handshake binds or carries.
  std::optional<setup::Frame> mutate(const setup::Frame& frame) {
    const Message message = setup::write(engine_.pool(), frame);
    for (int attempts = 0; attempts < 20; ++attempts) {
      std::vector<std::byte> bytes(message.front().begin(), message.front().end());
      for (std::uint64_t n = random_.between(1, 5); n > 0; --n)
        bytes[random_.below(bytes.size())] = static_cast<std::byte>(random_.next());
      auto parsed = setup::parse(bytes);
      if (!parsed || parsed->index() != frame.index()) continue;
      setup::Frame same = *parsed;  // but for what is judged while under load alone
      if (auto* hello = std::get_if<setup::Hello>(&same)) {
        hello->cookie = std::get<setup::Hello>(frame).cookie;
        hello->greeting = std::get<setup::Hello>(frame).greeting;
      }
      if (!(same == frame)) return *parsed;
    }
    return std::nullopt;
  }

  static NodeOptions named(std::string name, std::string domain, Authority& authority) {
    return {std::move(name), std::move(domain), "host", {}, &authority};
  }
  TestAuthority lab_{"lab", "a"}, office_{"office", "b"}, insider_{"lab", "insider"};
  std::unique_ptr<Node> a_ = std::make_unique<Node>(engine_, catalogue_, named("a", "lab", lab_));
  std::unique_ptr<Node> b_ = std::make_unique<Node>(engine_, catalogue_, named("b", "office", office_));
  Middle middle_{engine_, *loop_, "b"};
  Random random_{seed(43)};
  unsigned completed_ = 0;
};

TEST_F(MutatedTest, HandshakesDoNotCompleteAlthoughTheOuterCodeIsMadeAnew) {
  (void)dial(0);
  ASSERT_EQ(completed_, 1u) << "an honest one does";
  const char* const wanted = std::getenv("HARNESS_HANDSHAKES");
  const std::uint64_t count = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 300;
  std::size_t reached[3] = {};
  for (std::uint64_t i = 1; i <= count; ++i) {
    const std::size_t which[] = {setup::Frame(setup::Hello{}).index(), setup::Frame(setup::Accept{}).index(),
                                 setup::Frame(setup::Ready{}).index()};
    const std::size_t at = random_.below(3);
    middle_.edit = [&](bool, setup::Frame frame) -> std::optional<setup::Frame> {
      if (frame.index() != which[at]) return frame;
      ++reached[at];
      return mutate(frame);
    };
    dial(i)->close();
    ASSERT_EQ(completed_, 1u) << i << ", frame " << at;
  }
  for (const std::size_t times : reached) EXPECT_GT(times, count / 10);
}

}  // namespace
}  // namespace harness::tests
