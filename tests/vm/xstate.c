// For the kernel that is a program. It keeps the processor's state of its processes in 2696 bytes, which is all
// there was before AMX. Where the processor has AMX, Linux takes nothing but the larger whole from a tracer,
// so the rest is added here: zeros, for what no program inside can use.
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

long ptrace(enum __ptrace_request request, ...)
{
    // The kernel's stacks are small; and it has one thread.
    static union { char bytes[1 << 16]; struct { char legacy[512]; unsigned long features; } area; } state;
    static size_t size;

    va_list rest;
    va_start(rest, request);
    pid_t pid = va_arg(rest, pid_t);
    void *address = va_arg(rest, void *);
    void *data = va_arg(rest, void *);
    va_end(rest);

    if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
        long word;
        if (syscall(SYS_ptrace, request, pid, address, &word) < 0)
            return -1;
        errno = 0;
        return word;
    }
    if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE) {
        struct iovec whole = { &state, sizeof state }, *given = data;
        if (size == 0) {
            if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, address, &whole) < 0)
                return -1;
            size = whole.iov_len;
            memset(&state, 0, sizeof state);
        }
        if (given->iov_len < size) {
            memcpy(&state, given->iov_base, given->iov_len);
            // Present is only what was given: the ten features before AMX.
            state.area.features &= (1 << 10) - 1;
            whole.iov_len = size;
            return syscall(SYS_ptrace, request, pid, address, &whole);
        }
    }
    return syscall(SYS_ptrace, request, pid, address, data);
}
