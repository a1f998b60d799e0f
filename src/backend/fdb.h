/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Forwarding database of a switch: behind which port a station (MAC address and VLAN) is.
 *
 * Every port has a quota of entries of its own. A port that has used it up replaces its own oldest entry, so no
 * guest can push another's stations out; nor can it move a fixed one (an address that the user gave to a guest)
 * to its port.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FDB_NONE UINT16_MAX

struct fdb_entry;

struct fdb {
        struct fdb_entry *entries; /* owned: the ports' quotas one after the other */
        uint16_t *buckets;         /* owned: index + 1 of the first entry; 0: none */
        uint32_t n_entries, n_buckets;
        uint16_t *oldest, *newest; /* owned: by port */
        uint16_t *n_used;          /* owned: by port */
        uint16_t n_ports, quota;
        uint32_t aging_s;
        uint64_t seed;
        uint32_t generation; /* changes when a station appears, moves or is forgotten */
};

/* A station: 48 bits of address, 12 of VLAN. */
static inline uint64_t fdb_key(const uint8_t mac[6], uint16_t vlan)
{
        uint32_t first;
        uint16_t last;

        memcpy(&first, mac, 4);
        memcpy(&last, mac + 4, 2);
        return first | (uint64_t) last << 32 | (uint64_t) vlan << 48;
}

/**
 * fdb_init() - an empty database
 * @quota:   entries a port; n_ports * quota is at most 65534
 * @aging_s: an entry that was not refreshed for that long is not used any more
 * @seed:    random, so that nobody can choose addresses that collide
 *
 * Return: 0; -EINVAL; -ENOMEM.
 */
int fdb_init(struct fdb *fdb, uint16_t n_ports, uint16_t quota, uint32_t aging_s, uint64_t seed);
void fdb_deinit(struct fdb *fdb);

/* Return: the station's port; FDB_NONE. */
uint16_t fdb_find(const struct fdb *fdb, uint64_t key, uint32_t now_s);

/* Notes that a frame of this station came in at a port. Return: 0; -EPERM if it is another port's fixed station. */
int fdb_learn(struct fdb *fdb, uint64_t key, uint16_t port, uint32_t now_s);

/* Adds a station that neither ages nor moves. Return: 0; -EEXIST if another port has it fixed; -ENOSPC. */
int fdb_fix(struct fdb *fdb, uint64_t key, uint16_t port);

/* Forgets what was learned at a port; what is fixed stays. */
void fdb_forget(struct fdb *fdb, uint16_t port);

/* Forgets what is fixed at a port, too. */
void fdb_release(struct fdb *fdb, uint16_t port);
