/* SPDX-License-Identifier: MPL-2.0 */
#include "monitor/test-vm.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct vm {
        struct test_vm record;
};

struct test_vm *test_vm(struct vm *vm) { return &vm->record; }
int vm_kvm_fd(const struct vm *vm) { return -1; }
int vm_fd(const struct vm *vm) { return -1; }

int vm_new(struct vm **ret)
{
        struct vm *vm = calloc(1, sizeof(*vm));

        if (!vm)
                return -ENOMEM;
        *ret = vm;
        return 0;
}

struct vm *vm_free(struct vm *vm)
{
        free(vm);
        return NULL;
}

/* Return: 0 if one more of @n is to be recorded. */
static int begin(struct test_vm *t, unsigned n, unsigned n_max)
{
        t->n_calls++;
        if (t->fail < 0)
                return t->fail;
        return n == n_max ? -ENOSPC : 0;
}

#define REMOVE(list, n, i) memmove(&(list)[i], &(list)[(i) + 1], (--(n) - (i)) * sizeof((list)[0]))

int vm_add_memory(struct vm *vm, gpa_t start, uint64_t size_bytes, void *host)
{
        struct test_vm *t = &vm->record;
        int r = begin(t, t->n_memory, sizeof(t->memory) / sizeof(t->memory[0]));

        if (r < 0)
                return r;
        t->memory[t->n_memory].start = start;
        t->memory[t->n_memory].size_bytes = size_bytes;
        t->memory[t->n_memory].host = host;
        t->n_memory++;
        return 0;
}

static bool same_kick(const struct vm_kick *a, const struct vm_kick *b)
{
        return a->address == b->address && a->match == b->match && a->n_bytes == b->n_bytes &&
               (!a->match || a->value == b->value);
}

int vm_add_kick(struct vm *vm, const struct vm_kick *kick)
{
        struct test_vm *t = &vm->record;
        int r = begin(t, t->n_kicks, TEST_VM_MAX);

        for (unsigned i = 0; i < t->n_kicks && r == 0; i++)
                if (same_kick(&t->kicks[i], kick))
                        r = -EEXIST;
        if (r < 0)
                return r;
        t->kicks[t->n_kicks++] = *kick;
        return 0;
}

void vm_remove_kick(struct vm *vm, const struct vm_kick *kick)
{
        struct test_vm *t = &vm->record;

        t->n_calls++;
        for (unsigned i = 0; i < t->n_kicks; i++) {
                if (!same_kick(&t->kicks[i], kick) || t->kicks[i].fd != kick->fd)
                        continue;
                REMOVE(t->kicks, t->n_kicks, i);
                return;
        }
}

int vm_attach_line(struct vm *vm, unsigned line, int fd)
{
        struct test_vm *t = &vm->record;
        int r = begin(t, t->n_lines, TEST_VM_MAX);

        if (r < 0)
                return r;
        t->lines[t->n_lines].line = line;
        t->lines[t->n_lines++].fd = fd;
        return 0;
}

void vm_detach_line(struct vm *vm, unsigned line, int fd)
{
        struct test_vm *t = &vm->record;

        t->n_calls++;
        for (unsigned i = 0; i < t->n_lines; i++) {
                if (t->lines[i].line != line || t->lines[i].fd != fd)
                        continue;
                REMOVE(t->lines, t->n_lines, i);
                return;
        }
}

int vm_set_line(struct vm *vm, unsigned line, bool level)
{
        vm->record.n_calls++;
        if (line >= sizeof(vm->record.levels))
                return -EINVAL;
        vm->record.levels[line] = level;
        return 0;
}

int vm_attach_msi(struct vm *vm, const struct vm_msi *msi, int fd)
{
        struct test_vm *t = &vm->record;
        int r = begin(t, t->n_messages, TEST_VM_MAX);

        if (r < 0)
                return r;
        t->messages[t->n_messages].msi = *msi;
        t->messages[t->n_messages].fd = fd;
        t->messages[t->n_messages++].handle = t->next_handle;
        return t->next_handle++;
}

void vm_detach_msi(struct vm *vm, int handle)
{
        struct test_vm *t = &vm->record;

        t->n_calls++;
        for (unsigned i = 0; i < t->n_messages; i++) {
                if (t->messages[i].handle != handle)
                        continue;
                REMOVE(t->messages, t->n_messages, i);
                return;
        }
}
