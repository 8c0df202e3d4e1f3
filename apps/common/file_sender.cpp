// SPDX-License-Identifier: Apache-2.0
// The sending half of a transfer.
#include <harness/apps/common/file_sender.hpp>

namespace harness::apps {

void TreeSource::fetch(Took took) {
  auto steps = std::make_shared<Steps>();
  offload_.run([steps, reader = reader_] { *steps = reader->next(); },
               [steps, took = std::move(took)] { took(std::move(*steps)); });
}

void TransferReport::add(std::string path, Error what) {
  ++failed;
  if (failures.size() < failures_max) failures.push_back({std::move(path), std::move(what)});
}

FileSender::FileSender(Outbox& outbox, Options options, std::unique_ptr<FileSource> source, Done done)
    : outbox_(outbox), options_(std::move(options)), source_(std::move(source)), done_(std::move(done)) {
  outbox_.add(*this);
  fetch();
}

void FileSender::fetch() {
  if (fetching_ || source_done_ || finished_) return;
  fetching_ = true;
  source_->fetch([this](Steps&& steps) {
    fetching_ = false;
    source_done_ = steps.done;
    for (Step& step : steps.steps) ready_.push_back(std::move(step));
    outbox_.wake();
  });
}

// One message, when there is one, the window allows it and the link takes it.
bool FileSender::produce() {
  if (finished_) return false;
  if (!pending_) pending_ = next_message();
  if (!pending_) return false;
  const std::uint64_t cost = pending_.body_size() + message_cost;
  if (sent_cost_ + cost - handled_cost_ > file_window_bytes) return false;
  const Errc code = outbox_.send(std::move(pending_), Lane::bulk);
  if (code == Errc::ok) {
    sent_cost_ += cost;
    return true;
  }
  if (code == Errc::too_large || code == Errc::invalid)
    cancel({code, "cannot send a part of a file", "the link takes no message of this size",
            "raise max_message of the link"});
  return false;
}

Message FileSender::next_message() {
  Pool& pool = outbox_.engine().pool();
  if (!opened_) {
    wire::FileOpen open;
    open.transfer = options_.transfer;
    open.entries = wire::entries_unknown;
    open.sync = options_.sync ? 1 : 0;
    opened_ = true;
    return write_open(pool, open, options_.name);
  }
  while (!ready_.empty()) {
    Step step = std::move(ready_.front());
    ready_.pop_front();
    if (Message message = message_of(step)) return message;
  }
  fetch();
  if (!source_done_ || !ready_.empty() || closed_) return {};
  closed_ = true;
  wire::FileClose close;
  close.transfer = options_.transfer;
  close.entries = entries_;
  close.failed = report_.failed != 0 ? 1 : 0;
  return write_digest(pool, close, all_.finish());
}

// Empty: nothing of this step goes out.
Message FileSender::message_of(Step& step) {
  Pool& pool = outbox_.engine().pool();
  const bool refused = refused_ == step.entry.index;
  if (ready_.size() < 2) fetch();  // the next steps are read while these are sent
  switch (step.what) {
    case Step::What::failed: report_.add(step.entry.path, std::move(step.error)); return {};
    case Step::What::entry:
      ++entries_;
      open_file_ = step.entry.type == wire::EntryType::file;
      return write_entry(pool, options_.transfer, step.entry);
    case Step::What::chunk:
      if (refused) return {};
      sent_bytes_ += step.chunk.body_size() - harness::wire::bytes_of<wire::FileChunk>;
      report_.bytes = sent_bytes_;
      return std::move(step.chunk);
    case Step::What::end: break;
  }
  open_file_ = false;
  wire::FileEnd end;
  end.transfer = options_.transfer;
  end.index = step.entry.index;
  end.given_up = step.given_up || refused ? 1 : 0;
  if (step.error.code != Errc::ok) report_.add(step.entry.path, std::move(step.error));
  if (end.given_up == 0) all_.update(step.digest);
  return write_digest(pool, end, step.digest);
}

void FileSender::on_credit(const wire::FileCredit& credit) {
  if (credit.bytes < handled_cost_ || credit.bytes > sent_cost_) return;  // old, or nonsense
  handled_cost_ = credit.bytes;
  outbox_.wake();
}

void FileSender::on_verdict(const Verdict& verdict) {
  if (finished_) return;
  if (verdict.index != wire::whole_transfer) {
    if (verdict.index >= entries_ || verdict.error.code == Errc::ok) return;
    report_.add(verdict.path, verdict.error);
    if (!open_file_ || verdict.index + 1 != entries_) return;  // its last byte is under way already
    refused_ = verdict.index;
    return source_->skip(verdict.index);
  }
  report_.files = verdict.files;
  report_.bytes = verdict.bytes;
  report_.error = verdict.error;
  if (!closed_) outbox_.answer(write_cancel(outbox_.engine().pool(), options_.transfer, verdict.error));
  finish();
}

void FileSender::cancel(Error error) {
  if (finished_) return;
  if (opened_) outbox_.answer(write_cancel(outbox_.engine().pool(), options_.transfer, error));
  lost(std::move(error));
}

void FileSender::lost(Error error) {
  if (finished_) return;
  report_.error = std::move(error);
  finish();
}

void FileSender::finish() {
  finished_ = true;
  source_.reset();
  ready_.clear();
  pending_.reset();
  unlink();
  const Done done = std::move(done_);
  const TransferReport report = std::move(report_);
  done(report);  // may destroy us
}

}  // namespace harness::apps
