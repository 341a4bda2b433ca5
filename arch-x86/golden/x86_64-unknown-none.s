# arch-x86 for x86_64-unknown-none, by rustc 1.96.0 (LLVM 22)

golden_clean:
    leaq 8(%rsp), %rdx
    cmpb $1, 17(%rdi)
    jne .L1
    movq (%rdi), %rax
    movq (%rdx), %rcx
    movq 24(%rdx), %rsi
    leaq -1(%rax), %r8
    leaq (%rcx,%rsi), %rdx
    decq %rdx
    andq %r8, %rdx
    andq %rcx, %r8
    subq %r8, %rcx
    cmpb $0, 16(%rdi)
    mfence
    je .L2
    addq %rax, %rsi
    addq %r8, %rsi
    notq %rdx
    addq %rsi, %rdx
    xorl %esi, %esi
.L3:
    leaq (%rcx,%rsi), %rdi
    clflushopt (%rdi)
    addq %rax, %rsi
    cmpq %rsi, %rdx
    jne .L3
    jmp .L4
.L1:
    movq (%rdi), %rax
    movq (%rdx), %rcx
    movq 24(%rdx), %rsi
    mfence
    leaq -1(%rax), %rdi
    leaq (%rcx,%rsi), %rdx
    decq %rdx
    andq %rdi, %rdx
    andq %rcx, %rdi
    subq %rdi, %rcx
    addq %rax, %rsi
    addq %rdi, %rsi
    notq %rdx
    addq %rsi, %rdx
    xorl %esi, %esi
.L5:
    leaq (%rcx,%rsi), %rdi
    clwb (%rdi)
    addq %rax, %rsi
    cmpq %rsi, %rdx
    jne .L5
    jmp .L4
.L2:
    addq %rax, %rsi
    addq %r8, %rsi
    notq %rdx
    addq %rsi, %rdx
    xorl %esi, %esi
.L6:
    leaq (%rcx,%rsi), %rdi
    clflush (%rdi)
    addq %rax, %rsi
    cmpq %rsi, %rdx
    jne .L6
.L4:
    retq

golden_clean_and_invalidate:
    movq (%rdi), %rax
    movq 8(%rsp), %rcx
    movq 32(%rsp), %rsi
    leaq -1(%rax), %r8
    leaq (%rcx,%rsi), %rdx
    decq %rdx
    andq %r8, %rdx
    andq %rcx, %r8
    subq %r8, %rcx
    cmpb $0, 16(%rdi)
    mfence
    je .L1
    addq %rax, %rsi
    addq %r8, %rsi
    notq %rdx
    addq %rsi, %rdx
    xorl %esi, %esi
.L2:
    leaq (%rcx,%rsi), %rdi
    clflushopt (%rdi)
    addq %rax, %rsi
    cmpq %rsi, %rdx
    jne .L2
    jmp .L3
.L1:
    addq %rax, %rsi
    addq %r8, %rsi
    notq %rdx
    addq %rsi, %rdx
    xorl %esi, %esi
.L4:
    leaq (%rcx,%rsi), %rdi
    clflush (%rdi)
    addq %rax, %rsi
    cmpq %rsi, %rdx
    jne .L4
.L3:
    retq

golden_invalidate:
    movq (%rdi), %rax
    movq 8(%rsp), %rcx
    movq 32(%rsp), %rsi
    leaq -1(%rax), %r8
    leaq (%rcx,%rsi), %rdx
    decq %rdx
    andq %r8, %rdx
    andq %rcx, %r8
    subq %r8, %rcx
    cmpb $0, 16(%rdi)
    mfence
    je .L1
    addq %rax, %rsi
    addq %r8, %rsi
    notq %rdx
    addq %rsi, %rdx
    xorl %esi, %esi
.L2:
    leaq (%rcx,%rsi), %rdi
    clflushopt (%rdi)
    addq %rax, %rsi
    cmpq %rsi, %rdx
    jne .L2
    jmp .L3
.L1:
    addq %rax, %rsi
    addq %r8, %rsi
    notq %rdx
    addq %rsi, %rdx
    xorl %esi, %esi
.L4:
    leaq (%rcx,%rsi), %rdi
    clflush (%rdi)
    addq %rax, %rsi
    cmpq %rsi, %rdx
    jne .L4
.L3:
    retq

