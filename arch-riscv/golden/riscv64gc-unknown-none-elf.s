# arch-riscv for riscv64gc-unknown-none-elf, by rustc 1.96.0 (LLVM 22)

golden_snooped_hand_back:
    ld a2, 32(a0)
    lw a0, 0(a1)
    fence ir, rw
    ret

golden_snooped_hand_over:
    ld a2, 40(a0)
    ld a0, 24(a0)
    fence rw, ow
    sw a0, 0(a1)
    ret

golden_snooped_round_trip:
    ld a1, 48(a0)
    beqz a1, .L1
    ld a0, 40(a0)
    li a1, 7
    sb a1, 0(a0)
    fence rw, ow
    fence ir, rw
    lbu a0, 0(a0)
    ret
.L1:
    ld a0, 40(a0)
    fence rw, ow
    fence ir, rw
    li a0, 0
    ret

golden_zicbom_clean:
    ld a0, 0(a0)
    ld a2, 0(a1)
    ld a1, 24(a1)
    addi a6, a0, -1
    add a4, a2, a1
    add a5, a1, a0
    addi a4, a4, -1
    and a3, a6, a2
    sub a1, a2, a3
    and a2, a6, a4
    add a3, a3, a5
    not a2, a2
    add a2, a2, a3
.L1:
    .insn i 15, 2, zero, a1, 1
    add a1, a1, a0
    sub a2, a2, a0
    bnez a2, .L1
    fence
    ret

golden_zicbom_clean_and_invalidate:
    ld a0, 0(a0)
    ld a2, 0(a1)
    ld a1, 24(a1)
    addi a6, a0, -1
    add a4, a2, a1
    add a5, a1, a0
    addi a4, a4, -1
    and a3, a6, a2
    sub a1, a2, a3
    and a2, a6, a4
    add a3, a3, a5
    not a2, a2
    add a2, a2, a3
.L1:
    .insn i 15, 2, zero, a1, 2
    add a1, a1, a0
    sub a2, a2, a0
    bnez a2, .L1
    fence
    ret

golden_zicbom_hand_back:
    mv a2, a0
    lw a0, 0(a1)
    ld a3, 0(a2)
    ld a1, 48(a2)
    ld a5, 8(a2)
    ld a4, 32(a2)
    lbu a2, 108(a2)
    ld a1, 0(a1)
    fence
    andi a2, a2, 1
    beqz a2, .L1
    sub a2, a5, a3
    addi a6, a1, -1
    add a7, a5, a1
    add t0, a4, a2
    and a5, a6, a4
    sub a2, a4, a5
    and a4, a6, t0
    add a5, a5, a7
    add a3, a3, a4
    sub a3, a5, a3
.L2:
    .insn i 15, 2, zero, a2, 0
    add a2, a2, a1
    sub a3, a3, a1
    bnez a3, .L2
    fence
.L1:
    ret

golden_zicbom_hand_over:
    lbu a3, 116(a0)
    ld a2, 40(a0)
    andi a3, a3, 1
    beqz a3, .L1
    ld a3, 56(a0)
    ld a4, 16(a0)
    ld a6, 8(a0)
    ld a3, 0(a3)
    sub a5, a4, a6
    add a5, a5, a2
    addi a7, a3, -1
    add t0, a4, a3
    and a4, a7, a2
    and a7, a7, a5
    sub a5, a2, a4
    add a4, a4, t0
    add a6, a6, a7
    sub a4, a4, a6
.L2:
    .insn i 15, 2, zero, a5, 1
    add a5, a5, a3
    sub a4, a4, a3
    bnez a4, .L2
    fence
.L1:
    fence
    ld a0, 24(a0)
    sw a0, 0(a1)
    ret

golden_zicbom_invalidate:
    ld a0, 0(a0)
    ld a2, 0(a1)
    ld a1, 24(a1)
    addi a6, a0, -1
    add a4, a2, a1
    add a5, a1, a0
    addi a4, a4, -1
    and a3, a6, a2
    sub a1, a2, a3
    and a2, a6, a4
    add a3, a3, a5
    not a2, a2
    add a2, a2, a3
.L1:
    .insn i 15, 2, zero, a1, 0
    add a1, a1, a0
    sub a2, a2, a0
    bnez a2, .L1
    fence
    ret
