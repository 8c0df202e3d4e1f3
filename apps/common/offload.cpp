// SPDX-License-Identifier: Apache-2.0
// One job at a time, with patience.
#include <harness/apps/common/offload.hpp>

namespace harness::apps {

Offload::Offload(Env& env)
    : env_(env), retry_([](void* self) { static_cast<Offload*>(self)->submit(); }, this),
      self_(std::make_shared<Offload*>(this)) {}

Offload::~Offload() { *self_ = nullptr; }

void Offload::run(std::function<void()> job, std::function<void()> done) {
  busy_ = true;
  job_ = std::move(job);
  done_ = std::move(done);
  submit();
}

void Offload::submit() {
  // Both functions live until `done` runs on this thread, so what they hold together is freed here.
  const bool taken = env_.offload(job_, [self = self_, job = job_, done = done_] {
    if (*self == nullptr) return;
    (*self)->busy_ = false;
    (*self)->job_ = nullptr;
    (*self)->done_ = nullptr;
    done();  // may run the next job, or destroy us
  });
  if (!taken) env_.timers().arm(retry_, env_.now_ns() + retry_ns);
}

}  // namespace harness::apps
