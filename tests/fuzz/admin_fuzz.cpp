// SPDX-License-Identifier: Apache-2.0
// Any bytes as a line of the admin socket, on either side of it, and as the parameters of every request.
#include <cstdlib>

#include <harness/apps/common/admin_runs.hpp>
#include <harness/apps/common/admin_wire.hpp>
#include <harness/apps/common/base64.hpp>

namespace {

using namespace harness;
using namespace harness::apps;

// What is read is written as what is read again.
template <class T>
void values(std::string_view json) {
  for (const bool strict : {false, true}) {
    auto value = admin::read_json<T>(json, strict);
    if (!value) continue;
    const std::string written = admin::write_json(*value);
    auto again = admin::read_json<T>(written, true);
    if (!again || admin::write_json(*again) != written) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::uint64_t id = 0;
  if (auto request = admin::read_request(text, id)) {
    if (!admin::read_request(admin::write_request(*request), id)) std::abort();
    (void)admin::cancelled_id(request->params);
  }
  if (auto reply = admin::read_reply(text))
    if (!admin::read_reply(admin::write_reply(*reply))) std::abort();
  values<admin::PingRequest>(text);
  values<admin::LoadRequest>(text);
  values<admin::SendRequest>(text);
  values<admin::ReceiveRequest>(text);
  values<admin::TapRequest>(text);
  values<admin::PeerFacts>(text);
  values<admin::LinkDetail>(text);
  values<admin::LinkWhy>(text);
  if (auto bytes = from_base64(text); bytes && base64(as_bytes(*bytes)) != text) std::abort();
  return 0;
}
