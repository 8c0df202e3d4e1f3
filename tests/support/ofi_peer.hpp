// SPDX-License-Identifier: Apache-2.0
// A peer of ofi that is nothing but an endpoint of the mock provider and a tcp connection: it says what it
// likes on both, and shows memory.
#pragma once

#include <sys/mman.h>

#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>

#include <gtest/gtest.h>

#include <harness/stack/bytes.hpp>
#include <harness/tests/support/ofi_mock.hpp>
#include <harness/transports/wire/ofi.hpp>

namespace harness::tests {

/// Whole pages, registered as the provider wants it.
class Shown {
 public:
  Shown(fid_domain* domain, fid_ep* endpoint, int mr_mode, std::size_t bytes, std::uint64_t access,
        std::uint64_t wanted_key)
      : bytes_(bytes) {
    void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_TRUE(at != MAP_FAILED);
    data = static_cast<std::byte*>(at);
    std::memset(data, 0, bytes);
    EXPECT_TRUE(fi_mr_reg(domain, data, bytes, access, 0, wanted_key, 0, &region, nullptr) == 0);
    if ((mr_mode & FI_MR_ENDPOINT) != 0) {
      EXPECT_TRUE(fi_mr_bind(region, &endpoint->fid, 0) == 0 && fi_mr_enable(region) == 0);
    }
    base = (mr_mode & FI_MR_VIRT_ADDR) != 0 ? reinterpret_cast<std::uint64_t>(data) : 0;
    key.resize(sizeof(std::uint64_t));
    if ((mr_mode & FI_MR_RAW) != 0) {
      key.resize(sizeof(std::uint64_t) + raw_bytes);
      std::uint64_t start = 0;
      std::size_t count = raw_bytes;
      EXPECT_TRUE(
          fi_mr_raw_attr(region, &start, reinterpret_cast<std::uint8_t*>(key.data() + 8), &count, 0) == 0 &&
          count == raw_bytes);
      store(key.data(), start);
    } else {
      store(key.data(), fi_mr_key(region));
    }
  }
  ~Shown() {
    fi_close(&region->fid);
    munmap(data, bytes_);
  }
  Shown(const Shown&) = delete;
  Shown& operator=(const Shown&) = delete;

  std::byte* data = nullptr;
  fid_mr* region = nullptr;
  std::uint64_t base = 0;      // what a peer calls the first byte
  std::vector<std::byte> key;  // as it travels

 private:
  static constexpr std::size_t raw_bytes = 16;
  std::size_t bytes_;
};

class OfiPeer {
 public:
  static constexpr std::size_t message_bytes = 16 * 1024;
  static constexpr std::size_t memory_bytes = 64 * 1024;
  static constexpr unsigned receives = 8;

