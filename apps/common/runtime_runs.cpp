// SPDX-License-Identifier: Apache-2.0
// Admin methods that take time: pings, load, sending and receiving files.
#include <fmt/format.h>

#include <harness/apps/common/admin_runs.hpp>
#include <harness/apps/common/human.hpp>
#include <harness/apps/common/runtime.hpp>
#include <harness/apps/common/stream_source.hpp>
#include <harness/kernel/system_error.hpp>

#include <cerrno>
#include <fstream>
#include <optional>

namespace harness::apps {

namespace {

constexpr std::uint64_t progress_ns = 200'000'000;
constexpr std::size_t list_bytes_max = 256u << 20;  // of names in a list of files

std::string stack_of(LinkSlot& slot) { return slot.link->stack()->spec().text(); }

admin::PingResult ping_result(const LinkSlot& slot, const std::string& stack, const PingReport& report) {
  admin::PingResult result;
  result.link = slot.declared->name;
  result.peer = slot.peer;
  result.stack = stack;
  result.sent = report.sent;
  result.received = static_cast<std::uint32_t>(report.rtt_ns.count());
  result.lost = report.lost;
  result.min_ns = report.rtt_ns.min();
  result.p50_ns = report.rtt_ns.percentile(0.5);
  result.p90_ns = report.rtt_ns.percentile(0.9);
  result.p99_ns = report.rtt_ns.percentile(0.99);
  result.p999_ns = report.rtt_ns.percentile(0.999);
  result.max_ns = report.rtt_ns.max();
  result.mean_ns = report.rtt_ns.mean();
  return result;
}

void ping(Runtime& runtime, const admin::PingRequest& request, const admin::CallPointer& call) {
  auto slot = runtime.find_up(request.link);
  if (!slot) return call->fail(slot.error());
  PingRun::Options options;
  options.count = request.count;
  options.bytes = request.bytes;
  options.interval_ns = std::uint64_t{request.interval_us} * 1000;
  options.timeout_ns = std::max<std::uint64_t>(request.timeout_ms, 1) * 1'000'000;
  if (request.duration_ms != 0) options.duration_ns = std::uint64_t{request.duration_ms} * 1'000'000;
  PingRun::Each each;
  if (request.each)
    each = [call](std::uint32_t sequence, std::uint64_t rtt_ns) {
      (void)call->progress(admin::write_json(admin::PingAnswer{sequence, rtt_ns}));
    };
  LinkServices* services = (*slot)->services.get();
  auto number = services->ping(options, std::move(each),
                               [call, at = *slot, stack = stack_of(**slot)](const PingReport& report) {
                                 if (report.error.code != Errc::ok && report.rtt_ns.count() == 0)
                                   return call->fail(report.error);
                                 call->reply_with(ping_result(*at, stack, report));
                               });
  if (!number) return call->fail(number.error());
  call->on_cancel(
      [services, number = *number] { services->stop_ping(number); });  // until the run ends, so do they live
}

void load(Runtime& runtime, const admin::LoadRequest& request, const admin::CallPointer& call) {
  auto slot = runtime.find_up(request.link);
  if (!slot) return call->fail(slot.error());
  LoadRun::Options options;
  options.bytes = request.bytes;
  options.duration_ns = std::uint64_t{request.duration_ms} * 1'000'000;
  if (request.messages != 0) options.messages_max = request.messages;
  auto number = (*slot)->services->load(
      options, [call, at = *slot, stack = stack_of(**slot), bytes = request.bytes](const LoadReport& report) {
        if (report.error.code != Errc::ok) return call->fail(report.error);
        call->reply_with(admin::LoadResult{at->declared->name, at->peer, stack, bytes, report.sent,
                                           report.messages, report.bytes, report.elapsed_ns});
      });
  if (!number) call->fail(number.error());
}

// ---- files ----

admin::FailureValue failure_value(const Failure& failure) {
  return {failure.path, std::string(to_string(failure.error.code)), failure.error.what, failure.error.because,
          failure.error.advice};
}

/// One transfer that a client asked for, until it has its answer.
struct Sending {
  Sending(Runtime& owner, LinkSlot& at, admin::CallPointer asked)
      : runtime(owner), slot(at), call(std::move(asked)), stack(stack_of(at)),
        started_ns(owner.engine().now_ns()), offload(owner.engine()),
        timer([](void* self) { static_cast<Sending*>(self)->tick(); }, this) {}

