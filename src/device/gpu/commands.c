/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Requests of either queue, one after the other: each is done when it is answered, so that fences are true and in
 * order.
 *
 * A request that is too short for its type, or asks for what cannot be, is answered with one of RESP_ERR. A chain
 * without room for a header on either side is no request at all and breaks the queue; only cursor commands may go
 * without an answer, as Linux sends them.
 *
 * A wake-up ends after QUEUE_BUDGET requests, WAKEUP_BYTES copied or WAKEUP_NS, whichever is first, and comes back by
 * itself: the other queue waits no longer than that, or for the one command that is under way. Whoever calls this
 * thread, to stop a queue most of all, waits for less: no other command is begun, and one that copies is cut after
 * GPU_SLICE_BYTES. It is put back then, to be done again from its start, by this server or, if it is stopped, by whom
 * the queue is started next.
 *
 * Spec: VIRTIO 1.4, 5.7.6.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/loop.h"
#include "base/macros.h"
#include "device/gpu/gpu-private.h"
#include "device/gpu/journal.h"
#include "virtio/features.h"

#define WAKEUP_BYTES (UINT64_C(16) << 20)
#define WAKEUP_NS UINT64_C(20000000)

#define NO_FEATURE 63
#define COMMAND(command_type, field, feature_bit, function) \
        { .type = VIRTIO_GPU_CMD_##command_type, .name = #command_type, .feature = (feature_bit), \
          .n_bytes = sizeof(((struct gpu_command *) 0)->request.field), .run = (function) }

static const struct command {
        uint32_t type;
        const char *name;
        uint8_t feature; /* that must be negotiated, or NO_FEATURE */
        size_t n_bytes;  /* of the fixed part */
        gpu_command_fn run;
} commands[] = {
        COMMAND(GET_DISPLAY_INFO, header, NO_FEATURE, gpu_get_display_info),
        COMMAND(RESOURCE_CREATE_2D, create_2d, NO_FEATURE, gpu_create_2d),
        COMMAND(RESOURCE_UNREF, unref, NO_FEATURE, gpu_unref),
        COMMAND(SET_SCANOUT, set_scanout, NO_FEATURE, gpu_set_scanout),
        COMMAND(RESOURCE_FLUSH, flush, NO_FEATURE, gpu_flush),
        COMMAND(TRANSFER_TO_HOST_2D, transfer, NO_FEATURE, gpu_transfer_to_host_2d),
        COMMAND(RESOURCE_ATTACH_BACKING, attach, NO_FEATURE, gpu_attach_backing),
        COMMAND(RESOURCE_DETACH_BACKING, detach, NO_FEATURE, gpu_detach_backing),
        COMMAND(GET_CAPSET_INFO, get_capset_info, VIRTIO_GPU_F_VIRGL, gpu_3d_command),
        COMMAND(GET_CAPSET, get_capset, VIRTIO_GPU_F_VIRGL, gpu_3d_command),
        COMMAND(GET_EDID, get_edid, VIRTIO_GPU_F_EDID, gpu_get_edid),
        COMMAND(RESOURCE_ASSIGN_UUID, assign_uuid, VIRTIO_GPU_F_RESOURCE_UUID, gpu_assign_uuid),
        COMMAND(RESOURCE_CREATE_BLOB, create_blob, VIRTIO_GPU_F_RESOURCE_BLOB, gpu_create_blob),
        COMMAND(SET_SCANOUT_BLOB, set_scanout_blob, VIRTIO_GPU_F_RESOURCE_BLOB, gpu_set_scanout_blob),
        COMMAND(CTX_CREATE, context_create, VIRTIO_GPU_F_VIRGL, gpu_3d_command),
        COMMAND(CTX_DESTROY, context_destroy, VIRTIO_GPU_F_VIRGL, gpu_3d_command),
        COMMAND(CTX_ATTACH_RESOURCE, context_resource, VIRTIO_GPU_F_VIRGL, gpu_3d_context_resource),
        COMMAND(CTX_DETACH_RESOURCE, context_resource, VIRTIO_GPU_F_VIRGL, gpu_3d_context_resource),
        COMMAND(RESOURCE_CREATE_3D, create_3d, VIRTIO_GPU_F_VIRGL, gpu_3d_create),
        COMMAND(TRANSFER_TO_HOST_3D, transfer_3d, VIRTIO_GPU_F_VIRGL, gpu_3d_transfer),
        COMMAND(TRANSFER_FROM_HOST_3D, transfer_3d, VIRTIO_GPU_F_VIRGL, gpu_3d_transfer),
        COMMAND(SUBMIT_3D, submit, VIRTIO_GPU_F_VIRGL, gpu_3d_submit),
        COMMAND(UPDATE_CURSOR, cursor, NO_FEATURE, gpu_update_cursor),
        COMMAND(MOVE_CURSOR, cursor, NO_FEATURE, gpu_move_cursor),
};

