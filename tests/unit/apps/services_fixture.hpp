// SPDX-License-Identifier: Apache-2.0
// Two nodes with services, joined by a link over loop in virtual time.
#pragma once

#include <harness/apps/common/link_services.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <harness/apps/common/service_message.hpp>
#include <harness/stack/node.hpp>
#include <harness/tests/support/manual_engine.hpp>
#include <harness/tests/support/temporary.hpp>
#include <harness/transports/loop.hpp>

namespace harness::apps {
inline constexpr std::uint64_t ms = 1'000'000;

/// Puts files into one folder, and may refuse.
struct FolderInbox final : Inbox {
  Result<Accepted> accept(const std::string& peer, const std::string& name) override {
    if (name == "forbidden") return fail(Errc::denied, "no", "because", "try");
    from = peer;
    return Accepted{{folder, false}, [this](const ReceiveReport& report) { reports.push_back(report); }};
  }
  std::string folder;
  std::string from;
  std::vector<ReceiveReport> reports;
};

/// Steps made by the test.
struct ListSource final : FileSource {
  void fetch(Took took) override { waiting = std::move(took); }
  void skip(std::uint32_t index) override { skipped.push_back(index); }
  Took waiting;
  std::vector<std::uint32_t> skipped;
};

class ServicesTest : public testing::Test {
 protected:
  ServicesTest() {
    catalogue_.add(transports::Loop::type());
    engine_.add(*loop_);
  }

  struct End {
    std::unique_ptr<Node> node;
    FolderInbox inbox;
    std::shared_ptr<Link> link;
    std::unique_ptr<LinkServices> services;
  };

  void open(const std::string& stack = "@ loop") {
    for (End* end : {&a_, &b_}) {
      end->node =
          std::make_unique<Node>(engine_, catalogue_, NodeOptions{end == &a_ ? "a" : "b", "lab", "host"});
      end->node->add(loop_);
      end->inbox.folder = into_.path().string();
    }
    ASSERT_TRUE(b_.node->listen("loop:b"));
    b_.node->on_link([this](const auto& link) { serve(b_, link); });
    auto link = a_.node->connect("b", stack, {"loop:b"});
    ASSERT_TRUE(link) << link.error().text();
    serve(a_, *link);
    engine_.settle();
    ASSERT_TRUE(a_.link->is_up());
  }
  void serve(End& end, const std::shared_ptr<Link>& link) {
    end.link = link;
    end.services =
        std::make_unique<LinkServices>(engine_, link, end.inbox, [this] { return engine_.now_ns(); });
  }
  Result<std::uint32_t> send_tree(const std::vector<std::string>& names) {
    std::vector<std::string> paths;
    for (const auto& name : names) paths.push_back(from_ / name);
    auto sources = named_paths(paths);
    EXPECT_TRUE(sources);
    return a_.services->send(
        "test", false,
        [&](std::uint32_t transfer, std::uint32_t chunk) {
          return std::make_unique<TreeSource>(engine_,
                                              std::make_shared<TreeReader>(transfer, chunk, *sources));
        },
        [this](const TransferReport& report) { sent_.push_back(report); });
  }
  ListSource* send_list() {
    ListSource* raw = nullptr;
    auto started = a_.services->send(
        "list", false,
        [&](std::uint32_t, std::uint32_t) {
          auto source = std::make_unique<ListSource>();
          raw = source.get();
          return source;
        },
        [this](const TransferReport& report) { sent_.push_back(report); });
    EXPECT_TRUE(started);
    return raw;
  }
  // A message of a's making that no code of ours would send.
  template <class H>
  void say(wire::Kind kind, const H& header, std::string_view body = {}) {
    Message message = service_message(engine_.pool(), kind, header, as_bytes(body));
    ASSERT_EQ(a_.link->send(std::move(message)), Errc::ok);
    engine_.settle();
  }
  void say_open(std::uint32_t transfer, const std::string& name = "x") {
    wire::FileOpen open;
    open.transfer = transfer;
    ASSERT_EQ(a_.link->send(write_open(engine_.pool(), open, name)), Errc::ok);
    engine_.settle();
  }
  void say_entry(std::uint32_t transfer, const std::string& path, std::uint32_t index = 0) {
    Entry entry;
    entry.index = index;
    entry.path = path;
    ASSERT_EQ(a_.link->send(write_entry(engine_.pool(), transfer, entry)), Errc::ok);
    engine_.settle();
  }

  tests::ManualEngine engine_;
  Catalogue catalogue_;
  std::shared_ptr<transports::Loop> loop_ = std::make_shared<transports::Loop>(engine_);
  tests::TemporaryFolder from_;
  tests::TemporaryFolder into_;
  End a_;
  End b_;
  std::vector<TransferReport> sent_;
};

}  // namespace harness::apps
