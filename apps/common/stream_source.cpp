// SPDX-License-Identifier: Apache-2.0
// A file made of what comes in.
#include <harness/apps/common/stream_source.hpp>

#include <algorithm>

namespace harness::apps {

struct StreamSource::Cutter {
  Steps cut(const std::string& bytes, bool last, const Error& error);
  void begin(Steps& steps);
  void end(Steps& steps, const Error& error);

  std::uint32_t transfer;
  std::uint32_t chunk_bytes;
  std::string name;
  bool begun = false;
  std::uint64_t offset = 0;
  Sha256 digest{};
};

void StreamSource::Cutter::begin(Steps& steps) {
  Step step;
  step.entry.path = name;
  step.entry.bytes = unknown_bytes;
  steps.steps.push_back(std::move(step));
  begun = true;
}

Steps StreamSource::Cutter::cut(const std::string& bytes, bool last, const Error& error) {
  constexpr std::uint32_t header_bytes = harness::wire::bytes_of<wire::FileChunk>;
  Steps steps;
  if (!begun) begin(steps);
  digest.update(as_bytes(bytes));
  for (std::size_t at = 0; at < bytes.size(); at += chunk_bytes) {
    const std::string_view piece = std::string_view(bytes).substr(at, chunk_bytes);
    Step step;
    step.what = Step::What::chunk;
    step.chunk = Message::make_detached(header_bytes + static_cast<std::uint32_t>(piece.size()));
    wire::FileChunk header;
    header.kind = static_cast<std::uint8_t>(wire::Kind::file_chunk);
    header.transfer = transfer;
    header.offset = offset;
    harness::wire::encode(header, step.chunk.writable().data());
    std::memcpy(step.chunk.writable().data() + header_bytes, piece.data(), piece.size());
    offset += piece.size();
    steps.steps.push_back(std::move(step));
  }
  if (last) end(steps, error);
  steps.done = last;
  return steps;
}

void StreamSource::Cutter::end(Steps& steps, const Error& error) {
  Step step;
  step.what = Step::What::end;
  step.entry.path = name;
  step.entry.bytes = offset;
  step.digest = digest.finish();
  step.given_up = error.code != Errc::ok;
  step.error = error;
  steps.steps.push_back(std::move(step));
}

StreamSource::StreamSource(Env& env, std::uint32_t transfer, std::uint32_t chunk_bytes, std::string name,
                           std::function<void(bool)> full)
    : offload_(env), cutter_(std::make_shared<Cutter>(Cutter{transfer, chunk_bytes, std::move(name)})),
      full_(std::move(full)) {}

void StreamSource::push(Bytes bytes, bool end) {
  if (ended_) return;
  buffer_ += as_text(bytes);
  ended_ = end;
  if (!end && buffer_.size() >= buffer_bytes_max && !said_full_) {
    said_full_ = true;
    full_(true);
  }
  try_fetch();
}

void StreamSource::fail(Error error) {
  if (ended_) return;
  ended_ = true;
  error_ = std::move(error);
  try_fetch();
}

void StreamSource::fetch(Took took) {
  took_ = std::move(took);
  try_fetch();
}

void StreamSource::try_fetch() {
  if (!took_ || offload_.busy() || (buffer_.empty() && !ended_)) return;
  auto bytes = std::make_shared<std::string>(std::move(buffer_));
  buffer_.clear();
  if (skipped_) bytes->clear();
  auto steps = std::make_shared<Steps>();
  offload_.run([cutter = cutter_, steps, bytes, last = ended_,
                error = error_] { *steps = cutter->cut(*bytes, last, error); },
               [took = std::exchange(took_, {}), steps] { took(std::move(*steps)); });
  if (!std::exchange(said_full_, false)) return;
  full_(false);  // may push at once
}

}  // namespace harness::apps
