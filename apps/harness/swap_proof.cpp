// SPDX-License-Identifier: Apache-2.0
// Two connections to the node: one keeps the load going, the other asks for the swaps.
#include <harness/apps/harness/swap_proof.hpp>

#include <chrono>

#include <fmt/format.h>

namespace harness::apps {

namespace {

constexpr std::uint32_t load_bytes = 1024;
constexpr std::uint32_t quiet_ms = 300;  // also before the first swap, between two, and after the last

/// Waits for the answer to one request, whatever else happens meanwhile.
template <class Answer>
Result<Answer> answer_to(admin::Client& client, std::uint64_t id, const Meanwhile& meanwhile) {
  for (;;) {
    auto reply = client.next();
    if (!reply) return tl::unexpected<Error>(reply.error());
    if (!*reply) {
      if (auto fine = meanwhile(); !fine) return tl::unexpected<Error>(fine.error());
      continue;
    }
    if ((*reply)->id != id || (*reply)->kind == admin::Reply::Kind::progress) continue;
    if ((*reply)->kind == admin::Reply::Kind::error) return tl::unexpected<Error>((*reply)->error);
    return admin::read_json<Answer>((*reply)->value);
  }
}

template <class Answer, class Request>
Result<Answer> ask(admin::Client& client, const char* method, const Request& request,
                   const Meanwhile& meanwhile) {
  auto id = client.start(method, admin::write_json(request));
  if (!id) return tl::unexpected<Error>(id.error());
  return answer_to<Answer>(client, *id, meanwhile);
}

Result<> wait(std::uint32_t ms, const Meanwhile& meanwhile) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  while (std::chrono::steady_clock::now() < end)
    if (auto fine = meanwhile(); !fine) return fine;
  return {};
}

}  // namespace

std::string write_json(const SwapProof& proof) {
  std::string swaps;
  for (const admin::SwapResult& one : proof.swaps)
    swaps += (swaps.empty() ? "" : ",") + admin::write_json(one);
  return fmt::format("{{\"pause_ns\":{},\"load\":{},\"swaps\":[{}]}}", proof.pause_ns(),
                     admin::write_json(proof.load), swaps);
}

Result<SwapProof> prove_swaps(const std::string& folder, const std::string& link,
                              const std::vector<std::string>& stacks, const Meanwhile& meanwhile) {
  auto loads = admin::Client::connect(folder);
  auto swaps = admin::Client::connect(folder);
  if (!loads) return tl::unexpected<Error>(loads.error());
  if (!swaps) return tl::unexpected<Error>(swaps.error());
  admin::LoadRequest load;
  load.link = link;
  load.bytes = load_bytes;
  load.checked = true;
  load.duration_ms = quiet_ms;
  SwapProof proof;
  auto quiet = ask<admin::LoadResult>(*loads, "link.load", load, meanwhile);
  if (!quiet) return tl::unexpected<Error>(quiet.error());
  proof.quiet = std::move(*quiet);
  load.duration_ms = static_cast<std::uint32_t>(quiet_ms * (stacks.size() + 1));
  auto id = loads->start("link.load", admin::write_json(load));
  if (!id) return tl::unexpected<Error>(id.error());
  for (const std::string& stack : stacks) {
    if (auto fine = wait(quiet_ms, meanwhile); !fine) return tl::unexpected<Error>(fine.error());
    auto swapped =
        ask<admin::SwapResult>(*swaps, "link.swap", admin::SwapRequest{link, stack, false}, meanwhile);
    if (!swapped) return tl::unexpected<Error>(swapped.error());
    proof.swaps.push_back(std::move(*swapped));
  }
  auto counted = answer_to<admin::LoadResult>(*loads, *id, meanwhile);
  if (!counted) return tl::unexpected<Error>(counted.error());
  proof.load = std::move(*counted);
  return proof;
}

}  // namespace harness::apps
