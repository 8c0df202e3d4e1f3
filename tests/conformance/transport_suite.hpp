// SPDX-License-Identifier: Apache-2.0
// One contract for all transports (stack/transport.hpp), as named cases that any of them can be put through.
//
//   class TcpMedium final : public Medium { … };
//   HARNESS_TRANSPORT_CONFORMANCE(Tcp, [] { return std::make_unique<TcpMedium>(); })
//
// A case is a function that looks at a Trial and says what it expects; what fails is recorded, not thrown, so
// that the meta test (transport_meta_test.cpp) can run every case over a transport with one planted defect
// and demand that it turns red. A case that a medium cannot meet by its facts (a small frame limit, no order)
// says `skip`.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <harness/stack/transport.hpp>
#include <harness/tests/conformance/broken_transport.hpp>

namespace harness::tests {

/// One transport on one engine, as the suite meets it.
class Medium {
 public:
  virtual ~Medium() = default;
  [[nodiscard]] virtual Engine& engine() = 0;
  [[nodiscard]] virtual Transport& transport() = 0;
  [[nodiscard]] virtual const TransportType& type() = 0;
  /// An address to listen on that nobody uses, the same in every medium of a kind.
  [[nodiscard]] virtual std::string free_address() = 0;
  [[nodiscard]] virtual std::string nobodys_address() = 0;
  [[nodiscard]] virtual std::string malformed_address() = 0;
  /// False: the listener sees a dialler with its first set-up frame, not before.
  [[nodiscard]] virtual bool opens_when_dialled() { return true; }
  /// False: the medium is a simulation, its allocations say nothing.
  [[nodiscard]] virtual bool is_measured() { return true; }
  /// Lets the medium work until `done`; false when it never comes.
  virtual bool until(const std::function<bool()>& done) = 0;
  /// Lets the medium work until nothing happens any more.
  virtual void rest() = 0;
};
using MakeMedium = std::function<std::unique_ptr<Medium>()>;

/// What one end of a link received and heard.
struct End {
  Gate gate;
  Quota::Owner quota = Quota::make(std::uint64_t{64} << 20);
  std::vector<std::string> got;     // bodies of data frames, unless `take` is set
  std::vector<std::string> setups;  // bodies of set-up frames
  std::string order;                // 'd' and 's' as they came, unless `take` is set
  struct Heard {
    EventKind kind;
    Errc code;
    std::string detail;
    bool gate_held;
  };
  std::vector<Heard> heard;
  std::function<void(Message&)> take;          // instead of `got`
  std::function<void(const Event&)> on_event;  // after it was recorded
  unsigned calls = 0;
  std::unique_ptr<Endpoint> endpoint;  // goes first

  void adopt(std::unique_ptr<Endpoint> mine);
  void attach();
  void down(Message& message) const;
  [[nodiscard]] bool held() const { return gate.held(Gate::transport_bit); }
  [[nodiscard]] unsigned count(EventKind kind) const;
};

/// Collects endpoints of those who dialled; the first goes to `first` when that is set.
struct Acceptance final : Acceptor {
  End* first = nullptr;
  std::vector<std::unique_ptr<Endpoint>> waiting;
  unsigned calls = 0;
  void accepted(std::unique_ptr<Endpoint> endpoint) override;
};

/// A running case: a medium, two ends, and what was expected in vain.
class Trial {
 public:
  /// The acceptance outlives the medium, as an Acceptor must.
  Trial(Medium& medium, Acceptance& accepts) : acceptance(accepts), medium_(medium) {}
  ~Trial() {
    acceptance.first = nullptr;
    acceptance.waiting.clear();
  }

  [[nodiscard]] Medium& medium() noexcept { return medium_; }
  [[nodiscard]] Engine& engine() noexcept { return medium_.engine(); }
  [[nodiscard]] Pool& pool() noexcept { return medium_.engine().pool(); }
  [[nodiscard]] Transport& transport() noexcept { return medium_.transport(); }

  /// Records `what` when `ok` is false; returns `ok`.
  bool expect(bool ok, std::string_view what);
  /// Waits for `done` and expects that it comes.
  bool until(const std::function<bool()>& done, std::string_view what);
  void skip(std::string_view why) { skipped_ = why; }

  /// Listens, dials and waits for near and far; false, and recorded, when that fails.
  bool connect();
  std::string listen();

  /// A message with a body of `bytes` that differ by `seed`; matches() tells whether a body is that one.
  Message patterned(std::uint32_t bytes, unsigned seed);
  static std::string pattern(std::uint32_t bytes, unsigned seed);
  void send(End& from, std::string_view body);
  void send_patterned(End& from, std::uint32_t bytes, unsigned seed);
  Errc setup(End& from, std::string_view body);
  /// Sends small frames until the gate is held; how many, 0 when it never is.
  unsigned fill(End& from, std::uint32_t bytes = 1000);
  [[nodiscard]] std::uint32_t largest(const End& end) const { return end.endpoint->facts().max_message; }
  /// Expects that exactly these bodies arrived.
  void expect_got(const End& end, const std::vector<std::string>& bodies);

  [[nodiscard]] const std::vector<std::string>& failures() const noexcept { return failures_; }
  [[nodiscard]] const std::string& skipped() const noexcept { return skipped_; }

  Acceptance& acceptance;
  End near;
  End far;
  std::string address;  // without the transport's name

 private:
  bool say_hello();

  Medium& medium_;
  std::vector<std::string> failures_;
  std::string skipped_;
};

/// A sentence about every transport, the function that tries it, and a defect that makes it false.
struct Case {
  const char* name;
  void (*run)(Trial&);
  Defect broken_by;
  Properties needs = {};  // media whose facts do not cover them skip the case
};
inline void PrintTo(const Case& tried, std::ostream* out) { *out << tried.name; }

const std::vector<Case>& transport_cases();
/// Runs a case on a fresh medium. The failures; a skip is none.
std::vector<std::string> run_case(const Case& tried, const MakeMedium& make, std::string& skipped);

/// The cases of one file each; transport_cases() joins them.
std::vector<Case> setup_cases();
std::vector<Case> frame_cases();
std::vector<Case> flow_cases();
std::vector<Case> end_cases();
std::vector<Case> fact_cases();

}  // namespace harness::tests

#define HARNESS_TRANSPORT_CONFORMANCE(Kind, make)                                   \
  class Kind##Transport : public testing::TestWithParam<harness::tests::Case> {};   \
  TEST_P(Kind##Transport, Keeps) {                                                  \
    std::string skipped;                                                            \
    for (const auto& failure : harness::tests::run_case(GetParam(), make, skipped)) \
      ADD_FAILURE() << failure;                                                     \
    if (!skipped.empty()) GTEST_SKIP() << skipped;                                  \
  }                                                                                 \
  INSTANTIATE_TEST_SUITE_P(Conformance, Kind##Transport,                            \
                           testing::ValuesIn(harness::tests::transport_cases()),    \
                           [](const auto& tried) { return std::string(tried.param.name); })
