// SPDX-License-Identifier: Apache-2.0
// What stands in files: domains, what they believe, a node's own; damaged, half written, open to others.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <harness/kernel/identity/authority.hpp>

#include <harness/tests/unit/kernel/identity_fixture.hpp>

namespace harness::identity {
namespace {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  std::string root() const { return state.path().string(); }
  Domain made(const std::string& name) { return std::move(*Domain::create(root(), name, nullptr)); }
  static unsigned mode_of(const std::string& path) {
    struct stat status{};
    EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  }
  static void overwrite(const std::string& path, std::string_view content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  }
  tests::TemporaryFolder state;
};

TEST_F(StoreTest, ADomainIsMadeOnceAndOpenedAgain) {
  const Domain lab = made("lab");
  EXPECT_EQ(mode_of(root() + "/domains/lab"), 0700u);
  EXPECT_EQ(mode_of(root() + "/domains/lab/root.key"), 0600u);
  expect_error(error_of(Domain::create(root(), "lab", nullptr)), Errc::exists, "already");
  auto again = Domain::open(root(), "lab");
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->root(), lab.root());
  EXPECT_TRUE(again->holds_root());
  EXPECT_EQ(Domain::names(root()), std::vector<std::string>{"lab"});
}

TEST_F(StoreTest, ADomainThatIsNotThereIsToldWithTheOneThatWasMeant) {
  made("office");
  const Error error = error_of(Domain::open(root(), "ofice"));
  expect_error(error, Errc::not_found, "there are office");
  EXPECT_EQ(error.advice, "did you mean office?");
  expect_error(error_of(Domain::create(root(), "../lab", nullptr)), Errc::invalid, "no name");
  expect_error(error_of(Domain::open(root(), "../lab")), Errc::not_found, "there is no domain");
}

TEST_F(StoreTest, ACreateThatDiedHalfWayIsBroughtToItsEnd) {
  const Root first = made("lab").root();
  fs::remove_all(root() + "/domains/lab/trust");
  auto again = Domain::create(root(), "lab", nullptr);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->root(), first) << "the key that was written is the root";
}

TEST_F(StoreTest, AKeyThatOthersMayReadIsRefusedWithTheChmodToType) {
  Domain lab = made("lab");
  const std::string path = root() + "/domains/lab/root.key";
  for (const mode_t mode : {0640u, 0604u, 0660u, 0644u}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    const Error error = error_of(lab.unlock(nullptr));
    expect_error(error, Errc::denied, "can be read by others");
    EXPECT_EQ(error.advice, "chmod 600 " + path);
  }
  ASSERT_EQ(chmod(path.c_str(), 0400), 0);
  EXPECT_TRUE(lab.unlock(nullptr));
}

TEST_F(StoreTest, AWrappedRootOpensByItsPassphraseOnly) {
  const Secret words = secret_of("correct horse");
  ASSERT_TRUE(Domain::create(root(), "lab", &words, cheap));
  Domain lab = std::move(*Domain::open(root(), "lab"));
  EXPECT_TRUE(*lab.is_wrapped());
  expect_error(error_of(lab.unlock(nullptr)), Errc::denied, "wrapped");
  expect_error(error_of(lab.issue(request_of(node_keys(3), "lab", "a"), now)), Errc::denied, "locked");
  ASSERT_TRUE(lab.unlock(&words));
  EXPECT_TRUE(lab.issue(request_of(node_keys(3), "lab", "a"), now));
}

TEST_F(StoreTest, TheKeyOfAnotherRootOpensNothing) {
  made("lab");
  made("office");
  fs::copy_file(root() + "/domains/office/root.key", root() + "/domains/lab/root.key",
                fs::copy_options::overwrite_existing);
  Domain lab = std::move(*Domain::open(root(), "lab"));
  expect_error(error_of(lab.unlock(nullptr)), Errc::corrupt, "another root's");
}

