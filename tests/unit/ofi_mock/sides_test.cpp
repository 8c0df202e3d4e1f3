// SPDX-License-Identifier: Apache-2.0
// The two sides, and what opening and closing them says.
#include <harness/tests/unit/ofi_mock/sides.hpp>

namespace harness::tests {

Info offering(const char* provider) {
  Info hints(mock::mock_dupinfo(nullptr));
  hints->mode = FI_CONTEXT | FI_CONTEXT2 | FI_RX_CQ_DATA;
  hints->domain_attr->mr_mode = every_mr_mode;
  if (provider != nullptr) hints->fabric_attr->prov_name = strdup(provider);
  return hints;
}

Info ask(const fi_info* hints, int* error) {
  fi_info* found = nullptr;
  const int result = mock::mock_getinfo(FI_VERSION(1, 17), nullptr, nullptr, 0, hints, &found);
  if (error != nullptr) *error = result;
  return Info(found);
}

Side::Side(const char* provider, const SideOptions& options) {
  const Info hints = offering(provider);
  hints->caps = options.caps;
  info = ask(hints.get());
  if (info == nullptr) return;
  EXPECT_EQ(mock::mock_fabric(info->fabric_attr, &fabric, nullptr), 0);
  EXPECT_EQ(fi_domain(fabric, info.get(), &domain, nullptr), 0);
  fi_cq_attr queue{};
  queue.size = options.cq;
  queue.format = options.format;
  queue.wait_obj = options.wait;
  EXPECT_EQ(fi_cq_open(domain, &queue, &cq, nullptr), 0);
  fi_av_attr vector{};
  vector.type = FI_AV_TABLE;
  EXPECT_EQ(fi_av_open(domain, &vector, &av, nullptr), 0);
  EXPECT_EQ(fi_endpoint(domain, info.get(), &ep, nullptr), 0);
  if (!options.enable) return;
  EXPECT_EQ(fi_ep_bind(ep, &av->fid, 0), 0);
  EXPECT_EQ(fi_ep_bind(ep, &cq->fid, FI_TRANSMIT | FI_RECV | options.bind_flags), 0);
  EXPECT_EQ(fi_enable(ep), 0);
}

void Side::close_endpoint() {
  if (ep != nullptr) {
    EXPECT_EQ(fi_close(&ep->fid), 0);
  }
  ep = nullptr;
}

Side::~Side() {
  close_endpoint();
  if (info == nullptr) return;
  EXPECT_EQ(fi_close(&av->fid), 0);
  EXPECT_EQ(fi_close(&cq->fid), 0);
  EXPECT_EQ(fi_close(&domain->fid), 0);
  EXPECT_EQ(fi_close(&fabric->fid), 0);
}

std::array<char, 64> Side::name() const {
  std::array<char, 64> address{};
  std::size_t bytes = address.size();
  EXPECT_EQ(fi_getname(&ep->fid, address.data(), &bytes), 0);
  return address;
}

fi_addr_t Side::know(const Side& other) {
  fi_addr_t index = FI_ADDR_NOTAVAIL;
  EXPECT_EQ(fi_av_insert(av, other.name().data(), 1, &index, 0, nullptr), 1);
  return index;
}

void Side::look() {
  fi_cq_data_entry entries[8];
  fi_addr_t from[8];
  const ssize_t got = fi_cq_readfrom(cq, entries, 8, from);
  for (ssize_t i = 0; i < got; ++i) {
    done.push_back(entries[i]);
    sources.push_back(from[i]);
  }
  if (got == -FI_EAVAIL) {
    Failure failure{};
    EXPECT_EQ(fi_cq_readerr(cq, &failure.entry, 0), 1);
    failure.words = fi_cq_strerror(cq, failure.entry.prov_errno, nullptr, nullptr, 0);
    failed.push_back(failure);
  } else if (got < 0 && got != -FI_EAGAIN) {
    broken = got;
  }
}

std::size_t Side::count(std::uint64_t flags) const {
  std::size_t found = 0;
  for (const fi_cq_data_entry& entry : done) found += (entry.flags & flags) == flags ? 1 : 0;
  return found;
}

Pages::Pages(Side& side, std::size_t bytes, std::uint64_t access, std::uint64_t key)
    : side_(side), start_(static_cast<std::byte*>(
                       mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
      bytes_(bytes) {
  fill(0);
  EXPECT_EQ(fi_mr_reg(side.domain, start_, bytes, access, 0, key, 0, &mr, nullptr), 0);
  if (!side.wants(FI_MR_ENDPOINT) || mr == nullptr) return;
  EXPECT_EQ(fi_mr_bind(mr, &side.ep->fid, 0), 0);
  EXPECT_EQ(fi_mr_enable(mr), 0);
}

void Pages::unregister() {
  if (mr != nullptr) {
    EXPECT_EQ(fi_close(&mr->fid), 0);
  }
  mr = nullptr;
}

Pages::~Pages() {
  for (const auto& [domain, key] : mapped_) EXPECT_EQ(fi_mr_unmap_key(domain, key), 0);
  unregister();
  munmap(start_, bytes_);
}

std::uint64_t Pages::address(std::size_t offset) const {
  return (side_.wants(FI_MR_VIRT_ADDR) ? reinterpret_cast<std::uint64_t>(start_) : 0) + offset;
}

std::uint64_t Pages::key_for(const Side& of) {
  if (!side_.wants(FI_MR_RAW)) return fi_mr_key(mr);
  std::array<std::uint8_t, 32> raw{};
  std::uint64_t base = 0;
  std::size_t bytes = raw.size();
  EXPECT_EQ(fi_mr_raw_attr(mr, &base, raw.data(), &bytes, 0), 0);
  std::uint64_t key = 0;
  EXPECT_EQ(fi_mr_map_raw(of.domain, base, raw.data(), bytes, &key, 0), 0);
  mapped_.emplace_back(of.domain, key);
  return key;
}

bool Pages::all(int value, std::size_t begin, std::size_t end) const {
  for (std::size_t i = begin; i < end; ++i)
    if (start_[i] != static_cast<std::byte>(value)) return false;
  return true;
}

Pair::Pair(const char* provider, const char* knobs, const SideOptions& options) {
  setenv("HARNESS_MOCK", knobs, 1);
  a = std::make_unique<Side>(provider, options);
  b = std::make_unique<Side>(provider, options);
  to_b = options.enable ? a->know(*b) : FI_ADDR_NOTAVAIL;
  to_a = options.enable ? b->know(*a) : FI_ADDR_NOTAVAIL;
}

namespace {

TEST(OfiMockObjects, OneThatOthersStandOnDoesNotClose) {
  Pair pair(verbs);
  EXPECT_EQ(fi_close(&pair.a->fabric->fid), -FI_EBUSY);
  EXPECT_EQ(fi_close(&pair.a->domain->fid), -FI_EBUSY);
  EXPECT_EQ(fi_close(&pair.a->cq->fid), -FI_EBUSY);
  EXPECT_EQ(fi_close(&pair.a->av->fid), -FI_EBUSY);
}

TEST(OfiMockObjects, ADomainWithARegionDoesNotClose) {
  setenv("HARNESS_MOCK", "", 1);
  const Info info = ask(offering(verbs).get());
  fid_fabric* fabric = nullptr;
  fid_domain* domain = nullptr;
  fid_mr* mr = nullptr;
  char bytes[64] = {};
  ASSERT_EQ(mock::mock_fabric(info->fabric_attr, &fabric, nullptr), 0);
  ASSERT_EQ(fi_domain(fabric, info.get(), &domain, nullptr), 0);
  ASSERT_EQ(fi_mr_reg(domain, bytes, sizeof bytes, FI_SEND, 0, 0, 0, &mr, nullptr), 0);
  EXPECT_EQ(fi_close(&domain->fid), -FI_EBUSY);
  EXPECT_EQ(fi_close(&mr->fid), 0);
  EXPECT_EQ(fi_close(&domain->fid), 0);
  EXPECT_EQ(fi_close(&fabric->fid), 0);
}

TEST(OfiMockObjects, AnEndpointIsNotEnabledWithoutAddressesAndQueue) {
  Pair pair(verbs, "", {.enable = false});
  Side& side = *pair.a;
  EXPECT_EQ(fi_enable(side.ep), -FI_ENOAV);
  ASSERT_EQ(fi_ep_bind(side.ep, &side.av->fid, 0), 0);
  EXPECT_EQ(fi_enable(side.ep), -FI_ENOCQ);
  ASSERT_EQ(fi_ep_bind(side.ep, &side.cq->fid, FI_TRANSMIT), 0);
  EXPECT_EQ(fi_enable(side.ep), -FI_ENOCQ) << "no queue for receives";
  ASSERT_EQ(fi_ep_bind(side.ep, &side.cq->fid, FI_RECV), 0);
  EXPECT_EQ(fi_enable(side.ep), 0);
  EXPECT_EQ(fi_ep_bind(side.ep, &side.cq->fid, FI_RECV), -FI_EOPBADSTATE);
}

TEST(OfiMockObjects, AnEndpointHasNoNameAndTakesNoPostBeforeItIsEnabled) {
  Pair pair(cxi, "eagain=0", {.enable = false});
  char text[64];
  std::size_t bytes = sizeof text;
  EXPECT_EQ(fi_getname(&pair.a->ep->fid, text, &bytes), -FI_EOPBADSTATE);
  EXPECT_EQ(fi_send(pair.a->ep, text, 1, nullptr, 0, nullptr), -FI_EOPBADSTATE);
  EXPECT_EQ(fi_recv(pair.a->ep, text, 1, nullptr, 0, nullptr), -FI_EOPBADSTATE);
}

TEST(OfiMockObjects, AnAddressOfTheOtherProviderOrOfNobodyIsNotInserted) {
  Pair first(verbs, "eagain=0");
  Pair second(cxi, "eagain=0");
  fi_addr_t index = 0;
  EXPECT_EQ(fi_av_insert(first.a->av, second.a->name().data(), 1, &index, 0, nullptr), 0);
  EXPECT_EQ(index, FI_ADDR_NOTAVAIL);
  const char garbage[64] = "mock-verbs:zzzzz";
  EXPECT_EQ(fi_av_insert(first.a->av, garbage, 1, &index, 0, nullptr), 0);
}

TEST(OfiMockObjects, ARemovedAddressIsRefusedAtThePost) {
  Pair pair(cxi, "eagain=0");
  char byte = 0;
  ASSERT_EQ(fi_av_remove(pair.a->av, &pair.to_b, 1, 0), 0);
  EXPECT_EQ(fi_send(pair.a->ep, &byte, 1, nullptr, pair.to_b, nullptr), -FI_EADDRNOTAVAIL);
  EXPECT_EQ(fi_send(pair.a->ep, &byte, 1, nullptr, 77, nullptr), -FI_EADDRNOTAVAIL);
}

TEST(OfiMockObjects, AnAddressReadsBackAsItWasInserted) {
  Pair pair(verbs);
  char text[64];
  std::size_t bytes = sizeof text;
  ASSERT_EQ(fi_av_lookup(pair.a->av, pair.to_b, text, &bytes), 0);
  EXPECT_STREQ(text, pair.b->name().data());
  bytes = sizeof text;
  EXPECT_STREQ(fi_av_straddr(pair.a->av, pair.b->name().data(), text, &bytes), pair.b->name().data());
}

TEST(OfiMockObjects, WhatTheProviderDoesNotHaveAnswersEnosys) {
  Pair pair(verbs);
  fid_eq* eq = nullptr;
  fi_eq_attr attributes{};
  EXPECT_EQ(fi_eq_open(pair.a->fabric, &attributes, &eq, nullptr), -FI_ENOSYS);
  fid_cntr* counter = nullptr;
  fi_cntr_attr counting{};
  EXPECT_EQ(fi_cntr_open(pair.a->domain, &counting, &counter, nullptr), -FI_ENOSYS);
}

}  // namespace
}  // namespace harness::tests
