// SPDX-License-Identifier: Apache-2.0
// encrypt at work: in place or by the one copy, and what happens to what does not open.
#include <harness/layers/encrypt.hpp>

namespace harness::layers {

namespace {

using encryption::Suite;
using encryption::Verdict;

// How long the key of the epoch before is kept for records that were overtaken (RFC 9001 §6.5: three PTOs);
// a sender makes no two steps within it.
constexpr std::uint64_t previous_key_ns = encryption::RekeyLimits{}.pause_ns;

Suite suite_of(std::int64_t option, Suite agreed) {
  switch (static_cast<Encrypt::SuiteChoice>(option)) {
    case Encrypt::SuiteChoice::automatic: return agreed;
    case Encrypt::SuiteChoice::aes: return Suite::aes;
    case Encrypt::SuiteChoice::chacha: return Suite::chacha;
  }
  return agreed;
}

// Nothing but the next record can come where nothing is lost, doubled or out of order.
bool in_order(Properties given) {
  return given.covers(property::reliable | property::fifo | property::no_duplicates);
}

}  // namespace

Encrypt::Encrypt(const OptionValues& values, LayerContext& context)
    : context_(context), reliable_(context.given.covers(property::reliable)),
      may_repeat_(!context.given.covers(property::no_duplicates)),
      retiring_([](void* self) { static_cast<Encrypt*>(self)->records_->opener.retire(); }, this) {
  auto* exchange = static_cast<encryption::KeyExchange*>(context.handshake);
  const auto keys = exchange != nullptr ? exchange->take_keys() : std::nullopt;
  if (!keys) return;
  const encryption::RekeyLimits limits{static_cast<std::uint64_t>(values[rekey_records]),
                                       static_cast<std::uint64_t>(values[rekey_bytes]),
                                       static_cast<std::uint64_t>(values[rekey_time]) * 1000};
  const encryption::Cipher cipher(suite_of(values[suite], keys->suite),
                                  static_cast<encryption::Engines>(values[engine]));
  records_.emplace(*keys, cipher, limits, in_order(context.given), context.env.now_ns());
}

std::unique_ptr<Handshake> Encrypt::handshake(Role role, Authority& authority) {
  return std::make_unique<encryption::KeyExchange>(role, authority);
}

// ---- down ----

bool Encrypt::seal(Message& message) {
  if (!records_ || refusing_) [[unlikely]]
    return false;
  const MutableBytes own = message.exclusive_run();
  if (own.data() == nullptr) return seal_copy(message);
  std::byte* const header = message.push(wire::encrypt_bytes);
  if (!records_->sealer.seal(context_.env.now_ns(), own, header, own.data())) [[unlikely]]
    return close(Errc::exhausted, "the last key of this direction is used up"), false;
  ++sealed_messages_;
  return true;
}

bool Encrypt::seal_copy(Message& message) {
  Message sealed = Message::make(context_.pool, message.size());
  if (!sealed) return out_of_memory();
  sealed.note() = message.note();
  std::byte* const to = sealed.writable().data();
  Bytes plain = {to, message.size()};
  if (message.contiguous()) {
    plain = message.run();
  } else {
    message.copy_to(to);
  }
  std::byte* const header = sealed.push(wire::encrypt_bytes);
  if (!records_->sealer.seal(context_.env.now_ns(), plain, header, to))
    return close(Errc::exhausted, "the last key of this direction is used up"), false;
  message = std::move(sealed);
  ++sealed_messages_;
  ++copied_messages_;
  return true;
}

// ---- up ----

bool Encrypt::open(Message& message) {
  if (!records_ || refusing_) [[unlikely]]
    return false;
  const std::byte* header = message.front_run(wire::encrypt_bytes);
  if (header != nullptr) [[likely]] {
    message.drop_front(wire::encrypt_bytes);
  } else if ((header = message.pull(wire::encrypt_bytes)) == nullptr) {
    return judge(Verdict::malformed);
  }
  const MutableBytes own = message.exclusive_run();
  if (own.data() == nullptr) return open_copy(message, header);
  return judge(records_->opener.open(context_.env.now_ns(), header, own, own.data()));
}

bool Encrypt::open_copy(Message& message, const std::byte* header) {
  Message opened = Message::make(context_.pool, message.size(), context_.quota);
  if (!opened) return out_of_memory();
  opened.note() = message.note();
  std::byte* const to = opened.writable().data();
  Bytes sealed = {to, message.size()};
  if (message.contiguous()) {
    sealed = message.run();
  } else {
    message.copy_to(to);
  }
  if (!judge(records_->opener.open(context_.env.now_ns(), header, sealed, to))) return false;
  message = std::move(opened);
  ++copied_messages_;
  return true;
}

// True when the message goes on up.
bool Encrypt::judge(Verdict verdict) {
  if (verdict == Verdict::good) [[likely]] {
    ++opened_messages_;
    if (key_changes_ != records_->opener.epoch()) [[unlikely]] {
      key_changes_ = records_->opener.epoch();
      context_.env.timers().arm(retiring_, context_.env.now_ns() + previous_key_ns);
    }
    return true;
  }
  ++verdicts_[static_cast<std::size_t>(verdict)];
  if (verdict == Verdict::used_up) close(Errc::exhausted, "too many records under these keys did not open");
  const bool harmless = verdict == Verdict::replayed && may_repeat_;
  if (reliable_ && !harmless) close(Errc::corrupt, "a record does not open, or is not the next one");
  return false;
}

void Encrypt::close(Errc code, std::string_view detail) {
  if (!std::exchange(refusing_, true)) context_.events({EventKind::corrupt, code, detail});
}

bool Encrypt::out_of_memory() {
  ++dropped_messages_;
  if (reliable_) close(Errc::exhausted, "encrypt has no memory for a record");
  return false;
}

void Encrypt::describe(Describer& describer) const {
  const encryption::Cipher used = records_ ? records_->cipher : encryption::Cipher(Suite::aes);
  const encryption::Plan plan = encryption::plan_for(used);
  describer.text("suite", records_ ? encryption::to_string(used.suite) : "none");
  describer.text("engine_small", encryption::to_string(plan.small));
  describer.text("engine_large", encryption::to_string(plan.large));
  describer.value("large_from_bytes", plan.small_below);
  describer.value("send_epoch", records_ ? records_->sealer.epoch() : 0);
  describer.value("receive_epoch", records_ ? records_->opener.epoch() : 0);
  describer.value("sealed_messages", sealed_messages_);
  describer.value("opened_messages", opened_messages_);
  describer.value("copied_messages", copied_messages_);
  describer.value("dropped_messages", dropped_messages_);
  const auto count = [&](Verdict verdict) { return verdicts_[static_cast<std::size_t>(verdict)]; };
  describer.value("forged_records", count(Verdict::forged));
  describer.value("replayed_records", count(Verdict::replayed));
  describer.value("stale_records", count(Verdict::stale) + count(Verdict::used_up));
  describer.value("missing_records", count(Verdict::gap));
  describer.value("malformed_records", count(Verdict::malformed));
}

}  // namespace harness::layers
