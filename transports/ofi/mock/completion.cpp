// SPDX-License-Identifier: Apache-2.0
// Completion queues: entries in four formats, errors in between, descriptors to sleep on.
#include <harness/transports/ofi/mock/completion.hpp>

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include <harness/transports/ofi/mock/endpoint.hpp>

namespace harness::transports::ofi::mock {

namespace {

constexpr long probe_interval_ns = 10'000'000;

std::size_t entry_bytes(fi_cq_format format) noexcept {
  switch (format) {
    case FI_CQ_FORMAT_MSG: return sizeof(fi_cq_msg_entry);
    case FI_CQ_FORMAT_DATA: return sizeof(fi_cq_data_entry);
    case FI_CQ_FORMAT_TAGGED: return sizeof(fi_cq_tagged_entry);
    case FI_CQ_FORMAT_UNSPEC:
    case FI_CQ_FORMAT_CONTEXT: break;
  }
  return sizeof(fi_cq_entry);
}

CompletionQueue& queue_of(fid_cq* face) noexcept { return *static_cast<CompletionQueue*>(face); }

ssize_t read_from(fid_cq* face, void* buffer, std::size_t count, fi_addr_t* source) {
  return queue_of(face).read(static_cast<std::byte*>(buffer), count, source);
}

ssize_t read_plain(fid_cq* face, void* buffer, std::size_t count) {
  return read_from(face, buffer, count, nullptr);
}

ssize_t wait_from(fid_cq* face, void* buffer, std::size_t count, fi_addr_t* source, const void*,
                  int timeout_ms) {
  return queue_of(face).wait(static_cast<std::byte*>(buffer), count, source, timeout_ms);
}

ssize_t wait_plain(fid_cq* face, void* buffer, std::size_t count, const void* condition, int timeout_ms) {
  return wait_from(face, buffer, count, nullptr, condition, timeout_ms);
}

ssize_t read_error(fid_cq* face, fi_cq_err_entry* entry, std::uint64_t) {
  return queue_of(face).read_error(*entry);
}

const char* words_of(fid_cq*, int number, const void*, char* buffer, std::size_t bytes) {
  const char* text = info_of(static_cast<Fault>(number)).text;
  if (buffer == nullptr || bytes == 0) return text;
  const std::size_t length = std::min(strlen(text), bytes - 1);
  memcpy(buffer, text, length);
  buffer[length] = '\0';
  return buffer;
}

fi_ops_cq* queue_operations() {
  static fi_ops_cq operations{.size = sizeof(fi_ops_cq),
                              .read = read_plain,
                              .readfrom = read_from,
                              .readerr = read_error,
                              .sread = wait_plain,
                              .sreadfrom = wait_from,
                              .signal = refuse,
                              .strerror = words_of};
  return &operations;
}

int close_queue(fid* face) {
  CompletionQueue& queue = object_of<CompletionQueue>(face);
  if (queue.in_use()) return -FI_EBUSY;
  const std::unique_ptr<CompletionQueue> ends(&queue);
  return 0;
}

int control_queue(fid* face, int command, void* argument) {
  const CompletionQueue& queue = object_of<CompletionQueue>(face);
  if (command != FI_GETWAIT) return -FI_ENOSYS;
  if (queue.descriptor() < 0) return -FI_ENODATA;
  *static_cast<int*>(argument) = queue.descriptor();
  return 0;
}

fi_ops* fid_table() {
  static fi_ops operations = fid_operations(close_queue, refuse, control_queue);
  return &operations;
}

bool watch(int set, int descriptor) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = descriptor;
  return epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void arm(int timer, long delay_ns) {
  const itimerspec when{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = delay_ns}};
  timerfd_settime(timer, 0, &when, nullptr);
}

}  // namespace

CompletionQueue::CompletionQueue(Domain& domain, const fi_cq_attr& attributes, void* context)
    : fid_cq{{FI_CLASS_CQ, context, fid_table()}, queue_operations()}, domain_(domain),
      format_(attributes.format), size_(attributes.size != 0 ? attributes.size : domain.knobs().cq),
      random_(domain.knobs().seed ^ 0x6371) {
  ++domain_.children;
  if (attributes.wait_obj == FI_WAIT_NONE) return;
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  watch(epoll_, timer_);
}

CompletionQueue::~CompletionQueue() {
  --domain_.children;
  for (const int descriptor : {epoll_, timer_})
    if (descriptor >= 0) close(descriptor);
}

