// SPDX-License-Identifier: Apache-2.0
// A source of one file whose bytes come from outside, piece by piece: what `harness send -` reads from its
// standard input.
//
// Bytes collect until the sender fetches; hashing and cutting into chunks is an offloaded job. Who pushes is
// asked to stop at buffer_bytes_max and to go on when the job has taken the buffer.
#pragma once

#include <functional>
#include <string>

#include <harness/apps/common/file_sender.hpp>

namespace harness::apps {

class StreamSource final : public FileSource {
 public:
  static constexpr std::size_t buffer_bytes_max = 1u << 20;

  /// `full` is told true when there is enough, false when more may come.
  StreamSource(Env& env, std::uint32_t transfer, std::uint32_t chunk_bytes, std::string name,
               std::function<void(bool)> full);

  /// More bytes; `end`: the last ones.
  void push(Bytes bytes, bool end);
  /// The stream broke: the file is given up.
  void fail(Error error);

  void fetch(Took took) override;
  void skip(std::uint32_t) override { skipped_ = true; }

 private:
  struct Cutter;  // belongs to the job while one runs
  void try_fetch();

  Offload offload_;
  std::shared_ptr<Cutter> cutter_;
  std::function<void(bool)> full_;
  std::string buffer_;
  Error error_{Errc::ok, {}, {}, {}};
  Took took_;
  bool ended_ = false;
  bool skipped_ = false;
  bool said_full_ = false;
};

}  // namespace harness::apps
