// SPDX-License-Identifier: Apache-2.0
// Harness as a contestant: what an application gets, Node and Link included.
#include <algorithm>

#include <harness/bench/compare/contestant.hpp>
#include <harness/bench/support/link_end.hpp>
#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>
#include <harness/layers/all.hpp>
#include <harness/stack/compose.hpp>
#include <harness/stack/spec.hpp>
#include <harness/transports/all.hpp>

namespace harness::bench {

namespace {

std::string transport_of(const std::string& stack) {
  const std::string text = stack.substr(stack.rfind('@') + 2);
  return text.substr(0, text.find('('));
}

std::string address_of(const std::string& transport) {
  return transport == "shm" ? "shm:" : transport + ":127.0.0.1:0";
}

const Catalogue& everything() {
  static const Catalogue catalogue = [] {
    Catalogue all;
    layers::add_all(all);
    transports::add_all(all);
    return all;
  }();
  return catalogue;
}

class Ours final : public Contestant {
 public:
  Ours(Task task, std::string stack, std::uint32_t bytes)
      : Contestant(task, bytes), stack_(std::move(stack)) {}
  [[nodiscard]] std::string name() const override { return stack_; }
  std::string listen() override {
    end_ = std::make_unique<LinkEnd>("far", encrypts());
    return end_->listen(address_of(transport_of(stack_)));
  }
  void serve(Board& board, const Duo::Still& still) override { end_->serve(board, still); }
  void connect(const std::string& address) override {
    end_ = std::make_unique<LinkEnd>("near", encrypts());
    link_ = end_->open(stack_, address, task() == Task::sink ? "sink" : is_large() ? "copy" : "echo");
  }
  // Large messages from private memory to private memory, as the peers carry them; small ones over shared
  // memory by the batch, since a look at the clock costs a third of such a trip.
  double ping(std::uint64_t budget_ns, Histogram& into) override {
    if (is_large()) return end_->copies(*link_, message_bytes(), budget_ns);
    if (transport_of(stack_) == "shm") return end_->trips(*link_, message_bytes(), 50, budget_ns);
    return end_->ping(*link_, message_bytes(), budget_ns, into);
  }
  double flood(std::uint64_t count, std::uint32_t bytes, const Board& board) override {
    return end_->flood(*link_, bytes, count, board);
  }

 private:
  [[nodiscard]] bool encrypts() const noexcept { return stack_.find("encrypt") != std::string::npos; }
  [[nodiscard]] bool is_large() const noexcept { return message_bytes() > 4096; }
  std::string stack_;
  std::unique_ptr<LinkEnd> end_;
  std::shared_ptr<Link> link_;
};

}  // namespace

std::unique_ptr<Contestant> ours(Task task, const std::string& stack, std::uint32_t bytes) {
  return std::make_unique<Ours>(task, stack, bytes);
}

std::string why_not(const std::string& stack, std::uint32_t bytes) {
  const auto spec = stack_from(stack, everything());
  if (!spec) return spec.error().what;
  const Facts facts = spec->transport->facts(spec->transport_options, property::same_host);
  const auto proved = check(*spec, facts, {}, everything());
  if (!proved) return proved.error().what;
  return bytes <= proved->given.max_message ? "" : "its messages are smaller";
}

}  // namespace harness::bench
