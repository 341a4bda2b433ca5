# arch-x86 for i686-unknown-uefi, by rustc 1.96.0 (LLVM 22)

golden_clean:
    pushl %ebx
    pushl %edi
    pushl %esi
    movl 16(%esp), %edi
    movl 36(%esp), %esi
    movl 40(%esp), %eax
    cmpb $1, 9(%edi)
    jne .L1
    movl (%edi), %ecx
    leal -1(%eax,%esi), %edx
    leal -1(%ecx), %ebx
    andl %ebx, %edx
    andl %eax, %ebx
    subl %ebx, %eax
    cmpb $0, 8(%edi)
    mfence
    je .L2
    addl %ecx, %esi
    notl %edx
    addl %ebx, %esi
    addl %esi, %edx
.L3:
    clflushopt (%eax)
    addl %ecx, %eax
    subl %ecx, %edx
    jne .L3
    jmp .L4
.L1:
    movl (%edi), %ecx
    leal -1(%eax,%esi), %edx
    mfence
    leal -1(%ecx), %edi
    addl %ecx, %esi
    andl %edi, %edx
    andl %eax, %edi
    addl %edi, %esi
    notl %edx
    subl %edi, %eax
    addl %esi, %edx
.L5:
    clwb (%eax)
    addl %ecx, %eax
    subl %ecx, %edx
    jne .L5
    jmp .L4
.L2:
    addl %ecx, %esi
    notl %edx
    addl %ebx, %esi
    addl %esi, %edx
.L6:
    clflush (%eax)
    addl %ecx, %eax
    subl %ecx, %edx
    jne .L6
.L4:
    popl %esi
    popl %edi
    popl %ebx
    retl

golden_clean_and_invalidate:
    pushl %ebx
    pushl %edi
    pushl %esi
    movl 16(%esp), %ebx
    movl 36(%esp), %esi
    movl 40(%esp), %edx
    movl (%ebx), %eax
    leal -1(%edx,%esi), %ecx
    leal -1(%eax), %edi
    andl %edi, %ecx
    andl %edx, %edi
    subl %edi, %edx
    cmpb $0, 8(%ebx)
    mfence
    je .L1
    addl %eax, %esi
    notl %ecx
    addl %edi, %esi
    addl %esi, %ecx
.L2:
    clflushopt (%edx)
    addl %eax, %edx
    subl %eax, %ecx
    jne .L2
    jmp .L3
.L1:
    addl %eax, %esi
    notl %ecx
    addl %edi, %esi
    addl %esi, %ecx
.L4:
    clflush (%edx)
    addl %eax, %edx
    subl %eax, %ecx
    jne .L4
.L3:
    popl %esi
    popl %edi
    popl %ebx
    retl

golden_invalidate:
    pushl %ebx
    pushl %edi
    pushl %esi
    movl 16(%esp), %ebx
    movl 36(%esp), %esi
    movl 40(%esp), %edx
    movl (%ebx), %eax
    leal -1(%edx,%esi), %ecx
    leal -1(%eax), %edi
    andl %edi, %ecx
    andl %edx, %edi
    subl %edi, %edx
    cmpb $0, 8(%ebx)
    mfence
    je .L1
    addl %eax, %esi
    notl %ecx
    addl %edi, %esi
    addl %esi, %ecx
.L2:
    clflushopt (%edx)
    addl %eax, %edx
    subl %eax, %ecx
    jne .L2
    jmp .L3
.L1:
    addl %eax, %esi
    notl %ecx
    addl %edi, %esi
    addl %esi, %ecx
.L4:
    clflush (%edx)
    addl %eax, %edx
    subl %eax, %ecx
    jne .L4
.L3:
    popl %esi
    popl %edi
    popl %ebx
    retl

golden_no_snoop_hand_back:
    pushl %ebp
    pushl %ebx
    pushl %edi
    pushl %esi
    subl $8, %esp
    movl 60(%esp), %eax
    movl 108(%esp), %esi
    movb 116(%esp), %bh
    movl 68(%esp), %ecx
    movl 96(%esp), %edi
    movl %eax, (%esp)
    movl 92(%esp), %eax
    movl 32(%esi), %edx
    movb 40(%esi), %bl
    cmpb $1, %bh
    lfence
    jne .L1
    movl %ecx, %ebp
    movl %edi, 4(%esp)
    leal -1(%edx), %esi
    movl %eax, %edi
    subl (%esp), %ebp
    mfence
    addl %eax, %ebp
    andl %esi, %ebp
    andl %eax, %esi
    subl %esi, %edi
    testb $1, %bl
    je .L2
    addl (%esp), %ebp
    addl %edx, %esi
    addl %ecx, %esi
    subl %ebp, %esi
.L3:
    clflushopt (%edi)
    addl %edx, %edi
    subl %edx, %esi
    jne .L3
    jmp .L4
.L2:
    addl (%esp), %ebp
    addl %edx, %esi
    addl %ecx, %esi
    subl %ebp, %esi
.L5:
    clflush (%edi)
    addl %edx, %edi
    subl %edx, %esi
    jne .L5
.L4:
    mfence
    movl 4(%esp), %edi
.L1:
    testl %edi, %edi
    je .L6
    movzbl (%eax), %eax
    jmp .L7
.L6:
    xorl %eax, %eax
.L7:
    addl $8, %esp
    popl %esi
    popl %edi
    popl %ebx
    popl %ebp
    retl

