// SPDX-License-Identifier: Apache-2.0
// The endpoint that a link owns, over what the transport keeps of it: a Connection, which outlives its handle
// while it lingers, and its handle outlives it where that ends, or the transport goes, first. Every call goes
// on to the connection; `make`, `mtu` and `direct` where it has them.
#pragma once

#include <harness/stack/transport.hpp>

namespace harness::transports {

template <class Connection>
class HandleOf final : public Endpoint {
 public:
  HandleOf(Connection& connection, const Facts& facts) noexcept : connection_(&connection), facts_(facts) {
    down_ = connection.entry();
    connection.set_handle(this);
  }
  ~HandleOf() override {
    if (connection_ != nullptr) connection_->abandon();
  }

  MutableBytes reserve(std::uint32_t bytes) noexcept override {
    return connection_ != nullptr ? connection_->reserve(bytes) : MutableBytes{};
  }
  void commit() noexcept override { connection_->commit(); }
  Message make(Pool& pool, std::uint32_t bytes) noexcept override {
    if constexpr (requires { connection_->make(pool, bytes); }) return connection_->make(pool, bytes);
    return Endpoint::make(pool, bytes);
  }
  Errc send_setup(Message&& frame) noexcept override { return connection_->send_setup(std::move(frame)); }
  Errc configure(const OptionValues& options) noexcept override {
    return connection_->configure(options, facts_.max_message);
  }
  [[nodiscard]] std::uint64_t frames_sent() const noexcept override {
    return connection_->counts().frames_out;
  }
  [[nodiscard]] std::uint64_t frames_received() const noexcept override {
    return connection_->counts().frames_in;
  }
  void pause_receive(bool paused) noexcept override { connection_->pause(paused); }
  void close(std::uint64_t linger_ns) noexcept override {
    if (connection_ != nullptr) connection_->close(linger_ns);
  }
  [[nodiscard]] bool drained() const noexcept override {
    return connection_ == nullptr || connection_->drained();
  }
  [[nodiscard]] const Facts& facts() const noexcept override { return facts_; }
  [[nodiscard]] std::uint32_t mtu() const noexcept override {
    if constexpr (requires { connection_->mtu(); }) return connection_->mtu();
    return Endpoint::mtu();
  }
  [[nodiscard]] std::string peer_address() const override { return connection_->peer_address(); }
  void describe(Describer& describer) const override { connection_->describe(describer); }
  [[nodiscard]] Direct* direct() noexcept override {
    if constexpr (requires { connection_->direct(); })
      return connection_ != nullptr ? connection_->direct() : nullptr;
    return nullptr;
  }

  [[nodiscard]] Receiver& receiver() noexcept { return receiver_; }
  /// The connection is gone before its endpoint: it was closed and has ended, or the transport was destroyed.
  void forget() noexcept { connection_ = nullptr; }

 private:
  Connection* connection_;
  Facts facts_;
};

}  // namespace harness::transports
