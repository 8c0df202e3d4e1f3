// SPDX-License-Identifier: Apache-2.0
// The headers of `put`. A frame is one byte and a message of the layers above, or an operation: `op`, then
// for all but a nop `place`, then `value` for an atomic, a get and a put that signals a word (and the
// `place` of that word before it), then a put's bytes; or what comes back: `answer` with the bytes read,
// `refused`, `placed`.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

enum class PutForm : std::uint8_t { message = 0, op = 1, answer = 2, refused = 3, placed = 4 };
enum class PutWhat : std::uint8_t { write = 0, read = 1, atomic = 2, nop = 3 };
enum class PutCode : std::uint8_t { ok = 0, no_region = 1, denied = 2, out_of_range = 3, not_aligned = 4 };

/// Kinds of a write: how its last piece signals.
inline constexpr std::uint8_t put_immediate = 1, put_set = 2, put_add = 3;

struct PutMessage {
  PutForm form = PutForm::message;
  static constexpr auto fields =
      std::tuple{Field<&PutMessage::form>{"form", 8, "0: a message of the layers above follows"}};
};

struct PutOp {
  PutForm form = PutForm::op;
  PutWhat what = PutWhat::write;
  std::uint8_t kind = 0;
  bool ask = false;
  std::uint16_t immediate = 0;
  std::uint64_t number = 0;
  std::uint64_t after = 0;
  static constexpr auto fields = std::tuple{
      Field<&PutOp::form>{"form", 8, "1: an operation, or a piece of one"},
      Field<&PutOp::what>{"what", 4, "0 write, 1 read, 2 atomic, 3 nothing (asks only)"},
      Field<&PutOp::kind>{"kind", 3,
                          "write: 0 no signal, 1 the immediate, 2 set a word, 3 add to it; atomic: 0 add, "
                          "1 swap, 2 compare and swap"},
      Field<&PutOp::ask>{"ask", 1, "1: say `placed` when this and all before it have been carried out"},
      Field<&PutOp::immediate>{"immediate", 16, "what the target's handler is told"},
      Field<&PutOp::number>{"number", 48, "of this piece: 0, 1, 2 …"},
      Field<&PutOp::after>{"after", 48, "carry it out when every piece below this number has been"}};
};

struct PutPlace {
  std::uint64_t key = 0;
  std::uint64_t offset = 0;
  static constexpr auto fields =
      std::tuple{Field<&PutPlace::key>{"key", 64, "of the region"},
                 Field<&PutPlace::offset>{"offset", 64, "in the region, in bytes"}};
};

struct PutValue {
  std::uint64_t operand = 0;
  std::uint64_t compare = 0;
  static constexpr auto fields = std::tuple{
      Field<&PutValue::operand>{"operand", 64, "what is added or stored; of a read: how many bytes"},
      Field<&PutValue::compare>{"compare", 64, "compare and swap: what must stand there; else 0"}};
};

struct PutAnswer {
  PutForm form = PutForm::answer;
  PutCode code = PutCode::ok;
  bool last = true;
  std::uint64_t number = 0;
  std::uint32_t offset = 0;
  static constexpr auto fields = std::tuple{
      Field<&PutAnswer::form>{"form", 8, "2: what was read, or what stood there before an atomic"},
      Field<&PutAnswer::code>{"code", 7,
                              "0: the bytes follow; 1 no such region, 2 not exposed for that, 3 outside it, "
                              "4 not aligned"},
      Field<&PutAnswer::last>{"last", 1, "1: no further answer to this piece follows"},
      Field<&PutAnswer::number>{"number", 48, "of the piece that asked"},
      Field<&PutAnswer::offset>{"offset", 32, "where in what was read these bytes stand"}};
};

struct PutRefused {
  PutForm form = PutForm::refused;
  PutCode code = PutCode::no_region;
  std::uint16_t count = 0;
  std::uint64_t number = 0;
  std::uint64_t index = 0;
  static constexpr auto fields =
      std::tuple{Field<&PutRefused::form>{"form", 8, "3: writes were refused"},
                 Field<&PutRefused::code>{"code", 8, "why, as in an answer"},
                 Field<&PutRefused::count>{"count", 16, "how many pieces, one behind the other"},
                 Field<&PutRefused::number>{"number", 48, "of the first of them"},
                 Field<&PutRefused::index>{"index", 48, "how many were refused before the first of them"}};
};

/// Also rides as a note on the acknowledgements of `reliable`, without the form: floor, then refused.
struct PutPlaced {
  PutForm form = PutForm::placed;
  std::uint64_t floor = 0;
  std::uint16_t refused = 0;
  static constexpr auto fields = std::tuple{
      Field<&PutPlaced::form>{"form", 8, "4: how far the sender's peer is"},
      Field<&PutPlaced::floor>{"floor", 48, "every piece below this number has been carried out or refused"},
      Field<&PutPlaced::refused>{"refused", 16, "pieces refused so far, wraps"}};
};

/// What stands between the `op` of a write and its bytes.
struct PutWrite {
  PutPlace place;
  bool signals_word = false;
  PutPlace word;
  PutValue value;
};
inline bool signals_word(const PutOp& op) noexcept { return op.kind == put_set || op.kind == put_add; }
inline std::uint32_t write_bytes_of(const PutOp& op) noexcept {
  return bytes_of<PutPlace> + (signals_word(op) ? bytes_of<PutPlace> + bytes_of<PutValue> : 0);
}
inline PutWrite decode_write(const PutOp& op, const std::byte* raw) noexcept {
  PutWrite write{.place = decode<PutPlace>(raw), .signals_word = signals_word(op), .word = {}, .value = {}};
  if (!write.signals_word) return write;
  write.word = decode<PutPlace>(raw + bytes_of<PutPlace>);
  write.value = decode<PutValue>(raw + 2 * bytes_of<PutPlace>);
  return write;
}

static_assert(bytes_of<PutMessage> == 1 && bytes_of<PutOp> == 16 && bytes_of<PutPlace> == 16 &&
              bytes_of<PutValue> == 16 && bytes_of<PutAnswer> == 12 && bytes_of<PutRefused> == 16 &&
              bytes_of<PutPlaced> == 9);

}  // namespace harness::wire
