// SPDX-License-Identifier: Apache-2.0
// What two endpoints of ofi say to each other: frames over the fabric, and notes over the control link.
//
// A frame is this header and its bytes, one message of the fabric. The cookie is the receiver's own index of
// the link; frames that name none are dropped and counted. Everything that goes in a direction is numbered,
// so a fabric that loses or reorders is found out. Large frames do not travel: `offer` says where their bytes
// lie in registered memory of the sender, the receiver reads them from there and says `taken`, of several at
// once where it read several.
// Credit is counted in units of 64 bytes: a frame costs its header and bytes, rounded up. Offers cost what
// they themselves are long, credit and `taken` nothing.
//
// The control link is a tcp connection (wire/stream.hpp) and carries one note a frame. The first from each
// side is a hello: note, terms, fabric, then the name of its endpoint and that of its provider.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

enum class OfiKind : std::uint8_t { data = 1, setup = 2, credit = 3, offer = 4, setup_offer = 5, taken = 6 };

struct OfiFrame {
  std::uint32_t cookie = 0;
  std::uint32_t length = 0;
  OfiKind kind = OfiKind::data;
  std::uint8_t epoch = 0;
  std::uint32_t sequence = 0;
  std::uint32_t credit = 0;

  static constexpr std::uint32_t sequence_mask = (1u << 30) - 1;
  static constexpr std::uint32_t unit_bytes = 64;
  static constexpr auto fields = std::tuple{
      Field<&OfiFrame::cookie>{"cookie", 32, "which link of the receiver's, as its hello said"},
      Field<&OfiFrame::length>{"length", 28, "bytes behind this header"},
      Field<&OfiFrame::kind>{"kind", 4,
                             "1 data, 2 set-up, 3 nothing but credit, 4 offer of a data frame, 5 of a set-up "
                             "frame, 6 an offered frame was taken"},
      Field<&OfiFrame::epoch>{"epoch", 2, "0"},
      Field<&OfiFrame::sequence>{"sequence", 30, "frames sent before in this direction, modulo 2^30"},
      Field<&OfiFrame::credit>{"credit", 32, "units taken of the receiver's frames since the link began"},
  };
};
static_assert(bytes_of<OfiFrame> == 16);

/// Where the bytes of a large frame lie; the provider's key of that memory follows.
struct OfiOffer {
  std::uint64_t address = 0;
  std::uint32_t bytes = 0;
  std::uint8_t slot = 0;
  std::uint8_t key_bytes = 0;

  static constexpr unsigned slots = 64;
  static constexpr unsigned key_bytes_max = 48;
  static constexpr auto fields = std::tuple{
      Field<&OfiOffer::address>{"address", 64, "for the provider: where the frame begins"},
      Field<&OfiOffer::bytes>{"bytes", 32, "of the frame"},
      Field<&OfiOffer::slot>{"slot", 8, "below 64: what `taken` names"},
      Field<&OfiOffer::key_bytes>{"key_bytes", 8, "of the key behind this, at most 48"},
  };
};
static_assert(bytes_of<OfiOffer> == 14);

/// The bytes of `taken`: one of these for each offer.
struct OfiTaken {
  std::uint8_t slot = 0;
  static constexpr auto fields = std::tuple{Field<&OfiTaken::slot>{"slot", 8, "of the offer"}};
};

/// The front of every note on the control link.
struct OfiNote {
  enum class Kind : std::uint8_t {
    hello = 1,
    answer = 2,
    refuse = 3,
    sleep = 4,
    bell = 5,
    bye = 6,
    done = 7,
    share = 8,
    withdraw = 9,
    withdrawn = 10,
    count = 11,
    ask = 12,
    polled = 13
  };
  static constexpr std::uint32_t magic_word = 0x324f4e48;  // "HNO2"

  std::uint32_t magic = magic_word;
  Kind kind = Kind::hello;
  std::uint64_t value = 0;

