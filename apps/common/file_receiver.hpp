// SPDX-License-Identifier: Apache-2.0
// The receiving half of a transfer: checks the order of what comes, writes it in offloaded jobs, answers.
//
// Messages wait in a queue; one job at a time takes all of it to the TreeWriter; when the job is done their
// cost is credited, so the sender follows the disk. An entry that cannot be written is answered with a
// verdict and the rest of it ignored. A full disk, or a message out of order, ends the transfer: the verdict
// on the whole goes out, and what still comes is ignored until the sender closes or cancels. A file gets its
// name only when its SHA-256 is right.
// Bounds: queue_cost_max in the queue (a sender that ignores the window is cut off), failures_max and
// files_max remembered.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <harness/apps/common/file_sender.hpp>
#include <harness/apps/common/tree_writer.hpp>

namespace harness::apps {

/// What arrived, for whoever waits for it.
struct ReceivedFile {
  std::string path;
  std::uint64_t bytes = 0;
  Digest digest{};
};
struct ReceiveReport {
  TransferReport total;
  std::string name;                 // of the transfer, given by the sender
  std::string folder;               // where it was written to
  std::vector<ReceivedFile> files;  // the first files_max
};

class FileReceiver {
 public:
  static constexpr std::uint64_t queue_cost_max = 2 * file_window_bytes;
  static constexpr std::size_t files_max = 1000;
  using Done = std::function<void(const ReceiveReport&)>;
  struct Options {
    std::uint32_t transfer = 0;
    std::string name;
    TreeWriter::Options writer;
  };

  /// `done` is called once, when the transfer has ended at this end; the receiver may be destroyed in it.
  FileReceiver(Outbox& outbox, Options options, Done done);
  ~FileReceiver();

  // What the sender says; the messages' headers are taken off already.
  void on_entry(const wire::FileEntry& header, Message&& message);
  void on_chunk(const wire::FileChunk& header, Message&& message);
  void on_end(const wire::FileEnd& header, Message&& message);
  void on_close(const wire::FileClose& header, Message&& message);
  void on_cancel(const wire::FileCancel& header, Message&& message);
  /// The link is gone: removes what is unfinished and ends.
  void lost(Error error);

  [[nodiscard]] const ReceiveReport& report() const noexcept { return report_; }

 private:
  struct Item;  // one thing to do for the job
  struct Outcome;
  struct Work;  // what job and receiver share
  void push(Item&& item, std::uint64_t cost);
  void run();
  void ran(Work& work);
  void take(Outcome& outcome);
  void violated(const char* because);
  void fail(Error error);
  void stop(Error error);
  void verdict(std::uint32_t index, const std::string& path, const Error& error);
  void finish();

  Outbox& outbox_;
  Options options_;
  Done done_;
  Offload offload_;
  std::shared_ptr<Work> work_;
  std::vector<Item> queue_;
  std::uint64_t queue_cost_ = 0;
  std::uint64_t handled_cost_ = 0;

  // What must come next.
  std::uint32_t next_index_ = 0;
  bool in_file_ = false;
  std::uint64_t offset_ = 0;
  Sha256 all_;

  ReceiveReport report_;
  bool stopped_ = false;  // the verdict on the whole is out; the rest is ignored
  bool closed_ = false;   // the sender said all it will say
  bool finished_ = false;
};

}  // namespace harness::apps
