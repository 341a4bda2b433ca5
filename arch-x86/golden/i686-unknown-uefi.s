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
    movl 108(%esp), %ecx
    movzbl 116(%esp), %ebx
    movl 68(%esp), %edi
    movl 96(%esp), %esi
    movl %eax, (%esp)
    movl 32(%ecx), %edx
    movl 92(%esp), %eax
    movzbl 40(%ecx), %ecx
    cmpb $1, %bl
    lfence
    jne .L1
    movl %edi, %ebp
    movl %esi, 4(%esp)
    leal -1(%edx), %esi
    movl %eax, %ebx
    subl (%esp), %ebp
    mfence
    addl %eax, %ebp
    andl %esi, %ebp
    andl %eax, %esi
    subl %esi, %ebx
    testb $1, %cl
    je .L2
    addl (%esp), %ebp
    addl %edx, %esi
    addl %edi, %esi
    subl %ebp, %esi
.L3:
    clflushopt (%ebx)
    addl %edx, %ebx
    subl %edx, %esi
    jne .L3
    jmp .L4
.L2:
    addl (%esp), %ebp
    addl %edx, %esi
    addl %edi, %esi
    subl %ebp, %esi
.L5:
    clflush (%ebx)
    addl %edx, %ebx
    subl %edx, %esi
    jne .L5
.L4:
    mfence
    movl 4(%esp), %esi
.L1:
    testl %esi, %esi
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
    movl %edx, 8(%esp)
    movl 72(%esp), %edi
    movl 112(%esp), %edx
    movl 64(%esp), %eax
    movl %edi, %ebp
    movl 32(%edx), %esi
    subl %eax, %ebp
    cmpb $1, 41(%edx)
    leal -1(%esi), %ebx
    jne .L2
    movzbl 40(%edx), %edx
    movl %eax, 4(%esp)
    addl %ecx, %ebp
    leal -1(%esi), %eax
    andl %ecx, %ebx
    andl %eax, %ebp
    movb %dl, 3(%esp)
    movl %ecx, %edx
    mfence
    subl %ebx, %edx
    testb $1, 3(%esp)
    je .L3
    addl 4(%esp), %ebp
    addl %esi, %ebx
    addl %edi, %ebx
    subl %ebp, %ebx
.L4:
    clflushopt (%edx)
    addl %esi, %edx
    subl %esi, %ebx
    jne .L4
    jmp .L5
.L2:
    movl %ebx, %edx
    addl %ecx, %ebp
    andl %ecx, %ebx
    addl %esi, %edi
    mfence
    andl %edx, %ebp
    movl %ecx, %edx
    addl %ebx, %edi
    addl %eax, %ebp
    subl %ebx, %edx
    subl %ebp, %edi
.L6:
    clwb (%edx)
    addl %esi, %edx
    subl %esi, %edi
    jne .L6
    jmp .L5
.L3:
    addl 4(%esp), %ebp
    addl %esi, %ebx
    addl %edi, %ebx
    subl %ebp, %ebx
.L7:
    clflush (%edx)
    addl %esi, %edx
    subl %esi, %ebx
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
    cmpl $41, 48(%esp)
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

golden_snooped_loan:
    pushl %ebp
    movl %esp, %ebp
    pushl %ebx
    pushl %edi
    pushl %esi
    andl $-8, %esp
    subl $352, %esp
    movl 8(%ebp), %eax
    movl 16(%ebp), %esi
    leal 24(%esp), %ebx
    leal 12(%esp), %edx
    movl 64(%eax), %edi
    movl %esi, 20(%esp)
    movl 8(%edi), %eax
    movl 12(%edi), %ecx
    movl %eax, 12(%esp)
    movl 12(%ebp), %eax
    movl %ecx, 16(%esp)
    pushl %esi
    movl %eax, 8(%esp)
    pushl %eax
    pushl %edx
    pushl %ebx
    calll _RNvMs3_NtCs_7dma_api3mapNtB5_9DirectMap7to_phys
    addl $16, %esp
    cmpl $41, 24(%esp)
    jne .L1
    movl 16(%edi), %edx
    movl 20(%edi), %esi
    movl 32(%esp), %eax
    movl 36(%esp), %ecx
    movl %edx, 12(%esp)
    movl %esi, 16(%esp)
    movl 44(%esp), %esi
    movl 40(%esp), %edx
    pushl %esi
    pushl %edx
    pushl %ecx
    pushl %eax
    leal 28(%esp), %eax
    pushl %eax
    pushl %ebx
    calll _RNvMs_NtCs_7dma_api3mapNtB4_6BusMap6to_dma
    addl $24, %esp
    cmpl $41, 24(%esp)
    jne .L1
    movl 32(%esp), %eax
    movl 44(%esp), %ebx
    movl 40(%esp), %esi
    movl 36(%esp), %edx
    movl 8(%ebp), %ecx
    movl %esi, 8(%esp)
    subl %eax, %esi
    movl %ebx, %edi
    movl %eax, (%esp)
    movl 20(%ecx), %eax
    sbbl %edx, %edi
    addl $1, %esi
    adcl $0, %edi
    cmpl %esi, 16(%ecx)
    sbbl %edi, %eax
    movl %ecx, %edi
    jb .L2
    movl (%esp), %eax
    movl %edx, %esi
    cmpl 32(%edi), %eax
    sbbl 36(%edi), %esi
    jb .L2
    movl 8(%esp), %ecx
    movl 44(%edi), %esi
    cmpl %ecx, 40(%edi)
    sbbl %ebx, %esi
    jb .L2
    movl 8(%ebp), %ecx
    movl 8(%edi), %esi
    movl 12(%ecx), %edi
    addl $-1, %esi
    adcl $-1, %edi
    andl (%esp), %esi
    andl %edx, %edi
    orl %esi, %edi
    movl 8(%ebp), %edi
    jne .L2
    movl 48(%edi), %ecx
    movl 52(%edi), %eax
    movl %ecx, %edi
    orl %eax, %edi
    je .L3
    movl 8(%esp), %esi
    xorl %edx, %ebx
    xorl %edi, %edi
    xorl (%esp), %esi
    negl %ecx
    sbbl %eax, %edi
    andl %ebx, %edi
    andl %esi, %ecx
    orl %edi, %ecx
    movl 8(%ebp), %edi
    jne .L2
.L3:
    movl 4(%esp), %ecx
.L4:
    movl (%esp), %eax
    leal -12(%ebp), %esp
    popl %esi
    popl %edi
    popl %ebx
    popl %ebp
    retl
.L1:
    movl 8(%ebp), %edi
.L2:
    subl $4, %esp
    pushl 24(%esp)
    pushl 12(%esp)
    pushl %edi
    leal 40(%esp), %eax
    pushl %eax
    calll _RINvMs_NtCs_7dma_api6lenderINtB5_6LenderRINtNtB7_7machine9AssembledNtNtCs_8arch_x865cache7SnoopedRINtNtB7_6bitmap10BitmapPoolKj1_EINtNtB7_6source14UncachedMemoryB1T_EKb1_EE5startNtNtB7_9direction10FromDeviceKj3_INtNtNtNtCs_4core4iter7sources4once4OnceINtNtNtB3S_3ptr8non_null7NonNullShEEECs_10golden_x86
    addl $20, %esp
    cmpb $2, 338(%esp)
    movl $0, %edx
    movl $0, (%esp)
    je .L4
    movl 24(%esp), %edx
    testl %edx, %edx
    movl %edx, (%esp)
    je .L4
    movl 56(%esp), %eax
    movl 60(%esp), %edx
    movl %eax, (%esp)
    jmp .L4

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
