/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the parts of the GPU device share.
 *
 *   gpu.c       the device: features, config space, life
 *   commands.c  a queue: taking requests, dispatching them, answering
 *   resource.c  the table of resources and their quotas
 *   backing.c   the pieces of guest memory behind a resource, and copying from them
 *   transfer.c  from guest memory into surfaces
 *   scanout.c   what is shown: modes, scanouts, flushing
 *   cursor.c    the cursor
 *   edid.c      what a display says of itself
 *   journal.c   what outlives a server that is killed
 *   render3d.c  3D, by way of the guest's render process
 *   share.c     how much of a CPU the queues' thread may take
 *   runner.c    a thread for the commands of a guest with 3D, which may take long
 *
 * Threads: everything but what gpu.c does on the control thread belongs to the thread of the queues' loop, or to the
 * runner while it has a command.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_gpu.h>
#include <pixman.h>

#include "base/loop.h"
#include "base/ratelimit.h"
#include "base/rectangle.h"
#include "device/gpu/gpu.h"
#include "mem/space.h"
#include "virtio/chain.h"
#include "virtio/device.h"

#define GPU_PIXEL_BYTES 4 /* of every format that there is */
#define GPU_PIXELS_MAX 16384 /* width and height of a resource */
#define GPU_CURSOR_PIXELS 64
#define GPU_CONTROL_QUEUE 0
#define GPU_CURSOR_QUEUE 1
#define GPU_RESOURCE_BUCKETS 1024
#define GPU_CAPSET_BYTES_MAX 4096

/*
 * So much is copied before a command looks whether it has to be cut. Whatever is copied in one piece, a row of a
 * rectangle or what lies together in guest memory, counts as a page at least: one may have to be brought in for it.
 */
#define GPU_SLICE_BYTES (256u << 10)
#define GPU_PIECE_BYTES_MIN 4096u

/*
 * In place of a response's type: the command was cut, and is done again from its start. What it did until then does no
 * harm to that.
 */
#define GPU_CUT 1u

struct gpu_journal;
struct gpu_runner;
struct picture;
struct render;
struct surface;
struct view;

/* A piece of guest memory. It ends where the next one begins, or the backing. */
struct gpu_extent {
        gpa_t address;
        uint64_t offset_bytes; /* in the backing */
};

/* Addresses are looked up anew for each copy: guest memory may change between commands. */
struct gpu_backing {
        struct gpu_extent *extents; /* owned; NULL: none attached */
        uint32_t n_extents;
        uint64_t size_bytes;
};

/* How the bytes of a resource are pixels. Rows follow without gaps unless a blob's scanout says otherwise. */
struct gpu_layout {
        uint32_t format; /* virtio's */
        uint32_t width, height;
        uint32_t stride_bytes;
        uint64_t offset_bytes;
};

struct gpu_resource {
        struct gpu_resource *next; /* in its bucket */
        uint32_t id;               /* never 0 */
        bool blob, has_uuid;
        bool rendered;             /* 3D: its pixels are the render process's */
        uint64_t rendered_bytes;   /* as counted in the quota */
        uint8_t uuid[16];
        uint64_t blob_bytes;
        struct gpu_layout layout;  /* of a blob: width 0 until it was scanned out; of a rendered one without stride */
        struct surface *surface;   /* a reference; NULL: a blob or a rendered one that was not shown yet */
        struct gpu_backing backing;
};

/* The commands that brought about what is shown, unless 3D drew it: what a successor has to do again. */
struct gpu_saved {
        union {
                struct virtio_gpu_ctrl_hdr header; /* type 0: nothing is shown */
                struct virtio_gpu_set_scanout set;
                struct virtio_gpu_set_scanout_blob set_blob;
        } shown;
        struct virtio_gpu_update_cursor cursor; /* type 0: there is none */
};

struct gpu_scanout {
        struct view *view;              /* borrowed */
        struct surface *shown;          /* by the view; borrowed from its resource */
        struct gpu_resource *resource;  /* borrowed; NULL: shows nothing */
        struct rectangle source;
        bool waits; /* for the first flush of a blob: the view does not show it yet */
        uint32_t cursor_hot_x, cursor_hot_y;
        struct gpu_saved saved;
};

/* What the queues' thread may take of a CPU in a period; commands wait for the next one when it is used up. */
struct gpu_share {
        bool limited;
        uint64_t begin_ns, begin_cpu_ns; /* of the period */
        struct timer next;               /* on the queues' loop */
};

struct gpu {
        struct device dev;
        atomic_uint events; /* of the config space */

        uint32_t max_resources, n_resources;
        uint64_t max_bytes, n_bytes;       /* of surfaces */
        uint64_t max_extents, n_extents;
        struct gpu_resource **buckets;     /* owned: GPU_RESOURCE_BUCKETS */
        uint64_t n_wakeup_bytes;           /* copied in this wake-up */
        bool resumes;                      /* what a predecessor left is being brought back: no command is done */
        struct task go_on;                 /* with that, or with what the queues hold; on their loop */
        struct gpu_share share;            /* of a CPU */

