// SPDX-License-Identifier: Apache-2.0
// An endpoint that dialled us, before a link exists: until its HELLO, and with a handshake until its READY.
// Bounded in number and time, so that strangers cost no more than Node::waiting_max of these, and those that
// were answered as many again: silent ones do not push out who is about to prove itself.
#pragma once

#include <memory>

#include <harness/stack/node.hpp>

namespace harness {

struct Node::Waiting {
  Waiting(Node& owner, std::unique_ptr<Endpoint> dialled)
      : node(owner), endpoint(std::move(dialled)),
        timer([](void* self) { static_cast<Waiting*>(self)->node.on_timer(*static_cast<Waiting*>(self)); },
              this) {}

  // What was answered to a HELLO with a handshake.
  struct Answered {
    setup::Hello hello;
    setup::Accept accept;
    LinkOptions options;  // of the link it becomes, max_message as agreed
    Choice choice;
    std::unique_ptr<Handshake> handshake;
  };

  Node& node;
  std::list<Waiting>* home = nullptr;  // the list it stands in, and where
  std::list<Waiting>::iterator place;
  std::unique_ptr<Endpoint> endpoint;
  std::unique_ptr<Answered> answered;
  std::uint64_t deadline_ns = 0;
  std::uint64_t back_off_ns = repeat_ns;
  Timer timer;
};

}  // namespace harness
