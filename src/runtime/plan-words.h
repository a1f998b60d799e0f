/* SPDX-License-Identifier: MPL-2.0 */
/* What plan.c is made of: text that a device server gets as its arguments, and addresses made from names. */
#pragma once

#include <stdint.h>
#include <stdio.h>

/* One `--guest` argument in the making: NAME=VALUE,NAME=VALUE with every comma in a value doubled. */
struct guest_words {
        FILE *out;   /* owned */
        char *text;  /* owned */
        size_t n;
};

int guest_words_open(struct guest_words *w);
void guest_words_put(struct guest_words *w, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Ends it. Return: 0 and *ret owned by the caller, or -ENOMEM. */
int guest_words_take(struct guest_words *w, char **ret);
void guest_words_deinit(struct guest_words *w);

/* A copy of a NULL-terminated list of words, each owned; NULL if there is no memory. */
char **words_dup(const char *const *words);
/* Appends @word (taken in any case) to an owned list. Return: 0 or -ENOMEM. */
int words_take_append(char ***words, char *word);
char **words_free(char **words);

/**
 * mac_from_names() - a locally administered address that is the same on every run
 *
 * By a hash of the names, so that guests keep their addresses and leases.
 */
void mac_from_names(const char *system, const char *machine, const char *device, uint8_t ret[6]);

/**
 * guest_name() - what a server calls a guest's device in its log: "machine.device"
 * @ret: at least 32 bytes; a longer name is cut and ends with a hash of the whole, so that it stays unique
 */
void guest_name(const char *machine, const char *device, char ret[32]);
