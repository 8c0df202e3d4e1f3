// SPDX-License-Identifier: Apache-2.0
// What every call that posts has in common.
#include <harness/transports/ofi/mock/call.hpp>

#include <algorithm>

namespace harness::transports::ofi::mock {

namespace {

constexpr std::uint64_t known_flags = FI_INJECT | FI_COMPLETION | FI_MORE | FI_INJECT_COMPLETE |
                                      FI_TRANSMIT_COMPLETE | FI_DELIVERY_COMPLETE | FI_REMOTE_CQ_DATA |
                                      FI_FENCE;

std::uint64_t caps_of(Verb verb) noexcept {
  if (verb == Verb::send) return FI_MSG;
  return verb == Verb::write || verb == Verb::read ? FI_RMA : FI_ATOMIC;
}

std::uint64_t completion_flags(Verb verb) noexcept {
  switch (verb) {
    case Verb::send: return FI_SEND | FI_MSG;
    case Verb::write: return FI_WRITE | FI_RMA;
    case Verb::read: return FI_READ | FI_RMA;
    case Verb::atomic: return FI_WRITE | FI_ATOMIC;
    case Verb::fetch:
    case Verb::compare: break;
  }
  return FI_READ | FI_ATOMIC;
}

std::uint64_t atomic_flags(Verb verb) noexcept {
  if (verb == Verb::atomic) return 0;
  return verb == Verb::fetch ? FI_FETCH_ATOMIC : FI_COMPARE_ATOMIC;
}

int refuse_data(const Profile& profile, const Call& call) {
  if ((call.flags & FI_REMOTE_CQ_DATA) == 0) return 0;
  if (call.verb == Verb::write && !profile.write_data) return -FI_ENOSYS;
  if (call.verb != Verb::write && call.verb != Verb::send) return -FI_EBADFLAGS;
  const bool wide = profile.cq_data_bytes < 8 && call.data >> (8 * profile.cq_data_bytes) != 0;
  return wide ? -FI_EINVAL : 0;
}

// 0, or what the call answers instead of being taken.
int refuse_call(const Endpoint& endpoint, const Call& call) {
  const Profile& profile = endpoint.station.domain.profile();
  if (!endpoint.enabled()) return -FI_EOPBADSTATE;
  if (!endpoint.can(caps_of(call.verb))) return -FI_EOPNOTSUPP;
  if ((call.flags & ~known_flags) != 0) return -FI_EBADFLAGS;
  if ((call.flags & FI_FENCE) != 0 && !endpoint.can(FI_FENCE)) return -FI_EBADFLAGS;
  if (const int error = refuse_data(profile, call); error != 0) return error;
  const Knobs& knobs = endpoint.station.domain.knobs();
  const bool atomic = caps_of(call.verb) == FI_ATOMIC;
  if (atomic && !atomic_exists(knobs, call.type, call.action, atomic_flags(call.verb))) return -FI_EOPNOTSUPP;
  const bool answered = call.verb == Verb::fetch || call.verb == Verb::compare;
  if (answered && (call.flags & FI_DELIVERY_COMPLETE) != 0 && !profile.answers_deliver) return -FI_EOPNOTSUPP;
  if (!atomic && std::max(call.from.size(), call.to.size()) > profile.iov_limit) return -FI_EINVAL;
  if (std::max(size_of(call.from), size_of(call.to)) > message_bytes_max) return -FI_EMSGSIZE;
  if ((call.flags & FI_INJECT) != 0 && size_of(call.from) > profile.inject_bytes) return -FI_EMSGSIZE;
  return endpoint.station.addresses->name_of(call.peer) == nullptr ? -FI_EADDRNOTAVAIL : 0;
}

Packet request_of(const Endpoint& endpoint, const Call& call) {
  Packet packet;
  packet.kind = Kind::request;
  packet.verb = call.verb;
  packet.has_data = (call.flags & FI_REMOTE_CQ_DATA) != 0 ? 1 : 0;
  const bool honest = endpoint.station.domain.knobs().liar == 0;
  packet.delivered = honest && (call.flags & FI_DELIVERY_COMPLETE) != 0 ? 1 : 0;
  packet.fence = (call.flags & FI_FENCE) != 0 ? 1 : 0;
  packet.action = static_cast<std::uint16_t>(call.action);
  packet.address = call.address;
  packet.key = endpoint.station.domain.memory.wire_key(call.key);
  packet.second = {call.second.addr, endpoint.station.domain.memory.wire_key(call.second.key),
                   call.second.len};
  packet.length = call.verb == Verb::read ? size_of(call.to) : size_of(call.from);
  packet.data = call.data;
  return packet;
}

}  // namespace

Segment segment(const void* start, std::size_t bytes, void* descriptor) noexcept {
  return {{static_cast<std::byte*>(const_cast<void*>(start)), bytes}, descriptor};
}

Segments segments(const iovec* vector, void** descriptors, std::size_t count) {
  Segments made;
  for (std::size_t i = 0; i < count; ++i)
    made.push_back(
        segment(vector[i].iov_base, vector[i].iov_len, descriptors == nullptr ? nullptr : descriptors[i]));
  return made;
}

Call send_call(fid_ep* ep, Segments&& from, fi_addr_t to, void* context) {
  Call call;
  call.from = std::move(from);
  call.peer = to;
  call.context = context;
  call.flags = endpoint_of(ep).default_flags(false);
  return call;
}

Call rma_call(fid_ep* ep, Verb verb, Segments&& buffers, fi_addr_t peer, std::uint64_t address,
              std::uint64_t key, void* context) {
  Call call = send_call(ep, {}, peer, context);
  call.verb = verb;
  (verb == Verb::read ? call.to : call.from) = std::move(buffers);
  call.address = address;
  call.key = key;
  return call;
}

Call&& with_data(Call&& call, std::uint64_t data) noexcept {
  call.data = data;
  call.flags |= FI_REMOTE_CQ_DATA;
  return std::move(call);
}

Call&& as_inject(Call&& call) noexcept {
  call.flags = (call.flags & FI_REMOTE_CQ_DATA) | FI_INJECT;
  call.silent = true;
  return std::move(call);
}

ssize_t submit(fid_ep* face, Call&& call) {
  Endpoint& endpoint = endpoint_of(face);
  Station& station = endpoint.station;
  if (const int error = refuse_call(endpoint, call); error != 0) return error;
  if (endpoint.initiator.full()) return -FI_EAGAIN;
  if (station.random.chance_ppm(station.domain.knobs().eagain_ppm)) return -FI_EAGAIN;
  Operation operation;
  operation.packet = request_of(endpoint, call);
  operation.peer = *station.addresses->name_of(call.peer);
  operation.context = call.context;
  operation.flags = completion_flags(call.verb);
  operation.reports = !call.silent && (!station.selects_transmitted || (call.flags & FI_COMPLETION) != 0);
  if ((call.flags & FI_INJECT) != 0) {
    operation.injected = true;
    operation.kept.resize(size_of(call.from));
    gather(call.from, 0, operation.kept);
  } else {
    operation.from = std::move(call.from);
  }
  operation.to = std::move(call.to);
  endpoint.initiator.post(std::move(operation));
  return 0;
}

}  // namespace harness::transports::ofi::mock
