// SPDX-License-Identifier: Apache-2.0
// The sending half of a transfer: what a source yields goes out in order, at most a window ahead of the
// receiver.
//
//   OPEN, then for each entry ENTRY { CHUNK } END, then CLOSE   ──▶
//                                    ◀── CREDIT while it writes, VERDICT of an entry it could not take
//                                    ◀── VERDICT of the whole transfer, which ends it
//
// Every message costs its bytes plus message_cost; the receiver says how much cost it has dealt with, and no
// more than file_window_bytes is ever under way, so a slow disk holds memory at neither end. An entry that
// the receiver refuses is given up and the rest goes on; a verdict on the whole ends the transfer at once.
// Needs a link that is reliable and fifo. Bounds: two fetches of the source in memory, failures_max failures
// remembered (all are counted).
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include <harness/apps/common/offload.hpp>
#include <harness/apps/common/outbox.hpp>
#include <harness/apps/common/tree_reader.hpp>

namespace harness::apps {

inline constexpr std::uint64_t file_window_bytes = 4u << 20;
inline constexpr std::uint32_t file_chunk_bytes = 256u << 10;  // … or what fits in a message of the link
inline constexpr std::uint64_t message_cost = 256;             // of a message's own memory
inline constexpr std::size_t failures_max = 100;

/// Where the steps come from; asked for more when the sender has little left. [stack-thread]
class FileSource {
 public:
  using Took = std::function<void(Steps&&)>;
  virtual ~FileSource() = default;
  /// Calls `took` once, later, unless the source is destroyed before. Not called again until then.
  virtual void fetch(Took took) = 0;
  /// The receiver refused the entry: no more of it is needed.
  virtual void skip(std::uint32_t index) = 0;
};

/// Files and folders of this machine, read in offloaded jobs.
class TreeSource final : public FileSource {
 public:
  TreeSource(Env& env, std::shared_ptr<TreeReader> reader) : offload_(env), reader_(std::move(reader)) {}
  void fetch(Took took) override;
  void skip(std::uint32_t index) override { reader_->skip(index); }

 private:
  Offload offload_;
  std::shared_ptr<TreeReader> reader_;
};

struct Failure {
  std::string path;
  Error error;
};

/// How far a transfer is, or how it ended.
struct TransferReport {
  std::uint32_t files = 0;  // verified at the receiver
  std::uint64_t bytes = 0;  // of files, handled by the receiver
  std::uint32_t failed = 0;
  std::vector<Failure> failures;      // the first failures_max
  Error error{Errc::ok, {}, {}, {}};  // of the transfer as a whole

  /// Nothing failed. [any-thread]
  [[nodiscard]] bool complete() const noexcept { return error.code == Errc::ok && failed == 0; }
  void add(std::string path, Error error);
};

class FileSender final : private Producer {
 public:
  using Done = std::function<void(const TransferReport&)>;
  struct Options {
    std::uint32_t transfer = 0;
    std::string name;
    bool sync = false;
  };

  /// Starts to send. `done` is called once, not from inside the constructor; the sender may be destroyed in
  /// it.
  FileSender(Outbox& outbox, Options options, std::unique_ptr<FileSource> source, Done done);

  void on_credit(const wire::FileCredit& credit);
  void on_verdict(const Verdict& verdict);
  /// Stops in the middle: tells the receiver and ends with `error`.
  void cancel(Error error);
  /// The link is gone: ends with `error`.
  void lost(Error error);

  [[nodiscard]] const TransferReport& report() const noexcept { return report_; }
  [[nodiscard]] std::uint32_t transfer() const noexcept { return options_.transfer; }

 private:
  bool produce() override;
  void fetch();
  Message next_message();
  Message message_of(Step& step);
  void finish();

  Outbox& outbox_;
  Options options_;
  std::unique_ptr<FileSource> source_;
  Done done_;
  std::deque<Step> ready_;
  Message pending_;  // made, and not taken by the link yet
  std::uint64_t sent_cost_ = 0;
  std::uint64_t handled_cost_ = 0;
  std::uint64_t sent_bytes_ = 0;  // of files
  std::uint32_t entries_ = 0;
  bool open_file_ = false;                         // the last entry is a file whose end is still to be sent
  std::uint32_t refused_ = wire::entries_unknown;  // … and the receiver does not want it
  Sha256 all_;
  TransferReport report_;
  bool opened_ = false;
  bool fetching_ = false;
  bool source_done_ = false;
  bool closed_ = false;
  bool finished_ = false;
};

}  // namespace harness::apps
