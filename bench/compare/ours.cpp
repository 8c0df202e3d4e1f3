// SPDX-License-Identifier: Apache-2.0
// Harness as a contestant: what an application gets, Node and Link included.
#include <harness/bench/compare/contestant.hpp>
#include <harness/bench/support/link_end.hpp>

namespace harness::bench {

namespace {

class Ours final : public Contestant {
 public:
  Ours(Task task, std::string stack) : Contestant(task), stack_(std::move(stack)) {}
  [[nodiscard]] std::string name() const override { return stack_; }
  std::string listen() override {
    end_ = std::make_unique<LinkEnd>("far");
    return end_->listen("tcp:127.0.0.1:0");
  }
  void serve(Board& board, const Duo::Still& still) override { end_->serve(board, still); }
  void connect(const std::string& address) override {
    end_ = std::make_unique<LinkEnd>("near");
    link_ = end_->open(stack_, address, task() == Task::echo ? "echo" : "sink");
  }
  double ping(std::uint64_t budget_ns, Histogram& into) override {
    return end_->ping(*link_, message_bytes, budget_ns, into);
  }
  double flood(std::uint64_t count, std::uint32_t bytes, const Board& board) override {
    return end_->flood(*link_, bytes, count, board);
  }

 private:
  std::string stack_;
  std::unique_ptr<LinkEnd> end_;
  std::shared_ptr<Link> link_;
};

}  // namespace

std::unique_ptr<Contestant> ours(Task task, const std::string& stack) {
  return std::make_unique<Ours>(task, stack);
}

}  // namespace harness::bench
