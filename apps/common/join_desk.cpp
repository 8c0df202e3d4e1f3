// SPDX-License-Identifier: Apache-2.0
// Opening, asking, answering.
#include <harness/apps/common/join_desk.hpp>

#include <fmt/format.h>

#include <harness/apps/common/cluster.hpp>
#include <harness/kernel/files.hpp>
#include <harness/kernel/identity/domain.hpp>

namespace harness::apps {

namespace {

using identity::Domain;

std::vector<std::byte> answer(const JoinDesk::Options& options, Bytes request) {
  auto domain = Domain::open(options.state, options.domain);
  if (!domain) return identity::write_refusal(domain.error());
  if (auto open = domain->unlock(nullptr); !open) {
    Error error = open.error();
    error.advice = fmt::format("harness node enroll NODE --request, and there: harness domain sign LINE");
    return identity::write_refusal(error);
  }
  return domain->answer(request, identity::Warrant::token, options.now());
}

std::vector<std::byte> reply_to(const JoinDesk::Options& options, Bytes asked) {
  std::vector<std::byte> reply;
  const auto kind = asked.empty() ? JoinKind{} : static_cast<JoinKind>(asked.front());
  if (kind == JoinKind::request) {
    reply = answer(options, asked.subspan(1));
    reply.insert(reply.begin(), static_cast<std::byte>(JoinKind::answer));
  } else if (kind == JoinKind::ask_cluster) {
    if (auto text = read_file(options.cluster_file, cluster_bytes_max, Privacy::open)) reply = *text;
    reply.insert(reply.begin(), static_cast<std::byte>(JoinKind::cluster));
  }
  return reply;
}

}  // namespace

Needs join_needs() {
  return {property::reliable | property::fifo | property::no_duplicates | property::encrypted |
              property::authenticated | property::covered,
          cluster_bytes_max + 1};
}

Result<Admission> JoinDesk::admit() const {
  if (!file_exists(Domain::path_of(options_.state, options_.domain) + "/root.key"))
    return fail(Errc::not_found, fmt::format("the root of {} is not held here", options_.domain),
                "who lets a node join must be able to issue", "dial the node where the domain was made");
  return Admission{join_needs(), 0, 4u << 20};
}

void JoinDesk::serve(const std::shared_ptr<Link>& link) {
  if (links_.size() >= links_max) links_.front()->close();  // whoever stays there has had its time
  links_.push_back(link);
  link->on_message([this, weak = std::weak_ptr(link)](Message&& message) { on_message(weak, message); });
  link->on_event([this](const Event& event) {
    if (event.kind == EventKind::peer_lost || event.kind == EventKind::corrupt ||
        event.kind == EventKind::closed)
      engine_.post([this] { sweep(); });
  });
}

void JoinDesk::on_message(const std::weak_ptr<Link>& link, const Message& message) {
  if (message.size() > 1 + identity::request_bytes_max) return;
  auto asked = std::make_shared<std::vector<std::byte>>(message.size());
  message.copy_to(asked->data());
  auto reply = std::make_shared<std::vector<std::byte>>();
  const bool begun =
      engine_.offload([options = options_, asked, reply] { *reply = reply_to(options, *asked); },
                      [this, link, reply] {
                        const auto to = link.lock();
                        if (to == nullptr || reply->empty()) return;
                        Message answer = Message::copy_of(engine_.pool(), Bytes(*reply));
                        if (!answer || to->send(std::move(answer)) != Errc::ok) to->close();
                      });
  if (const auto to = link.lock(); !begun && to != nullptr) to->close();
}

void JoinDesk::close() {
  for (const auto& link : std::vector(links_)) link->close();
}

void JoinDesk::sweep() {
  std::erase_if(links_, [](const auto& link) { return link->state() >= Link::State::closed; });
}

}  // namespace harness::apps
