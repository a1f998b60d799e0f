/* SPDX-License-Identifier: MPL-2.0 */
/* Frames for tests of outputs. */
#pragma once

#include "display/frame.h"
#include "display/picture.h"

/* A frame of what a picture looks like, of two layers. */
struct frame *layered_frame(const struct picture *p);
