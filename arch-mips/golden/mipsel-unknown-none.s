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
    addiu $10, $zero, 1
    bne $1, $10, .L1
    nop
    lw $3, 28($7)
    lbu $1, 36($7)
    subu $9, $5, $6
    bne $1, $10, .L2
    addiu $8, $3, -1
    beqz $3, .L3
    nop
    addu $1, $4, $9
    and $1, $8, $1
    addu $1, $1, $6
    and $6, $8, $4
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
    addu $1, $4, $9
    and $1, $8, $1
    addu $1, $1, $6
    and $6, $8, $4
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
    addiu $10, $zero, 1
    lw $3, 28($1)
    lbu $1, 36($1)
    subu $9, $6, $7
    bne $1, $10, .L2
    addiu $8, $3, -1
    beqz $3, .L3
    nop
    addu $1, $2, $9
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
    addu $1, $2, $9
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

golden_probe:
    mfc0 $5, $16, 1
    bltz $5, .L1
    nop
.L2:
    addiu $sp, $sp, -48
    sw $ra, 44($sp)
    jal _RNvNtCs_9arch_mips8geometry10data_cache
    addiu $4, $sp, 16
    lw $1, 20($sp)
    addiu $2, $zero, 1
    lw $ra, 44($sp)
    sltiu $3, $1, 2
    movz $2, $1, $3
    lw $3, 16($sp)
    addiu $1, $zero, 3
    xor $1, $3, $1
    movn $2, $zero, $1
    jr $ra
    addiu $sp, $sp, 48
.L1:
    lui $1, 240
    mfc0 $2, $16, 2
    ori $1, $1, 240
    and $1, $2, $1
    beqz $1, .L2
    addiu $2, $zero, 0
    jr $ra
    nop

golden_round_trip:
    lw $2, 64($4)
    lw $3, 68($4)
    beqz $3, .L1
    nop
    addiu $1, $zero, 7
    sb $1, 0($2)
.L1:
    lbu $1, 88($4)
    andi $1, $1, 1
    beqz $1, .L2
    nop
    lw $6, 32($4)
    lw $5, 40($4)
    lw $4, 80($4)
    addiu $10, $zero, 1
    lw $8, 28($4)
    lbu $1, 37($4)
    subu $7, $5, $6
    bne $1, $10, .L3
    addiu $9, $8, -1
    lbu $1, 36($4)
    bne $1, $10, .L4
    nop
    beqz $8, .L5
    nop
    addu $1, $2, $7
    and $10, $9, $2
    and $1, $9, $1
    addu $9, $8, $10
    subu $10, $2, $10
    addu $1, $1, $6
    addu $9, $9, $5
    subu $9, $9, $1
.L6:
    cache 25, 0($10)
    subu $9, $9, $8
    bnez $9, .L6
    addu $10, $10, $8
    j .L7
    nop
.L2:
    sync
    sync
    bnez $3, .L8
    nop
    j .L9
    nop
.L3:
    beqz $8, .L10
    nop
    addu $1, $2, $7
    and $10, $9, $2
    and $1, $9, $1
    addu $9, $8, $10
    subu $10, $2, $10
    addu $1, $1, $6
    addu $9, $9, $5
    subu $9, $9, $1
.L11:
    cache 21, 0($10)
    subu $9, $9, $8
    bnez $9, .L11
    addu $10, $10, $8
    j .L7
    nop
.L4:
    beqz $8, .L12
    nop
    addu $1, $2, $7
    and $10, $9, $2
    and $1, $9, $1
    addu $9, $8, $10
    subu $10, $2, $10
    addu $1, $1, $6
    addu $9, $9, $5
    subu $9, $9, $1
.L13:
    cache 21, 0($10)
    subu $9, $9, $8
    bnez $9, .L13
    addu $10, $10, $8
    j .L7
    nop
.L10:
    j .L7
    nop
.L5:
    j .L7
    nop
.L12:
.L7:
    sync
    addiu $10, $zero, 1
    sync
    sync
    lbu $1, 37($4)
    bne $1, $10, .L14
    nop
    lw $8, 28($4)
    lbu $1, 36($4)
    bne $1, $10, .L15
    addiu $9, $8, -1
    beqz $8, .L16
    nop
    addu $1, $2, $7
    and $1, $9, $1
    addu $1, $1, $6
    and $6, $9, $2
    addu $4, $8, $6
    addu $4, $4, $5
    subu $5, $2, $6
    subu $4, $4, $1
.L17:
    cache 17, 0($5)
    subu $4, $4, $8
    bnez $4, .L17
    addu $5, $5, $8
    j .L18
    nop
.L15:
    beqz $8, .L19
    nop
    addu $1, $2, $7
    and $1, $9, $1
    addu $1, $1, $6
    and $6, $9, $2
    addu $4, $8, $6
    addu $4, $4, $5
    subu $5, $2, $6
    subu $4, $4, $1
.L20:
    cache 21, 0($5)
    subu $4, $4, $8
    bnez $4, .L20
    addu $5, $5, $8
.L18:
    sync
    bnez $3, .L8
    nop
    j .L9
    nop
.L16:
    sync
.L14:
    beqz $3, .L9
    nop
.L8:
    lbu $2, 0($2)
    jr $ra
    nop
.L19:
    sync
    bnez $3, .L8
    nop
.L9:
    jr $ra
    addiu $2, $zero, 0