TEST_F(StoreTest, LivesOfCertificatesAreBounded) {
  Domain lab = made("lab");
  for (const Seconds life : {life_min - 1, life_max + 1})
    expect_error(error_of(lab.issue(request_of(node_keys(3), "lab", "a", life), now)), Errc::invalid,
                 "so long");
  EXPECT_TRUE(lab.issue(request_of(node_keys(3), "lab", "a", life_max), now));
  EXPECT_FALSE(lab.issue(request_of(node_keys(3), "lab", "a"), -century));
}

TEST_F(StoreTest, RevokesEveryCertificateOfANameThatStillHolds) {
  Domain lab = made("lab");
  const auto first = parse_certificate(*lab.issue(request_of(node_keys(3), "lab", "a"), now))->serial;
  const auto second = parse_certificate(*lab.issue(request_of(node_keys(4), "lab", "a"), now))->serial;
  const auto other = parse_certificate(*lab.issue(request_of(node_keys(5), "lab", "b"), now))->serial;
  auto list = lab.revoke("a", now);
  ASSERT_TRUE(list) << list.error().text();
  EXPECT_EQ(list->serial, 1u);
  EXPECT_TRUE(list->has(first) && list->has(second) && !list->has(other));
  expect_error(error_of(lab.revoke("a", now)), Errc::not_found, "none to it that still holds");
  expect_error(error_of(lab.revoke("b", now + 8 * day)), Errc::not_found, "none to it that still holds");
  EXPECT_EQ(lab.revoke("b", now)->serial, 2u);
}

TEST_F(StoreTest, ForgetsCertificatesThatHaveLongExpiredButNoRevokedOnes) {
  Domain lab = made("lab");
  ASSERT_TRUE(lab.issue(request_of(node_keys(3), "lab", "a"), now));
  ASSERT_TRUE(lab.issue(request_of(node_keys(4), "lab", "b"), now));
  ASSERT_TRUE(lab.revoke("b", now));
  ASSERT_TRUE(lab.issue(request_of(node_keys(5), "lab", "c"), now + life_usual + forget_after + 1));
  const auto all = *lab.issued();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name + all[1].name, "bc");
}

TEST_F(StoreTest, ADamagedFileIsToldByItsPathAndNothingIsLost) {
  Domain lab = made("lab");
  ASSERT_TRUE(lab.issue(request_of(node_keys(3), "lab", "a"), now));
  ASSERT_TRUE(lab.revoke("a", now));
  ASSERT_TRUE(lab.make_token({}, now));
  const std::string folder = root() + "/domains/lab/";
  const std::string key = state.read("domains/lab/root.key");
  for (const char* file : {"trust/lab/root", "trust/lab/revoked", "root.key", "issued", "tokens"}) {
    const std::string whole = state.read(std::string("domains/lab/") + file);
    overwrite(folder + file, whole.substr(0, whole.size() / 2));
    auto opened = Domain::open(root(), "lab");
    const bool bad = !opened || !opened->unlock(nullptr) || !opened->tokens() || !opened->issued();
    EXPECT_TRUE(bad) << file;
    overwrite(folder + file, whole);
    auto mended = Domain::open(root(), "lab");
    EXPECT_TRUE(mended && mended->unlock(nullptr) && mended->tokens() && mended->issued()) << file;
  }
  EXPECT_EQ(state.read("domains/lab/root.key"), key);
}

TEST_F(StoreTest, ARootIsBelievedOneWayAndNotExchanged) {
  Domain lab = made("lab"), office = made("office");
  ASSERT_TRUE(lab.trust().add_root(office.root()));
  EXPECT_NE(lab.trust().find("office"), nullptr);
  EXPECT_EQ(office.trust().find("lab"), nullptr);
  EXPECT_TRUE(lab.trust().add_root(office.root()));
  expect_refusal(error_of(lab.trust().add_root(make_root("office", key_number(9)))), Refusal::wrong_root);
  ASSERT_TRUE(lab.trust().remove("office"));
  expect_error(error_of(lab.trust().remove("office")), Errc::not_found, "not in the store");
  EXPECT_EQ(Domain::open(root(), "lab")->trust().find("office"), nullptr);
  EXPECT_TRUE(lab.trust().add_root(make_root("office", key_number(9))));
}

