/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A hash table with chains by index. The entries of port p are [p * quota, (p + 1) * quota), so a port's quota is
 * simply the memory that it has; within it they form a list from the oldest to the newest. n_used entries of a
 * port were ever used; a forgotten one stays in the list, at its old end, with key 0.
 */
#include "backend/fdb.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"

struct fdb_entry {
        uint64_t key; /* 0: free; no station has that */
        uint32_t seen_s;
        uint16_t chain;        /* index + 1 of the next of the same bucket; 0: none */
        uint16_t older, newer; /* of the same port */
        bool fixed;
};

static uint32_t bucket_of(const struct fdb *fdb, uint64_t key)
{
        uint64_t h = (key ^ fdb->seed) * UINT64_C(0x9e3779b97f4a7c15);

        h = (h ^ h >> 32) * (fdb->seed | 1);
        return (uint32_t) (h >> 32) & (fdb->n_buckets - 1);
}

int fdb_init(struct fdb *fdb, uint16_t n_ports, uint16_t quota, uint32_t aging_s, uint64_t seed)
{
        uint32_t n = (uint32_t) n_ports * quota;

        *fdb = (struct fdb) { 0 };
        if (n == 0 || n >= FDB_NONE)
                return -EINVAL;
        *fdb = (struct fdb) { .n_entries = n, .n_buckets = 16, .n_ports = n_ports, .quota = quota,
                              .aging_s = aging_s, .seed = seed };
        while (fdb->n_buckets < 2 * n)
                fdb->n_buckets *= 2;

        fdb->entries = calloc(n, sizeof(*fdb->entries));
        fdb->buckets = calloc(fdb->n_buckets, sizeof(*fdb->buckets));
        fdb->oldest = malloc(n_ports * sizeof(*fdb->oldest));
        fdb->newest = malloc(n_ports * sizeof(*fdb->newest));
        fdb->n_used = calloc(n_ports, sizeof(*fdb->n_used));
        if (!fdb->entries || !fdb->buckets || !fdb->oldest || !fdb->newest || !fdb->n_used) {
                fdb_deinit(fdb);
                return -ENOMEM;
        }
        for (uint16_t i = 0; i < n_ports; i++)
                fdb->oldest[i] = fdb->newest[i] = FDB_NONE;
        return 0;
}

void fdb_deinit(struct fdb *fdb)
{
        free(fdb->entries);
        free(fdb->buckets);
        free(fdb->oldest);
        free(fdb->newest);
        free(fdb->n_used);
        *fdb = (struct fdb) { 0 };
}

static struct fdb_entry *lookup(const struct fdb *fdb, uint64_t key)
{
        for (uint16_t i = fdb->buckets[bucket_of(fdb, key)]; i != 0; i = fdb->entries[i - 1].chain)
                if (fdb->entries[i - 1].key == key)
                        return &fdb->entries[i - 1];
        return NULL;
}

static uint16_t index_of(const struct fdb *fdb, const struct fdb_entry *e) { return (uint16_t) (e - fdb->entries); }

static uint16_t port_of(const struct fdb *fdb, const struct fdb_entry *e) { return index_of(fdb, e) / fdb->quota; }

static void age_unlink(struct fdb *fdb, struct fdb_entry *e)
{
        uint16_t port = port_of(fdb, e);

        if (e->older != FDB_NONE)
                fdb->entries[e->older].newer = e->newer;
        else
                fdb->oldest[port] = e->newer;
        if (e->newer != FDB_NONE)
                fdb->entries[e->newer].older = e->older;
        else
                fdb->newest[port] = e->older;
}

static void age_link_newest(struct fdb *fdb, struct fdb_entry *e)
{
        uint16_t port = port_of(fdb, e), i = index_of(fdb, e);

        e->newer = FDB_NONE;
        e->older = fdb->newest[port];
        if (e->older != FDB_NONE)
                fdb->entries[e->older].newer = i;
        else
                fdb->oldest[port] = i;
        fdb->newest[port] = i;
}

static void age_link_oldest(struct fdb *fdb, struct fdb_entry *e)
{
        uint16_t port = port_of(fdb, e), i = index_of(fdb, e);

        e->older = FDB_NONE;
        e->newer = fdb->oldest[port];
        if (e->newer != FDB_NONE)
                fdb->entries[e->newer].older = i;
        else
                fdb->newest[port] = i;
        fdb->oldest[port] = i;
}

