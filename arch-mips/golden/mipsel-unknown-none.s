# arch-mips for mipsel-unknown-none, by rustc 1.96.0 (LLVM 22)

golden_clean:
    lw $2, 0($4)
    lbu $1, 8($4)
    lw $3, 20($5)
    addiu $4, $zero, 1
    bne $1, $4, .L1
    nop
    beqz $2, .L2
    nop
    lw $4, 16($5)
    addiu $1, $2, -1
    and $6, $1, $3
    addu $5, $4, $2
    addu $4, $3, $4
    subu $3, $3, $6
    addiu $4, $4, -1
    addu $5, $5, $6
    and $1, $1, $4
    not $1, $1
    addu $4, $1, $5
.L3:
    cache 25, 0($3)
    subu $4, $4, $2
    bnez $4, .L3
    addu $3, $3, $2
.L6:
    sync
    jr $ra
    nop
.L1:
    beqz $2, .L4
    nop
    lw $4, 16($5)
    addiu $1, $2, -1
    and $6, $1, $3
    addu $5, $4, $2
    addu $4, $3, $4
    subu $3, $3, $6
    addiu $4, $4, -1
    addu $5, $5, $6
    and $1, $1, $4
    not $1, $1
    addu $4, $1, $5
.L5:
    cache 21, 0($3)
    subu $4, $4, $2
    bnez $4, .L5
    addu $3, $3, $2
    j .L6
    nop
.L2:
    sync
    jr $ra
    nop
.L4:
    sync
    jr $ra
    nop

golden_clean_and_invalidate:
    lw $2, 0($4)
    lw $3, 20($5)
    beqz $2, .L1
    nop
    lw $4, 16($5)
    addiu $1, $2, -1
    and $6, $1, $3
    addu $5, $4, $2
    addu $4, $3, $4
    subu $3, $3, $6
    addiu $4, $4, -1
    addu $5, $5, $6
    and $1, $1, $4
    not $1, $1
    addu $4, $1, $5
.L2:
    cache 21, 0($3)
    subu $4, $4, $2
    bnez $4, .L2
    addu $3, $3, $2
    sync
    jr $ra
    nop
.L1:
    sync
    jr $ra
    nop

golden_hand_back:
    lw $2, 0($5)
    lbu $1, 88($4)
    lw $7, 80($4)
    lw $5, 40($4)
    lw $6, 32($4)
    lw $4, 64($4)
    sync
    andi $1, $1, 1
    beqz $1, .L1
    nop
    lbu $1, 37($7)
    andi $1, $1, 1
    beqz $1, .L1
    nop
    lw $3, 28($7)
    lbu $1, 36($7)
    addiu $7, $zero, 1
    bne $1, $7, .L2
    subu $8, $5, $6
    beqz $3, .L3
    nop
    addu $1, $4, $8
    addiu $7, $3, -1
    and $1, $7, $1
    addu $1, $1, $6
    and $6, $7, $4
    addu $7, $3, $6
    subu $4, $4, $6
    addu $5, $7, $5
    subu $5, $5, $1
.L4:
    cache 17, 0($4)
    subu $5, $5, $3
    bnez $5, .L4
    addu $4, $4, $3
    j .L5
    nop
.L2:
    beqz $3, .L6
    nop
    addu $1, $4, $8
    addiu $7, $3, -1
    and $1, $7, $1
    addu $1, $1, $6
    and $6, $7, $4
    addu $7, $3, $6
    subu $4, $4, $6
    addu $5, $7, $5
    subu $5, $5, $1
.L7:
    cache 21, 0($4)
    subu $5, $5, $3
    bnez $5, .L7
    addu $4, $4, $3
    j .L5
    nop
.L3:
    j .L5
    nop
.L6:
.L5:
    sync
.L1:
    jr $ra
    nop

golden_hand_over:
    lbu $1, 88($4)
    lw $2, 64($4)
    andi $1, $1, 1
    beqz $1, .L1
    nop
    lw $1, 80($4)
    lw $7, 32($4)
    lw $6, 40($4)
    addiu $9, $zero, 1
    lw $3, 28($1)
    lbu $1, 36($1)
    bne $1, $9, .L2
    subu $8, $6, $7
    beqz $3, .L3
    nop
    addu $1, $2, $8
    addiu $8, $3, -1
    and $1, $8, $1
    addu $1, $1, $7
    and $7, $8, $2
    addu $8, $3, $7
    subu $7, $2, $7
    addu $6, $8, $6
    subu $6, $6, $1
.L4:
    cache 25, 0($7)
    subu $6, $6, $3
    bnez $6, .L4
    addu $7, $7, $3
    j .L5
    nop
.L2:
    beqz $3, .L6
    nop
    addu $1, $2, $8
    addiu $8, $3, -1
    and $1, $8, $1
    addu $1, $1, $7
    and $7, $8, $2
    addu $8, $3, $7
    subu $7, $2, $7
    addu $6, $8, $6
    subu $6, $6, $1
.L7:
    cache 21, 0($7)
    subu $6, $6, $3
    bnez $6, .L7
    addu $7, $7, $3
    j .L5
    nop
.L3:
    j .L5
    nop
.L6:
.L5:
    sync
.L1:
    sync
    lw $1, 48($4)
    jr $ra
    sw $1, 0($5)

golden_invalidate:
    lw $2, 0($4)
    lbu $1, 8($4)
    lw $3, 20($5)
    addiu $4, $zero, 1
    bne $1, $4, .L1
    nop
    beqz $2, .L2
    nop
    lw $4, 16($5)
    addiu $1, $2, -1
    and $6, $1, $3
    addu $5, $4, $2
    addu $4, $3, $4
    subu $3, $3, $6
    addiu $4, $4, -1
    addu $5, $5, $6
    and $1, $1, $4
    not $1, $1
    addu $4, $1, $5
.L3:
    cache 17, 0($3)
    subu $4, $4, $2
    bnez $4, .L3
    addu $3, $3, $2
.L6:
    sync
    jr $ra
    nop
.L1:
    beqz $2, .L4
    nop
    lw $4, 16($5)
    addiu $1, $2, -1
    and $6, $1, $3
    addu $5, $4, $2
    addu $4, $3, $4
    subu $3, $3, $6
    addiu $4, $4, -1
    addu $5, $5, $6
    and $1, $1, $4
    not $1, $1
    addu $4, $1, $5
.L5:
    cache 21, 0($3)
    subu $4, $4, $2
    bnez $4, .L5
    addu $3, $3, $2
    j .L6
    nop
.L2:
    sync
    jr $ra
    nop
.L4:
    sync
    jr $ra
    nop