golden_no_snoop_hand_back:
    movq 8(%rsp), %r8
    movq 16(%rsp), %rdx
    movq 40(%rsp), %rax
    movq 48(%rsp), %rcx
    movq 56(%rsp), %rdi
    movzbl 116(%rsp), %r9d
    movq 64(%rdi), %rsi
    movzbl 80(%rdi), %r10d
    lfence
    cmpb $1, %r9b
    jne .L1
    movq %rdx, %r9
    subq %r8, %r9
    leaq -1(%rsi), %r11
    mfence
    addq %rax, %r9
    andq %r11, %r9
    andq %rax, %r11
    movq %rax, %rdi
    subq %r11, %rdi
    addq %rsi, %rdx
    addq %r11, %rdx
    subq %r8, %rdx
    subq %r9, %rdx
    xorl %r8d, %r8d
    testb $1, %r10b
    je .L2
.L3:
    leaq (%rdi,%r8), %r9
    clflushopt (%r9)
    addq %rsi, %r8
    cmpq %r8, %rdx
    jne .L3
    jmp .L4
.L2:
    leaq (%rdi,%r8), %r9
    clflush (%r9)
    addq %rsi, %r8
    cmpq %r8, %rdx
    jne .L2
.L4:
    mfence
.L1:
    testq %rcx, %rcx
    je .L5
    movzbl (%rax), %eax
    retq
.L5:
    xorl %eax, %eax
    retq

golden_no_snoop_hand_over:
    pushq %rbp
    pushq %rbx
    leaq 24(%rsp), %rax
    movq 64(%rsp), %rcx
    cmpb $1, 140(%rsp)
    jne .L1
    movq 32(%rsp), %r10
    movq 40(%rsp), %rdx
    movq 80(%rsp), %r9
    movq %rdx, %r8
    subq %r10, %r8
    movq 64(%r9), %rsi
    leaq -1(%rsi), %r11
    cmpb $1, 81(%r9)
    jne .L2
    movzbl 80(%r9), %ebp
    mfence
    addq %rcx, %r8
    movq %r11, %rbx
    andq %rcx, %rbx
    movq %rcx, %r9
    subq %rbx, %r9
    andq %r11, %r8
    addq %rsi, %rdx
    addq %rbx, %rdx
    subq %r10, %rdx
    subq %r8, %rdx
    xorl %r8d, %r8d
    testb $1, %bpl
    je .L3
.L4:
    leaq (%r9,%r8), %r10
    clflushopt (%r10)
    addq %rsi, %r8
    cmpq %r8, %rdx
    jne .L4
    jmp .L5
.L3:
    leaq (%r9,%r8), %r10
    clflush (%r10)
    addq %rsi, %r8
    cmpq %r8, %rdx
    jne .L3
    jmp .L5
.L2:
    mfence
    addq %rcx, %r8
    movq %r11, %rbx
    andq %rcx, %rbx
    movq %rcx, %r9
    subq %rbx, %r9
    andq %r11, %r8
    addq %rsi, %rdx
    addq %rbx, %rdx
    subq %r10, %rdx
    subq %r8, %rdx
    xorl %r8d, %r8d
.L6:
    leaq (%r9,%r8), %r10
    clwb (%r10)
    addq %rsi, %r8
    cmpq %r8, %rdx
    jne .L6
.L5:
    mfence
.L1:
    mfence
    movl 24(%rax), %eax
    movl %eax, (%rdi)
    popq %rbx
    popq %rbp
    retq

golden_probe:
    pushq %rbx
    subq $80, %rsp
    xorl %eax, %eax
    xorl %ecx, %ecx
    movq %rbx, %rsi
    cpuid
    xchgq %rbx, %rsi
    movl %eax, (%rsp)
    movl %esi, 4(%rsp)
    movl %ecx, 8(%rsp)
    movl %edx, 12(%rsp)
    movl $1, %eax
    movl $0, %ecx
    movq %rbx, %rsi
    cpuid
    xchgq %rbx, %rsi
    movl %eax, 16(%rsp)
    movl %esi, 20(%rsp)
    movl %ecx, 24(%rsp)
    movl %edx, 28(%rsp)
    xorl %ecx, %ecx
    movl $7, %eax
    movq %rbx, %rsi
    cpuid
    xchgq %rbx, %rsi
    xorl %ebx, %ebx
    movl %eax, 32(%rsp)
    movl %esi, 36(%rsp)
    movl %ecx, 40(%rsp)
    movl %edx, 44(%rsp)
    leaq 48(%rsp), %rdi
    movq %rsp, %rsi
    leaq 16(%rsp), %rdx
    leaq 32(%rsp), %rcx
    callq _RNvNtCs_8arch_x868geometry6decode
    cmpl $41, 48(%rsp)
    jne .L1
    movq 56(%rsp), %rbx
