/* SPDX-License-Identifier: Apache-2.0 */
/* Only in a build that counts coverage (EFF_COVERAGE): lets the worker leave its counts behind when it ends. The filter of
 * system calls is not set, the limits are; what the filter forbids is tested elsewhere, with the worker as it is. */
#define _GNU_SOURCE
#include <stdnoreturn.h>
#include <sys/syscall.h>

void __gcov_dump(void);
long __real_syscall(long call, ...);
noreturn void __real__exit(int status);
long __wrap_syscall(long call, long a, long b, long c);
noreturn void __wrap__exit(int status);

long __wrap_syscall(long call, long a, long b, long c) { return call == SYS_seccomp ? 0 : __real_syscall(call, a, b, c); }

noreturn void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
