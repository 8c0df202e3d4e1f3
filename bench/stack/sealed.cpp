// SPDX-License-Identifier: Apache-2.0
// What layer `encrypt` adds to its ciphers: a message sealed and opened through a stack of that layer alone,
// less the same through a stack of none, against the bare engine sealing and opening as many bytes in place.
#include <fmt/format.h>

#include <harness/bench/stack/parts.hpp>
#include <harness/bench/support/mirror.hpp>
#include <harness/layers/encrypt.hpp>

namespace harness::bench {

namespace {

using layers::Encrypt;
using namespace layers::encryption;
using layers::encryption::Engine;  // not the one that turns

struct Way {
  const char* name;
  Engine engine;
  Engines engines;  // that lead to it
};
constexpr Way ways[] = {{"OpenSSL", Engine::openssl, Engines::openssl},
                        {"libsodium", Engine::sodium, Engines::standard},
                        {"libipsec-mb", Engine::ipsec_mb, Engines::fastest}};
constexpr std::uint32_t small = 64;

// The layer takes this engine for messages of so many bytes.
bool takes(const Way& way, std::uint32_t bytes) {
  const Plan plan = plan_for({Suite::aes, way.engines});
  return (bytes < plan.small_below ? plan.small : plan.large) == way.engine;
}

StackSpec sealed_by(Engines engines) {
  static const LayerType type = layer_type<Encrypt>();
  StackSpec spec;
  spec.layers.push_back({&type, OptionValues(Encrypt::options)});
  spec.layers[0].options.set(Encrypt::suite, static_cast<std::int64_t>(Encrypt::SuiteChoice::aes));
  spec.layers[0].options.set(Encrypt::engine, static_cast<std::int64_t>(engines));
  return spec;
}

/// Sends and delivers.
class Through {
 public:
  Through(const StackSpec& spec, std::uint32_t bytes) : mirror_(spec), bytes_(bytes) {}
  void once() { mirror_.ends[0].stack->send(Message::make(mirror_.engine.pool(), bytes_)); }

 private:
  Mirror mirror_;
  std::uint32_t bytes_;
};

/// Seals and opens.
class Raw {
 public:
  Raw(Engine engine, std::uint32_t bytes) : key_(make_key(engine, Suite::aes)), text_(bytes) {}
  void once() {
    store<std::uint64_t>(nonce_.data() + 4, ++number_);
    key_->seal(nonce_, clear_, text_, text_.data(), tag_.data());
    keep(key_->open(nonce_, clear_, text_, tag_.data(), text_.data()));
  }

 private:
  std::unique_ptr<AeadKey> key_;
  std::vector<std::byte> text_;
  std::array<std::byte, tag_bytes> tag_{};
  std::array<std::byte, 8> clear_{};
  Nonce nonce_{};
  std::uint64_t number_ = 0;
};

template <class What>
Subject subject(std::string name, std::shared_ptr<What> what) {
  return {std::move(name), [what] { return time_each([&] { what->once(); }, 50); }};
}

// One engine's part of a contest: course 0 is the stack of no layer, `raw` the engine, the next one encrypt.
void show(Program& program, const Way& way, std::uint32_t bytes, const Outcome& outcome, std::size_t raw) {
  const auto layer = [=](const std::vector<double>& ns) { return ns[raw + 1] - ns[0]; };
  const double raw_ns = outcome.courses[raw].median(), layer_ns = outcome.over_rounds(layer);
  Figure figure;
  figure.from(outcome, raw + 1);
  figure.note = fmt::format("raw {:.0f} ns, the layer {:.0f} ns", raw_ns, layer_ns);
  if (bytes == small) {
    figure.name = fmt::format("encrypt less raw {}: {}, seal + open", way.name, size_text(bytes));
    figure.unit = "ns";
    figure.value = outcome.over_rounds([=](const std::vector<double>& ns) { return layer(ns) - ns[raw]; });
    return program.show(figure.at_most(figure.value, 25, "≤ 25 ns"));
  }
  figure.name = fmt::format("encrypt by raw {}: {}, seal + open", way.name, size_text(bytes));
  figure.unit = "GB/s";
  figure.value = bytes / layer_ns;
  figure.peer = "raw";
  figure.peer_value = bytes / raw_ns;
  figure.ratio = outcome.over_rounds([=](const std::vector<double>& ns) { return ns[raw] / layer(ns); });
  program.show(figure.at_least(figure.ratio, 0.9, "≥ 0.9 × raw"));
}

void at_size(Program& program, std::uint32_t bytes) {
  std::vector<Subject> subjects{subject("no layer", std::make_shared<Through>(StackSpec(), bytes))};
  std::vector<Way> run;
  for (const Way& way : ways) {
    if (!takes(way, bytes)) continue;
    run.push_back(way);
    subjects.push_back(subject(way.name, std::make_shared<Raw>(way.engine, bytes)));
    subjects.push_back(subject("encrypt", std::make_shared<Through>(sealed_by(way.engines), bytes)));
  }
  const Outcome outcome = contest(copy_floor(), subjects, program.contest_options(rounds / 3));
  for (std::size_t i = 0; i < run.size(); ++i) show(program, run[i], bytes, outcome, 1 + 2 * i);
}

}  // namespace

void encrypt_against_raw(Program& program) {
  if (!libraries_ready() || !has_aes())
    return program.skip("encrypt less raw", "the processor has no instructions for AES");
  for (const Way& way : ways)
    if (!takes(way, small))
      program.skip(fmt::format("encrypt less raw {}", way.name), "it is not built in, or no AVX2 is here");
  for (const std::uint32_t bytes : {small, 1024u, 4096u, 16384u, 60000u}) at_size(program, bytes);
}

}  // namespace harness::bench
