// SPDX-License-Identifier: Apache-2.0
// The frames of link set-up, swap and close: HELLO, ACCEPT, REFUSE, READY, FIN, FIN_ACK, COOKIE, PROPOSE,
// CUT. Values, a writer and a parser.
//
//   initiator                              responder
//     HELLO{version, names, offers}  ──▶     first offer that both catalogues and floors allow
//     READY                          ◀──   ACCEPT{choice, hash, limits}   or   REFUSE{code, because, advice}
//                                    ──▶   (the first data frame counts as READY)
//     FIN{frames}                    ──▶   each side ends its own direction …
//                                    ◀──   FIN_ACK, and its own FIN
//
// A swap opens another epoch of a link that stands, by a HELLO that names the one it replaces; CUT, sent
// first on the new one, tells how many messages went by the old; FIN on the old one names its successor.
// PROPOSE is how the responder asks for a swap (stack/link_swap.hpp).
//
// The last field of a frame is its proof. When an offer encrypts, HELLO, ACCEPT and READY carry the three
// blobs of a handshake (stack/handshake.hpp) there, which bind every field before it, and the others a code
// over theirs; data then does not count as READY. Without a handshake it is empty. A HELLO that swaps an
// encrypted stack for one in clear carries a code of the old one.
//
// Behind its proof a HELLO has a cookie and a greeting, both of a fixed size at the end of the frame, so that
// `knock` finds them without reading what lies before: the greeting is a code over every byte before it that
// only who believes the sender's domain can make (Authority::greeting), the cookie what the responder gave
// out by COOKIE when it was under load (stack/flood_guard.hpp). Zeros when there is none.
//
// Every frame: magic 32, version 16, type 8, then its fields; texts have a 16-bit length. Bounded before
// anything is allocated: names 64 bytes, offers 16 of 4096 bytes. An attempt number, drawn by the initiator,
// names the attempt, so that repeated and late frames are recognised on lossy media.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <harness/stack/authority.hpp>
#include <harness/stack/message.hpp>
#include <harness/stack/property.hpp>
#include <harness/stack/result.hpp>