  explicit OfiPeer(const char* provider) {
    fi_info* hints = mock::mock_dupinfo(nullptr);
    hints->mode = FI_CONTEXT | FI_CONTEXT2 | FI_RX_CQ_DATA;
    hints->domain_attr->mr_mode =
        FI_MR_LOCAL | FI_MR_RAW | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;
    hints->fabric_attr->prov_name = strdup(provider);
    EXPECT_TRUE(mock::mock_getinfo(FI_VERSION(1, 17), nullptr, nullptr, 0, hints, &info) == 0);
    mock::mock_freeinfo(hints);
    EXPECT_TRUE(mock::mock_fabric(info->fabric_attr, &fabric_, nullptr) == 0);
    EXPECT_TRUE(fi_domain(fabric_, info, &domain_, nullptr) == 0);
    fi_cq_attr queue{};
    queue.size = 4096;
    queue.format = FI_CQ_FORMAT_DATA;
    EXPECT_TRUE(fi_cq_open(domain_, &queue, &completions_, nullptr) == 0);
    fi_av_attr table{};
    table.type = FI_AV_TABLE;
    EXPECT_TRUE(fi_av_open(domain_, &table, &peers_, nullptr) == 0);
    EXPECT_TRUE(fi_endpoint(domain_, info, &endpoint_, nullptr) == 0);
    EXPECT_TRUE(fi_ep_bind(endpoint_, &peers_->fid, 0) == 0);
    EXPECT_TRUE(fi_ep_bind(endpoint_, &completions_->fid, FI_TRANSMIT | FI_RECV) == 0);
    EXPECT_TRUE(fi_enable(endpoint_) == 0);
    const int mode = info->domain_attr->mr_mode;
    memory =
        std::make_unique<Shown>(domain_, endpoint_, mode, memory_bytes, FI_REMOTE_READ | FI_REMOTE_WRITE, 1);
    buffers_ = std::make_unique<Shown>(domain_, endpoint_, mode, (1 + receives) * message_bytes,
                                       FI_SEND | FI_RECV, 2);
    for (unsigned i = 1; i <= receives; ++i) receive_into(i);
    std::size_t bytes = 0;
    fi_getname(&endpoint_->fid, nullptr, &bytes);
    name.resize(bytes);
    EXPECT_TRUE(fi_getname(&endpoint_->fid, name.data(), &bytes) == 0);
  }
  ~OfiPeer() {
    fi_close(&endpoint_->fid);
    memory.reset();
    buffers_.reset();
    for (fid* one : {&completions_->fid, &peers_->fid, &domain_->fid, &fabric_->fid}) fi_close(one);
    mock::mock_freeinfo(info);
  }
  OfiPeer(const OfiPeer&) = delete;
  OfiPeer& operator=(const OfiPeer&) = delete;

  fi_addr_t know(Bytes other) {
    fi_addr_t address = FI_ADDR_NOTAVAIL;
    EXPECT_TRUE(fi_av_insert(peers_, other.data(), 1, &address, 0, nullptr) == 1);
    return address;
  }
  /// Sends one message of the fabric; it has left when `sends` is 0 again.
  void send(fi_addr_t to, Bytes bytes) {
    std::memcpy(buffers_->data, bytes.data(), bytes.size());
    EXPECT_TRUE(fi_send(endpoint_, buffers_->data, bytes.size(), fi_mr_desc(buffers_->region), to, nullptr) ==
                0);
    ++sends;
  }
  /// Looks at what completed; messages go to `received`.
  void look() {
    std::array<fi_cq_data_entry, 16> entries;  // NOLINT: written by the provider
    const ssize_t got = fi_cq_read(completions_, entries.data(), entries.size());
    if (got == -FI_EAVAIL) {
      fi_cq_err_entry error{};
      EXPECT_TRUE(fi_cq_readerr(completions_, &error, 0) == 1);
      completed(error.op_context, 0);
    }
    for (ssize_t i = 0; i < got; ++i)
      completed(entries[static_cast<std::size_t>(i)].op_context, entries[static_cast<std::size_t>(i)].len);
  }

  fi_info* info = nullptr;
  std::vector<std::byte> name;
  std::unique_ptr<Shown> memory;
  unsigned sends = 0;
  std::function<void(Bytes)> received;

 private:
  void receive_into(std::uintptr_t number) {
    EXPECT_TRUE(fi_recv(endpoint_, buffers_->data + number * message_bytes, message_bytes,
                        fi_mr_desc(buffers_->region), FI_ADDR_UNSPEC, reinterpret_cast<void*>(number)) == 0);
  }
  void completed(void* context, std::size_t bytes) {
    const auto number = reinterpret_cast<std::uintptr_t>(context);
    if (number == 0) {
      --sends;
      return;
    }
    if (received) received({buffers_->data + number * message_bytes, bytes});
    receive_into(number);
  }

  fid_fabric* fabric_ = nullptr;
  fid_domain* domain_ = nullptr;
  fid_cq* completions_ = nullptr;
  fid_av* peers_ = nullptr;
  fid_ep* endpoint_ = nullptr;
  std::unique_ptr<Shown> buffers_;
};

}  // namespace harness::tests
