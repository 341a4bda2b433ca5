# arch-arm for aarch64-unknown-none, by rustc 1.96.0 (LLVM 22)

golden_clean:
    ldr x9, [x1]
    ldr x10, [x1, #24]
    ldr x8, [x0]
    add x11, x9, x10
    sub x12, x8, #1
    add x10, x10, x8
    sub x11, x11, #1
    and x13, x12, x9
    and x11, x12, x11
    add x12, x10, x13
    sub x10, x9, x13
    mvn x11, x11
    add x9, x11, x12
.L1:
    dc cvac, x10
    add x10, x10, x8
    subs x9, x9, x8
    b.ne .L1
    ret

golden_clean_and_invalidate:
    ldr x9, [x1]
    ldr x10, [x1, #24]
    ldr x8, [x0]
    add x11, x9, x10
    sub x12, x8, #1
    add x10, x10, x8
    sub x11, x11, #1
    and x13, x12, x9
    and x11, x12, x11
    add x12, x10, x13
    sub x10, x9, x13
    mvn x11, x11
    add x9, x11, x12
.L1:
    dc civac, x10
    add x10, x10, x8
    subs x9, x9, x8
    b.ne .L1
    ret

golden_geometry:
    sub sp, sp, #48
    str x30, [sp, #32]
    mrs x0, CTR_EL0
    mov x8, sp
    bl _RNvNtCs_8arch_arm8geometry6decode
    ldr w8, [sp]
    ldr x9, [sp, #8]
    ldr x30, [sp, #32]
    cmp w8, #41
    csel x0, x9, xzr, eq
    add sp, sp, #48
    ret

golden_hand_back:
    ldr x10, [x0, #48]
    ldp x8, x9, [x0, #32]
    ldp x11, x12, [x0]
    ldrb w13, [x0, #108]
    ldr x10, [x10]
    dmb osh
    tbz w13, #0, .L1
    sub x13, x12, x11
    sub x14, x10, #1
    add x12, x12, x10
    add x13, x8, x13
    and x15, x14, x8
    and x13, x14, x13
    add x14, x12, x15
    sub x12, x8, x15
    add x11, x11, x13
    sub x11, x14, x11
.L2:
    dc ivac, x12
    add x12, x12, x10
    subs x11, x11, x10
    b.ne .L2
    dsb sy
.L1:
    cbz x9, .L3
    ldrb w0, [x8]
    ret
.L3:
    mov w0, wzr
    ret

golden_hand_over:
    ldrb w9, [x0, #116]
    ldr x8, [x0, #40]
    tbz w9, #0, .L1
    ldr x9, [x0, #56]
    ldp x11, x10, [x0, #8]
    ldr x9, [x9]
    sub x12, x10, x11
    sub x13, x9, #1
    add x12, x8, x12
    add x10, x10, x9
    and x14, x13, x8
    and x12, x13, x12
    add x10, x10, x14
    add x12, x11, x12
    sub x11, x8, x14
    sub x10, x10, x12
.L2:
    dc cvac, x11
    add x11, x11, x9
    subs x10, x10, x9
    b.ne .L2
    dsb sy
.L1:
    dmb osh
    ldr x8, [x0, #24]
    str w8, [x1]
    ret

golden_invalidate:
    ldr x9, [x1]
    ldr x10, [x1, #24]
    ldr x8, [x0]
    add x11, x9, x10
    sub x12, x8, #1
    add x10, x10, x8
    sub x11, x11, #1
    and x13, x12, x9
    and x11, x12, x11
    add x12, x10, x13
    sub x10, x9, x13
    mvn x11, x11
    add x9, x11, x12
.L1:
    dc ivac, x10
    add x10, x10, x8
    subs x9, x9, x8
    b.ne .L1
    ret

golden_round_trip:
    ldp x8, x9, [x0, #40]
    cbz x9, .L1
    mov w10, #7
    strb w10, [x8]
.L1:
    ldrb w10, [x0, #116]
    tbz w10, #0, .L2
    ldr x12, [x0, #56]
    ldp x10, x11, [x0, #8]
    ldr x14, [x12]
    sub x13, x11, x10
    sub x15, x14, #1
    add x13, x8, x13
    add x17, x11, x14
    and x16, x15, x8
    and x15, x15, x13
    add x17, x17, x16
    add x15, x10, x15
    sub x16, x8, x16
    sub x15, x17, x15
.L3:
    dc cvac, x16
    add x16, x16, x14
    subs x15, x15, x14
    b.ne .L3
    dsb sy
    dmb osh
    ldr x12, [x12]
    dmb osh
    sub x14, x12, #1
    add x11, x11, x12
    and x15, x14, x8
    and x13, x14, x13
    add x14, x11, x15
    add x10, x10, x13
    sub x11, x8, x15
    sub x10, x14, x10
.L4:
    dc ivac, x11
    add x11, x11, x12
    subs x10, x10, x12
    b.ne .L4
    dsb sy
    cbz x9, .L5
.L6:
    ldrb w0, [x8]
    ret
.L2:
    dmb osh
    dmb osh
    cbnz x9, .L6
.L5:
    mov w0, wzr
    ret