  // The link may have gone while the paths were looked at.
  void start(const std::string& name, bool sync, const LinkServices::MakeSource& source) {
    const auto keep = keep_alive;
    auto up = runtime.find_up(slot.peer + "/" + slot.declared->name);
    if (!up) return end([&] { call->fail(up.error()); });
    services = slot.services.get();
    auto started = services->send(name, sync, source, [this](const TransferReport& report) { done(report); });
    if (!started) return end([&] { call->fail(started.error()); });
    number = *started;
    tick();
  }
  void tick() {
    if (const TransferReport* report = services->sending(number))
      (void)call->progress(admin::write_json(result(*report)));
    runtime.engine().timers().arm(timer, runtime.engine().now_ns() + progress_ns);
  }
  void cancel() {
    cancelled = true;
    if (number != 0) services->cancel_send(number);
  }
  void done(const TransferReport& report) {
    end([&] {
      if (report.error.code != Errc::ok) return call->fail(report.error);
      call->reply_with(result(report));
    });
  }
  template <class Say>
  void end(Say say) {
    const auto keep = std::exchange(keep_alive, nullptr);
    timer.cancel();
    stream = nullptr;
    call->on_cancel({});
    say();
  }
  [[nodiscard]] admin::TransferResult result(const TransferReport& report) const {
    admin::TransferResult value{slot.declared->name,
                                slot.peer,
                                stack,
                                report.files,
                                report.failed,
                                report.bytes,
                                runtime.engine().now_ns() - started_ns,
                                {}};
    for (const Failure& failure : report.failures) value.failures.push_back(failure_value(failure));
    return value;
  }

