// SPDX-License-Identifier: Apache-2.0
// docs/one-message.md shows what taps see when one message crosses a stack; here it crosses, and the two are
// compared.
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/stack/node.hpp>
#include <harness/transports/loop.hpp>

#include <harness/tests/support/manual_engine.hpp>

namespace harness {
namespace {

// Writes a line for each message that passes a boundary of a stack.
class Trace {
 public:
  void watch(Link& link, const std::string& side) {
    const auto& layers = link.stack()->spec().layers;
    for (std::size_t i = 0; i <= layers.size(); ++i) {
      const std::string above = i == 0 ? "application" : std::string(layers[i - 1].type->descriptor->name);
      const std::string below = i == layers.size() ? "loop" : std::string(layers[i].type->descriptor->name);
      spots_.push_back(std::make_unique<Spot>(this, side, above, below));
      ASSERT_TRUE(link.add_tap(i, spots_.back()->tap));
    }
  }
  [[nodiscard]] std::string text() const { return text_.str(); }

 private:
  struct Spot {
    Spot(Trace* to, std::string at, std::string upper, std::string lower)
        : trace(to), side(std::move(at)), above(std::move(upper)), below(std::move(lower)) {}
    Trace* trace;
    std::string side, above, below;
    Tap tap{[](void* self, Tap::Direction direction, const Message& message) {
              static_cast<Spot*>(self)->see(direction, message);
            },
            this};
    void see(Tap::Direction direction, const Message& message) {
      const bool down = direction == Tap::Direction::down;
      std::string bytes(message.size(), 0);
      message.copy_to(reinterpret_cast<std::byte*>(bytes.data()));
      std::string shown;
      for (const char c : bytes) {
        static constexpr char digits[] = "0123456789abcdef";
        const auto value = static_cast<unsigned char>(c);
        if (value > 0x20 && value < 0x7f)
          shown += std::string(" ") + c;
        else
          shown += std::string(" ") + digits[value >> 4] + digits[value & 15];
      }
      trace->text_ << side << ": " << (down ? above : below) << " -> " << (down ? below : above) << shown
                   << '\n';
    }
  };
  std::vector<std::unique_ptr<Spot>> spots_;
  std::ostringstream text_;
};

std::string block_of(const std::string& page, const std::string& mark) {
  std::ifstream file(std::string(HARNESS_SOURCE_DIR) + "/docs/" + page);
  std::stringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  const std::size_t begin = text.find("```" + mark + "\n");
  if (begin == std::string::npos) return "no block " + mark + " in " + page;
  const std::size_t start = begin + 4 + mark.size();
  return text.substr(start, text.find("```", start) - start);
}

TEST(OneMessage, CrossesTheStackAsThePageSays) {
  tests::ManualEngine engine;
  Catalogue catalogue;
  layers::add_all(catalogue);
  catalogue.add(transports::Loop::type());
  auto loop = std::make_shared<transports::Loop>(engine);
  engine.add(*loop);
  Node a(engine, catalogue, {"a", "local", "host"}), b(engine, catalogue, {"b", "local", "host"});
  a.add(loop);
  b.add(loop);
  std::string received;
  std::shared_ptr<Link> at_b;
  b.on_link([&](const std::shared_ptr<Link>& link) {
    at_b = link;
    link->on_message([&](Message&& message) { received = message.text(); });
  });
  ASSERT_TRUE(b.listen("loop:b"));
  auto link = a.connect("b", "order / frag @ loop", {"loop:b"});
  ASSERT_TRUE(link) << link.error().text();
  engine.settle();
  ASSERT_TRUE((*link)->is_up());
  Trace trace;
  trace.watch(**link, "a");
  trace.watch(*at_b, "b");
  EXPECT_EQ((*link)->send(Message::copy_of(engine.pool(), "hello,b")), Errc::ok);
  engine.settle();
  EXPECT_EQ(received, "hello,b");
  EXPECT_EQ(trace.text(), block_of("one-message.md", "trace"));
}

}  // namespace
}  // namespace harness