static void hash_unlink(struct fdb *fdb, struct fdb_entry *e)
{
        uint16_t *at = &fdb->buckets[bucket_of(fdb, e->key)], i = index_of(fdb, e);

        while (*at != i + 1)
                at = &fdb->entries[*at - 1].chain;
        *at = e->chain;
        e->key = 0;
        fdb->generation++;
}

/* Takes an entry out of use; it is the port's first choice when it needs one. */
static void release(struct fdb *fdb, struct fdb_entry *e)
{
        hash_unlink(fdb, e);
        age_unlink(fdb, e);
        age_link_oldest(fdb, e);
}

/* An unused entry of a port, or its oldest that is not fixed. Not in the age list, not in the hash. */
static struct fdb_entry *obtain(struct fdb *fdb, uint16_t port)
{
        uint16_t i = fdb->oldest[port];

        if (i != FDB_NONE && fdb->entries[i].key == 0) {
                age_unlink(fdb, &fdb->entries[i]);
                return &fdb->entries[i];
        }
        if (fdb->n_used[port] < fdb->quota)
                return &fdb->entries[(uint32_t) port * fdb->quota + fdb->n_used[port]++];
        while (i != FDB_NONE && fdb->entries[i].fixed)
                i = fdb->entries[i].newer;
        if (i == FDB_NONE)
                return NULL;
        hash_unlink(fdb, &fdb->entries[i]);
        age_unlink(fdb, &fdb->entries[i]);
        return &fdb->entries[i];
}

static struct fdb_entry *insert(struct fdb *fdb, uint64_t key, uint16_t port)
{
        struct fdb_entry *e = obtain(fdb, port);
        uint32_t bucket = bucket_of(fdb, key);

        if (!e)
                return NULL;
        *e = (struct fdb_entry) { .key = key, .chain = fdb->buckets[bucket] };
        fdb->buckets[bucket] = (uint16_t) (index_of(fdb, e) + 1);
        age_link_newest(fdb, e);
        fdb->generation++;
        return e;
}

uint16_t fdb_find(const struct fdb *fdb, uint64_t key, uint32_t now_s)
{
        const struct fdb_entry *e = key == 0 ? NULL : lookup(fdb, key);

        if (!e || (!e->fixed && now_s - e->seen_s > fdb->aging_s))
                return FDB_NONE;
        return port_of(fdb, e);
}

int fdb_learn(struct fdb *fdb, uint64_t key, uint16_t port, uint32_t now_s)
{
        struct fdb_entry *e;

        if (key == 0)
                return 0;
        e = lookup(fdb, key);
        if (e && port_of(fdb, e) != port) {
                if (e->fixed)
                        return -EPERM;
                release(fdb, e);
                e = NULL;
        }
        if (!e) {
                e = insert(fdb, key, port);
                if (!e)
                        return 0;
        } else if (!e->fixed && e->seen_s != now_s) {
                age_unlink(fdb, e);
                age_link_newest(fdb, e);
        }
        e->seen_s = now_s;
        return 0;
}

int fdb_fix(struct fdb *fdb, uint64_t key, uint16_t port)
{
        struct fdb_entry *e = lookup(fdb, key);

        if (e && port_of(fdb, e) != port) {
                if (e->fixed)
                        return -EEXIST;
                release(fdb, e);
                e = NULL;
        }
        if (!e)
                e = insert(fdb, key, port);
        if (!e)
                return -ENOSPC;
        e->fixed = true;
        return 0;
}

static void forget(struct fdb *fdb, uint16_t port, bool also_fixed)
{
        for (uint32_t i = 0; i < fdb->n_used[port]; i++) {
                struct fdb_entry *e = &fdb->entries[(uint32_t) port * fdb->quota + i];

                if (e->key != 0 && (also_fixed || !e->fixed))
                        release(fdb, e);
        }
}

void fdb_forget(struct fdb *fdb, uint16_t port) { forget(fdb, port, false); }

void fdb_release(struct fdb *fdb, uint16_t port) { forget(fdb, port, true); }
