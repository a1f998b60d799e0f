/* SPDX-License-Identifier: MPL-2.0 */
/*
 * PVH entry (32-bit protected mode, paging off, %ebx: start info) to 64-bit mode: the first 4 GiB are mapped where they
 * are with 2 MiB pages, one more table (window_table) maps what lies higher, a piece at a time.
 *
 * Source: xen/include/public/arch-x86/hvm/start_info.h; AMD64 Architecture Programmer's Manual volume 2, 14.6.
 */
        .section .note.pvh, "a", @note
        .long 4, 4, 18          /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz "Xen"
        .long _start

        .text
        .code32
        .globl _start
_start:
        cli
        cld
        movl $stack_top, %esp
        movl %ebx, %ebp

        /* 2048 large pages: present, writable, large. */
        movl $tables_2m, %edi
        movl $0x83, %eax
1:      movl %eax, (%edi)
        movl $0, 4(%edi)
        addl $8, %edi
        addl $0x200000, %eax
        cmpl $tables_2m + 4 * 4096, %edi
        jne 1b

        movl $tables_2m + 3, %eax
        movl $table_1g, %edi
2:      movl %eax, (%edi)
        movl $0, 4(%edi)
        addl $8, %edi
        addl $4096, %eax
        cmpl $table_1g + 4 * 8, %edi
        jne 2b
        movl $window_table + 3, table_1g + 4 * 8
        movl $table_1g + 3, table_512g

        movl $0x620, %eax       /* PAE, OSFXSR, OSXMMEXCPT: there are tests that access 16 bytes at once */
        movl %eax, %cr4
        movl $table_512g, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx  /* EFER: LME */
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl $0x80000003, %eax  /* PG, MP, PE */
        movl %eax, %cr0
        lgdt gdt_pointer
        ljmp $8, $long_mode

        .code64
long_mode:
        movl $16, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        movl $stack_top, %esp
        lidt idt_pointer
        movl %ebp, %edi
        call guest_main
3:      hlt
        jmp 3b

/* 80 entries of 16 bytes: what came (with or without an error code) on the stack, then what is common to all exceptions,
   of which none is survived, and to all interrupts. */
        .balign 16
        .globl vector_entries
vector_entries:
        vector = 0
        .rept 80
        .balign 16
        .if (vector != 8) && (vector < 10 || vector > 14) && (vector != 17) && (vector != 21)
        pushq $0
        .endif
        pushq $vector
        .if vector < 32
        jmp vector_common
        .else
        jmp interrupt_common
        .endif
        vector = vector + 1
        .endr

vector_common:
        popq %rdi               /* vector */
        popq %rsi               /* error code */
        movq (%rsp), %rdx       /* where */
        movq %cr2, %rcx
        andq $-16, %rsp
        call guest_exception
4:      hlt
        jmp 4b

interrupt_common:
        pushq %rax
        pushq %rcx
        pushq %rdx
        pushq %rsi
        pushq %rdi
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        cld
        movq 72(%rsp), %rdi     /* vector */
        call guest_interrupt
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rdi
        popq %rsi
        popq %rdx
        popq %rcx
        popq %rax
        addq $16, %rsp          /* vector, error code */
        iretq

        .data
        .balign 16
gdt:    .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
        .word gdt_pointer - gdt - 1
        .quad gdt
        .globl idt_pointer
idt_pointer:
        .word 80 * 16 - 1
        .quad idt

        .bss
        .balign 4096
table_512g:
        .skip 4096
table_1g:
        .skip 4096
tables_2m:
        .skip 4 * 4096
        .globl window_table
window_table:
        .skip 4096
        .globl idt
idt:    .skip 80 * 16
        .balign 16
        .skip 65536
stack_top:

        .section .note.GNU-stack, "", @progbits
