// SPDX-License-Identifier: Apache-2.0
// harness doctor: what works on this machine, what does not, and what to do about it.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <harness/apps/common/cluster.hpp>
#include <harness/apps/common/human.hpp>
#include <harness/apps/common/node_identity.hpp>
#include <harness/apps/common/state_folder.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/kernel/identity/domain.hpp>
#include <harness/stack/node.hpp>
#include <harness/transports/engine.hpp>
#include <harness/transports/ofi.hpp>

#include <harness/apps/harness/command.hpp>

namespace harness::apps {

namespace {

enum class Health { good, poor, bad };
struct Finding {
  Health health;
  std::string what;
  std::string found;
  std::string advice;
};

// Opens a real link over a transport inside this process and sends one message through it.
Finding try_transport(const TransportType& type, const Catalogue& catalogue) {
  const std::string what = "transport " + std::string(type.name);
  if (type.make == nullptr) return {Health::good, what, "for tests and simulations", {}};
  auto engine = transports::OsEngine::make();
  if (!engine) return {Health::bad, what, engine.error().text(), {}};
  auto made = type.make(**engine, OptionValues(type.options));
  if (!made)
    return {Health::poor, what, made.error().what + ": " + made.error().because, made.error().advice};
  std::shared_ptr<Transport> transport = std::move(*made);
  (*engine)->add(*transport);
  Node a(**engine, catalogue, {"a"}), b(**engine, catalogue, {"b"});
  a.add(transport);
  b.add(transport);
  bool arrived = false;
  b.on_link([&](const std::shared_ptr<Link>& link) { link->on_message([&](Message&&) { arrived = true; }); });
  auto address = b.listen(any_address(type.name));
  if (!address)
    return {Health::bad, what, address.error().what + ": " + address.error().because, address.error().advice};
  auto link = a.connect("b", "@ " + std::string(type.name), {*address});
  if (!link) return {Health::bad, what, link.error().what, link.error().advice};
  const std::uint64_t began = (*engine)->now_ns();
  (*engine)->run_until([&] { return (*link)->is_up() || (*link)->state() == Link::State::lost; },
                       2'000'000'000);
  if ((*link)->is_up()) (void)(*link)->send(Message::copy_of((*engine)->pool(), "?"));
  (*engine)->run_until([&] { return arrived; }, 1'000'000'000);
  if (!arrived) return {Health::bad, what, "a message to ourselves did not arrive", (*link)->error().advice};
  return {Health::good, what, "opened and sent in " + human_time((*engine)->now_ns() - began), {}};
}

// What libfabric has here, and what `auto` takes.
void fabric_providers(std::vector<Finding>& findings) {
  const auto all = transports::ofi::providers();
  if (!all) return;  // said by the transport
  for (const auto& one : *all) {
    const std::string device = one.device.empty() ? std::string() : one.device + ", ";
    const std::string eager = one.eager.empty() ? std::string() : "; eager " + one.eager;
    findings.push_back({Health::good,
                        "ofi provider " + one.name,
                        fmt::format("{}{}: {}{}", device, one.outcome(), one.why, eager),
                        {}});
  }
}

Finding descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const bool few = limit.rlim_cur < 4096;
  return {few ? Health::poor : Health::good, "open files",
          fmt::format("{} of at most {}", limit.rlim_cur, limit.rlim_max),
          few ? "ulimit -n 65536 for more than a thousand links" : ""};
}

Finding processors() {
  const unsigned count = std::thread::hardware_concurrency();
  return {count < 2 ? Health::poor : Health::good, "processors", std::to_string(count),
          count < 2 ? "spinning costs the peer its turn: expect wake-up latency" : ""};
}

Finding kernel() {
  utsname name{};
  ::uname(&name);
  return {Health::good, "kernel", fmt::format("{} {} {}", name.sysname, name.release, name.machine), {}};
}

Finding state_folder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  const std::string folder = runtime != nullptr ? runtime : "/tmp";
  const bool writable = ::access(folder.c_str(), W_OK) == 0;
  return {writable ? Health::good : Health::bad, "state folder",
          folder + (writable ? ", writable" : ", not writable"),
          writable ? "" : "give another one with --state"};
}

Finding congestion() {
  std::ifstream file("/proc/sys/net/ipv4/tcp_congestion_control");
  std::string name;
  file >> name;
  return {Health::good, "tcp congestion control", name.empty() ? "unknown" : name, {}};
}

Finding bad_file(const std::string& what, const Error& error) {
  return {Health::bad, what, error.what + ": " + error.because, error.advice};
}

// Every domain of this user, and every node that has a certificate.
void identities(const std::string& state, std::vector<Finding>& findings) {
  for (const std::string& name : identity::Domain::names(state)) {
    auto domain = identity::Domain::open(state, name);
    if (!domain) {
      findings.push_back(bad_file("domain " + name, domain.error()));
      continue;
    }
    const std::string fingerprint = identity::fingerprint_text(domain->root().fingerprint);
    findings.push_back(
        {Health::good,
         "domain " + name,
         fmt::format("root {} {}, {} believed", fingerprint, domain->holds_root() ? "here" : "elsewhere",
                     human_count(domain->trust().domains().size(), "domain", "domains")),
         {}});
  }
  for (const LocalNode& node : local_nodes(state, true)) {
    const std::string what = fmt::format("identity of {}/{}", node.cluster, node.name);
    auto bytes = identity::NodeFolder(node.path).certificate();
    auto own = bytes && *bytes ? identity::parse_certificate(**bytes) : Result<identity::Certificate>();
    if (!bytes || !own) findings.push_back(bad_file(what, bytes ? own.error() : bytes.error()));
    if (!bytes || !own || !*bytes) continue;
    auto view = look_at_identity({state, node.path, own->domain, own->name}, unix_now());
    findings.push_back(!view
                           ? bad_file(what, view.error())
                           : Finding{view->due ? Health::poor : Health::good, what,
                                     fmt::format("{} {}, root {}", view->name, view->certificate, view->root),
                                     view->due ? "harness node enroll " + own->name : ""});
  }
}

ExitCode run_doctor(Cli& cli) {
  std::vector<Finding> findings = {kernel(), processors(), descriptors(), state_folder(), congestion()};
  const auto root = cli.common.state.empty() ? state_root() : Result<std::string>(cli.common.state);
  if (root) identities(*root, findings);
  for (const TransportType& type : cli.catalogue().transports())
    findings.push_back(try_transport(type, cli.catalogue()));
  fabric_providers(findings);
  static constexpr const char* words[] = {"ok", "poor", "bad"};
  ExitCode code = ExitCode::ok;
  nlohmann::json all = nlohmann::json::array();
  Table table({{"", Table::Align::left},
               {"what", Table::Align::left},
               {"found", Table::Align::left},
               {"try", Table::Align::left}});
  for (const Finding& finding : findings) {
    if (finding.health == Health::bad) code = ExitCode::degraded;
    const char* word = words[static_cast<int>(finding.health)];
    table.row({word, finding.what, finding.found, finding.advice});
    all.push_back(
        {{"health", word}, {"what", finding.what}, {"found", finding.found}, {"try", finding.advice}});
  }
  fmt::print("{}",
             cli.common.json ? nlohmann::json{{"v", 1}, {"findings", all}}.dump(2) + "\n" : table.text());
  return code;
}

}  // namespace

void add_doctor(Cli& cli) {
  cli.verb(cli.root(), "doctor",
           "Looks at what this machine gives Harness, opens a link over every transport, looks at domains "
           "and certificates, and says what to change. "
           "Exit code 8 when something does not work.",
           {{"harness doctor", true}, {"harness doctor --json", true}}, [&cli] { return run_doctor(cli); });
}

}  // namespace harness::apps
