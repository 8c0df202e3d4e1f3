// SPDX-License-Identifier: Apache-2.0
// Writing and reading the set-up frames, field by field in the order of their structs.
#include <harness/stack/setup.hpp>

#include <algorithm>

namespace harness::setup {

namespace {

enum class Type : std::uint8_t { hello = 1, accept, refuse, ready, fin, fin_ack, cookie, propose, cut };

void put(Writer& to, const Identity& who) {
  to.put_text(who.name);
  to.put_text(who.domain);
  to.put_text(who.host);
  to.put_text(who.user);
  to.put(who.incarnation);
}
void put(Writer& to, const Limits& limits) {
  to.put(limits.max_message);
  to.put(limits.quota_bytes);
}
void put(Writer& to, const Hello& hello) {
  to.put(hello.attempt);
  put(to, hello.from);
  to.put_text(hello.to);
  to.put_text(hello.link);
  to.put(hello.session);
  to.put(hello.swaps);
  put(to, hello.limits);
  to.put(hello.floor.bits);
  to.put(static_cast<std::uint8_t>(hello.offers.size()));
  for (const Offer& offer : hello.offers) {
    to.put(offer.hash);
    to.put_text(offer.stack);
  }
}
void put(Writer& to, const Accept& accept) {
  to.put(accept.attempt);
  put(to, accept.from);
  to.put(accept.choice);
  to.put(accept.hash);
  put(to, accept.limits);
  to.put(accept.floor.bits);
}
void put(Writer& to, const Refuse& refuse) {
  to.put(refuse.attempt);
  to.put(static_cast<std::uint16_t>(refuse.code));
  to.put<std::uint8_t>(refuse.yield ? 1 : 0);
  for (const std::string* text : {&refuse.what, &refuse.because, &refuse.advice})
    to.put_text(std::string_view(*text).substr(0, text_bytes_max));
}
void put(Writer& to, const Ready& ready) { to.put(ready.attempt); }
void put(Writer& to, const Fin& fin) {
  to.put(fin.attempt);
  to.put(fin.frames);
  to.put(fin.successor);
  to.put(fin.messages);
}
void put(Writer& to, const FinAck& ack) { to.put(ack.attempt); }
void put(Writer& to, const Cookie& cookie) {
  to.put(cookie.attempt);
  to.put_bytes(cookie.cookie);
}
void put(Writer& to, const Propose& propose) {
  to.put(propose.attempt);
  to.put(propose.id);
  to.put(static_cast<std::uint8_t>(propose.offers.size()));
  for (const Proposed& offer : propose.offers) {
    to.put_text(offer.stack);
    to.put_text(offer.address);
  }
}
void put(Writer& to, const Cut& cut) {
  to.put(cut.attempt);
  to.put(cut.messages);
}

template <class T>
concept Proves = requires(T frame) { frame.proof; };
template <class T>
concept Greets = requires(T frame) { frame.greeting; };

// Everything behind the fields that are bound, as far as the greeting.
template <class T>
void put_proof(Writer& to, const T& frame) {
  if constexpr (Proves<T>) {
    to.put(static_cast<std::uint16_t>(frame.proof.size()));
    to.put_bytes(frame.proof);
  }
  if constexpr (Greets<T>) to.put_bytes(frame.cookie);
}

void put_head(Writer& to, const Frame& frame) {
  to.put(magic);
  to.put(version);
  to.put(static_cast<std::uint8_t>(frame.index() + 1));
  std::visit([&](const auto& value) { put(to, value); }, frame);
}

Proof take_proof(Reader& from) {
  const std::size_t size = from.take<std::uint16_t>();
  const Bytes raw = from.take_bytes(size <= proof_bytes_max ? size : from.remaining() + 1);
  return {raw.begin(), raw.end()};
}

Code take_code(Reader& from) {
  Code code{};
  const Bytes raw = from.take_bytes(code.size());
  std::copy(raw.begin(), raw.end(), code.begin());
  return code;
}

Identity take_identity(Reader& from) {
  Identity who;
  who.name = from.take_text(name_bytes_max);
  who.domain = from.take_text(name_bytes_max);
  who.host = from.take_text(name_bytes_max);
  who.user = from.take_text(name_bytes_max);
  who.incarnation = from.take<std::uint64_t>();
  return who;
}
Limits take_limits(Reader& from) {
  Limits limits;
  limits.max_message = from.take<std::uint32_t>();
  limits.quota_bytes = from.take<std::uint64_t>();
  return limits;
}
Hello take_hello(Reader& from) {
  Hello hello;
  hello.attempt = from.take<std::uint64_t>();
  hello.from = take_identity(from);
  hello.to = from.take_text(name_bytes_max);
  hello.link = from.take_text(name_bytes_max);
  hello.session = from.take<std::uint64_t>();
  hello.swaps = from.take<std::uint64_t>();
  hello.limits = take_limits(from);
  hello.floor.bits = from.take<std::uint64_t>();
  const std::size_t offers = std::min<std::size_t>(from.take<std::uint8_t>(), offers_max + 1);
  for (std::size_t i = 0; i < offers && from.ok(); ++i) {
    Offer offer;
    offer.hash = from.take<std::uint64_t>();
    offer.stack = from.take_text(offer_bytes_max);
    hello.offers.push_back(std::move(offer));
  }
  hello.proof = take_proof(from);
  hello.cookie = take_code(from);
  hello.greeting = take_code(from);
  return hello;
}
Accept take_accept(Reader& from) {
  Accept accept;
  accept.attempt = from.take<std::uint64_t>();
  accept.from = take_identity(from);
  accept.choice = from.take<std::uint8_t>();
  accept.hash = from.take<std::uint64_t>();
  accept.limits = take_limits(from);
  accept.floor.bits = from.take<std::uint64_t>();
  accept.proof = take_proof(from);
  return accept;
}
Refuse take_refuse(Reader& from) {
  Refuse refuse;
  refuse.attempt = from.take<std::uint64_t>();
  const auto code = from.take<std::uint16_t>();
  refuse.code =
      code > 0 && code <= static_cast<std::uint16_t>(Errc::io) ? static_cast<Errc>(code) : Errc::denied;
  refuse.yield = from.take<std::uint8_t>() == 1;
  refuse.what = from.take_text(text_bytes_max);
  refuse.because = from.take_text(text_bytes_max);
  refuse.advice = from.take_text(text_bytes_max);
  return refuse;
}

Propose take_propose(Reader& from) {
  Propose propose;
  propose.attempt = from.take<std::uint64_t>();
  propose.id = from.take<std::uint64_t>();
  const std::size_t offers = std::min<std::size_t>(from.take<std::uint8_t>(), offers_max + 1);
  for (std::size_t i = 0; i < offers && from.ok(); ++i) {
    Proposed offer;
    offer.stack = from.take_text(offer_bytes_max);
    offer.address = from.take_text(address_bytes_max);
    propose.offers.push_back(std::move(offer));
  }
  propose.proof = take_proof(from);
  return propose;
}

Result<Frame> take(Type type, Reader& from) {
  switch (type) {
    case Type::hello: return take_hello(from);
    case Type::accept: return take_accept(from);
    case Type::refuse: return take_refuse(from);
    case Type::ready: {
      const auto attempt = from.take<std::uint64_t>();
      return Ready{attempt, take_proof(from)};
    }
    case Type::fin: {
      Fin fin;
      fin.attempt = from.take<std::uint64_t>();
      fin.frames = from.take<std::uint64_t>();
      fin.successor = from.take<std::uint64_t>();
      fin.messages = from.take<std::uint64_t>();
      fin.proof = take_proof(from);
      return fin;
    }
    case Type::fin_ack: {
      const auto attempt = from.take<std::uint64_t>();
      return FinAck{attempt, take_proof(from)};
    }
    case Type::cookie: {
      const auto attempt = from.take<std::uint64_t>();
      return Cookie{attempt, take_code(from)};
    }
    case Type::propose: return take_propose(from);
    case Type::cut: {
      Cut cut;
      cut.attempt = from.take<std::uint64_t>();
      cut.messages = from.take<std::uint64_t>();
      cut.proof = take_proof(from);
      return cut;
    }
  }
  return fail(Errc::corrupt, "not a set-up frame", "its type is " + std::to_string(static_cast<int>(type)));
}

}  // namespace

Message write(Pool& pool, const Frame& frame) {
  Message message = Message::make(pool, frame_bytes_max);
  if (!message) return message;
  Writer to(message.writable());
  put_head(to, frame);
  std::visit(
      [&](const auto& value) {
        put_proof(to, value);
        if constexpr (Greets<decltype(value)>) to.put_bytes(value.greeting);
      },
      frame);
  if (!to.ok()) return {};
  // The buffer is for the largest frame; what is kept is the frame's own size.
  return Message::copy_of(pool, message.front().first(to.used()));
}

std::vector<std::byte> bound(const Frame& frame) {
  std::vector<std::byte> bytes(frame_bytes_max);
  Writer to(bytes);
  put_head(to, frame);
  bytes.resize(to.used());
  return bytes;
}

std::vector<std::byte> greeted(const Hello& hello) {
  std::vector<std::byte> bytes(frame_bytes_max);
  Writer to(bytes);
  put_head(to, hello);
  put_proof(to, hello);
  bytes.resize(to.used());
  return bytes;
}

std::optional<Knock> knock(Bytes frame) noexcept {
  Knock found;
  Reader from(frame);
  if (from.take<std::uint32_t>() != magic || from.take<std::uint16_t>() != version ||
      from.take<std::uint8_t>() != static_cast<std::uint8_t>(Type::hello))
    return {};
  found.attempt = from.take<std::uint64_t>();
  (void)from.take_text(name_bytes_max);
  found.domain = from.take_text(name_bytes_max);
  if (!from.ok() || from.remaining() < 2 * sizeof(Code)) return {};
  Reader end(frame.last(2 * sizeof(Code)));
  found.cookie = take_code(end);
  found.greeting = take_code(end);
  found.covered = frame.first(frame.size() - sizeof(Code));
  return found;
}

Result<Frame> parse(Bytes bytes) {
  Reader from(bytes);
  if (from.take<std::uint32_t>() != magic)
    return fail(Errc::corrupt, "the peer does not speak Harness", "its first bytes are not \"HRN1\"",
                "check that the address is that of a Harness node");
  if (const auto spoken = from.take<std::uint16_t>(); spoken != version)
    return fail(Errc::conflict, "the peer speaks another version of the wire",
                "it says " + std::to_string(spoken) + ", this node speaks " + std::to_string(version),
                "run the same release on both nodes");
  auto frame = take(static_cast<Type>(from.take<std::uint8_t>()), from);
  if (!frame) return frame;
  if (!from.done())
    return fail(Errc::corrupt, "a damaged set-up frame",
                from.ok() ? std::to_string(from.remaining()) + " bytes too many"
                          : "it ends early or a text is too long");
  if (const auto* propose = std::get_if<Propose>(&*frame); propose && propose->offers.size() > offers_max)
    return fail(Errc::corrupt, "a damaged set-up frame", "there are too many offers");
  if (const auto* hello = std::get_if<Hello>(&*frame)) {
    if (!valid_name(hello->from.name) || !valid_name(hello->link) || hello->offers.size() > offers_max)
      return fail(Errc::corrupt, "a damaged set-up frame",
                  "a name is not valid or there are too many offers");
  }
  return frame;
}

bool valid_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > name_bytes_max || name[0] == '.' || name[0] == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

}  // namespace harness::setup
