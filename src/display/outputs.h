/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The ways to put out a screen; the scene says which. Each is a file, of which a build without its library has a twin
 * that says so (no-NAME.c).
 */
#pragma once

#include "display/output.h"
#include "scene/scene.h"

struct loop;

/**
 * output_open() - open what a screen is put out to
 * @loop:      the screen's
 * @screen:    borrowed during the call
 * @seat:      path of the input server's socket, for what people do there; borrowed during the call; NULL:
 *             nobody listens
 * @ret_error: on failure what is wrong, without the name of the screen; owned by the caller; NULL if memory ran out
 *
 * Everything that takes rights is opened here; threads begin with output_start(). A headless screen has an output, too,
 * which does nothing.
 *
 * Return: 0; -ENOTSUP if this build lacks the library; a negative errno.
 */
int output_open(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
                struct output **ret);

/* The openers, in the same terms. */
typedef int (*output_open_fn)(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
                              struct output **ret);
int kms_open(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
             struct output **ret);
int vnc_open(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
             struct output **ret);
int window_open(struct loop *loop, const struct scene_screen *screen, const char *seat, char **ret_error,
                struct output **ret);

/* Fills *ret_error from a format. Return: @error. */
int output_error(char **ret_error, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
