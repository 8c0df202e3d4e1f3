// SPDX-License-Identifier: Apache-2.0
// fi_atomic, fi_fetch_atomic, fi_compare_atomic: one 64-bit word, no vectors, as with verbs.
#include <harness/transports/ofi/mock/call.hpp>

namespace harness::transports::ofi::mock {

namespace {

constexpr std::size_t word_bytes = sizeof(std::uint64_t);

// Where the word is, and what to do with it.
struct Word {
  fi_addr_t peer;
  std::uint64_t address;
  std::uint64_t key;
  fi_datatype type;
  fi_op action;
};

Call atomic_call(fid_ep* ep, Verb verb, const Word& word, Segments&& from, Segments&& to, void* context) {
  if (word.action == FI_ATOMIC_READ) from.clear();  // no operand is read
  Call call = rma_call(ep, verb, std::move(from), word.peer, word.address, word.key, context);
  call.to = std::move(to);
  call.type = word.type;
  call.action = word.action;
  return call;
}

Segments word_at(const void* start, void* descriptor) { return {segment(start, word_bytes, descriptor)}; }

ssize_t write_one(fid_ep* ep, const void* operand, std::size_t count, void* descriptor, fi_addr_t peer,
                  std::uint64_t address, std::uint64_t key, fi_datatype type, fi_op action, void* context) {
  if (count != 1) return -FI_E2BIG;
  return submit(ep, atomic_call(ep, Verb::atomic, {peer, address, key, type, action},
                                word_at(operand, descriptor), {}, context));
}

ssize_t inject_one(fid_ep* ep, const void* operand, std::size_t count, fi_addr_t peer, std::uint64_t address,
                   std::uint64_t key, fi_datatype type, fi_op action) {
  if (count != 1) return -FI_E2BIG;
  return submit(ep, as_inject(atomic_call(ep, Verb::atomic, {peer, address, key, type, action},
                                          word_at(operand, nullptr), {}, nullptr)));
}

ssize_t fetch_one(fid_ep* ep, const void* operand, std::size_t count, void* descriptor, void* result,
                  void* result_descriptor, fi_addr_t peer, std::uint64_t address, std::uint64_t key,
                  fi_datatype type, fi_op action, void* context) {
  if (count != 1) return -FI_E2BIG;
  return submit(ep, atomic_call(ep, Verb::fetch, {peer, address, key, type, action},
                                word_at(operand, descriptor), word_at(result, result_descriptor), context));
}

ssize_t compare_one(fid_ep* ep, const void* operand, std::size_t count, void* descriptor,
                    const void* comparand, void* comparand_descriptor, void* result, void* result_descriptor,
                    fi_addr_t peer, std::uint64_t address, std::uint64_t key, fi_datatype type, fi_op action,
                    void* context) {
  if (count != 1) return -FI_E2BIG;
  Segments from = word_at(operand, descriptor);
  from.push_back(segment(comparand, word_bytes, comparand_descriptor));
  return submit(ep, atomic_call(ep, Verb::compare, {peer, address, key, type, action}, std::move(from),
                                word_at(result, result_descriptor), context));
}

// ---- with a message of their own, and so with flags ----

bool is_one(const fi_msg_atomic& message) noexcept {
  const bool remote = message.rma_iov_count == 1 && message.rma_iov->count == 1;
  return remote && message.iov_count == 1 && message.msg_iov->count == 1;
}

Word word_of(const fi_msg_atomic& message) noexcept {
  return {message.addr, message.rma_iov->addr, message.rma_iov->key, message.datatype, message.op};
}

Segments words(const fi_ioc* vector, void** descriptors) {
  return word_at(vector->addr, descriptors == nullptr ? nullptr : descriptors[0]);
}

ssize_t submit_message(fid_ep* ep, Verb verb, const fi_msg_atomic& message, Segments&& from, Segments&& to,
                       std::uint64_t flags) {
  Call call = atomic_call(ep, verb, word_of(message), std::move(from), std::move(to), message.context);
  call.flags = flags;
  return submit(ep, std::move(call));
}

ssize_t write_message(fid_ep* ep, const fi_msg_atomic* message, std::uint64_t flags) {
  if (!is_one(*message)) return -FI_E2BIG;
  return submit_message(ep, Verb::atomic, *message, words(message->msg_iov, message->desc), {}, flags);
}

ssize_t fetch_message(fid_ep* ep, const fi_msg_atomic* message, fi_ioc* result, void** result_descriptors,
                      std::size_t count, std::uint64_t flags) {
  if (!is_one(*message) || count != 1) return -FI_E2BIG;
  return submit_message(ep, Verb::fetch, *message, words(message->msg_iov, message->desc),
                        words(result, result_descriptors), flags);
}

ssize_t compare_message(fid_ep* ep, const fi_msg_atomic* message, const fi_ioc* comparand,
                        void** comparand_descriptors, std::size_t comparand_count, fi_ioc* result,
                        void** result_descriptors, std::size_t count, std::uint64_t flags) {
  if (!is_one(*message) || count != 1 || comparand_count != 1) return -FI_E2BIG;
  Segments from = words(message->msg_iov, message->desc);
  from.push_back(words(comparand, comparand_descriptors).front());
  return submit_message(ep, Verb::compare, *message, std::move(from), words(result, result_descriptors),
                        flags);
}

int valid(fid_ep* ep, fi_datatype type, fi_op action, std::size_t* count, std::uint64_t flags) {
  if (!atomic_exists(endpoint_of(ep).station.domain.knobs(), type, action, flags)) return -FI_EOPNOTSUPP;
  *count = 1;
  return 0;
}

int write_valid(fid_ep* ep, fi_datatype type, fi_op action, std::size_t* count) {
  return valid(ep, type, action, count, 0);
}
int fetch_valid(fid_ep* ep, fi_datatype type, fi_op action, std::size_t* count) {
  return valid(ep, type, action, count, FI_FETCH_ATOMIC);
}
int compare_valid(fid_ep* ep, fi_datatype type, fi_op action, std::size_t* count) {
  return valid(ep, type, action, count, FI_COMPARE_ATOMIC);
}

}  // namespace

bool atomic_exists(const Knobs& knobs, fi_datatype type, fi_op action, std::uint64_t flags) noexcept {
  if (knobs.atomics != 1 || type != FI_UINT64) return false;
  if (flags == FI_COMPARE_ATOMIC) return action == FI_CSWAP;
  if (action == FI_ATOMIC_READ) return flags == FI_FETCH_ATOMIC;
  return (flags == 0 || flags == FI_FETCH_ATOMIC) && (action == FI_SUM || action == FI_ATOMIC_WRITE);
}

fi_ops_atomic* atomic_operations() {
  static fi_ops_atomic operations{.size = sizeof(fi_ops_atomic),
                                  .write = write_one,
                                  .writev = refuse,
                                  .writemsg = write_message,
                                  .inject = inject_one,
                                  .readwrite = fetch_one,
                                  .readwritev = refuse,
                                  .readwritemsg = fetch_message,
                                  .compwrite = compare_one,
                                  .compwritev = refuse,
                                  .compwritemsg = compare_message,
                                  .writevalid = write_valid,
                                  .readwritevalid = fetch_valid,
                                  .compwritevalid = compare_valid};
  return &operations;
}

}  // namespace harness::transports::ofi::mock
