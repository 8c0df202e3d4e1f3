// SPDX-License-Identifier: Apache-2.0
// fi_read, fi_write and their relatives.
#include <algorithm>

#include <harness/transports/ofi/mock/call.hpp>

namespace harness::transports::ofi::mock {

namespace {

ssize_t rma_message(fid_ep* ep, Verb verb, const fi_msg_rma* message, std::uint64_t flags) {
  const std::size_t places = message->rma_iov_count;
  if (places == 0 || places > endpoint_of(ep).station.domain.profile().places_limit) return -FI_EINVAL;
  Call call = rma_call(ep, verb, segments(message->msg_iov, message->desc, message->iov_count), message->addr,
                       message->rma_iov->addr, message->rma_iov->key, message->context);
  if (places == 2) call.second = message->rma_iov[1];
  if (message->rma_iov->len + call.second.len != std::max(size_of(call.from), size_of(call.to)))
    return -FI_EINVAL;
  call.flags = flags;
  call.data = message->data;
  return submit(ep, std::move(call));
}

ssize_t read_one(fid_ep* ep, void* buffer, std::size_t bytes, void* descriptor, fi_addr_t peer,
                 std::uint64_t address, std::uint64_t key, void* context) {
  return submit(ep,
                rma_call(ep, Verb::read, {segment(buffer, bytes, descriptor)}, peer, address, key, context));
}
ssize_t read_vector(fid_ep* ep, const iovec* vector, void** descriptors, std::size_t count, fi_addr_t peer,
                    std::uint64_t address, std::uint64_t key, void* context) {
  return submit(ep,
                rma_call(ep, Verb::read, segments(vector, descriptors, count), peer, address, key, context));
}
ssize_t read_message(fid_ep* ep, const fi_msg_rma* message, std::uint64_t flags) {
  return rma_message(ep, Verb::read, message, flags);
}
ssize_t write_one(fid_ep* ep, const void* buffer, std::size_t bytes, void* descriptor, fi_addr_t peer,
                  std::uint64_t address, std::uint64_t key, void* context) {
  return submit(ep,
                rma_call(ep, Verb::write, {segment(buffer, bytes, descriptor)}, peer, address, key, context));
}
ssize_t write_vector(fid_ep* ep, const iovec* vector, void** descriptors, std::size_t count, fi_addr_t peer,
                     std::uint64_t address, std::uint64_t key, void* context) {
  return submit(ep,
                rma_call(ep, Verb::write, segments(vector, descriptors, count), peer, address, key, context));
}
ssize_t write_message(fid_ep* ep, const fi_msg_rma* message, std::uint64_t flags) {
  return rma_message(ep, Verb::write, message, flags);
}
ssize_t write_inject(fid_ep* ep, const void* buffer, std::size_t bytes, fi_addr_t peer, std::uint64_t address,
                     std::uint64_t key) {
  return submit(ep, as_inject(rma_call(ep, Verb::write, {segment(buffer, bytes, nullptr)}, peer, address, key,
                                       nullptr)));
}
ssize_t write_data(fid_ep* ep, const void* buffer, std::size_t bytes, void* descriptor, std::uint64_t data,
                   fi_addr_t peer, std::uint64_t address, std::uint64_t key, void* context) {
  return submit(ep, with_data(rma_call(ep, Verb::write, {segment(buffer, bytes, descriptor)}, peer, address,
                                       key, context),
                              data));
}
ssize_t write_inject_data(fid_ep* ep, const void* buffer, std::size_t bytes, std::uint64_t data,
                          fi_addr_t peer, std::uint64_t address, std::uint64_t key) {
  Call call = rma_call(ep, Verb::write, {segment(buffer, bytes, nullptr)}, peer, address, key, nullptr);
  return submit(ep, as_inject(with_data(std::move(call), data)));
}

}  // namespace

fi_ops_rma* rma_operations() {
  static fi_ops_rma operations{.size = sizeof(fi_ops_rma),
                               .read = read_one,
                               .readv = read_vector,
                               .readmsg = read_message,
                               .write = write_one,
                               .writev = write_vector,
                               .writemsg = write_message,
                               .inject = write_inject,
                               .writedata = write_data,
                               .injectdata = write_inject_data};
  return &operations;
}

}  // namespace harness::transports::ofi::mock