        struct gpu_journal *journal; /* owned; NULL: none */
        struct {
                struct render *process; /* owned; NULL: no 3D */
                bool runs;
                atomic_bool knows_memory; /* a queue that starts may tell while the other's command runs */
                struct ratelimit restarts;
                struct gpu_runner *runner; /* owned; NULL: commands run on the queues' thread */
                atomic_bool is_awaited;    /* the queues' thread waits for the runner */
        } render;

        unsigned n_scanouts;
        struct gpu_scanout scanouts[GPU_SCANOUTS_MAX];
};

/* A request: copied out of guest memory once, then checked, then used. */
struct gpu_command {
        const struct chain *chain; /* the whole request */
        const struct space *space; /* guest memory */
        union {
                struct virtio_gpu_ctrl_hdr header;
                struct virtio_gpu_resource_create_2d create_2d;
                struct virtio_gpu_resource_unref unref;
                struct virtio_gpu_set_scanout set_scanout;
                struct virtio_gpu_set_scanout_blob set_scanout_blob;
                struct virtio_gpu_resource_flush flush;
                struct virtio_gpu_transfer_to_host_2d transfer;
                struct virtio_gpu_resource_attach_backing attach;
                struct virtio_gpu_resource_detach_backing detach;
                struct virtio_gpu_get_capset_info get_capset_info;
                struct virtio_gpu_get_capset get_capset;
                struct virtio_gpu_cmd_get_edid get_edid;
                struct virtio_gpu_resource_assign_uuid assign_uuid;
                struct virtio_gpu_resource_create_blob create_blob;
                struct virtio_gpu_update_cursor cursor;
                struct virtio_gpu_resource_create_3d create_3d;
                struct virtio_gpu_ctx_create context_create;
                struct virtio_gpu_ctx_destroy context_destroy;
                struct virtio_gpu_ctx_resource context_resource;
                struct virtio_gpu_transfer_host_3d transfer_3d;
                struct virtio_gpu_cmd_submit submit;
        } request;
        union {
                struct virtio_gpu_ctrl_hdr header; /* filled by commands.c */
                struct virtio_gpu_resp_display_info display_info;
                struct virtio_gpu_resp_edid edid;
                struct virtio_gpu_resp_resource_uuid uuid;
                struct {
                        struct virtio_gpu_ctrl_hdr header;
                        uint8_t bytes[GPU_CAPSET_BYTES_MAX];
                } capset;
        } response;
        size_t n_response_bytes; /* with the header */
        bool again; /* it comes from the journal, not from the guest */
};

/* Each returns the type of the response: one of OK, with the rest filled in, or one of RESP_ERR; or GPU_CUT. */
typedef uint32_t (*gpu_command_fn)(struct gpu *gpu, struct gpu_command *c);

/* commands.c */

/* Reads the request out of its chain, checks it and has it done. Return: the response's type; 0 if it has no header. */
uint32_t gpu_command_run(struct gpu *gpu, struct gpu_command *c);
int gpu_handle_queue(struct device *dev, struct queue *q);
/* Somebody waits for the thread that runs commands: a long one returns GPU_CUT. */
bool gpu_is_awaited(const struct gpu *gpu);
/*
 * Around it, on the queues' thread: a request's answer has room; it is pushed, or the request put back. Return: 0 or
 * -EBADMSG.
 */
int gpu_command_begin(const struct queue *q, const struct chain *chain, struct gpu_command *ret);
int gpu_command_end(struct queue *q, struct gpu_command *c, uint32_t result);

/* resource.c */

/* A new one of that id in the table, without anything. Return: 0 or a RESP_ERR. */
uint32_t gpu_resource_new(struct gpu *gpu, uint32_t id, struct gpu_resource **ret);
void gpu_resource_free(struct gpu *gpu, struct gpu_resource *resource);
/* Return: NULL if there is none; 0 is never one. */
struct gpu_resource *gpu_resource_find(struct gpu *gpu, uint32_t id);
void gpu_resources_clear(struct gpu *gpu);
/* A surface within the guest's quota: 0 and a reference; a RESP_ERR. */
uint32_t gpu_surface_new(struct gpu *gpu, const struct gpu_layout *layout, struct surface **ret);
/* Gives the reference back, and the bytes to the quota. */
void gpu_surface_drop(struct gpu *gpu, struct surface **s);
/* Return: false if virtio does not know the format. */
bool gpu_format(uint32_t format, pixman_format_code_t *ret);