golden_no_snoop_hand_over:
    pushl %ebp
    pushl %ebx
    pushl %edi
    pushl %esi
    subl $12, %esp
    movl 136(%esp), %eax
    movl 80(%esp), %edx
    movl 96(%esp), %ecx
    cmpb $1, 120(%esp)
    jne .L1
    movl 72(%esp), %esi
    movl %ecx, 4(%esp)
    movl 64(%esp), %ecx
    movl 112(%esp), %ebp
    movl %edx, 8(%esp)
    movl %esi, %ebx
    subl %ecx, %ebx
    cmpb $1, 41(%ebp)
    jne .L2
    movl %ecx, (%esp)
    movl 4(%esp), %ecx
    movl 32(%ebp), %edi
    leal -1(%edi), %eax
    addl %ecx, %ebx
    movl %ecx, %edx
    andl %eax, %ebx
    andl %ecx, %eax
    subl %eax, %edx
    cmpb $0, 40(%ebp)
    mfence
    je .L3
    addl (%esp), %ebx
    addl %edi, %eax
    addl %esi, %eax
    subl %ebx, %eax
.L4:
    clflushopt (%edx)
    addl %edi, %edx
    subl %edi, %eax
    jne .L4
    jmp .L5
.L2:
    movl 32(%ebp), %eax
    movl 4(%esp), %ebp
    mfence
    leal -1(%eax), %edi
    addl %ebp, %ebx
    addl %eax, %esi
    movl %ebp, %edx
    andl %edi, %ebx
    andl %ebp, %edi
    addl %ecx, %ebx
    addl %edi, %esi
    subl %edi, %edx
    movl %ebp, %ecx
    subl %ebx, %esi
.L6:
    clwb (%edx)
    addl %eax, %edx
    subl %eax, %esi
    jne .L6
    jmp .L5
.L3:
    addl (%esp), %ebx
    addl %edi, %eax
    addl %esi, %eax
    subl %ebx, %eax
.L7:
    clflush (%edx)
    addl %edi, %edx
    subl %edi, %eax
    jne .L7
.L5:
    mfence
    movl 136(%esp), %eax
    movl 8(%esp), %edx
.L1:
    mfence
    movl %edx, (%eax)
    addl $12, %esp
    popl %esi
    popl %edi
    popl %ebx
    popl %ebp
    retl

golden_probe:
    pushl %ebp
    movl %esp, %ebp
    pushl %edi
    pushl %esi
    andl $-8, %esp
    subl $80, %esp
    xorl %eax, %eax
    xorl %ecx, %ecx
    movl %ebx, %esi
    cpuid
    xchgl %ebx, %esi
    movl %eax, (%esp)
    movl %esi, 4(%esp)
    movl %ecx, 8(%esp)
    movl %edx, 12(%esp)
    movl $1, %eax
    movl $0, %ecx
    movl %ebx, %esi
    cpuid
    xchgl %ebx, %esi
    movl %eax, 16(%esp)
    movl %esi, 20(%esp)
    movl %ecx, 24(%esp)
    movl %edx, 28(%esp)
    xorl %ecx, %ecx
    movl $7, %eax
    xorl %esi, %esi
    movl %ebx, %edi
    cpuid
    xchgl %ebx, %edi
    movl %eax, 32(%esp)
    leal 32(%esp), %eax
    movl %edi, 36(%esp)
    movl %ecx, 40(%esp)
    movl %edx, 44(%esp)
    leal 16(%esp), %ecx
    movl %esp, %edx
    leal 48(%esp), %edi
    pushl %eax
    pushl %ecx
    pushl %edx
    pushl %edi
    calll _RNvNtCs_8arch_x868geometry6decode
    addl $16, %esp
    cmpl $32, 48(%esp)
    jne .L1
    movl 52(%esp), %esi
.L1:
    movl %esi, %eax
    leal -8(%ebp), %esp
    popl %esi
    popl %edi
    popl %ebp
    retl

golden_snooped_hand_back:
    movl 68(%esp), %eax
    cmpl $0, 72(%esp)
    je .L1
    movzbl (%eax), %eax
    retl
.L1:
    xorl %eax, %eax
    retl

golden_snooped_hand_over:
    movl 108(%esp), %eax
    movl 52(%esp), %ecx
    movl 68(%esp), %edx
    movl %ecx, (%eax)
    retl

golden_snooped_round_trip:
    movl 68(%esp), %eax
    cmpl $0, 72(%esp)
    je .L1
    movb $7, (%eax)
    movzbl (%eax), %eax
    retl
.L1:
    xorl %eax, %eax
    retl

golden_snooped_send:
    movl 108(%esp), %eax
    movl 52(%esp), %ecx
    movl 68(%esp), %edx
    cmpl $0, 72(%esp)
    je .L1
    movb $7, (%edx)
.L1:
    movl %ecx, (%eax)
    retl

golden_write_combining_hand_back:
    movl 68(%esp), %eax
    cmpl $0, 72(%esp)
    lfence
    je .L1
    movzbl (%eax), %eax
    retl
.L1:
    xorl %eax, %eax
    retl

golden_write_combining_hand_over:
    movl 108(%esp), %eax
    movl 52(%esp), %ecx
    movl 68(%esp), %edx
    mfence
    movl %ecx, (%eax)
    retl
