// SPDX-License-Identifier: Apache-2.0
// Dispatching what arrives on a link, and starting what is asked for.
#include <harness/apps/common/link_services.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <harness/apps/common/service_message.hpp>

namespace harness::apps {

namespace {

// What the link's stack guarantees to us: the transport's facts changed by each layer, from below.
Properties guarantees(Link& link) {
  Properties word = link.facts().word;
  const auto& layers = link.stack()->spec().layers;
  for (auto at = layers.rbegin(); at != layers.rend(); ++at) {
    const Contract& contract = at->type->descriptor->contract;
    word = word.without(contract.clears) | contract.adds;
  }
  return word;
}

constexpr Properties needed_for_files =
    property::reliable | property::fifo | property::no_duplicates | property::message;

Error link_ended(const Link& link, const Event& event) {
  Error error = link.error();
  if (error.code == Errc::ok)
    error = {
        Errc::closed, fmt::format("the link {} to {} was closed", link.name(), link.peer().name), {}, {}};
  if (error.code == Errc::closed || event.kind == EventKind::closed) error.code = Errc::peer_lost;
  if (error.advice.empty()) error.advice = "harness link ls tells when it is up again";
  return error;
}

}  // namespace

LinkServices::LinkServices(Engine& engine, std::shared_ptr<Link> link, Inbox& inbox, Clock clock)
    : engine_(engine), link_(std::move(link)), inbox_(inbox), clock_(std::move(clock)),
      outbox_(engine, *link_) {
  link_->on_event([this](const Event& event) {
    switch (event.kind) {
      case EventKind::up:
      case EventKind::swapped: on_up(); break;
      case EventKind::writable: outbox_.wake(); return;
      case EventKind::peer_lost:
      case EventKind::corrupt:
      case EventKind::closed: ended(); break;
      default: break;
    }
    if (on_event_) on_event_(event);
  });
  link_->on_message([this](Message&& message) { on_message(std::move(message)); });
  if (link_->is_up()) on_up();
}

LinkServices::~LinkServices() {
  link_->on_event({});
  link_->on_message({});
}

void LinkServices::on_up() {
  const Properties word = guarantees(*link_);
  outbox_.use_channels(word.covers(property::channels));
  carries_files_ = word.covers(needed_for_files);
  outbox_.wake();
}

bool LinkServices::idle() const noexcept {
  return pings_.empty() && loads_.empty() && sends_.empty() && receives_.empty();
}

// ---- starting ----

Result<> LinkServices::ready() const {
  if (link_->is_up()) return {};
  return fail(Errc::unreachable,
              fmt::format("the link {} to {} is not up", link_->name(), link_->peer().name),
              fmt::format("it is {}", to_string(link_->state())), "harness link ls shows its state");
}

Result<std::uint32_t> LinkServices::ping(PingRun::Options options, PingRun::Each each, PingRun::Done done) {
  if (auto up = ready(); !up) return tl::unexpected<Error>(up.error());
  if (pings_.size() >= runs_max)
    return fail(Errc::exhausted, "too many pings at a time on this link", fmt::format("{} run", runs_max));
  const std::uint32_t number = next_number_++ & 0xffff;
  options.stream = static_cast<std::uint16_t>(number);
  auto run = std::make_unique<PingRun>(outbox_, clock_, options, std::move(each),
                                       [this, number, done = std::move(done)](const PingReport& report) {
                                         const auto keep = pings_.extract(number);
                                         done(report);
                                       });
  pings_[number] = std::move(run);
  return number;
}

Result<std::uint32_t> LinkServices::load(LoadRun::Options options, LoadRun::Done done) {
  if (auto up = ready(); !up) return tl::unexpected<Error>(up.error());
  if (loads_.size() >= runs_max)
    return fail(Errc::exhausted, "too many runs of load at a time on this link",
                fmt::format("{} run", runs_max));
  const std::uint32_t number = next_number_++ & 0xffff;
  options.stream = static_cast<std::uint16_t>(number);
  auto run = std::make_unique<LoadRun>(outbox_, clock_, options,
                                       [this, number, done = std::move(done)](const LoadReport& report) {
                                         const auto keep = loads_.extract(number);
                                         done(report);
                                       });
  loads_[number] = std::move(run);
  return number;
}

Result<std::uint32_t> LinkServices::send(const std::string& name, bool sync, const MakeSource& source,
                                         FileSender::Done done) {
  if (auto up = ready(); !up) return tl::unexpected<Error>(up.error());
  if (!carries_files_)
    return fail(Errc::unsupported, fmt::format("the link {} cannot carry files", link_->name()),
                fmt::format("files need {}; its stack is {}", property::to_string(needed_for_files),
                            link_->stack()->spec().text()),
                "declare the link with require = [\"reliable\", \"ordered\"]");
  if (sends_.size() >= receives_max)
    return fail(Errc::exhausted, "too many transfers at a time on this link",
                fmt::format("{} run", receives_max), "wait for one to end");
  constexpr std::uint32_t chunk_header = harness::wire::bytes_of<wire::FileChunk>;
  const std::uint32_t chunk = std::min(
      file_chunk_bytes, outbox_.message_bytes_max() - std::min(chunk_header, outbox_.message_bytes_max()));
  if (chunk < 16 * 1024)
    return fail(Errc::unsupported, fmt::format("the link {} cannot carry files", link_->name()),
                fmt::format("its largest message is {} bytes", outbox_.message_bytes_max()),
                "raise max_message, or put frag into its stack");
  const std::uint32_t number = next_number_++;
  sends_[number] =
      std::make_unique<FileSender>(outbox_, FileSender::Options{number, name, sync}, source(number, chunk),
                                   [this, number, done = std::move(done)](const TransferReport& report) {
                                     const auto keep = sends_.extract(number);
                                     done(report);
                                   });
  return number;
}

void LinkServices::stop_ping(std::uint32_t number) {
  if (const auto at = pings_.find(number); at != pings_.end()) at->second->stop();
}

void LinkServices::cancel_send(std::uint32_t number) {
  if (const auto at = sends_.find(number); at != sends_.end())
    at->second->cancel({Errc::cancelled, "the transfer was cancelled", {}, {}});
}

const TransferReport* LinkServices::sending(std::uint32_t number) const {
  const auto at = sends_.find(number);
  return at == sends_.end() ? nullptr : &at->second->report();
}

// Every run ends by itself and leaves its map from inside: always the first one.
void LinkServices::ended() {
  const Error error = link_ended(*link_, {EventKind::closed});
  while (!pings_.empty()) pings_.begin()->second->lost(error);
  while (!loads_.empty()) loads_.begin()->second->lost(error);
  while (!sends_.empty()) sends_.begin()->second->lost(error);
  for (auto at = receives_.begin(); at != receives_.end();)
    (at++)->second->lost(error);  // those with a job end later
}

// ---- what arrives ----

void LinkServices::on_message(Message&& message) {
  constexpr std::uint32_t head_bytes = harness::wire::bytes_of<wire::Head>;
  const std::byte* front = message.peek(head_bytes);
  if (front == nullptr) {
    ++unreadable_;
    return;
  }
  const auto head = harness::wire::decode<wire::Head>(front);
  const auto kind = static_cast<wire::Kind>(head.kind);
  if (kind == wire::Kind::refused) return on_refused(std::move(message));
  if (head.version != wire::service_version)
    return refuse(head,
                  {Errc::conflict, "this node speaks another version of the services",
                   fmt::format("version {} came, {} is spoken here", head.version, wire::service_version),
                   "run the same release on both nodes"});
  dispatch(kind, std::move(message));
}

void LinkServices::dispatch(wire::Kind kind, Message&& message) {
  switch (kind) {
    case wire::Kind::ping: return on_ping(std::move(message));
    case wire::Kind::pong:
      return route<wire::Echo>(std::move(message), pings_,
                               [](auto& run, const wire::Echo& pong, Message&&) { run.on_pong(pong); });
    case wire::Kind::load: return on_load(std::move(message));
    case wire::Kind::counted:
      return route<wire::Counted>(std::move(message), loads_,
                                  [this](auto& run, const wire::Counted& counted, Message&& judged) {
                                    run.on_counted(counted, judged.gathered(engine_.pool()));
                                  });
    case wire::Kind::file_open: return on_file_open(std::move(message));
    case wire::Kind::file_credit:
      return route<wire::FileCredit>(
          std::move(message), sends_,
          [](auto& send, const wire::FileCredit& credit, Message&&) { send.on_credit(credit); });
    case wire::Kind::file_verdict:
      return route<wire::FileVerdict>(std::move(message), sends_,
                                      [this](auto& send, const wire::FileVerdict& header, Message&& body) {
                                        if (auto verdict = read_verdict(engine_.pool(), header, body)) {
                                          send.on_verdict(*verdict);
                                        } else {
                                          ++unreadable_;
                                        }
                                      });
    case wire::Kind::file_entry:
    case wire::Kind::file_chunk:
    case wire::Kind::file_end:
    case wire::Kind::file_close:
    case wire::Kind::file_cancel: return on_file(kind, std::move(message));
    case wire::Kind::refused: return;
  }
  refuse({static_cast<std::uint8_t>(kind), wire::service_version},
         {Errc::unsupported, "this node does not know what was sent",
          fmt::format("kind {}", static_cast<int>(kind)), "run the same release on both nodes"});
}

// Hands a message to the run that its number names; one that has ended is none of our business any more.
template <class H, class Runs, class Hear>
void LinkServices::route(Message&& message, Runs& runs, Hear hear) {
  const auto header = take_header<H>(message);
  if (!header) {
    ++unreadable_;
    return;
  }
  std::uint32_t number = 0;
  if constexpr (requires { header->transfer; }) {
    number = header->transfer;
  } else {
    number = header->stream;
  }
  if (const auto at = runs.find(number); at != runs.end()) hear(*at->second, *header, std::move(message));
}

void LinkServices::on_ping(Message&& message) {
  const auto ping = take_header<wire::Echo>(message);
  if (!ping) {
    ++unreadable_;
    return;
  }
  outbox_.answer(service_message(engine_.pool(), wire::Kind::pong, *ping, message.gathered(engine_.pool())));
}

void LinkServices::on_load(Message&& message) {
  const auto load = take_header<wire::Load>(message);
  if (!load || (counts_.size() >= loads_max && !counts_.contains(load->stream))) {
    ++unreadable_;
    return;
  }
  LoadCount& count = counts_[load->stream];
  count.count(*load, message, engine_.pool(), clock_());
  if (load->last == 0) return;
  Message answer = count.counted(engine_.pool(), load->stream);
  counts_.erase(load->stream);
  outbox_.answer(std::move(answer));
}

void LinkServices::on_file_open(Message&& message) {
  const auto open = take_header<wire::FileOpen>(message);
  auto name = open ? read_name(engine_.pool(), message) : std::nullopt;
  if (!name || receives_.contains(open->transfer)) {
    ++unreadable_;
    return;
  }
  if (receives_.size() >= receives_max)
    return refuse_transfer(
        open->transfer,
        {Errc::exhausted, "the receiver is busy",
         fmt::format("{} transfers are under way on this link", receives_max), "wait for one to end"});
  auto accepted = inbox_.accept(link_->peer().name, *name);
  if (!accepted) return refuse_transfer(open->transfer, accepted.error());
  accepted->writer.sync = accepted->writer.sync || open->sync != 0;
  const std::uint32_t number = open->transfer;
  const auto done = [this, number, told = std::move(accepted->done)](const ReceiveReport& report) {
    const auto keep = receives_.extract(number);
    told(report);
  };
  receives_[number] = std::make_unique<FileReceiver>(
      outbox_, FileReceiver::Options{number, *name, std::move(accepted->writer)}, done);
}

void LinkServices::on_file(wire::Kind kind, Message&& message) {
  switch (kind) {
    case wire::Kind::file_entry:
      return route<wire::FileEntry>(std::move(message), receives_,
                                    [](auto& receiver, const auto& header, Message&& body) {
                                      receiver.on_entry(header, std::move(body));
                                    });
    case wire::Kind::file_chunk:
      return route<wire::FileChunk>(std::move(message), receives_,
                                    [](auto& receiver, const auto& header, Message&& body) {
                                      receiver.on_chunk(header, std::move(body));
                                    });
    case wire::Kind::file_end:
      return route<wire::FileEnd>(std::move(message), receives_,
                                  [](auto& receiver, const auto& header, Message&& body) {
                                    receiver.on_end(header, std::move(body));
                                  });
    case wire::Kind::file_close:
      return route<wire::FileClose>(std::move(message), receives_,
                                    [](auto& receiver, const auto& header, Message&& body) {
                                      receiver.on_close(header, std::move(body));
                                    });
    default:
      return route<wire::FileCancel>(std::move(message), receives_,
                                     [](auto& receiver, const auto& header, Message&& body) {
                                       receiver.on_cancel(header, std::move(body));
                                     });
  }
}

// The peer did not understand one of our kinds: whatever we run of it cannot go on.
void LinkServices::on_refused(Message&& message) {
  const auto header = take_header<wire::Refused>(message);
  auto error = header ? read_error(engine_.pool(), header->code, message) : std::nullopt;
  if (!error) {
    ++unreadable_;
    return;
  }
  switch (static_cast<wire::Kind>(header->refused_kind)) {
    case wire::Kind::ping:
      while (!pings_.empty()) pings_.begin()->second->lost(*error);
      return;
    case wire::Kind::load:
      while (!loads_.empty()) loads_.begin()->second->lost(*error);
      return;
    case wire::Kind::file_open:
    case wire::Kind::file_entry:
    case wire::Kind::file_chunk:
    case wire::Kind::file_end:
    case wire::Kind::file_close:
      while (!sends_.empty()) sends_.begin()->second->lost(*error);
      return;
    default: return;
  }
}

void LinkServices::refuse(const wire::Head& head, Error error) {
  outbox_.answer(write_refused(engine_.pool(), head, error));
}

void LinkServices::refuse_transfer(std::uint32_t transfer, const Error& error) {
  Verdict verdict;
  verdict.error = error;
  outbox_.answer(write_verdict(engine_.pool(), transfer, verdict));
}

}  // namespace harness::apps
