// SPDX-License-Identifier: Apache-2.0
// One message through one declared stack, between two nodes of this process. docs/one-message.md follows it
// file by file.
#include <iostream>

#include <harness/layers/all.hpp>
#include <harness/stack/node.hpp>
#include <harness/transports/all.hpp>
#include <harness/transports/engine.hpp>

int main() {
  auto engine = harness::transports::OsEngine::make().value();
  harness::Catalogue catalogue;
  harness::layers::add_all(catalogue);
  harness::transports::add_all(catalogue);
  harness::Node a(*engine, catalogue, {"a"}), b(*engine, catalogue, {"b"});
  b.on_link([&](auto& link) {
    link->on_message(
        [&](harness::Message&& message) { std::cout << message.text() << '\n', engine->stop(); });
  });
  const std::string address = b.listen("tcp:127.0.0.1:0").value();
  auto link = a.connect("b", "order / frag @ tcp", {address}).value();
  link->on_event(
      [&](const harness::Event&) { link->send(harness::Message::copy_of(engine->pool(), "hello, b")); });
  engine->run();
}
