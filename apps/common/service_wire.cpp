// SPDX-License-Identifier: Apache-2.0
// The list of service headers, for readers of tables.
#include <harness/apps/common/service_wire.hpp>

namespace harness::apps::wire {

namespace {
template <class H>
constexpr HeaderInfo info(std::string_view name, Kind kind) {
  return {name, harness::wire::info_of<H>, static_cast<int>(kind)};
}
}  // namespace

std::span<const HeaderInfo> service_headers() noexcept {
  static constexpr std::array headers = {
      info<Echo>("ping", Kind::ping),
      info<Echo>("pong", Kind::pong),
      info<Load>("load", Kind::load),
      info<Counted>("counted", Kind::counted),
      info<FileOpen>("file_open", Kind::file_open),
      info<FileEntry>("file_entry", Kind::file_entry),
      info<FileChunk>("file_chunk", Kind::file_chunk),
      info<FileEnd>("file_end", Kind::file_end),
      info<FileClose>("file_close", Kind::file_close),
      info<FileCredit>("file_credit", Kind::file_credit),
      info<FileVerdict>("file_verdict", Kind::file_verdict),
      info<FileCancel>("file_cancel", Kind::file_cancel),
      info<Refused>("refused", Kind::refused),
  };
  return headers;
}

}  // namespace harness::apps::wire
