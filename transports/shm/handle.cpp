// SPDX-License-Identifier: Apache-2.0
// The endpoint of a connection: what a link calls goes on to it, and what a person is told.
#include <harness/transports/shm/connection.hpp>

#include <harness/transports/shm.hpp>

namespace harness::transports::shm {

Handle::Handle(Connection& connection, const Facts& facts) noexcept
    : connection_(&connection), facts_(facts) {
  down_ = connection.entry();
  connection.set_handle(this);
}

Handle::~Handle() {
  if (connection_ != nullptr) connection_->abandon();
}

MutableBytes Handle::reserve(std::uint32_t bytes) noexcept { return connection_->reserve(bytes); }
void Handle::commit() noexcept { connection_->commit(); }
Message Handle::make(Pool& pool, std::uint32_t bytes) noexcept { return connection_->make(pool, bytes); }
Errc Handle::send_setup(Message&& frame) noexcept { return connection_->send_setup(std::move(frame)); }
std::uint64_t Handle::frames_sent() const noexcept { return connection_->counts().frames_out; }
std::uint64_t Handle::frames_received() const noexcept { return connection_->counts().frames_in; }
void Handle::pause_receive(bool paused) noexcept { connection_->pause(paused); }
void Handle::close(std::uint64_t linger_ns) noexcept { connection_->close(linger_ns); }
bool Handle::drained() const noexcept { return connection_->drained(); }
std::string Handle::peer_address() const { return "shm:" + connection_->address(); }
Direct* Handle::direct() noexcept { return connection_ != nullptr ? connection_->direct() : nullptr; }
void Handle::describe(Describer& describer) const { connection_->describe(describer); }

Errc Handle::configure(const OptionValues& options) noexcept {
  if (!connection_->transport().fits(options)) return Errc::unsupported;
  facts_.max_message = static_cast<std::uint32_t>(options[Shm::option_frame]);
  connection_->set_frame_bytes_max(facts_.max_message);
  return Errc::ok;
}

void Connection::describe(Describer& describer) const {
  describer.text("peer", address_);
  describer.value("peer_pid", static_cast<std::uint64_t>(who_.pid));
  describer.value("peer_uid", who_.uid);
  describer.value("frames_out", counts_.frames_out);
  describer.value("frames_in", counts_.frames_in);
  describer.value("bytes_out", counts_.bytes_out);
  describer.value("bytes_in", counts_.bytes_in);
  describer.value("waiting_bytes", queue_.bytes());
  describer.value("ring_bytes", shm_.ring_bytes());
  describer.text("large_messages", may_lend_
                                       ? "lent, while slots and arena last; else copied in parts"
                                       : "copied in parts: the peer is another user's or takes no loans");
  describer.value("parts_out", counts_.parts_out);
  describer.value("loans_out", counts_.loans_out);
  describer.value("loans_in", counts_.loans_in);
  describer.value("loans_staged", counts_.staged);
  describer.value("loans_not_returned", lender_ != nullptr ? lender_->out_count() : 0);
  direct_.describe(describer);
  describer.value("bells_out", counts_.bells_out);
  describer.value("bells_in", counts_.bells_in);
  describer.value("holds", counts_.holds);
  describer.value("blocks", counts_.blocks);
  describer.value("dropped", counts_.dropped);
}

}  // namespace harness::transports::shm
