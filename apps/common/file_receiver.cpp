// SPDX-License-Identifier: Apache-2.0
// The receiving half of a transfer.
#include <harness/apps/common/file_receiver.hpp>

#include <fmt/format.h>

namespace harness::apps {

struct FileReceiver::Item {
  enum class What : std::uint8_t { begin, write, end, give_up };
  What what = What::begin;
  std::uint32_t index = 0;
  Entry entry{};
  Message bytes{};
  Digest digest{};
};

struct FileReceiver::Outcome {
  std::uint32_t index = 0;
  std::string path;
  std::uint64_t bytes = 0;
  Digest digest{};
  Error error{Errc::ok, {}, {}, {}};
  bool whole = false;  // nothing of the transfer can be written
};

// The writer belongs to the job while one runs. Shared, because a job may outlive its receiver.
struct FileReceiver::Work {
  explicit Work(TreeWriter::Options options) : writer(std::move(options)) {}
  void run();
  void run(Item& item);
  void failed(const Item& item, Error error);

  TreeWriter writer;
  bool open = false;
  std::string path;  // of the file begun
  std::vector<Item> items;
  std::vector<Outcome> outcomes;
};

void FileReceiver::Work::run() {
  outcomes.clear();
  for (Item& item : items) run(item);
}

void FileReceiver::Work::failed(const Item& item, Error error) {
  outcomes.push_back(
      {item.index, item.what == Item::What::begin ? item.entry.path : path, 0, {}, std::move(error), false});
}

void FileReceiver::Work::run(Item& item) {
  if (!open) {
    if (auto opened = writer.open(); !opened) {
      outcomes.push_back({item.index, {}, 0, {}, opened.error(), true});
      return;
    }
    open = true;
  }
  Result<> done;
  switch (item.what) {
    case Item::What::begin:
      path = item.entry.path;
      done = writer.begin(item.entry);
      break;
    case Item::What::write:
      item.bytes.each_run([&](Bytes run) {
        done = writer.write(run);
        return done.has_value();
      });
      break;
    case Item::What::end: {
      if (!writer.in_file()) return;  // it failed before
      const std::uint64_t bytes = writer.file_bytes();
      done = writer.end(item.digest);
      if (done) outcomes.push_back({item.index, path, bytes, item.digest, {Errc::ok, {}, {}, {}}, false});
      break;
    }
    case Item::What::give_up: writer.give_up(); break;
  }
  if (!done) failed(item, done.error());
}

FileReceiver::FileReceiver(Outbox& outbox, Options options, Done done)
    : outbox_(outbox), options_(std::move(options)), done_(std::move(done)), offload_(outbox.engine()),
      work_(std::make_shared<Work>(options_.writer)) {
  report_.name = options_.name;
  report_.folder = options_.writer.root;
}

FileReceiver::~FileReceiver() = default;

void FileReceiver::on_entry(const wire::FileEntry& header, Message&& message) {
  const std::uint64_t cost = message.body_size() + harness::wire::bytes_of<wire::FileEntry> + message_cost;
  auto entry = read_entry(outbox_.engine().pool(), header, message);
  if (!entry) return violated("an entry that cannot be read");
  if (entry->index != next_index_ || in_file_) return violated("an entry out of order");
  ++next_index_;
  in_file_ = entry->type == wire::EntryType::file;
  offset_ = 0;
  Item item;
  item.index = entry->index;
  item.entry = std::move(*entry);
  push(std::move(item), cost);
}

void FileReceiver::on_chunk(const wire::FileChunk& header, Message&& message) {
  if (!in_file_ || header.offset != offset_) return violated("bytes out of order");
  offset_ += message.body_size();
  const std::uint64_t cost = message.body_size() + harness::wire::bytes_of<wire::FileChunk> + message_cost;
  Item item;
  item.what = Item::What::write;
  item.index = next_index_ - 1;
  item.bytes = std::move(message);
  push(std::move(item), cost);
}

void FileReceiver::on_end(const wire::FileEnd& header, Message&& message) {
  if (!in_file_ || header.index + 1 != next_index_) return violated("the end of a file that was not begun");
  const std::uint64_t cost = message.body_size() + harness::wire::bytes_of<wire::FileEnd> + message_cost;
  in_file_ = false;
  Item item;
  item.index = header.index;
  item.what = header.given_up != 0 ? Item::What::give_up : Item::What::end;
  if (header.given_up == 0) {
    const auto digest = read_digest(message);
    if (!digest) return violated("a digest that cannot be read");
    item.digest = *digest;
    all_.update(*digest);
  }
  push(std::move(item), cost);
}

void FileReceiver::on_close(const wire::FileClose& header, Message&& message) {
  const auto digest = read_digest(message);
  closed_ = true;
  if (stopped_) return finish();
  if (!digest || in_file_ || header.entries != next_index_ || *digest != all_.finish())
    return violated("a close that does not fit what came before");
  run();
}

void FileReceiver::on_cancel(const wire::FileCancel& header, Message&& message) {
  closed_ = true;
  if (stopped_) return finish();
  auto error = read_error(outbox_.engine().pool(), header.code, message);
  stop(error ? std::move(*error) : Error{Errc::cancelled, "the sender gave up", {}, {}});
}

void FileReceiver::lost(Error error) {
  closed_ = true;
  if (stopped_) return finish();
  stop(std::move(error));
}

void FileReceiver::violated(const char* because) {
  if (!stopped_)
    stop({Errc::corrupt, "the transfer breaks its protocol", because, "run the same release on both nodes"});
}

void FileReceiver::push(Item&& item, std::uint64_t cost) {
  if (stopped_) return;
  queue_cost_ += cost;
  if (queue_cost_ > queue_cost_max) return violated("more was sent than there was credit for");
  queue_.push_back(std::move(item));
  run();
}

void FileReceiver::run() {
  if (stopped_ || finished_ || offload_.busy()) return;
  if (queue_.empty()) {
    if (!closed_) return;
    verdict(wire::whole_transfer, {}, report_.total.error);
    return finish();
  }
  work_->items.swap(queue_);
  const std::uint64_t cost = queue_cost_;
  queue_cost_ = 0;
  offload_.run([work = work_] { work->run(); },
               [this, cost] {
                 handled_cost_ += cost;
                 ran(*work_);
               });
}

void FileReceiver::ran(Work& work) {
  work.items.clear();  // here: messages go back to this thread's pool
  for (Outcome& outcome : work.outcomes) take(outcome);
  if (stopped_) {  // by an outcome, or while the job ran
    work_.reset();
    if (closed_) finish();
    return;
  }
  wire::FileCredit credit;
  credit.transfer = options_.transfer;
  credit.bytes = handled_cost_;
  outbox_.answer(service_message(outbox_.engine().pool(), wire::Kind::file_credit, credit));
  run();
}

void FileReceiver::take(Outcome& outcome) {
  if (stopped_) return;
  if (outcome.error.code == Errc::ok) {
    ++report_.total.files;
    report_.total.bytes += outcome.bytes;
    if (report_.files.size() < files_max)
      report_.files.push_back({std::move(outcome.path), outcome.bytes, outcome.digest});
    return;
  }
  if (outcome.whole) return fail(std::move(outcome.error));
  report_.total.add(outcome.path, outcome.error);
  if (outcome.error.code == Errc::exhausted) return fail(std::move(outcome.error));
  verdict(outcome.index, outcome.path, outcome.error);
}

// The verdict on the whole is out; files and folders that are complete stay, what is unfinished goes with the
// writer.
void FileReceiver::fail(Error error) {
  stopped_ = true;
  queue_.clear();
  report_.total.error = std::move(error);
  verdict(wire::whole_transfer, {}, report_.total.error);
}

void FileReceiver::stop(Error error) {
  fail(std::move(error));
  if (offload_.busy()) return;  // ran() goes on from here
  work_.reset();
  if (closed_) finish();
}

void FileReceiver::verdict(std::uint32_t index, const std::string& path, const Error& error) {
  Verdict verdict;
  verdict.index = index;
  verdict.files = report_.total.files;
  verdict.bytes = report_.total.bytes;
  verdict.failed = report_.total.failed;
  verdict.path = path;
  verdict.error = error;
  outbox_.answer(write_verdict(outbox_.engine().pool(), options_.transfer, verdict));
}

void FileReceiver::finish() {
  if (finished_ || offload_.busy()) return;
  finished_ = true;
  const Done done = std::move(done_);
  const ReceiveReport report = std::move(report_);
  done(report);  // may destroy us
}

}  // namespace harness::apps