TEST_F(StoreTest, AFloorIsRatchetedBetweenProcesses) {
  Domain lab = made("lab"), office = made("office");
  ASSERT_TRUE(lab.trust().add_root(office.root()));
  const auto floor = [&](std::uint64_t serial, Properties word) {
    SignedFloor made = make_floor(lab.root(), office.root(), word, serial);
    EXPECT_TRUE(lab.sign(made) && office.sign(made));
    return made;
  };
  EXPECT_EQ(lab.trust().floor("office"), property::authenticated | property::forward_secret);
  EXPECT_EQ(lab.trust().floor("lab"), property::none);
  ASSERT_TRUE(lab.trust().add_floor(floor(2, property::encrypted)));
  EXPECT_EQ(lab.trust().floor("office"), property::encrypted);
  Domain other = std::move(*Domain::open(root(), "lab"));  // another process
  ASSERT_TRUE(other.trust().add_floor(floor(3, property::forward_secret)));
  expect_error(error_of(lab.trust().add_floor(floor(2, property::encrypted))), Errc::conflict, "older");
  expect_error(error_of(lab.trust().add_floor(floor(3, property::encrypted))), Errc::conflict, "older");
  SignedFloor half = make_floor(lab.root(), office.root(), {}, 9);
  ASSERT_TRUE(lab.sign(half));
  expect_error(error_of(lab.trust().add_floor(half)), Errc::denied, "not complete");
  EXPECT_EQ(Domain::open(root(), "lab")->trust().floor("office"), property::forward_secret);
}

TEST_F(StoreTest, ASharedSecretIsThirtyTwoBytesThatNobodyElseReads) {
  Domain lab = made("lab"), office = made("office");
  ASSERT_TRUE(lab.trust().add_root(office.root()));
  const std::vector<std::byte> secret(32, std::byte{7});
  EXPECT_FALSE(lab.trust().set_psk("office", Bytes(secret).first(31)));
  EXPECT_FALSE(lab.trust().set_psk("office", std::vector<std::byte>(32)));
  EXPECT_FALSE(lab.trust().set_psk("nowhere", secret));
  ASSERT_TRUE(lab.trust().set_psk("office", secret));
  const std::string path = root() + "/domains/lab/trust/office/psk";
  EXPECT_EQ(mode_of(path), 0600u);
  EXPECT_EQ(Domain::open(root(), "lab")->trust().find("office")->psk->front(), std::byte{7});
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  expect_error(error_of(Domain::open(root(), "lab")), Errc::denied, "can be read by others");
}

TEST_F(StoreTest, AFileIsThereWholeOrNotAtAll) {
  const std::string path = state / "file";
  ASSERT_TRUE(write_file(path, as_bytes("one"), Privacy::secret));
  ASSERT_TRUE(write_file(path, as_bytes("two"), Privacy::open));
  EXPECT_EQ(state.read("file"), "two");
  EXPECT_FALSE(write_file(state / "nowhere/file", as_bytes("x"), Privacy::open));
  ASSERT_EQ(mkdir((state / "in_the_way").c_str(), 0700), 0);
  EXPECT_FALSE(write_file(state / "in_the_way", as_bytes("x"), Privacy::open));
  EXPECT_EQ(state.listing().find(".new-"), std::string::npos) << "nothing is left beside";
}

TEST_F(StoreTest, AFileIsNotReadThroughALinkNorBeyondItsBound) {
  ASSERT_TRUE(write_file(state / "file", as_bytes("12345"), Privacy::open));
  EXPECT_TRUE(read_file(state / "file", 5, Privacy::open));
  expect_error(error_of(read_file(state / "file", 4, Privacy::open)), Errc::exhausted, "at most 4");
  fs::create_symlink(state / "file", state / "link");
  EXPECT_FALSE(read_file(state / "link", 5, Privacy::open));
  EXPECT_FALSE(read_file(state.path().string(), 5, Privacy::open));
}

}  // namespace
}  // namespace harness::identity