.L1:
    movq %rbx, %rax
    addq $80, %rsp
    popq %rbx
    retq

golden_snooped_hand_back:
    movq 40(%rsp), %rax
    cmpq $0, 48(%rsp)
    je .L1
    movzbl (%rax), %eax
    retq
.L1:
    xorl %eax, %eax
    retq

golden_snooped_hand_over:
    movl 32(%rsp), %eax
    movq 48(%rsp), %rcx
    movl %eax, (%rdi)
    retq

golden_snooped_loan:
    pushq %r15
    pushq %r14
    pushq %r12
    pushq %rbx
    subq $440, %rsp
    movq %rdx, %r14
    movq %rsi, %rbx
    movq %rdi, %r15
    movq 16(%rdi), %r12
    movq 16(%r12), %rax
    movq 24(%r12), %rcx
    movq %rax, 8(%rsp)
    movq %rcx, 16(%rsp)
    leaq 24(%rsp), %rdi
    leaq 8(%rsp), %rsi
    movq %rbx, %rdx
    movq %r14, %rcx
    callq _RNvMs3_NtCs_7dma_api3mapNtB5_9DirectMap7to_phys
    cmpl $41, 24(%rsp)
    jne .L1
    movq 32(%rsp), %rdx
    movq 40(%rsp), %rcx
    movq 32(%r12), %rax
    movq 40(%r12), %rsi
    movq %rax, 8(%rsp)
    movq %rsi, 16(%rsp)
    leaq 24(%rsp), %rdi
    leaq 8(%rsp), %rsi
    callq _RNvMs_NtCs_7dma_api3mapNtB4_6BusMap6to_dma
    cmpl $41, 24(%rsp)
    jne .L1
    movq 32(%rsp), %rax
    movq 40(%rsp), %rcx
    movq %rcx, %rdx
    subq %rax, %rdx
    incq %rdx
    cmpq 32(%r15), %rdx
    ja .L1
    cmpq 48(%r15), %rax
    jb .L1
    cmpq 56(%r15), %rcx
    ja .L1
    movq 24(%r15), %rdx
    decq %rdx
    testq %rax, %rdx
    jne .L1
    movq 64(%r15), %rdx
    testq %rdx, %rdx
    je .L2
    xorq %rax, %rcx
    negq %rdx
    testq %rdx, %rcx
    jne .L1
.L2:
.L4:
    addq $440, %rsp
    popq %rbx
    popq %r12
    popq %r14
    popq %r15
    retq
.L1:
    leaq 24(%rsp), %rdi
    movq %r15, %rsi
    movq %rbx, %rdx
    movq %r14, %rcx
    callq _RINvMs_NtCs_7dma_api6lenderINtB5_6LenderRINtNtB7_7machine9AssembledNtNtCs_8arch_x865cache7SnoopedRINtNtB7_6bitmap10BitmapPoolKj1_EINtNtB7_6source14UncachedMemoryB1S_EKb1_EE5startNtNtB7_9direction10FromDeviceKj3_INtNtNtNtCs_4core4iter7sources4once4OnceINtNtNtB3R_3ptr8non_null7NonNullShEEECs_10golden_x86
    cmpb $2, 438(%rsp)
    jne .L3
    xorl %eax, %eax
    jmp .L4
.L3:
    movq 104(%rsp), %rax
    testq %rax, %rax
    je .L4
    movq 152(%rsp), %rax
    jmp .L4

golden_snooped_round_trip:
    leaq 8(%rsp), %rax
    cmpq $0, 56(%rsp)
    je .L1
    movq 40(%rax), %rax
    movb $7, (%rax)
    movzbl (%rax), %eax
    retq
.L1:
    movq 40(%rax), %rax
    xorl %eax, %eax
    retq

golden_snooped_send:
    leaq 8(%rsp), %rax
    cmpq $0, 56(%rsp)
    movq 48(%rsp), %rcx
    je .L1
    movb $7, (%rcx)
.L1:
    movl 24(%rax), %eax
    movl %eax, (%rdi)
    retq

golden_write_combining_hand_back:
    movq 40(%rsp), %rax
    cmpq $0, 48(%rsp)
    lfence
    je .L1
    movzbl (%rax), %eax
    retq
.L1:
    xorl %eax, %eax
    retq

golden_write_combining_hand_over:
    movl 32(%rsp), %eax
    movq 48(%rsp), %rcx
    mfence
    movl %eax, (%rdi)
    retq
