/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/cleanup.h"
#include "base/macros.h"
#include "monitor/aarch64/image.h"
#include "monitor/boot-file.h"
#include "monitor/fail.h"

#define PIECE_BYTES (256 << 10)

static int fail_unpack(int error, const struct boot_file *f, char **ret_error)
{
        return fail(error, ret_error, "%s: %s", f->what,
                    error == -ENOSPC   ? "unpacked it needs more memory than the machine has"
                    : error == -ENOMEM ? "no memory to unpack it"
                                       : "cut off or damaged");
}

/* Return: 0; -EBADMSG; -ENOSPC. */
static int read_all(gzFile gz, char *buf, size_t n_max, size_t *ret_n)
{
        int n_read = 0, error = Z_OK;
        size_t n = 0;
        char more;

        while (n < n_max && (n_read = gzread(gz, buf + n, (unsigned) MIN(n_max - n, (size_t) INT_MAX))) > 0)
                n += (size_t) n_read;
        if (n == n_max && gzread(gz, &more, 1) > 0)
                return -ENOSPC;
        (void) gzerror(gz, &error);
        if (error != Z_OK || gzdirect(gz)) /* what is not packed would be copied */
                return error == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
        *ret_n = n;
        return 0;
}

int unpack_gzip(const struct boot_file *f, uint64_t offset_bytes, void *buf, size_t n_max, size_t *ret_n,
                char **ret_error)
{
        auto_cleanup(closep) int fd = -1;
        gzFile gz = NULL;
        int r;

        if (offset_bytes >= f->size_bytes)
                return fail_unpack(-EBADMSG, f, ret_error);
        fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
        if (fd >= 0 && lseek(fd, (off_t) offset_bytes, SEEK_SET) >= 0)
                gz = gzdopen(fd, "rb");
        if (!gz)
                return fail_unpack(-ENOMEM, f, ret_error);
        (void) take_fd(&fd);
        (void) gzbuffer(gz, PIECE_BYTES);
        r = read_all(gz, buf, n_max, ret_n);
        (void) gzclose(gz);
        return r < 0 ? fail_unpack(r, f, ret_error) : 0;
}

/* In one step: then what is unpacked already serves as the window, and no second one is allocated. */
int unpack_zstd(const struct boot_file *f, uint64_t offset_bytes, size_t n_packed, void *buf, size_t n_max,
                size_t *ret_n, char **ret_error)
{
        auto_cleanup(freep) char *packed = NULL;
        size_t n;
        int r;

        if (!range_fits(offset_bytes, n_packed, f->size_bytes))
                return fail_unpack(-EBADMSG, f, ret_error);
        packed = malloc(n_packed);
        if (!packed)
                return fail_unpack(-ENOMEM, f, ret_error);
        r = boot_file_read(f, offset_bytes, packed, n_packed, ret_error);
        if (r < 0)
                return r;
        n = ZSTD_findFrameCompressedSize(packed, n_packed);
        if (!ZSTD_isError(n))
                n = ZSTD_decompress(buf, n_max, packed, n);
        if (ZSTD_isError(n))
                return fail_unpack(ZSTD_getErrorCode(n) == ZSTD_error_dstSize_tooSmall ? -ENOSPC : -EBADMSG, f,
                                   ret_error);
        *ret_n = n;
        return 0;
}
