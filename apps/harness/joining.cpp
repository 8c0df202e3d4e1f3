// SPDX-License-Identifier: Apache-2.0
// Dialling and asking.
#include <harness/apps/harness/joining.hpp>

#include <fmt/format.h>

#include <harness/kernel/identity/line.hpp>
#include <harness/kernel/identity/secret.hpp>

namespace harness::apps {

namespace {

std::string drawn_name() {
  std::array<std::byte, 10> drawn;
  identity::fill_random(drawn);
  return "joiner-" + identity::base32(drawn);
}

}  // namespace

Joining::Joining(const identity::Token& token) : authority_(keys_, token, drawn_name()) {}

Result<std::unique_ptr<Joining>> Joining::open(const Catalogue& catalogue, const identity::Token& token,
                                               const std::string& address) {
  std::unique_ptr<Joining> joining(new Joining(token));
  if (auto dialled = joining->dial(catalogue, address); !dialled)
    return tl::unexpected<Error>(dialled.error());
  return joining;
}

Result<> Joining::dial(const Catalogue& catalogue, const std::string& address) {
  transports::OsEngineOptions quiet;
  quiet.log = [](LogLevel, std::string_view) {};
  auto engine = transports::OsEngine::make(std::move(quiet));
  if (!engine) return tl::unexpected<Error>(engine.error());
  engine_ = std::move(*engine);
  node_ = std::make_unique<Node>(*engine_, catalogue,
                                 NodeOptions{authority_.self().name, {}, {}, {}, &authority_});
  LinkOptions options;
  options.name = join_link;
  options.quota_bytes = 4u << 20;
  options.timeout_ns = timeout_ns;
  auto link = node_->connect({}, join_needs(), {address}, std::move(options));
  if (!link) return tl::unexpected<Error>(link.error());
  link_ = *link;
  link_->on_message([this](Message&& message) {
    reply_.resize(message.size());
    message.copy_to(reply_.data());
  });
  engine_->run_until([this] { return link_->is_up() || ended(); }, timeout_ns);
  if (link_->is_up()) return {};
  if (ended()) return tl::unexpected<Error>(link_->error());
  return fail(Errc::timed_out, fmt::format("no answer from {}", address),
              fmt::format("it was silent for {} s", timeout_ns / 1'000'000'000),
              "check that the node where the root is runs: harness node ls, there");
}

Result<std::vector<std::byte>> Joining::ask(JoinKind kind, Bytes bytes, JoinKind wanted) {
  std::vector<std::byte> question{static_cast<std::byte>(kind)};
  question.insert(question.end(), bytes.begin(), bytes.end());
  reply_.clear();
  (void)link_->send(Message::copy_of(engine_->pool(), Bytes(question)));
  engine_->run_until([this] { return !reply_.empty() || ended(); }, timeout_ns);
  if (reply_.empty())
    return fail(ended() ? Errc::peer_lost : Errc::timed_out, "the node where the root is gave no answer",
                ended() ? link_->error().what : "it was silent for 10 s", "try again");
  if (static_cast<JoinKind>(reply_.front()) != wanted)
    return fail(Errc::corrupt, "the answer is none", "it is of another kind than was asked for",
                "run the same release on both machines");
  return std::vector<std::byte>(reply_.begin() + 1, reply_.end());
}

// In order, so that the desk hears that it may forget us.
Joining::~Joining() {
  if (link_ == nullptr) return;
  link_->close();
  engine_->run_until([this] { return node_->links().empty(); }, 1'000'000'000);
  link_.reset();
  node_.reset();
}

}  // namespace harness::apps