  static constexpr auto fields = std::tuple{
      Field<&OfiNote::magic>{"magic", 32, "\"HNO2\": ofi, version 2"},
      Field<&OfiNote::kind>{
          "kind", 8,
          "1 hello of who dialled, 2 hello of who was dialled, 3 refused: a sentence follows, 4 "
          "ring me, I sleep, 5 a ring, 6 closed in order, 7 all of it arrived, 8 a region may "
          "be reached, 9 not any more, 10 nothing is under way to it, 11 some frame may be lost, 12 have you "
          "polled your provider since you read this, 13 I have"},
      Field<&OfiNote::value>{
          "value", 56,
          "hello: libfabric's version; sleep: frames received; bye, 11: frames sent; 8, 9, 10: the "
          "region's number, below 256; else 0"},
  };
};
static_assert(bytes_of<OfiNote> == 12);

struct OfiTerms {
  std::uint32_t cookie = 0;
  std::uint32_t window = 0;
  std::uint32_t frame_bytes = 0;
  std::uint32_t protocol = 0;

  static constexpr auto fields = std::tuple{
      Field<&OfiTerms::cookie>{"cookie", 32, "to be written into every frame for this side"},
      Field<&OfiTerms::window>{"window", 32, "units that may be sent before credit for them comes"},
      Field<&OfiTerms::frame_bytes>{"frame_bytes", 32, "the largest message of the fabric that it receives"},
      Field<&OfiTerms::protocol>{"protocol", 32, "the provider's wire protocol, libfabric's number of it"},
  };
};
static_assert(bytes_of<OfiTerms> == 16);

struct OfiFabric {
  std::uint32_t address_format = 0;
  std::uint16_t name_bytes = 0;
  std::uint8_t provider_bytes = 0;

  static constexpr unsigned name_bytes_max = 256;
  static constexpr unsigned provider_bytes_max = 64;
  static constexpr auto fields = std::tuple{
      Field<&OfiFabric::address_format>{"address_format", 32, "libfabric's number of it"},
      Field<&OfiFabric::name_bytes>{"name_bytes", 16, "of the endpoint's name behind this, at most 256"},
      Field<&OfiFabric::provider_bytes>{"provider_bytes", 8,
                                        "of the provider's name behind that, at most 64"},
  };
};
static_assert(bytes_of<OfiFabric> == 7);

/// Behind a note that shares a region: these three, the provider's key of the region, and its key of the page
/// of the sender's where word `number` says whether the region is still shared: the region's key, or 0. Over
/// a provider that may lose a write without a word, each put writes a number into one of the words behind
/// them.
struct OfiShare {
  std::uint64_t key = 0;
  std::uint64_t bytes = 0;
  static constexpr auto fields =
      std::tuple{Field<&OfiShare::key>{"key", 64, "of the region, as in its handle"},
                 Field<&OfiShare::bytes>{"bytes", 64, "its length"}};
};
struct OfiSharePlace {
  std::uint64_t address = 0;
  std::uint64_t page = 0;
  static constexpr auto fields = std::tuple{
      Field<&OfiSharePlace::address>{"address", 64, "for the provider: where the region begins"},
      Field<&OfiSharePlace::page>{"page", 64, "… and the page: 256 words of regions, 64 that puts write"}};
};
struct OfiShareKeys {
  std::uint8_t access = 0;
  std::uint8_t key_bytes = 0;
  std::uint8_t page_key_bytes = 0;
  static constexpr auto fields =
      std::tuple{Field<&OfiShareKeys::access>{"access", 8, "bit 0 read, bit 1 write, bit 2 change words"},
                 Field<&OfiShareKeys::key_bytes>{"key_bytes", 8, "of the region's key, at most 48"},
                 Field<&OfiShareKeys::page_key_bytes>{"page_key_bytes", 8, "of the page's, at most 48"}};
};
static_assert(bytes_of<OfiShare> == 16 && bytes_of<OfiSharePlace> == 16 && bytes_of<OfiShareKeys> == 3);

}  // namespace harness::wire
