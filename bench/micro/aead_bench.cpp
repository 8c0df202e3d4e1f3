// SPDX-License-Identifier: Apache-2.0
// The raw price of sealing and opening, by engine and size: what layer `encrypt` is measured against, and
// where its plan changes engines. The rows `mixed` seal with libsodium after OpenSSL's ChaCha20: they show
// whether the vector registers come back clean.
#include <benchmark/benchmark.h>

#include <harness/layers/encrypt/aead.hpp>
#include <harness/layers/encrypt/primitives.hpp>

namespace harness::layers::encryption {
namespace {

struct Work {
  explicit Work(std::size_t bytes) : text(bytes) {}
  std::vector<std::byte> text;
  std::array<std::byte, tag_bytes> tag{};
  std::array<std::byte, 8> clear{};
  Nonce nonce{};
  void seal(AeadKey& key) {
    store<std::uint64_t>(nonce.data() + 4, ++number);
    key.seal(nonce, clear, text, text.data(), tag.data());
  }
  std::uint64_t number = 0;
};

void seal(benchmark::State& state, Engine engine, Suite suite) {
  const auto key = make_key(engine, suite);
  Work work(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) work.seal(*key);
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void open(benchmark::State& state, Engine engine, Suite suite) {
  const auto key = make_key(engine, suite);
  Work work(static_cast<std::size_t>(state.range(0)));
  work.seal(*key);
  std::vector<std::byte> plain(work.text.size());
  for (auto _ : state)
    if (!key->open(work.nonce, work.clear, work.text, work.tag.data(), plain.data()))
      state.SkipWithError("the tag is not right");
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void mixed(benchmark::State& state) {
  const auto first = make_key(Engine::openssl, Suite::chacha);
  const auto second = make_key(Engine::sodium, Suite::aes);
  if (second == nullptr) return state.SkipWithError("no AES instructions here");
  Work work(static_cast<std::size_t>(state.range(0)));
  work.seal(*first);
  for (auto _ : state) work.seal(*second);
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

[[maybe_unused]] const bool registered = [] {
  if (!libraries_ready()) return false;
  for (const Engine engine : engines)
    for (const Suite suite : {Suite::aes, Suite::chacha}) {
      if (make_key(engine, suite) == nullptr) continue;
      const std::string name =
          std::string(to_string(engine)) + '_' + (suite == Suite::aes ? "aes" : "chacha");
      for (const auto& [what, run] : {std::pair{"aead_seal_", &seal}, std::pair{"aead_open_", &open}})
        benchmark::RegisterBenchmark((what + name).c_str(),
                                     [=](benchmark::State& state) { run(state, engine, suite); })
            ->Arg(0)
            ->Arg(64)
            ->Arg(128)
            ->Arg(256)
            ->Arg(512)
            ->Arg(1024)
            ->Arg(1400)
            ->Arg(4096)
            ->Arg(16384)
            ->Arg(65536);
    }
  benchmark::RegisterBenchmark("aead_mixed", &mixed)->Arg(64)->Arg(1024);
  return true;
}();

}  // namespace
}  // namespace harness::layers::encryption
