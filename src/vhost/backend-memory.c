/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Guest memory and the dirty log. Rings stand still while either changes. A new table is mapped whole before
 * the old one goes, so that a bad one changes nothing.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "vhost/backend-internal.h"

static struct region_spec spec_of(const struct vhost_memory_region *region)
{
        return (struct region_spec) {
                .start = region->guest_address,
                .size_bytes = region->size_bytes,
                .user_address = region->user_address,
                .fd_offset_bytes = region->mmap_offset_bytes,
        };
}

static int refuse_region(struct vhost_backend *b, int error, const struct vhost_memory_region *region)
{
        return backend_refuse(b, error, "memory of 0x%" PRIx64 " bytes at 0x%" PRIx64 ": %s", region->size_bytes,
                              region->guest_address, strerror(-error));
}

static bool logging(const struct vhost_backend *b)
{
        return b->log_fd >= 0 && (b->features & FEATURE(VHOST_FEATURE_LOG_ALL));
}

static int apply_log(struct vhost_backend *b, struct space *space)
{
        return space_set_log(space, logging(b) ? b->log_fd : -1, b->log.offset_bytes, b->log.size_bytes);
}

int backend_set_mem_table(struct vhost_backend *b, struct vhost_message *m)
{
        const struct vhost_memory_table *in = &m->payload.memory;
        auto_cleanup(space_freep) struct space *space = NULL;
        struct space *old;
        int r;

        r = space_new(&space);
        for (uint32_t i = 0; r == 0 && i < in->n_regions; i++) {
                struct region_spec spec = spec_of(&in->regions[i]);

                r = space_add(space, &spec, m->fds[i]);
                if (r < 0)
                        return refuse_region(b, r, &in->regions[i]);
        }
        if (r == 0)
                r = apply_log(b, space);
        if (r < 0)
                return r;

        backend_rings_pause(b);
        old = b->space;
        b->space = take_ptr(&space);
        space = old;
        backend_rings_resume(b);
        return backend_rings_start(b, NULL);
}

int backend_add_mem_reg(struct vhost_backend *b, struct vhost_message *m)
{
        const struct vhost_memory_region *in = &m->payload.slot.region;
        struct region_spec spec = spec_of(in);
        int r;

        backend_rings_pause(b);
        r = space_add(b->space, &spec, m->fds[0]);
        backend_rings_resume(b);
        if (r < 0)
                return refuse_region(b, r, in);
        return backend_rings_start(b, NULL);
}

int backend_rem_mem_reg(struct vhost_backend *b, struct vhost_message *m)
{
        const struct vhost_memory_region *in = &m->payload.slot.region;
        struct region_spec spec = spec_of(in);
        int r;

        backend_rings_pause(b);
        r = space_remove(b->space, &spec);
        backend_rings_resume(b);
        return r < 0 ? refuse_region(b, r, in) : 0;
}

/* A log that does not fit its file is refused here, also while logging is off. */
static int check_log(struct vhost_backend *b, const struct vhost_log *log, int fd)
{
        struct stat st;
        uint64_t end;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (log->size_bytes == 0 || add_overflows(log->offset_bytes, log->size_bytes, &end) ||
            end > (uint64_t) st.st_size)
                return backend_refuse(b, -EINVAL, "log of %" PRIu64 " bytes at %" PRIu64 " in a file of %" PRId64,
                                      log->size_bytes, log->offset_bytes, (int64_t) st.st_size);
        return 0;
}

static int change_log(struct vhost_backend *b)
{
        int r;

        backend_rings_pause(b);
        r = apply_log(b, b->space);
        backend_rings_resume(b);
        return r;
}

int backend_set_log_base(struct vhost_backend *b, struct vhost_message *m)
{
        uint64_t result = 0;
        int r;

        r = check_log(b, &m->payload.log, m->fds[0]);
        if (r < 0)
                return r;
        if (b->log_fd >= 0)
                closep(&b->log_fd);
        b->log_fd = take_fd(&m->fds[0]);
        b->log = m->payload.log;
        if (logging(b)) {
                r = change_log(b);
                if (r < 0)
                        return r;
        }
        return backend_reply(b, m, &result, sizeof(result), -1);
}

int backend_update_log(struct vhost_backend *b, uint64_t features)
{
        bool was = logging(b), had = b->features & FEATURE(VHOST_FEATURE_LOG_ALL);

        b->features = features;
        if (had && !(features & FEATURE(VHOST_FEATURE_LOG_ALL)))
                fd_close(&b->log_fd);
        return was == logging(b) ? 0 : change_log(b);
}
