/* SPDX-License-Identifier: MPL-2.0 */
/* The entries of a bundle's `vm.devices`. */
#pragma once

#include <stdint.h>

#include "runtime/bundle.h"

struct json_node;

/**
 * bundle_device_parse() - check one entry
 * @dir_fd: as in fields_get_inner_path()
 * @ret: zeroed; half-filled after a failure, bundle_device_deinit() it in any case
 *
 * Return: 0, -EINVAL with the document's error set, -ENOMEM.
 */
int bundle_device_parse(const struct json_node *entry, int dir_fd, struct bundle_device *ret);

/* What a device of this type has if nothing else is said. */
void bundle_device_defaults(struct bundle_device *d);

void bundle_device_deinit(struct bundle_device *d);

const char *input_kind_name(enum input_kind kind); /* "touch" ... */

/* "02:00:5e:10:20:30": six bytes in hexadecimal, an individual address. Return: 0 or -EINVAL. */
int mac_from_text(const char *s, uint8_t ret[6]);
