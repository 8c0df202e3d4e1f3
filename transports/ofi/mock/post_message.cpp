// SPDX-License-Identifier: Apache-2.0
// fi_recv, fi_send and their relatives.
#include <harness/transports/ofi/mock/call.hpp>

namespace harness::transports::ofi::mock {

namespace {

ssize_t receive(fid_ep* face, Segments&& to, void* context, std::uint64_t flags) {
  Endpoint& endpoint = endpoint_of(face);
  Station& station = endpoint.station;
  if (!endpoint.enabled()) return -FI_EOPBADSTATE;
  if ((flags & ~(FI_MULTI_RECV | FI_COMPLETION | FI_MORE)) != 0) return -FI_EBADFLAGS;
  if ((flags & FI_MULTI_RECV) != 0 && !endpoint.can(FI_MULTI_RECV)) return -FI_EOPNOTSUPP;
  if (to.size() > station.domain.profile().iov_limit) return -FI_EINVAL;
  if ((flags & FI_MULTI_RECV) != 0 && to.size() != 1) return -FI_EINVAL;
  if (endpoint.target.full()) return -FI_EAGAIN;
  if (station.random.chance_ppm(station.domain.knobs().eagain_ppm)) return -FI_EAGAIN;
  endpoint.target.post({.to = std::move(to),
                        .context = context,
                        .multi = (flags & FI_MULTI_RECV) != 0,
                        .reports = !station.selects_received || (flags & FI_COMPLETION) != 0});
  return 0;
}

ssize_t recv_one(fid_ep* ep, void* buffer, std::size_t bytes, void* descriptor, fi_addr_t, void* context) {
  return receive(ep, {segment(buffer, bytes, descriptor)}, context, endpoint_of(ep).default_flags(true));
}
ssize_t recv_vector(fid_ep* ep, const iovec* vector, void** descriptors, std::size_t count, fi_addr_t,
                    void* context) {
  return receive(ep, segments(vector, descriptors, count), context, endpoint_of(ep).default_flags(true));
}
ssize_t recv_message(fid_ep* ep, const fi_msg* message, std::uint64_t flags) {
  return receive(ep, segments(message->msg_iov, message->desc, message->iov_count), message->context, flags);
}

ssize_t send_one(fid_ep* ep, const void* buffer, std::size_t bytes, void* descriptor, fi_addr_t to,
                 void* context) {
  return submit(ep, send_call(ep, {segment(buffer, bytes, descriptor)}, to, context));
}
ssize_t send_vector(fid_ep* ep, const iovec* vector, void** descriptors, std::size_t count, fi_addr_t to,
                    void* context) {
  return submit(ep, send_call(ep, segments(vector, descriptors, count), to, context));
}
ssize_t send_message(fid_ep* ep, const fi_msg* message, std::uint64_t flags) {
  Call call = send_call(ep, segments(message->msg_iov, message->desc, message->iov_count), message->addr,
                        message->context);
  call.flags = flags;
  call.data = message->data;
  return submit(ep, std::move(call));
}
ssize_t send_inject(fid_ep* ep, const void* buffer, std::size_t bytes, fi_addr_t to) {
  return submit(ep, as_inject(send_call(ep, {segment(buffer, bytes, nullptr)}, to, nullptr)));
}
ssize_t send_data(fid_ep* ep, const void* buffer, std::size_t bytes, void* descriptor, std::uint64_t data,
                  fi_addr_t to, void* context) {
  return submit(ep, with_data(send_call(ep, {segment(buffer, bytes, descriptor)}, to, context), data));
}
ssize_t send_inject_data(fid_ep* ep, const void* buffer, std::size_t bytes, std::uint64_t data,
                         fi_addr_t to) {
  return submit(ep,
                as_inject(with_data(send_call(ep, {segment(buffer, bytes, nullptr)}, to, nullptr), data)));
}

}  // namespace

fi_ops_msg* message_operations() {
  static fi_ops_msg operations{.size = sizeof(fi_ops_msg),
                               .recv = recv_one,
                               .recvv = recv_vector,
                               .recvmsg = recv_message,
                               .send = send_one,
                               .sendv = send_vector,
                               .sendmsg = send_message,
                               .inject = send_inject,
                               .senddata = send_data,
                               .injectdata = send_inject_data};
  return &operations;
}

}  // namespace harness::transports::ofi::mock
