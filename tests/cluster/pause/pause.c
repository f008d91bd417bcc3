/*
 * The first process of a pod: holds its namespaces, reaps what is orphaned
 * into it, and ends on SIGTERM or SIGINT. No library: a few kilobytes, so that
 * a node with many pods carries next to nothing.
 */

#if defined(__x86_64__)
enum { SYS_rt_sigprocmask = 14, SYS_exit = 60, SYS_wait4 = 61, SYS_rt_sigtimedwait = 128 };

static long call(long number, long a, long b, long c, long d)
{
	long result;
	register long r10 __asm__("r10") = d;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
enum { SYS_exit = 93, SYS_rt_sigprocmask = 135, SYS_rt_sigtimedwait = 137, SYS_wait4 = 260 };

static long call(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3)
			 : "memory");
	return x0;
}
#else
#error "pause is written for x86_64 and aarch64"
#endif

enum { SIG_SETMASK = 2, WNOHANG = 1, SIGINT = 2, SIGTERM = 15, SIGCHLD = 17 };

void _start(void)
{
	/* Blocked signals reach even a pod's first process, by waiting for them. */
	unsigned long all = ~0UL;

	call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, sizeof(all));
	for (;;) {
		long signal = call(SYS_rt_sigtimedwait, (long)&all, 0, 0, sizeof(all));

		if (signal == SIGTERM || signal == SIGINT)
			call(SYS_exit, 0, 0, 0, 0);
		if (signal == SIGCHLD)
			while (call(SYS_wait4, -1, 0, WNOHANG, 0) > 0)
				;
	}
}