void CompletionQueue::attach(Endpoint& endpoint, int socket) {
  if (std::find(endpoints_.begin(), endpoints_.end(), &endpoint) != endpoints_.end()) return;
  endpoints_.push_back(&endpoint);
  if (epoll_ >= 0) watch(epoll_, socket);
}

void CompletionQueue::detach(Endpoint& endpoint, int socket) noexcept {
  std::erase(endpoints_, &endpoint);
  if (epoll_ >= 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
}

void CompletionQueue::push(const Completion& completion) {
  if (entries_.size() >= size_) {
    overrun_ = true;  // what came too late is lost, and so is the queue
    return;
  }
  entries_.push_back(completion);
}

void CompletionQueue::progress() {
  if (timer_ >= 0) arm(timer_, 0);
  for (Endpoint* endpoint : endpoints_) endpoint->progress();
}

ssize_t CompletionQueue::read(std::byte* buffer, std::size_t count, fi_addr_t* source) {
  progress();
  if (overrun_) return -FI_EOVERRUN;
  if (entries_.empty()) return -FI_EAGAIN;
  const std::size_t bytes = entry_bytes(format_);
  std::size_t taken = 0;
  while (taken < count && !entries_.empty() && entries_.front().fault == Fault::none) {
    memcpy(buffer + taken * bytes, &entries_.front().entry, bytes);  // each format begins as the longest does
    if (source != nullptr) source[taken] = entries_.front().source;
    entries_.pop_front();
    ++taken;
  }
  return taken == 0 && count != 0 ? -FI_EAVAIL : static_cast<ssize_t>(taken);
}

ssize_t CompletionQueue::read_error(fi_cq_err_entry& entry) {
  if (entries_.empty() || entries_.front().fault == Fault::none) return -FI_EAGAIN;
  const Completion failed = entries_.front();
  entries_.pop_front();
  const FaultInfo info = info_of(failed.fault);
  void* data = entry.err_data;
  const std::size_t room = entry.err_data_size;
  entry = {.op_context = failed.entry.op_context,
           .flags = failed.entry.flags,
           .len = failed.entry.len,
           .buf = failed.entry.buf,
           .data = failed.entry.data,
           .tag = 0,
           .olen = failed.missing_bytes,
           .err = info.error,
           .prov_errno = static_cast<int>(failed.fault),
           .err_data = data,
           .err_data_size = strlen(info.text) + 1};
  if (room == 0) {
    entry.err_data = const_cast<char*>(info.text);
    return 1;
  }
  entry.err_data_size = std::min(room, entry.err_data_size);
  memcpy(data, info.text, entry.err_data_size);
  return 1;
}

ssize_t CompletionQueue::wait(std::byte* buffer, std::size_t count, fi_addr_t* source, int timeout_ms) {
  if (epoll_ < 0) return -FI_ENOSYS;
  for (;;) {
    const ssize_t got = read(buffer, count, source);
    if (got != -FI_EAGAIN) return got;
    if (try_wait() != 0) continue;
    pollfd one{.fd = epoll_, .events = POLLIN, .revents = 0};
    if (poll(&one, 1, timeout_ms) == 0) return -FI_EAGAIN;
  }
}

int CompletionQueue::try_wait() {
  if (epoll_ < 0) return -FI_EINVAL;
  if (overrun_ || !entries_.empty() || random_.chance_ppm(domain_.knobs().eagain_ppm)) return -FI_EAGAIN;
  for (const Endpoint* endpoint : endpoints_) {
    if (endpoint->busy()) return -FI_EAGAIN;
    if (endpoint->waits_for_peer()) arm(timer_, probe_interval_ns);
  }
  return 0;
}

int open_completion_queue(fid_domain* face, fi_cq_attr* attributes, fid_cq** queue, void* context) {
  const fi_wait_obj wait = attributes->wait_obj;
  if (wait != FI_WAIT_NONE && wait != FI_WAIT_UNSPEC && wait != FI_WAIT_FD) return -FI_ENOSYS;
  if (attributes->wait_cond != FI_CQ_COND_NONE) return -FI_ENOSYS;
  *queue = std::make_unique<CompletionQueue>(*static_cast<Domain*>(face), *attributes, context).release();
  return 0;
}

}  // namespace harness::transports::ofi::mock
