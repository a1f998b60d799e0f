/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The work that a frame's header says was left undone, done in software for receivers that cannot take it:
 * checksums are completed, TCP segments cut to size.
 *
 * Spec: VIRTIO 1.4, 5.1.6.2 and 5.1.6.3; RFC 1071, RFC 9293, RFC 3168 6.1.2 (CWR in the first segment only).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "backend/frame.h"

/* One's complement sum of bytes as 16-bit big-endian words, folded. @start: the sum of what comes before, which is an
   even number of bytes; 0 at the beginning. */
uint16_t checksum_add(uint16_t start, const void *bytes, size_t n);

typedef void (*gso_emit_fn)(void *data, const struct frame *f);

/**
 * gso_finish() - turn one frame into frames without anything left undone
 * @f:       passed frame_check()
 * @scratch: FRAME_MAX_BYTES
 * @emit:    called for each, in order; the frame is borrowed for the call
 *
 * Return: 0; -EPROTO if the frame's contents are not what its header says (nothing was emitted).
 */
int gso_finish(const struct frame *f, uint8_t *scratch, gso_emit_fn emit, void *data);
