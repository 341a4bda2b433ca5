# arch-riscv for riscv32imac-unknown-none-elf, by rustc 1.96.0 (LLVM 22)

golden_snooped_hand_back:
    lw a1, 0(a1)
    lw a0, 64(a0)
    fence ir, rw
    mv a0, a1
    ret

golden_snooped_hand_over:
    lw a2, 64(a0)
    lw a0, 48(a0)
    fence rw, ow
    sw a0, 0(a1)
    ret

golden_snooped_round_trip:
    lw a1, 68(a0)
    beqz a1, .L1
    lw a0, 64(a0)
    li a1, 7
    sb a1, 0(a0)
    fence rw, ow
    fence ir, rw
    lbu a0, 0(a0)
    ret
.L1:
    lw a0, 64(a0)
    fence rw, ow
    fence ir, rw
    li a0, 0
    ret

golden_zicbom_clean:
    lw a0, 0(a0)
    lw a2, 16(a1)
    lw a1, 20(a1)
    addi a3, a0, -1
    add a4, a1, a2
    add a2, a2, a0
    addi a4, a4, -1
    and a5, a3, a1
    sub a1, a1, a5
    and a3, a3, a4
    add a2, a2, a5
    not a3, a3
    add a2, a2, a3
.L1:
    .insn i 15, 2, zero, a1, 1
    add a1, a1, a0
    sub a2, a2, a0
    bnez a2, .L1
    fence
    ret

golden_zicbom_clean_and_invalidate:
    lw a0, 0(a0)
    lw a2, 16(a1)
    lw a1, 20(a1)
    addi a3, a0, -1
    add a4, a1, a2
    add a2, a2, a0
    addi a4, a4, -1
    and a5, a3, a1
    sub a1, a1, a5
    and a3, a3, a4
    add a2, a2, a5
    not a3, a3
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
    lw a3, 32(a2)
    lw a1, 80(a2)
    lw a5, 40(a2)
    lw a4, 64(a2)
    lbu a2, 88(a2)
    lw a1, 0(a1)
    fence
    andi a2, a2, 1
    beqz a2, .L1
    sub a2, a5, a3
    addi a6, a1, -1
    add a7, a1, a5
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
    lbu a3, 88(a0)
    lw a2, 64(a0)
    andi a3, a3, 1
    beqz a3, .L1
    lw a3, 80(a0)
    lw a4, 40(a0)
    lw a6, 32(a0)
    lw a3, 0(a3)
    sub a5, a4, a6
    add a5, a5, a2
    addi a7, a3, -1
    add t0, a3, a4
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
    lw a0, 48(a0)
    sw a0, 0(a1)
    ret

golden_zicbom_invalidate:
    lw a0, 0(a0)
    lw a2, 16(a1)
    lw a1, 20(a1)
    addi a3, a0, -1
    add a4, a1, a2
    add a2, a2, a0
    addi a4, a4, -1
    and a5, a3, a1
    sub a1, a1, a5
    and a3, a3, a4
    add a2, a2, a5
    not a3, a3
    add a2, a2, a3
.L1:
    .insn i 15, 2, zero, a1, 0
    add a1, a1, a0
    sub a2, a2, a0
    bnez a2, .L1
    fence
    ret