static const struct command *command_find(uint32_t type)
{
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                if (commands[i].type == type)
                        return &commands[i];
        return NULL;
}

static const char *error_name(uint32_t type)
{
        static const char *const names[] = { "unspecified", "out of memory", "invalid scanout", "invalid resource",
                                             "invalid context", "invalid parameter" };
        uint32_t i = type - VIRTIO_GPU_RESP_ERR_UNSPEC;

        return i < ARRAY_SIZE(names) ? names[i] : "unknown";
}

uint32_t gpu_command_run(struct gpu *gpu, struct gpu_command *c)
{
        size_t n_bytes = chain_read(c->chain, 0, &c->request, sizeof(c->request));
        uint32_t type = le32toh(c->request.header.type), result;
        const struct command *command = command_find(type);

        c->n_response_bytes = sizeof(c->response.header);
        if (n_bytes < sizeof(c->request.header))
                return 0;
        if (!command || (command->feature != NO_FEATURE && !(gpu->dev.negotiated & FEATURE(command->feature)))) {
                device_log_guest(&gpu->dev, "command 0x%" PRIx32 " is not offered", type);
                return VIRTIO_GPU_RESP_ERR_UNSPEC;
        }
        result = n_bytes < command->n_bytes ? VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER : command->run(gpu, c);
        if (result >= VIRTIO_GPU_RESP_ERR_UNSPEC)
                device_log_guest(&gpu->dev, "%s is refused: %s", command->name, error_name(result));
        return result;
}

/* Return: bytes written. */
static uint32_t answer(struct gpu_command *c, uint32_t type)
{
        const struct virtio_gpu_ctrl_hdr *in = &c->request.header;
        struct virtio_gpu_ctrl_hdr *out = &c->response.header;

        if (type >= VIRTIO_GPU_RESP_ERR_UNSPEC)
                c->n_response_bytes = sizeof(*out);
        if (c->n_response_bytes > c->chain->n_write_bytes) {
                type = VIRTIO_GPU_RESP_ERR_UNSPEC;
                c->n_response_bytes = sizeof(*out);
        }
        *out = (struct virtio_gpu_ctrl_hdr) { .type = htole32(type) };
        if (le32toh(in->flags) & VIRTIO_GPU_FLAG_FENCE) {
                out->flags = htole32(VIRTIO_GPU_FLAG_FENCE);
                out->fence_id = in->fence_id;
                out->ctx_id = in->ctx_id;
        }
        return (uint32_t) chain_write(c->chain, 0, &c->response, c->n_response_bytes);
}

int gpu_command_begin(const struct queue *q, const struct chain *chain, struct gpu_command *ret)
{
        if (chain->n_write_bytes < sizeof(ret->response.header) &&
            (q->index != GPU_CURSOR_QUEUE || chain->n_write_bytes > 0))
                return -EBADMSG;
        *ret = (struct gpu_command) { .chain = chain, .space = queue_space(q) };
        return 0;
}

bool gpu_is_awaited(const struct gpu *gpu)
{
        /* What a predecessor left is brought back on the queues' thread, also of a guest with a runner. */
        if (gpu->render.runner && !gpu->resumes)
                return atomic_load(&gpu->render.is_awaited);
        return loop_is_called(gpu->dev.queues[GPU_CONTROL_QUEUE].loop);
}

int gpu_command_end(struct queue *q, struct gpu_command *c, uint32_t result)
{
        if (result == GPU_CUT) {
                queue_unpop(q, 1);
                return 0;
        }
        if (result == 0)
                return -EBADMSG;
        queue_push(q, c->chain, c->chain->n_write_bytes > 0 ? answer(c, result) : 0);
        return 0;
}

static int serve_one(struct gpu *gpu, struct queue *q, const struct chain *chain)
{
        struct gpu_command c;
        int r = gpu_command_begin(q, chain, &c);

        return r < 0 ? r : gpu_command_end(q, &c, gpu_command_run(gpu, &c));
}

int gpu_handle_queue(struct device *dev, struct queue *q)
{
        struct gpu *gpu = container_of(dev, struct gpu, dev);
        struct chain chain;
        uint64_t until_ns;
        int r;

        if (gpu->resumes || gpu_journal_waits(gpu)) /* gpu_go_on() comes back */
                return 0;
        if (!gpu_share_left(gpu))
                return 0;
        if (gpu->render.runner)
                return gpu_runner_handle_queue(gpu->render.runner, q);
        gpu->n_wakeup_bytes = 0;
        until_ns = clock_now_ns() + WAKEUP_NS;
        if (gpu_is_awaited(gpu))
                q->budget = 0;
        while ((r = queue_pop(q, &chain)) > 0) {
                r = serve_one(gpu, q, &chain);
                if (r < 0)
                        return r;
                if (gpu->n_wakeup_bytes >= WAKEUP_BYTES || gpu_is_awaited(gpu) || clock_now_ns() >= until_ns)
                        q->budget = 0;
        }
        return r < 0 ? r : queue_notify(q);
}
