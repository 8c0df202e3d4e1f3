// SPDX-License-Identifier: Apache-2.0
// A link whose transport reaches the peer's memory itself (stack/direct.hpp), and a memory to share on it: of
// every transport and provider that does.
#pragma once

#include <stdlib.h>

#include <optional>

#include <gtest/gtest.h>

#include <harness/stack/random.hpp>
#include <harness/tests/support/direct_end.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::tests {

inline constexpr const char* storm = "seed=7,eagain=0.3,late=32,tx=2,rx=2";

struct Setting {
  const char* name;
  const char* medium;
  const char* knobs;  // of the mock
};

class DirectMedium : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    const std::string_view medium = GetParam().medium;
    setenv("HARNESS_MOCK", GetParam().knobs, 1);
    if (!medium.starts_with("mock") && medium != mapped)
      if (const std::string why = ofi_missing(medium); !why.empty()) GTEST_SKIP() << why;
    near_.emplace(medium);
    far_.emplace(medium);
    connect(*near_, *far_);
    memory_ = RegionMemory::make(bytes_max).value();
  }
  bool until(const std::function<bool()>& done) { return turn_until(*near_, *far_, done); }
  RegionHandle share(std::uint64_t offset, std::uint64_t bytes, Access access = Access::all,
                     AtomicDomain atomics = AtomicDomain::cpu) {
    return share(*far_, *near_, offset, bytes, access, atomics);
  }
  RegionHandle share(DirectEnd& by, DirectEnd& with, std::uint64_t offset, std::uint64_t bytes, Access access,
                     AtomicDomain atomics) {
    const Exposed region{++last_key_, memory_->bytes().subspan(offset, bytes), access, atomics, memory_};
    by.direct->share(region);
    EXPECT_TRUE(until([&] { return with.direct->reaches(region.key); }));
    return {region.key, bytes, access, atomics};
  }
  // Begins one operation, when there is room.
  void begin(const std::function<Direct::Outcome()>& operation) {
    Direct::Outcome outcome = operation();
    while (outcome == Direct::Outcome::full) {
      const unsigned rooms = near_->rooms;
      ASSERT_TRUE(until([&] { return near_->rooms != rooms; }));
      outcome = operation();
    }
    ASSERT_NE(outcome, Direct::Outcome::no);
    if (outcome == Direct::Outcome::done) near_->ended.emplace(ticket_, Errc::ok);
    ++ticket_;
  }
  // Puts all of it, a piece a ticket.
  void put(const RegionHandle& to, std::uint64_t offset, const std::vector<std::byte>& bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      const std::size_t piece =
          std::min<std::uint64_t>(bytes.size() - done, near_->direct->piece_bytes_max());
      begin([&] {
        return near_->direct->put(ticket_, to, offset + done, Bytes(bytes).subspan(done, piece), {});
      });
      if (HasFatalFailure()) return;
      done += piece;
    }
  }
  bool all_ended() {
    return until([&] { return near_->ended.size() == ticket_; });
  }
  [[nodiscard]] std::vector<std::byte> content() const {
    return {memory_->bytes().begin(), memory_->bytes().end()};
  }

  static constexpr std::uint64_t bytes_max = 512 * 1024;
  std::optional<DirectEnd> near_, far_;
  std::shared_ptr<RegionMemory> memory_;
  std::uint64_t last_key_ = 0x1234'5000;
  std::uint64_t ticket_ = 0;
};

}  // namespace harness::tests