namespace harness::setup {

inline constexpr std::uint32_t magic = 0x314e5248;  // "HRN1"
inline constexpr std::uint16_t version = 1;
inline constexpr std::size_t name_bytes_max = 64;
inline constexpr std::size_t offers_max = 16;
inline constexpr std::size_t offer_bytes_max = 4096;
inline constexpr std::size_t address_bytes_max = 256;
inline constexpr std::size_t text_bytes_max = 1024;
inline constexpr std::size_t proof_bytes_max = 1024;
inline constexpr std::size_t frame_bytes_max = 72 * 1024;

/// Opaque bytes of a handshake.
using Proof = std::vector<std::byte>;

/// Who speaks: what a peer may know of a node.
struct Identity {
  std::string name;
  std::string domain;
  std::string host;               // equal texts that are not empty: the same host
  std::string user;               // … and there the same user
  std::uint64_t incarnation = 0;  // drawn when the node starts: a restarted peer is another one
  friend bool operator==(const Identity&, const Identity&) = default;
};

struct Limits {
  std::uint32_t max_message = 0;
  std::uint64_t quota_bytes = 0;
  friend bool operator==(const Limits&, const Limits&) = default;
};

struct Offer {
  std::uint64_t hash = 0;
  std::string stack;  // canonical text
  friend bool operator==(const Offer&, const Offer&) = default;
};

struct Hello {
  std::uint64_t attempt = 0;
  Identity from;
  std::string to;             // the name that was dialled
  std::string link;           // the link's name, equal at both ends
  std::uint64_t session = 0;  // the attempt that opened the link which goes on; 0: a new link
  std::uint64_t swaps = 0;    // the attempt of the epoch that this one is to replace; 0: none
  Limits limits;
  Properties floor;  // what the initiator needs of the link at least
  std::vector<Offer> offers;
  Proof proof;
  Code cookie{};
  Code greeting{};
  friend bool operator==(const Hello&, const Hello&) = default;
};
struct Accept {
  std::uint64_t attempt = 0;
  Identity from;
  std::uint8_t choice = 0;
  std::uint64_t hash = 0;
  Limits limits;     // of the link: the smaller of both sides' max_message, the responder's quota
  Properties floor;  // what the responder needs of the link at least
  Proof proof;
  friend bool operator==(const Accept&, const Accept&) = default;
};
struct Refuse {
  std::uint64_t attempt = 0;
  Errc code = Errc::denied;
  bool yield = false;  // simultaneous open: wait for the other side's attempt
  std::string what;
  std::string because;
  std::string advice;
  friend bool operator==(const Refuse&, const Refuse&) = default;
};
struct Ready {
  std::uint64_t attempt = 0;
  Proof proof;
  friend bool operator==(const Ready&, const Ready&) = default;
};
struct Fin {
  std::uint64_t attempt = 0;
  std::uint64_t frames = 0;     // data frames sent before it
  std::uint64_t successor = 0;  // the attempt of the epoch that replaces this one; 0: the link ends
  std::uint64_t messages = 0;   // sent in this epoch
  Proof proof;
  friend bool operator==(const Fin&, const Fin&) = default;
};
struct FinAck {
  std::uint64_t attempt = 0;
  Proof proof;
  friend bool operator==(const FinAck&, const FinAck&) = default;
};
/// A stack that the responder of a link wants, and where its initiator may dial it.
struct Proposed {
  std::string stack;    // canonical text
  std::string address;  // without the transport's name
  friend bool operator==(const Proposed&, const Proposed&) = default;
};
struct Propose {
  std::uint64_t attempt = 0;
  std::uint64_t id = 0;  // drawn by the responder; a REFUSE names it as its attempt
  std::vector<Proposed> offers;
  Proof proof;
  friend bool operator==(const Propose&, const Propose&) = default;
};
struct Cut {
  std::uint64_t attempt = 0;
  std::uint64_t messages = 0;  // that the sender sent by the epoch before; what comes by this one is later
  Proof proof;
  friend bool operator==(const Cut&, const Cut&) = default;
};

/// The answer to a HELLO under load: say it again with this. Nothing is kept of it.
struct Cookie {
  std::uint64_t attempt = 0;
  Code cookie{};
  friend bool operator==(const Cookie&, const Cookie&) = default;
};

using Frame = std::variant<Hello, Accept, Refuse, Ready, Fin, FinAck, Cookie, Propose, Cut>;

/// A setup frame as bytes; empty when the pool's limit is reached or a text is too long. [stack-thread]
Message write(Pool& pool, const Frame& frame);
/// The bytes of a frame before its proof: what a handshake binds. Equal at both ends. [any-thread]
std::vector<std::byte> bound(const Frame& frame);
/// The bytes of a HELLO before its greeting: what that covers. [any-thread]
std::vector<std::byte> greeted(const Hello& hello);

/// What stands at the two ends of a HELLO: enough to turn it away.
struct Knock {
  std::uint64_t attempt = 0;
  std::string_view domain;  // of its sender, in the frame's bytes, like `covered`
  Code cookie{};
  Code greeting{};
  Bytes covered;  // by the greeting
};
/// Looks at a HELLO of this version without a parse: nothing when it is none. Allocates nothing. [any-thread]
std::optional<Knock> knock(Bytes frame) noexcept;
/// Reads a setup frame. Errors: corrupt (not one of ours, short, too long), conflict (another version).
/// [any-thread]
Result<Frame> parse(Bytes bytes);

/// True for names of nodes, domains and links: 1–64 of [a-z A-Z 0-9 . _ -], no leading dot or dash.
bool valid_name(std::string_view name) noexcept;

}  // namespace harness::setup
