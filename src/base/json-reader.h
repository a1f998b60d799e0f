/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Strict reading of JSON files that people write. jansson parses; this adds limits, and errors that say where:
 * "cluster/config.json:7: vm.devices[2].type: expected one of blk, net, rng, console, got \"usb\"".
 *
 * A node is a value and the way to it. Nodes live on the reader's stack and borrow their parent, so a child is
 * used only while its parent is in scope. The first failure is kept in the document as text; every reader then
 * returns -EINVAL up to the top, where the text is taken.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define JSON_DEPTH_MAX 64

struct json_document {
        char *file;  /* owned: name for errors */
        char *text;  /* owned */
        json_t *root; /* owned */
        char *error; /* owned: NULL while all went well */
};

struct json_node {
        struct json_document *document;  /* borrowed */
        const struct json_node *parent;  /* borrowed; NULL: the root */
        json_t *value;                   /* borrowed */
        const char *key;                 /* borrowed; NULL: an array's element */
        size_t index;                    /* position in the parent */
};

/**
 * document_parse() - parse a text to a document whose root is an object
 * @ret: initialised in any case; document_deinit() it also after a failure, whose text it holds
 *
 * Refused: more than @max_bytes, nesting beyond JSON_DEPTH_MAX, a key twice in an object, invalid UTF-8, numbers
 * that do not fit, zero bytes.
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int document_parse(struct json_document *ret, const char *file, const char *text, size_t n, size_t max_bytes);
void document_deinit(struct json_document *d);

struct json_node document_root(struct json_document *d);

/* Records "file:line: member: text" as the document's error unless there is one. Return: -EINVAL, or -ENOMEM. */
int node_fail(const struct json_node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with "expected @what, got ..." as text, where the rest describes the node's value. */
int node_fail_expected(const struct json_node *node, const char *what);

/* Line of a node in the file, from 1. */
unsigned node_line(const struct json_node *node);

/* Fails on a member that is not in the NULL-terminated list, and says which one may be meant. */
int node_only_members(const struct json_node *object, const char *const *names);

/* Fails if a member of the NULL-terminated list is missing. */
int node_need_members(const struct json_node *object, const char *const *names);

/*
 * Readers of a member. Return: 1 and *ret set; 0 if there is no such member; -EINVAL (or -ENOMEM) if it is not
 * what is expected. *ret is untouched unless 1 is returned.
 */
int node_get(const struct json_node *object, const char *key, struct json_node *ret);
int node_get_object(const struct json_node *object, const char *key, struct json_node *ret);
int node_get_array(const struct json_node *object, const char *key, size_t max, struct json_node *ret);
int node_get_bool(const struct json_node *object, const char *key, bool *ret);
int node_get_uint(const struct json_node *object, const char *key, uint64_t min, uint64_t max, uint64_t *ret);
/* Text of 1 to @max bytes without control characters; *ret is borrowed from the document. */
int node_get_string(const struct json_node *object, const char *key, size_t max, const char **ret);
/* One of the NULL-terminated list; *ret is its index. */
int node_get_choice(const struct json_node *object, const char *key, const char *const *choices, unsigned *ret);

/* The checks of node_get_string() for a node that is at hand. Return: 0 or -EINVAL (-ENOMEM). */
int node_string(const struct json_node *node, size_t max, const char **ret);

/* Element @i of an array, or member @i of an object in the order of the file; false beyond the last. */
bool node_at(const struct json_node *container, size_t i, struct json_node *ret);
