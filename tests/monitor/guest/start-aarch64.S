/* SPDX-License-Identifier: MPL-2.0 */
/*
 * arm64 Image: runs wherever it is put (it relocates itself), at EL1. Two views of the first 256 GiB: as they are, with
 * the GiB that holds this program as memory and the rest as device registers; and 256 GiB higher, all of it as uncached
 * memory, through which unaligned accesses to registers get past the CPU.
 *
 * Source: Linux, Documentation/arch/arm64/booting.rst; Arm Architecture Reference Manual D8 (stage 1 tables).
 */
        .section .text.head, "ax"
        .globl _start
_start:
        b start                 /* code0 */
        .long 0                 /* code1 */
        .quad 0                 /* text offset */
        .quad image_end - _start
        .quad 0xa               /* little endian, 4 KiB pages, anywhere */
        .quad 0, 0, 0
        .ascii "ARM\x64"
        .long 0

start:
        msr daifset, #0xf
        mov x19, x0
        adrp x20, _start        /* linked at 0: the address is also what to add */

        adrp x1, rela_start
        add x1, x1, :lo12:rela_start
        adrp x2, rela_end
        add x2, x2, :lo12:rela_end
1:      cmp x1, x2
        b.hs 2f
        ldp x3, x4, [x1]        /* offset, type */
        ldr x5, [x1, #16]       /* addend */
        add x1, x1, #24
        cmp w4, #1027           /* R_AARCH64_RELATIVE */
        b.ne 1b
        add x5, x5, x20
        str x5, [x3, x20]
        b 1b

2:      adrp x1, bss_start
        add x1, x1, :lo12:bss_start
        adrp x2, image_end
        add x2, x2, :lo12:image_end
3:      cmp x1, x2
        b.hs 4f
        str xzr, [x1], #8
        b 3b

        /* A block: valid, accessed, inner shareable; attribute 0 is device, 1 memory, 2 uncached memory. */
4:      adrp x1, table
        mov x2, #0
5:      lsl x3, x2, #30
        ubfx x4, x3, #0, #38
        mov x5, #0x701
        mov x6, #0x709
        cmp x2, #256
        csel x5, x5, x6, lo
        orr x4, x4, x5
        str x4, [x1, x2, lsl #3]
        add x2, x2, #1
        cmp x2, #512
        b.lo 5b
        lsr x2, x20, #30
        lsl x3, x2, #30
        mov x4, #0x705          /* attribute 1 */
        orr x3, x3, x4
        str x3, [x1, x2, lsl #3]
        dsb sy

        mov x3, #0xff00         /* MAIR: 0 device nGnRnE, 1 write-back, 2 (and 3) uncached */
        movk x3, #0x4444, lsl #16
        msr mair_el1, x3
        ldr x3, =0x280803519    /* TCR: 39 bits, TTBR0 write-back and inner shareable, no TTBR1, 40 bits of physical address */
        msr tcr_el1, x3
        msr ttbr0_el1, x1
        isb
        tlbi vmalle1
        ic iallu
        dsb sy
        isb
        mrs x3, sctlr_el1
        mov x4, #0x1005         /* MMU, data and instruction caches */
        orr x3, x3, x4
        bic x3, x3, #2          /* no alignment check of memory */
        msr sctlr_el1, x3
        isb

        adrp x3, vectors
        add x3, x3, :lo12:vectors
        msr vbar_el1, x3
        adrp x3, stack_top
        add x3, x3, :lo12:stack_top
        mov sp, x3
        mov x0, x19
        bl guest_main
6:      wfi
        b 6b

/* All sixteen vectors alike. guest_exception() says whether to go on behind the instruction. */
        .balign 2048
vectors:
        .rept 16
        .balign 128
        b vector_common
        .endr
vector_common:
        sub sp, sp, #192
        stp x0, x1, [sp]
        stp x2, x3, [sp, #16]
        stp x4, x5, [sp, #32]
        stp x6, x7, [sp, #48]
        stp x8, x9, [sp, #64]
        stp x10, x11, [sp, #80]
        stp x12, x13, [sp, #96]
        stp x14, x15, [sp, #112]
        stp x16, x17, [sp, #128]
        stp x18, x30, [sp, #144]
        mrs x0, esr_el1
        mrs x1, elr_el1
        mrs x2, far_el1
        bl guest_exception
        mrs x1, elr_el1
        add x1, x1, #4
        msr elr_el1, x1
        ldp x0, x1, [sp]
        ldp x2, x3, [sp, #16]
        ldp x4, x5, [sp, #32]
        ldp x6, x7, [sp, #48]
        ldp x8, x9, [sp, #64]
        ldp x10, x11, [sp, #80]
        ldp x12, x13, [sp, #96]
        ldp x14, x15, [sp, #112]
        ldp x16, x17, [sp, #128]
        ldp x18, x30, [sp, #144]
        add sp, sp, #192
        eret

        .bss
        .balign 4096
table:  .skip 4096
        .balign 16
        .skip 65536
stack_top:

        .section .note.GNU-stack, "", %progbits
