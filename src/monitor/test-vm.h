/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What test-vm.c, linked instead of vm.c, recorded. Everything that is attached is in these lists in the order of
 * attaching; what was detached is gone. Eventfds are the caller's and nobody reads them: a test signals a kick by
 * hand, and looks whether an interrupt was asked for by reading the eventfd itself.
 */
#pragma once

#include "monitor/vm.h"

#define TEST_VM_MAX 256

struct test_vm {
        struct {
                gpa_t start;
                uint64_t size_bytes;
                void *host;
        } memory[8];
        unsigned n_memory;
        struct vm_kick kicks[TEST_VM_MAX];
        unsigned n_kicks;
        struct {
                unsigned line;
                int fd;
        } lines[TEST_VM_MAX];
        unsigned n_lines;
        struct {
                struct vm_msi msi;
                int fd, handle;
        } messages[TEST_VM_MAX];
        unsigned n_messages;
        bool levels[128];     /* of vm_set_line() */
        unsigned n_calls;     /* of all functions that change something */
        int fail;             /* if < 0: what every vm_add_*(), vm_attach_*() returns from now on */
        int next_handle;
};

struct test_vm *test_vm(struct vm *vm);
