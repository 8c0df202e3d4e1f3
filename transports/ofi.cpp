// SPDX-License-Identifier: Apache-2.0
// The type, and the loader of libharness_ofi.so.
#include <harness/transports/ofi.hpp>

#include <array>
#include <cstdlib>

#include <dlfcn.h>
#include <unistd.h>

#include <harness/config.hpp>
#include <harness/transports/ofi/crossover.hpp>
#include <harness/transports/ofi/entry.hpp>
#include <harness/transports/ofi_guard.hpp>
#include <harness/transports/wire/ofi.hpp>

namespace harness::transports::ofi {

namespace {

constexpr std::string_view object_name = "libharness_ofi.so";

// "auto" and the words of the policy table (ofi/policy.cpp), each once.
constexpr std::array<std::string_view, 14> words = {"auto",    "cxi",        "verbs",    "efa",     "opx",
                                                    "psm3",    "tcp",        "shm",      "net",     "rxd",
                                                    "sockets", "mock-verbs", "mock-cxi", "mock-tcp"};
constexpr std::int64_t hour_us = 3'600'000'000;

constexpr std::array options_table = {
    OptionSpec{"frame", OptionKind::size, 1024, 16 << 20, 256 << 10, "largest frame in bytes"},
    OptionSpec{"provider", OptionKind::word, 0, words.size() - 1, 0,
               "libfabric's provider; auto: the first of those that keep what they promise", words},
    OptionSpec{"window", OptionKind::size, 128 << 10, 64 << 20, 1 << 20,
               "bytes a peer may send before they are taken; it costs as much memory when nobody takes them"},
    OptionSpec{"arena", OptionKind::size, 256 << 10, 256 << 20, 1 << 20,
               "registered memory of a link for its large frames, two of them at least, made with the first"},
    OptionSpec{"receive", OptionKind::size, 128 << 10, 16 << 20, 512 << 10,
               "each of the four buffers that an engine receives into"},
    OptionSpec{"connect_timeout", OptionKind::duration, 1000, hour_us, 5'000'000,
               "how long one address, and then the peer's hello, may take to answer a dial"},
    OptionSpec{
        "eager", OptionKind::size, 0, eager_bytes_max, 0,
        "larger frames are offered and read, smaller ones are sent: at least 1 KiB; 0: learnt at set-up"},
};

constexpr auto frame_fields = wire::info_of<wire::OfiFrame>;
constexpr auto offer_fields = wire::info_of<wire::OfiOffer>;
constexpr auto taken_fields = wire::info_of<wire::OfiTaken>;
constexpr auto note_fields = wire::info_of<wire::OfiNote>;
constexpr auto terms_fields = wire::info_of<wire::OfiTerms>;
constexpr auto fabric_fields = wire::info_of<wire::OfiFabric>;
constexpr auto share_fields = wire::info_of<wire::OfiShare>;
constexpr auto share_place_fields = wire::info_of<wire::OfiSharePlace>;
constexpr auto share_keys_fields = wire::info_of<wire::OfiShareKeys>;
constexpr std::array headers_table = {
    HeaderInfo{"frame", frame_fields},          HeaderInfo{"offer", offer_fields},
    HeaderInfo{"taken", taken_fields},          HeaderInfo{"note", note_fields},
    HeaderInfo{"terms", terms_fields},          HeaderInfo{"fabric", fabric_fields},
    HeaderInfo{"share", share_fields},          HeaderInfo{"share place", share_place_fields},
    HeaderInfo{"share keys", share_keys_fields}};

constexpr std::size_t first_unchecked = 6;  // from "tcp" on: 16-bit checksums, or memory

// A card checks 32 bits on the wire; what runs over sockets has TCP's 16.
constexpr bool is_card(std::size_t provider) { return provider != 0 && provider < first_unchecked; }

// One-sided writes can be told to have arrived by what the provider promises; `auto` takes such a one first.
constexpr bool tells_arrival(std::size_t provider) {
  const std::string_view word = words[provider];
  return word != "efa" && word != "opx" && word != "psm3";
}

Result<std::unique_ptr<Transport>> make(Engine& engine, const OptionValues& options) {
  auto* system = dynamic_cast<OsEngine*>(&engine);
  if (system == nullptr) return needs_system_engine("ofi");
  const auto table = load();
  if (!table) return tl::unexpected<Error>(table.error());
  return (*table)->make(*system, options, nullptr);
}

// libfabric's shm reaches no other host; another provider may.
Properties reach(const OptionValues& options) {
  const bool memory = words[static_cast<std::size_t>(options[option_provider])] == "shm";
  return memory ? property::same_host : property::none;
}

std::string program_folder() {
  std::array<char, 4096> path{};
  const auto bytes = ::readlink("/proc/self/exe", path.data(), path.size());
  const std::string_view whole(path.data(), bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  return std::string(whole.substr(0, whole.rfind('/')));
}

// Where the object may be, in the order of looking.
std::vector<std::string> places() {
  std::vector<std::string> all;
  const char* named = std::getenv("HARNESS_PLUGINS");
  std::string_view rest = named != nullptr ? named : "";
  while (!rest.empty()) {
    const auto end = std::min(rest.find(':'), rest.size());
    if (end != 0) all.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const std::string here = program_folder();
  for (const auto& folder :
       {here + "/../" + std::string(config::library_folder), here + "/../lib", here + "/lib"})
    all.push_back(folder + "/harness");
  return all;
}

Result<const EntryTable*> load_from(const std::string& path) {
  const Guard guard;
  void* object = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (object == nullptr) {
    const char* why = ::dlerror();
    return fail(Errc::not_found, "the transport ofi cannot be loaded", why != nullptr ? why : path,
                "apt-get install libfabric1");
  }
  const auto entry = reinterpret_cast<const EntryTable* (*)()>(::dlsym(object, entry_symbol));
  if (entry == nullptr || entry()->word != entry_word)
    return fail(Errc::conflict, "the transport ofi cannot be loaded",
                path + " comes from another build of Harness than this program",
                "install both together, or name another folder in HARNESS_PLUGINS");
  return entry();
}

}  // namespace

std::span<const std::string_view> provider_words() noexcept { return words; }

// Over the control link a dead process is noticed at once, a dead host by tcp's timers.
Facts facts_of(const OptionValues& options, Properties trust) {
  using namespace property;
  Facts facts;
  facts.word = message | reliable | fifo | no_duplicates | checked16 | known_address | flow_controlled |
               congestion_controlled | death_within | trust;
  if (is_card(static_cast<std::size_t>(options[option_provider])))
    facts.word = facts.word | checked32 | lossless_fabric;
  if (trust.covers(same_host)) facts.word = facts.word | host_private;
  if (tells_arrival(static_cast<std::size_t>(options[option_provider])))
    facts.word = facts.word | put_native.without(put_emulated);
  facts.max_message = static_cast<std::uint32_t>(options[option_frame]);
  facts.cost = {2, 3000, wire::bytes_of<wire::OfiFrame>};
  return facts;
}

const TransportType& type() noexcept {
  static constexpr TransportType type{"ofi",         "links over RDMA fabrics by libfabric, loaded on demand",
                                      options_table, headers_table,
                                      facts_of,      make,
                                      reach};
  return type;
}

Result<const EntryTable*> load() {
  static const EntryTable* loaded = nullptr;  // the process' own: an object is loaded once
  if (loaded != nullptr) return loaded;
  std::string looked;
  for (const std::string& folder : places()) {
    const std::string path = folder + "/" + std::string(object_name);
    looked += (looked.empty() ? "" : ", ") + folder;
    if (::access(path.c_str(), F_OK) != 0) continue;
    auto found = load_from(path);
    if (found) loaded = *found;
    return found;
  }
  return fail(Errc::not_found, "the transport ofi is not installed",
              std::string(object_name) + " is in none of " + looked,
              "build with libfabric-dev installed, or name its folder in HARNESS_PLUGINS");
}

Result<std::vector<ProviderReport>> providers() {
  const auto table = load();
  if (!table) return tl::unexpected<Error>(table.error());
  return (*table)->providers(nullptr);
}

}  // namespace harness::transports::ofi
