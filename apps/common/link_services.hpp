// SPDX-License-Identifier: Apache-2.0
// The services on one link: reads what arrives, answers, runs pings, load and transfers.
//
// One object a link, from before its first message until everything it ran has ended after the link. A
// message of an unknown kind or version is answered with `refused`; one that cannot be read is counted.
// Bounds: receives_max transfers in each direction at a time, runs_max pings and runs of load, loads_max of
// the peer's counted at once.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <harness/apps/common/file_receiver.hpp>
#include <harness/apps/common/file_sender.hpp>
#include <harness/apps/common/load_run.hpp>
#include <harness/apps/common/ping_run.hpp>

namespace harness::apps {

/// Where received files go, and who is told; one a node.
class Inbox {
 public:
  struct Accepted {
    TreeWriter::Options writer;
    FileReceiver::Done done;  // hears once how it ended
  };
  virtual ~Inbox() = default;
  /// A transfer called `name` from `peer` begins. Errors: whatever forbids it, told to the sender.
  virtual Result<Accepted> accept(const std::string& peer, const std::string& name) = 0;
};

class LinkServices {
 public:
  static constexpr std::size_t receives_max = 16;
  static constexpr std::size_t runs_max = 64;
  static constexpr std::size_t loads_max = 64;
  /// Makes the source for a transfer of this number whose messages carry `chunk_bytes`.
  using MakeSource =
      std::function<std::unique_ptr<FileSource>(std::uint32_t transfer, std::uint32_t chunk_bytes)>;

  /// Takes over the link's handlers. `inbox` and the engine outlive it.
  LinkServices(Engine& engine, std::shared_ptr<Link> link, Inbox& inbox, Clock clock);
  ~LinkServices();
  LinkServices(const LinkServices&) = delete;
  LinkServices& operator=(const LinkServices&) = delete;

  /// Who else hears the link's events, after the services.
  void on_event(std::function<void(const Event&)> handler) { on_event_ = std::move(handler); }

  /// Each of these starts something; `done` is called once, later. A link that is not up, a bound reached, a
  /// link whose stack cannot carry files (it must be reliable, fifo and without duplicates): an Error, and
  /// nothing starts. The number returned stops it by `stop`.
  Result<std::uint32_t> ping(PingRun::Options options, PingRun::Each each, PingRun::Done done);
  Result<std::uint32_t> load(LoadRun::Options options, LoadRun::Done done);
  Result<std::uint32_t> send(const std::string& name, bool sync, const MakeSource& source,
                             FileSender::Done done);
  /// Ends a ping run, or cancels a transfer, early: its `done` is called. Unknown numbers are ignored.
  void stop_ping(std::uint32_t number);
  void cancel_send(std::uint32_t number);
  /// How far a transfer is; null when it has ended.
  [[nodiscard]] const TransferReport* sending(std::uint32_t number) const;

  [[nodiscard]] Link& link() noexcept { return *link_; }
  /// Nothing runs any more: it may be destroyed once its link has ended.
  [[nodiscard]] bool idle() const noexcept;
  [[nodiscard]] std::uint64_t unreadable_count() const noexcept { return unreadable_; }

 private:
  void on_message(Message&& message);
  void dispatch(wire::Kind kind, Message&& message);
  void on_up();
  void on_ping(Message&& message);
  void on_load(Message&& message);
  void on_file_open(Message&& message);
  void on_file(wire::Kind kind, Message&& message);
  void on_refused(Message&& message);
  template <class H, class Runs, class Hear>
  void route(Message&& message, Runs& runs, Hear hear);
  void refuse(const wire::Head& head, Error error);
  void refuse_transfer(std::uint32_t transfer, const Error& error);
  [[nodiscard]] Result<> ready() const;
  void ended();

  Engine& engine_;
  std::shared_ptr<Link> link_;
  Inbox& inbox_;
  Clock clock_;
  Outbox outbox_;
  std::function<void(const Event&)> on_event_;
  std::uint32_t next_number_ = 1;
  bool carries_files_ = false;
  std::map<std::uint32_t, std::unique_ptr<PingRun>> pings_;
  std::map<std::uint32_t, std::unique_ptr<LoadRun>> loads_;
  std::map<std::uint32_t, std::unique_ptr<FileSender>> sends_;
  std::map<std::uint32_t, std::unique_ptr<FileReceiver>> receives_;
  std::map<std::uint16_t, LoadCount> counts_;  // of the peer's runs of load
  std::uint64_t unreadable_ = 0;
};

}  // namespace harness::apps
