/* SPDX-License-Identifier: Apache-2.0 */
/* The frozen C layout of the message path: an entry of the linked stack and the first 64 bytes of a message.
 *
 * A layer built today, also one that comes in a plug-in, is called through these two structures and nothing
 * else on the path of a message. They never change; what is added goes behind byte 64. stack/message.hpp and
 * stack/layer.hpp assert the layout. Little endian, 64-bit pointers.
 */
#ifndef HARNESS_STACK_ABI_H
#define HARNESS_STACK_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HARNESS_ABI_VERSION 1u
#define HARNESS_SLAB_HEADER 64u

struct harness_slab;  /* reference-counted memory, opaque */
struct harness_piece; /* further body pieces, opaque */

/* Who and how; travels beside the bytes, never on the wire by itself. */
typedef struct harness_annotation {
  uint32_t to;      /* rank of the receiver; 0 on a link */
  uint32_t from;    /* rank of the sender; 0 on a link */
  uint16_t channel; /* mux channel, 0 when the stack has none */
  uint8_t priority; /* 0 is the most urgent */
  uint8_t flags;    /* HARNESS_FLAG_* */
  uint32_t tag;     /* free for the application; local, not sent */
} harness_annotation;

#define HARNESS_FLAG_CONTROL 1u /* made by a layer: uses the reserved slots, never waits for data credit */
#define HARNESS_FLAG_CONGESTED 2u /* received: marked on its way by a congested queue (ECN CE, RFC 3168) */
#define HARNESS_FLAG_WHOLE 4u /* sent: never cut into pieces on its way, lost rather (path MTU, RFC 8899) */

/* Positions are offsets, so that pushing and pulling a header is one addition to one word. */
typedef struct harness_message {
  unsigned char* head_base;  /*  0: start of the header block; headers grow down towards it */
  uint32_t head_at;          /*  8: offset of the first header byte; also the bytes still free before it */
  uint32_t head_end;         /* 12: offset behind the last header byte */
  struct harness_slab* slab; /* 16: owner of the first piece, HARNESS_SLAB_HEADER before its bytes; or null */
  uint32_t data_at;          /* 24: offset of the first piece in the slab's bytes */
  uint32_t data_end;         /* 28: offset behind the first piece */
  uint32_t more_bytes;       /* 32: bytes of the further pieces together */
  uint32_t reserved;         /* 36 */
  struct harness_piece* more; /* 40: further pieces */
  harness_annotation note;    /* 48 */
} harness_message;

/* One hook. The entries of a stack lie one behind the other, so a hook hands on by
 * `next->fn(next->self, next + 1, message)`: where the one after the next stands is known without loading it.
 * Whoever holds a copy of an entry calls `fn(self, next, message)`; `next` is for copies alone. The last
 * entry of a direction ignores its `next`.
 */
typedef struct harness_entry harness_entry;
typedef void (*harness_hook)(void* self, const harness_entry* next, harness_message* message);
struct harness_entry {
  harness_hook fn;
  void* self;
  const harness_entry* next;
};

#ifdef __cplusplus
}
#endif
#endif
