// SPDX-License-Identifier: Apache-2.0
// The main job, step by step.
#include <harness/apps/harness/mirror.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/state_folder.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/kernel/identity/domain.hpp>
#include <harness/kernel/system_error.hpp>

namespace harness::apps {

namespace {

namespace fs = std::filesystem;
constexpr int start_ms_max = 15'000;
constexpr int death_ms_max = 1'000;  // from its sockets' end to its own
constexpr std::uint64_t show_every_ns = 100'000'000;
constexpr std::uint64_t tell_every_ns = 5'000'000'000;  // without a terminal
constexpr std::uint32_t ping_interval_us = 5'000;

std::uint64_t now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

std::string last_lines(const std::string& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  const std::string all = text.str();
  const std::string tail = all.size() > 600 ? all.substr(all.size() - 600) : all;
  return printable(tail.substr(0, tail.find_last_not_of('\n') + 1));
}

Result<std::string> list_file(const std::string& folder, std::size_t number, const MirrorTree& tree) {
  const std::string path = fmt::format("{}/list-{}", folder, number);
  std::ofstream file(path, std::ios::binary);
  for (const std::string& name : tree.names)
    file.write(name.c_str(), static_cast<std::streamsize>(name.size() + 1));
  if (!file.flush()) return tl::unexpected<Error>(system_error(errno, "cannot write " + path));
  return path;
}

}  // namespace

Mirror::Mirror(Context& context, MirrorOptions options) : context_(context), options_(std::move(options)) {
  for (const MirrorTree& tree : options_.trees) {
    total_bytes_ += tree.bytes;
    total_names_ += tree.names.size();
  }
}

Mirror::~Mirror() {
  for (NodeProcess& node : nodes_) node.process.terminate();
  for (NodeProcess& node : nodes_) node.process.reap(4'000);
  std::error_code ignored;
  if (!folder_.empty() && !options_.keep) fs::remove_all(folder_, ignored);
}

std::string Mirror::state_of(const std::string& node) const {
  return folder_ + "/state/" + cluster_.name + "/" + node;
}
std::string Mirror::received_over(const MirrorLink& link) const {
  return state_of(link.peer) + "/received/" + cluster_.nodes.front().name + "/" + link.name;
}

Result<> Mirror::run() {
  for (auto step : {&Mirror::prepare, &Mirror::make_domains, &Mirror::start_nodes, &Mirror::introduce,
                    &Mirror::wait_for_links, &Mirror::swap_links, &Mirror::transfer, &Mirror::look_closely})
    if (auto done = (this->*step)(); !done) return why_it_failed(std::move(done));
  verify();
  return {};
}

// Waits, hears Ctrl-C, and notices a node that died.
Result<> Mirror::pause(int timeout_ms) {
  std::vector<pollfd> waited = {{context_.interrupts.descriptor(), POLLIN, 0}};
  for (const MirrorLink& link : links_) {
    if (link.files) waited.push_back({link.files->descriptor(), POLLIN, 0});
    if (link.pings) waited.push_back({link.pings->descriptor(), POLLIN, 0});
  }
  poll(waited.data(), waited.size(), timeout_ms);
  if (context_.interrupts.take())
    return fail(Errc::cancelled, "interrupted", "the mirrors are not complete", {});
  return alive();
}

Result<> Mirror::alive() {
  for (NodeProcess& node : nodes_) {
    const auto how = node.process.ended();
    if (!how) continue;
    const std::string words = last_lines(folder_ + "/" + node.name + ".log");
    return fail(Errc::peer_lost, fmt::format("the node {} ended", node.name),
                fmt::format("{}{}{}", *how, words.empty() ? "" : "; it said: ", words),
                fmt::format("harness node up {} --cluster {}", node.name, options_.cluster));
  }
  return {};
}

// What a step failed with; or the node that died, which its peers see a moment before its parent does: its
// sockets close first.
Result<> Mirror::why_it_failed(Result<> done) {
  if (done.error().code != Errc::peer_lost) return done;
  const std::uint64_t deadline = now_ns() + std::uint64_t{death_ms_max} * 1'000'000;
  do {
    if (auto fine = alive(); !fine) return fine;
    poll(nullptr, 0, 5);
  } while (now_ns() < deadline);
  return done;
}

// ---- starting ----

Result<> Mirror::prepare() {
  auto cluster = read_cluster(options_.cluster, context_.catalogue, options_.settings);
  if (!cluster) return tl::unexpected<Error>(cluster.error());
  cluster_ = std::move(*cluster);
  const std::string& first = cluster_.nodes.front().name;
  for (const ClusterLink& link : cluster_.links) {
    if (link.from != first) continue;
    for (const std::string& to : link.to) {
      MirrorLink& made = links_.emplace_back();
      made.name = link.name;
      made.peer = to;
    }
  }
  if (links_.empty())
    return fail(Errc::invalid, fmt::format("{} has no link to mirror over", options_.cluster),
                fmt::format("no link starts at its first node {}", first),
                fmt::format("add [links.NAME] from = \"{}\"", first));
  std::string pattern = (fs::temp_directory_path() / "harness-mirror-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr)
    return tl::unexpected<Error>(
        system_error(errno, "cannot make a folder in " + fs::temp_directory_path().string()));
  folder_ = pattern;
  for (const MirrorTree& tree : options_.trees) {
    auto list = list_file(folder_, lists_.size(), tree);
    if (!list) return tl::unexpected<Error>(list.error());
    lists_.push_back(std::move(*list));
  }
  return {};
}

// Links between domains are encrypted, so each domain gets a root that believes the others, for this run
// only. A node that holds the root of its domain enrolls itself.
Result<> Mirror::make_domains() {
  std::set<std::string> names;
  for (const ClusterNode& node : cluster_.nodes) names.insert(node.domain);
  if (names.size() < 2) return {};
  std::vector<identity::Domain> domains;
  for (const std::string& name : names) {
    auto made = identity::Domain::create(folder_ + "/state", name, nullptr);
    if (!made) return tl::unexpected<Error>(made.error());
    domains.push_back(std::move(*made));
  }
  for (identity::Domain& domain : domains)
    for (const identity::Domain& other : domains) {
      if (other.name() == domain.name()) continue;
      if (auto believed = domain.trust().add_root(other.root()); !believed) return believed;
    }
  return {};
}

Result<> Mirror::start_nodes() {
  for (const ClusterNode& node : cluster_.nodes) {
    std::vector<std::string> words = {"node",           "up",           node.name,          "--cluster",
                                      options_.cluster, "--state",      folder_ + "/state", "--any-port",
                                      "--quiet",        "--with-parent"};
    for (const std::string& setting : options_.settings) {
      words.push_back("--set");
      words.push_back(setting);
    }
    auto process = ChildProcess::start("/proc/self/exe", words, folder_ + "/" + node.name + ".log");
    if (!process) return tl::unexpected<Error>(process.error());
    nodes_.push_back({node.name, std::move(*process)});
  }
  return {};
}

// Every node learns where the others listen.
Result<> Mirror::introduce() {
  const std::uint64_t deadline = now_ns() + std::uint64_t{start_ms_max} * 1'000'000;
  std::vector<std::pair<admin::Client, admin::NodeStatus>> up;
  for (const ClusterNode& node : cluster_.nodes) {
    for (;;) {
      auto client = admin::Client::connect(state_of(node.name));
      auto status = client ? client->ask<admin::NodeStatus>("node.show", admin::Nothing{})
                           : tl::unexpected<Error>(client.error());
      if (status) {
        up.emplace_back(std::move(*client), std::move(*status));
        break;
      }
      if (now_ns() > deadline) return tl::unexpected<Error>(status.error());
      if (auto fine = pause(5); !fine) return fine;
    }
  }
  for (auto& [client, self] : up)
    for (const auto& [ignored, other] : up) {
      if (other.name == self.name) continue;
      auto told = client.ask<admin::Nothing>(
          "peer.set", admin::PeerFacts{other.name, other.addresses, other.host, other.user});
      if (!told) return tl::unexpected<Error>(told.error());
    }
  return {};
}

Result<> Mirror::wait_for_links() {
  auto client = admin::Client::connect(state_of(cluster_.nodes.front().name));
  if (!client) return tl::unexpected<Error>(client.error());
  const std::uint64_t deadline = now_ns() + std::uint64_t{start_ms_max} * 1'000'000;
  for (;;) {
    auto list = client->ask<admin::LinkList>("link.ls", admin::Nothing{});
    if (!list) return tl::unexpected<Error>(list.error());
    const auto down = std::find_if(list->links.begin(), list->links.end(), [](const auto& link) {
      return link.role == "initiator" && link.state != "up";
    });
    if (down == list->links.end()) break;
    if (now_ns() > deadline)
      return fail(Errc::timed_out, fmt::format("the link {} to {} did not open", down->name, down->peer),
                  down->error.empty() ? "it is " + down->state : down->error,
                  fmt::format("harness mirror --keep, then look at {}/*.log", folder_));
    if (auto fine = pause(5); !fine) return fine;
  }
  for (MirrorLink& link : links_)
    if (auto started = start_link(link); !started) return started;
  return {};
}

Result<> Mirror::start_link(MirrorLink& link) {
  const std::string state = state_of(cluster_.nodes.front().name);
  auto files = admin::Client::connect(state);
  auto pings = admin::Client::connect(state);
  if (!files) return tl::unexpected<Error>(files.error());
  if (!pings) return tl::unexpected<Error>(pings.error());
  link.files = std::move(*files);
  link.pings = std::move(*pings);
  admin::PingRequest ping;
  ping.link = link.peer + "/" + link.name;
  ping.count = 0;
  ping.interval_us = ping_interval_us;
  ping.each = false;
  auto id = link.pings->start("link.ping", admin::write_json(ping));
  if (!id) return tl::unexpected<Error>(id.error());
  link.ping_id = *id;
  return send_tree(link);
}

Result<> Mirror::send_tree(MirrorLink& link) {
  const MirrorTree& tree = options_.trees[link.tree];
  admin::SendRequest send;
  send.link = link.peer + "/" + link.name;
  send.list = lists_[link.tree];
  send.root = tree.root;
  send.as = tree.as.empty() ? link.name : link.name + "/" + tree.as;
  auto id = link.files->start("file.send", admin::write_json(send));
  if (!id) return tl::unexpected<Error>(id.error());
  link.send_id = *id;
  return {};
}

// ---- transferring ----

Result<> Mirror::transfer() {
  const auto through = [](const MirrorLink& link) { return link.sent && link.pinged; };
  while (!std::all_of(links_.begin(), links_.end(), through))
    if (auto fine = look_after(50); !fine) return fine;
  show_progress(true);
  return {};
}

// One step of the transfers.
Result<> Mirror::look_after(int timeout_ms) {
  if (auto fine = pause(timeout_ms); !fine) return fine;
  for (MirrorLink& link : links_)
    if (auto heard = listen(link); !heard) return heard;
  show_progress(false);
  return {};
}

Result<> Mirror::listen(MirrorLink& link) {
  for (;;) {
    auto reply = link.files->next();
    if (!reply) return tl::unexpected<Error>(reply.error());
    if (!*reply) break;
    if ((*reply)->id == link.send_id) hear_send(link, **reply);
    if (link.sent || (*reply)->kind == admin::Reply::Kind::progress) continue;
    if (auto next = send_tree(link); !next) return next;
  }
  for (;;) {
    auto reply = link.pings->next();
    if (!reply) return tl::unexpected<Error>(reply.error());
    if (!*reply) return {};
    if ((*reply)->id != link.ping_id || (*reply)->kind == admin::Reply::Kind::progress) continue;
    link.pinged = true;
    if (auto result = admin::read_json<admin::PingResult>((*reply)->value)) link.latency = std::move(*result);
  }
}

// Adds up what the trees gave; after the last one the pings may end.
void Mirror::hear_send(MirrorLink& link, const admin::Reply& reply) {
  if (reply.kind == admin::Reply::Kind::error) {
    link.wrong.push_back(fmt::format("{}{}{}", reply.error.what, reply.error.because.empty() ? "" : ": ",
                                     reply.error.because));
    link.sent = true;
  } else if (auto result = admin::read_json<admin::TransferResult>(reply.value)) {
    link.result.bytes = link.bytes_before + result->bytes;
    if (reply.kind == admin::Reply::Kind::progress) return;
    link.bytes_before = link.result.bytes;
    link.result.link = result->link;
    link.result.peer = result->peer;
    link.result.stack = result->stack;
    link.result.files += result->files;
    link.result.failed += result->failed;
    link.result.elapsed_ns += result->elapsed_ns;
    for (const admin::FailureValue& failure : result->failures)
      link.wrong.push_back(fmt::format("{}: {}: {}", failure.path, failure.what, failure.because));
    link.sent = ++link.tree >= options_.trees.size();
  }
  if (link.sent) (void)link.pings->cancel(link.ping_id);
}

// ---- afterwards ----

// What the links are, and why.
Result<> Mirror::look_closely() {
  auto client = admin::Client::connect(state_of(cluster_.nodes.front().name));
  if (!client) return tl::unexpected<Error>(client.error());
  for (MirrorLink& link : links_) {
    const admin::LinkName name{link.peer + "/" + link.name};
    auto detail = client->ask<admin::LinkDetail>("link.show", name);
    if (!detail) return tl::unexpected<Error>(detail.error());
    link.status = detail->link;
    auto why = client->ask<admin::LinkWhy>("link.why", name);
    if (!why) return tl::unexpected<Error>(why.error());
    for (const admin::WhyOffer& offer : why->offers)
      if (offer.chosen) link.why = offer.why;
    if (link.why.empty() && link.proof) link.why = "swapped to while files crossed";
  }
  return {};
}

// Reads both trees once more: what the receivers verified is what stands on disk.
void Mirror::verify() {
  std::size_t done = 0;
  const std::size_t all = total_names_ * links_.size();
  for (MirrorLink& link : links_) {
    if (!link.wrong.empty() && link.result.files == 0) continue;
    for (const MirrorTree& tree : options_.trees) {
      const auto step = [&] {
        if (++done % 256 == 0) context_.status(fmt::format("comparing {} of {} files", done, all));
        return !context_.interrupts.take();
      };
      for (std::string& text : differences(tree, received_over(link), step))
        link.wrong.push_back(std::move(text));
    }
  }
  context_.status("");
}

void Mirror::show_progress(bool last) {
  const std::uint64_t now = now_ns();
  const std::uint64_t every = context_.progress ? show_every_ns : tell_every_ns;
  if (context_.common.json || (!last && now - shown_ns_ < every)) return;
  if (shown_ns_ == 0 && !context_.progress) {
    shown_ns_ = now;
    return;
  }
  shown_ns_ = now;
  if (last && !context_.progress) return;
  if (context_.progress && shown_lines_ != 0) fmt::print(stderr, "\x1b[{}A", shown_lines_);
  constexpr std::size_t width = 30;
  for (const MirrorLink& link : links_) {
    const std::uint64_t of = std::max<std::uint64_t>(total_bytes_, 1);
    const std::size_t filled =
        link.sent ? width : static_cast<std::size_t>(std::min(link.result.bytes, of) * width / of);
    const std::string bar = fmt::format("{:█<{}}{:░<{}}", "", filled, "", width - filled);
    fmt::print(stderr, "{}{:<10} {} → {:<6} {} {:>3} %  {}\n", context_.progress ? "\x1b[K" : "", link.name,
               cluster_.nodes.front().name, link.peer, bar,
               link.sent ? 100 : std::min(link.result.bytes, of) * 100 / of, human_bytes(link.result.bytes));
  }
  shown_lines_ = links_.size();
}

}  // namespace harness::apps