  Runtime& runtime;
  LinkSlot& slot;
  LinkServices* services = nullptr;
  admin::CallPointer call;
  std::string stack;
  std::uint64_t started_ns;
  Offload offload;
  Timer timer;
  std::uint32_t number = 0;
  bool cancelled = false;
  StreamSource* stream = nullptr;
  std::shared_ptr<Sending> keep_alive;  // until it has ended
};

/// The names in a file, each ended by a NUL, below `root` and called `as`/name at the receiver.
Result<std::vector<SourcePath>> listed_paths(const std::string& list, const std::string& root,
                                             const std::string& as) {
  std::ifstream file(list, std::ios::binary);
  if (!file) return tl::unexpected<Error>(system_error(errno, "cannot read the list " + printable(list)));
  std::vector<SourcePath> paths;
  std::size_t bytes = 0;
  for (std::string name; std::getline(file, name, '\0');) {
    bytes += name.size();
    if (bytes > list_bytes_max)
      return fail(Errc::exhausted, "the list " + printable(list) + " is too long",
                  fmt::format("more than {} bytes of names", list_bytes_max), "send parts of it");
    if (!name.empty()) paths.push_back({root + "/" + name, as.empty() ? name : as + "/" + name, false});
  }
  return paths;
}

void send_stream(const std::shared_ptr<Sending>& sending, const admin::SendRequest& request) {
  sending->call->on_data([raw = std::weak_ptr(sending)](Bytes bytes, bool end) {
    if (const auto at = raw.lock(); at != nullptr && at->stream != nullptr) at->stream->push(bytes, end);
  });
  const std::string name = request.as.empty() ? "stdin" : request.as;
  sending->start(name, request.sync, [&](std::uint32_t transfer, std::uint32_t chunk) {
    auto full = [call = sending->call](bool paused) { call->pause_data(paused); };
    auto source = std::make_unique<StreamSource>(sending->runtime.engine(), transfer, chunk, name, full);
    sending->stream = source.get();
    return source;
  });
}

void send_paths(const std::shared_ptr<Sending>& sending, const admin::SendRequest& request) {
  auto paths = std::make_shared<Result<std::vector<SourcePath>>>();
  sending->offload.run(
      [paths, request] {
        *paths = request.list.empty() ? named_paths(request.paths)
                                      : listed_paths(request.list, request.root, request.as);
      },
      [sending, paths, request] {
        if (!*paths) return sending->end([&] { sending->call->fail(paths->error()); });
        if (sending->cancelled)
          return sending->end(
              [&] { sending->call->fail({Errc::cancelled, "the transfer was cancelled", {}, {}}); });
        const std::string name = !request.as.empty() ? request.as
                                 : (*paths)->empty() ? "nothing"
                                                     : (*paths)->front().name;
        sending->start(name, request.sync, [&](std::uint32_t transfer, std::uint32_t chunk) {
          return std::make_unique<TreeSource>(
              sending->runtime.engine(), std::make_shared<TreeReader>(transfer, chunk, std::move(**paths)));
        });
      });
}

void send(Runtime& runtime, const admin::SendRequest& request, const admin::CallPointer& call) {
  auto slot = runtime.find_up(request.link);
  if (!slot) return call->fail(slot.error());
  auto sending = std::make_shared<Sending>(runtime, **slot, call);
  sending->keep_alive = sending;
  call->on_cancel([raw = std::weak_ptr(sending)] {
    if (const auto at = raw.lock()) at->cancel();
  });
  if (request.stream) return send_stream(sending, request);
  send_paths(sending, request);
}

admin::ReceiveResult receive_result(const std::string& peer, const ReceiveReport& report) {
  admin::ReceiveResult result{
      peer, report.name, report.folder, report.total.files, report.total.failed, report.total.bytes, {}, {}};
  for (const ReceivedFile& file : report.files)
    result.list.push_back({file.path, hex(file.digest), file.bytes});
  for (const Failure& failure : report.total.failures) result.failures.push_back(failure_value(failure));
  return result;
}

/// A client that waits for files.
struct Waiting {
  Waiting(Runtime& owner, admin::CallPointer asked, std::uint32_t timeout)
      : runtime(owner), call(std::move(asked)), timeout_ms(timeout),
        timer([](void* self) { static_cast<Waiting*>(self)->late(); }, this) {
    const std::uint64_t now = runtime.engine().now_ns();
    if (timeout_ms != 0) runtime.engine().timers().arm(timer, now + std::uint64_t{timeout_ms} * 1'000'000);
  }
  void late() {
    give_up({Errc::timed_out, "nothing was sent to this node in time",
             fmt::format("it waited {}", human_time(std::uint64_t{timeout_ms} * 1'000'000)),
             "harness send FILE PEER, at the other node"});
  }
  // Its order holds it; a transfer that has begun takes the order along.
  void give_up(Error error) {
    timer.cancel();
    runtime.engine().post([&owner = runtime, asked = call, number = order, why = std::move(error)] {
      if (owner.drop_order(number)) asked->fail(why);
    });
  }
  Runtime& runtime;
  admin::CallPointer call;
  std::uint32_t timeout_ms;
  Timer timer;
  std::uint32_t order = 0;
};

void receive(Runtime& runtime, const admin::ReceiveRequest& request, const admin::CallPointer& call) {
  if (!request.into.empty() && request.into.front() != '/')
    return call->fail({Errc::invalid, "the folder to receive into is not absolute",
                       "it is " + printable(request.into), "name it from the root"});
  auto waiting = std::make_shared<Waiting>(runtime, call, request.timeout_ms);
  const auto done = [waiting](const std::string& peer, const ReceiveReport& report) {
    waiting->timer.cancel();
    if (report.total.error.code != Errc::ok) return waiting->call->fail(report.total.error);
    waiting->call->reply_with(receive_result(peer, report));
  };
  auto order = runtime.add_order({request.from, request.into, done});
  if (!order) return call->fail(order.error());
  waiting->order = *order;
  call->on_cancel([weak = std::weak_ptr(waiting)] {
    if (const auto at = weak.lock())
      at->give_up({Errc::cancelled, "nobody waits for files any more", {}, {}});
  });
  (void)call->progress(admin::write_json(admin::ReceiveProgress{}));
}

}  // namespace

void add_run_methods(Runtime& runtime) {
  admin::Server& server = runtime.server();
  server.on<admin::PingRequest>("link.ping",
                                [&](const admin::PingRequest& request, const admin::CallPointer& call) {
                                  ping(runtime, request, call);
                                });
  server.on<admin::LoadRequest>("link.load",
                                [&](const admin::LoadRequest& request, const admin::CallPointer& call) {
                                  load(runtime, request, call);
                                });
  server.on<admin::SendRequest>("file.send",
                                [&](const admin::SendRequest& request, const admin::CallPointer& call) {
                                  send(runtime, request, call);
                                });
  server.on<admin::ReceiveRequest>("file.receive",
                                   [&](const admin::ReceiveRequest& request, const admin::CallPointer& call) {
                                     receive(runtime, request, call);
                                   });
}

}  // namespace harness::apps
