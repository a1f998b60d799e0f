/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/aarch64/unpack.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "monitor/boot-file.h"
#include "monitor/fail.h"

#define PIECE_BYTES (256 << 10)
#define GZIP_ONLY (16 + MAX_WBITS) /* of inflateInit2() */

static int fail_unpack(int error, const struct boot_file *f, char **ret_error)
{
        switch (error) {
        case -ENOSPC:
                return fail(error, ret_error, "%s: unpacked it needs more memory than the machine has", f->what);
        case -ENOMEM:
                return fail(error, ret_error, "%s: no memory to unpack it", f->what);
        default:
                return fail(error, ret_error, "%s: cut off or damaged", f->what);
        }
}

/* Everything that is there. Return: 0; -EBADMSG; -ENOSPC; -ENOMEM; another one if *ret_error is set already. */
static int inflate_all(z_stream *z, const struct boot_file *f, uint64_t offset_bytes, char *buf, size_t n_max,
                       size_t *ret_n, char **ret_error)
{
        auto_cleanup(freep) unsigned char *piece = malloc(PIECE_BYTES);
        size_t n = 0;
        int r = Z_OK;

        if (!piece)
                return -ENOMEM;
        while (r != Z_STREAM_END) {
                size_t room = MIN(n_max - n, (size_t) UINT_MAX);

                if (z->avail_in == 0) {
                        size_t n_read = MIN(f->size_bytes - offset_bytes, (uint64_t) PIECE_BYTES);

                        if (n_read == 0)
                                return -EBADMSG;
                        r = boot_file_read(f, offset_bytes, piece, n_read, ret_error);
                        if (r < 0)
                                return r;
                        offset_bytes += n_read;
                        z->next_in = piece;
                        z->avail_in = (unsigned) n_read;
                }
                z->next_out = (unsigned char *) buf + n;
                z->avail_out = (unsigned) room;
                r = inflate(z, Z_NO_FLUSH);
                n += room - z->avail_out;
                /* No room, and it asks for some: the end of the stream alone would not have needed any. */
                if (r == Z_BUF_ERROR && n == n_max)
                        return -ENOSPC;
                if (r == Z_MEM_ERROR)
                        return -ENOMEM;
                if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
                        return -EBADMSG;
        }
        *ret_n = n;
        return 0;
}

int unpack_gzip(const struct boot_file *f, uint64_t offset_bytes, void *buf, size_t n_max, size_t *ret_n,
                char **ret_error)
{
        z_stream z = { 0 };
        int r;

        if (offset_bytes > f->size_bytes)
                return fail_unpack(-EBADMSG, f, ret_error);
        *ret_error = NULL;
        if (inflateInit2(&z, GZIP_ONLY) != Z_OK)
                return fail_unpack(-ENOMEM, f, ret_error);
        r = inflate_all(&z, f, offset_bytes, buf, n_max, ret_n, ret_error);
        (void) inflateEnd(&z);
        return r < 0 && !*ret_error ? fail_unpack(r, f, ret_error) : r;
}

/* In one step: then what is unpacked already serves as the window, and no second one is allocated. */
int unpack_zstd(const struct boot_file *f, uint64_t offset_bytes, size_t n_packed, void *buf, size_t n_max,
                size_t *ret_n, char **ret_error)
{
        auto_cleanup(freep) char *packed = NULL;
        size_t n, frame;
        int r;

        if (!range_fits(offset_bytes, n_packed, f->size_bytes))
                return fail_unpack(-EBADMSG, f, ret_error);
        packed = malloc(n_packed);
        if (!packed)
                return fail_unpack(-ENOMEM, f, ret_error);
        r = boot_file_read(f, offset_bytes, packed, n_packed, ret_error);
        if (r < 0)
                return r;
        frame = ZSTD_findFrameCompressedSize(packed, n_packed);
        if (ZSTD_isError(frame))
                return fail_unpack(-EBADMSG, f, ret_error);
        n = ZSTD_decompress(buf, n_max, packed, frame);
        if (ZSTD_isError(n))
                return fail_unpack(ZSTD_getErrorCode(n) == ZSTD_error_dstSize_tooSmall ? -ENOSPC : -EBADMSG, f,
                                   ret_error);
        *ret_n = n;
        return 0;
}
