# arch-arm for armv7a-none-eabi, by rustc 1.96.0 (LLVM 22)

golden_clean:
    push {r4, r10, r11, lr}
    add r11, sp, #8
    ldr r4, [r11, #20]
    ldr lr, [r11, #16]
    ldr r0, [r0]
    add r2, r4, lr
    sub r12, r0, #1
    sub r2, r2, #1
    and r2, r12, r2
    and r3, r12, r4
    add r1, r0, r3
    add r1, r1, lr
    mvn r2, r2
    add r1, r2, r1
    sub r2, r4, r3
    mov r3, #0
.L1:
    add r4, r2, r3
    add r3, r3, r0
    cmp r1, r3
    mcr p15, #0, r4, c7, c10, #1
    bne .L1
    pop {r4, r10, r11, pc}

golden_clean_and_invalidate:
    push {r4, r10, r11, lr}
    add r11, sp, #8
    ldr r4, [r11, #20]
    ldr lr, [r11, #16]
    ldr r0, [r0]
    add r2, r4, lr
    sub r12, r0, #1
    sub r2, r2, #1
    and r2, r12, r2
    and r3, r12, r4
    add r1, r0, r3
    add r1, r1, lr
    mvn r2, r2
    add r1, r2, r1
    sub r2, r4, r3
    mov r3, #0
.L1:
    add r4, r2, r3
    add r3, r3, r0
    cmp r1, r3
    mcr p15, #0, r4, c7, c14, #1
    bne .L1
    pop {r4, r10, r11, pc}

golden_geometry:
    push {r4, r10, r11, lr}
    add r11, sp, #8
    sub sp, sp, #32
    mov r0, sp
    mov r3, #0
    mrc p15, #0, r2, c0, c0, #1
    mov r4, #0
    bl _RNvNtCs_8arch_arm8geometry6decode
    ldr r1, [sp]
    ldr r0, [sp, #4]
    cmp r1, #41
    movne r0, r4
    sub sp, r11, #8
    pop {r4, r10, r11, pc}

golden_hand_back:
    push {r4, r5, r11, lr}
    add r11, sp, #8
    ldr r0, [r11, #72]
    ldr lr, [r11, #56]
    ldr r12, [r11, #60]
    ldr r0, [r0]
    dmb sy
    ldr r1, [r11, #80]
    tst r1, #1
    beq .L1
    sub r3, r0, #1
    ldr r1, [r11, #32]
    and r4, r3, lr
    ldr r2, [r11, #24]
    add r5, r0, r4
    add r5, r5, r1
    sub r1, r1, r2
    add r1, lr, r1
    and r1, r3, r1
    sub r1, r5, r1
    sub r3, r1, r2
    sub r2, lr, r4
    mov r1, #0
.L2:
    add r4, r2, r1
    add r1, r1, r0
    cmp r3, r1
    mcr p15, #0, r4, c7, c6, #1
    bne .L2
    dsb sy
.L1:
    mov r0, #0
    cmp r12, #0
    ldrbne r0, [lr]
    pop {r4, r5, r11, pc}

golden_hand_over:
    push {r4, r5, r6, r10, r11, lr}
    add r11, sp, #16
    ldr r1, [r11, #56]
    ldr r12, [r11, #40]
    ldr lr, [r11, #96]
    ldr r0, [r11, #80]
    tst r0, #1
    beq .L1
    ldr r0, [r11, #72]
    ldr r2, [r11, #24]
    ldr r3, [r0]
    ldr r0, [r11, #32]
    sub r4, r3, #1
    and r5, r4, r1
    add r6, r3, r5
    add r6, r6, r0
    sub r0, r0, r2
    add r0, r1, r0
    and r0, r4, r0
    mov r4, #0
    sub r0, r6, r0
    sub r0, r0, r2
    sub r2, r1, r5
.L2:
    add r5, r2, r4
    add r4, r4, r3
    cmp r0, r4
    mcr p15, #0, r5, c7, c10, #1
    bne .L2
    dsb sy
.L1:
    dmb sy
    str r12, [lr]
    pop {r4, r5, r6, r10, r11, pc}

golden_invalidate:
    push {r4, r10, r11, lr}
    add r11, sp, #8
    ldr r4, [r11, #20]
    ldr lr, [r11, #16]
    ldr r0, [r0]
    add r2, r4, lr
    sub r12, r0, #1
    sub r2, r2, #1
    and r2, r12, r2
    and r3, r12, r4
    add r1, r0, r3
    add r1, r1, lr
    mvn r2, r2
    add r1, r2, r1
    sub r2, r4, r3
    mov r3, #0
.L1:
    add r4, r2, r3
    add r3, r3, r0
    cmp r1, r3
    mcr p15, #0, r4, c7, c6, #1
    bne .L1
    pop {r4, r10, r11, pc}

golden_round_trip:
    push {r4, r5, r6, r7, r8, r10, r11, lr}
    add r11, sp, #24
    ldr r3, [r11, #60]
    ldr r1, [r11, #56]
    clz r2, r3
    cmp r3, #0
    ldr r0, [r11, #80]
    movne r3, #7
    lsr r2, r2, #5
    strbne r3, [r1]
    tst r0, #1
    beq .L1
    ldr r12, [r11, #72]
    ldr r8, [r11, #32]
    ldr lr, [r11, #24]
    ldr r4, [r12]
    sub r0, r8, lr
    sub r5, r4, #1
    add r0, r1, r0
    and r7, r5, r1
    and r6, r5, r0
    add r5, r4, r7
    add r5, r5, r8
    sub r5, r5, r6
    sub r6, r1, r7
    sub r5, r5, lr
    mov r7, #0
.L2:
    add r3, r6, r7
    add r7, r7, r4
    cmp r5, r7
    mcr p15, #0, r3, c7, c10, #1
    bne .L2
    dsb sy
    dmb sy
    ldr r4, [r12]
    dmb sy
    sub r3, r4, #1
    and r0, r3, r0
    and r3, r3, r1
    add r7, r4, r3
    sub r3, r1, r3
    add r7, r7, r8
    sub r0, r7, r0
    mov r7, #0
    sub r0, r0, lr
.L3:
    add r6, r3, r7
    add r7, r7, r4
    cmp r0, r7
    mcr p15, #0, r6, c7, c6, #1
    bne .L3
    dsb sy
    mov r0, #0
    cmp r2, #0
    ldrbeq r0, [r1]
    pop {r4, r5, r6, r7, r8, r10, r11, pc}
.L1:
    dmb sy
    dmb sy
    mov r0, #0
    cmp r2, #0
    ldrbeq r0, [r1]
    pop {r4, r5, r6, r7, r8, r10, r11, pc}
