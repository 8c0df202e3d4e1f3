// SPDX-License-Identifier: Apache-2.0
// What a connection is told by a link when its stack is chosen, and what it tells of itself.
#include <harness/transports/shm/connection.hpp>

#include <harness/transports/shm.hpp>

namespace harness::transports::shm {

Errc Connection::configure(const OptionValues& options, std::uint32_t& frame_bytes_max) noexcept {
  if (!shm_.fits(options)) return Errc::unsupported;
  frame_bytes_max = frame_bytes_max_ = static_cast<std::uint32_t>(options[Shm::option_frame]);
  settle();
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