uint32_t gpu_create_2d(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_create_blob(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_unref(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_assign_uuid(struct gpu *gpu, struct gpu_command *c);

/* backing.c */

/**
 * gpu_backing_read() - attach the entries that follow a request
 * @offset: of the first one in the readable part
 *
 * Return: 0; GPU_CUT or a RESP_ERR, after which nothing is attached.
 */
uint32_t gpu_backing_read(struct gpu *gpu, const struct gpu_command *c, size_t offset, uint32_t n_entries,
                          struct gpu_backing *ret);
void gpu_backing_drop(struct gpu *gpu, struct gpu_backing *b);

/* Where reading goes on; rows are read in ascending order, so that no search is needed for each. */
struct gpu_reader {
        struct gpu *gpu;
        const struct space *space;
        const struct gpu_backing *backing;
        uint32_t extent;            /* that held the last byte */
        struct space_window window; /* that did */
        uint64_t slice_bytes;       /* of the present slice, as they count */
};

/*
 * Return: 0; GPU_CUT; a RESP_ERR if a part of it is not attached, or lies in no memory. Unless it is 0, some of @to may
 * have been written.
 */
uint32_t gpu_reader_copy(struct gpu_reader *r, uint64_t offset_bytes, void *to, uint64_t n_bytes);

uint32_t gpu_attach_backing(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_detach_backing(struct gpu *gpu, struct gpu_command *c);

/* transfer.c */

/* The rectangle of virtio in ours. */
struct rectangle gpu_rectangle(const struct virtio_gpu_rect *r);

/**
 * gpu_copy() - pixels of a rectangle from guest memory into a surface
 * @stride_bytes: from row to row in the backing
 * @r:            within the surface, not empty
 * @offset_bytes: of its top left pixel in the backing
 *
 * Return: 0; GPU_CUT or a RESP_ERR; the surface may have changed in part then.
 */
uint32_t gpu_copy(struct gpu *gpu, const struct space *space, const struct gpu_backing *backing, uint32_t stride_bytes,
                  struct surface *s, const struct rectangle *r, uint64_t offset_bytes);
/* The same into a picture that is nobody else's. */
uint32_t gpu_copy_to_picture(struct gpu *gpu, const struct space *space, const struct gpu_backing *backing,
                             uint32_t stride_bytes, struct picture *p, const struct rectangle *r,
                             uint64_t offset_bytes);
/*
 * A rectangle was written, with the result of 0, GPU_CUT or a RESP_ERR: surface_end(). Return: the same, or GPU_CUT if
 * what the surface lacks beside it took too long.
 */
uint32_t gpu_surface_end(struct gpu *gpu, struct surface *s, const struct rectangle *r, uint32_t result);
/* Completes a surface, or NULL, that is to be shown, or not any more. Return: 0 or GPU_CUT. */
uint32_t gpu_complete(struct gpu *gpu, struct surface *s);
uint32_t gpu_transfer_to_host_2d(struct gpu *gpu, struct gpu_command *c);

/* scanout.c */

/* A surface leaves the quota: no view may keep its memory, also not one whose scanout waits to show another. */
void gpu_scanouts_drop(struct gpu *gpu, const struct surface *s);
/* Nothing of it is shown any more: it is about to be freed. Return: 0 or GPU_CUT. */
uint32_t gpu_scanouts_forget(struct gpu *gpu, const struct gpu_resource *resource);
/* All show nothing, without cursor. Queues are stopped. */
void gpu_scanouts_clear(struct gpu *gpu);

uint32_t gpu_get_display_info(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_get_edid(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_set_scanout(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_set_scanout_blob(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_flush(struct gpu *gpu, struct gpu_command *c);

/* cursor.c */

/* A resource is about to be freed: the cursor that was made of it stays, but no successor can have it. */
void gpu_cursors_forget(struct gpu *gpu, uint32_t resource_id);
uint32_t gpu_update_cursor(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_move_cursor(struct gpu *gpu, struct gpu_command *c);

/* render3d.c */

/* Those that go to the render process as they are; the first for all whose resources need no look. */
uint32_t gpu_3d_command(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_3d_context_resource(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_3d_create(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_3d_transfer(struct gpu *gpu, struct gpu_command *c);
uint32_t gpu_3d_submit(struct gpu *gpu, struct gpu_command *c);

/*
 * Tells the render process of a rendered resource's backing, or that it has none any more.
 * Return: RESP_OK_NODATA; a RESP_ERR.
 */
uint32_t gpu_3d_attach(struct gpu *gpu, const struct space *space, struct gpu_resource *resource);
/* A rendered resource is about to be freed. */
void gpu_3d_forget(struct gpu *gpu, struct gpu_resource *resource);
/* Reads a rectangle of a rendered resource into its surface. Return: 0; GPU_CUT or a RESP_ERR. */
uint32_t gpu_3d_fetch(struct gpu *gpu, const struct space *space, struct gpu_resource *resource,
                      const struct rectangle *r);

/* gpu.c */

/* What a predecessor left goes on to be brought back; or else both queues are looked at. Soon, on their thread. */
void gpu_go_on(struct gpu *gpu);

/* share.c */

/* May it go on? If not, gpu_go_on() is called when it may. */
bool gpu_share_left(struct gpu *gpu);
/* No queue runs any more. */
void gpu_share_stop(struct gpu *gpu);

/* runner.c; all on the queues' thread */

int gpu_runner_new(struct gpu *gpu, struct gpu_runner **ret);
struct gpu_runner *gpu_runner_free(struct gpu_runner *r); /* NULL ok */
/* As the operations of a device. */
int gpu_runner_handle_queue(struct gpu_runner *r, struct queue *q);
int gpu_runner_queue_start(struct gpu_runner *r, struct queue *q);
void gpu_runner_queue_stop(struct gpu_runner *r, struct queue *q);
