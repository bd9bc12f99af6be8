"""The system calls that a jailed program may make, and the arguments that some of them are held to.

They are what CPython, its standard library and small programs of ``/usr/bin`` use, found by tracing. What is missing is
missing for a reason. It takes something that the whole machine or the whole user has so many of, and that no limit
counts: asynchronous reads, keys, huge pages, memory behind files without a name. Or it reaches what lies outside:
sockets between a virtual machine and its host know no network namespace. Or it opens more of the kernel to attack.
"""

from __future__ import annotations

# Name and number on x86_64/aarch64; the newer of the two never had those with a dash.
ALLOWED: dict[str, str] = {
    "the bytes of open files": """
        read 0/63, write 1/64, readv 19/65, writev 20/66, pread64 17/67, pwrite64 18/68, preadv 295/69, pwritev 296/70,
        preadv2 327/286, pwritev2 328/287, lseek 8/62, sendfile 40/71, splice 275/76, copy_file_range 326/285,
        fsync 74/82, fdatasync 75/83, fadvise64 221/223, fallocate 285/47, ftruncate 77/46, flock 73/32, close 3/57,
        close_range 436/436, dup 32/23, dup2 33/-, dup3 292/24, fcntl 72/25, ioctl 16/29
    """,
    # Reading extended attributes alone: their values are memory that the size of a tmpfs does not bound.
    "the names of files": """
        open 2/-, openat 257/56, access 21/-, faccessat 269/48, faccessat2 439/439, stat 4/-, lstat 6/-, fstat 5/80,
        newfstatat 262/79, statx 332/291, statfs 137/43, fstatfs 138/44, truncate 76/45, readlink 89/-,
        readlinkat 267/78, mkdir 83/-, mkdirat 258/34, rmdir 84/-, rename 82/-, renameat 264/38, renameat2 316/276,
        link 86/-, linkat 265/37, symlink 88/-, symlinkat 266/36, unlink 87/-, unlinkat 263/35, mknod 133/-,
        mknodat 259/33, chmod 90/-, fchmod 91/52, fchmodat 268/53, fchmodat2 452/452, chown 92/-, fchown 93/55,
        lchown 94/-, fchownat 260/54, utime 132/-, utimes 235/-, utimensat 280/88, umask 95/166, getdents64 217/61,
        getcwd 79/17, chdir 80/49, fchdir 81/50, getxattr 191/8, lgetxattr 192/9, fgetxattr 193/10, listxattr 194/11,
        llistxattr 195/12, flistxattr 196/13
    """,
    "pipes, and waiting for what is open": """
        pipe 22/-, pipe2 293/59, poll 7/-, ppoll 271/73, select 23/-, pselect6 270/72, epoll_create1 291/20,
        epoll_ctl 233/21, epoll_wait 232/-, epoll_pwait 281/22, epoll_pwait2 441/441, eventfd2 290/19
    """,
    # asyncio wakes itself through one; `socket`, `connect` and `bind` are not among them.
    "pairs of sockets": """
        socketpair 53/199, sendto 44/206, recvfrom 45/207, sendmsg 46/211, recvmsg 47/212, shutdown 48/210,
        getsockname 51/204, getpeername 52/205, getsockopt 55/209, setsockopt 54/208
    """,
    "memory": """
        brk 12/214, mmap 9/222, munmap 11/215, mremap 25/216, mprotect 10/226, madvise 28/233, msync 26/227
    """,
    "processes": """
        fork 57/-, vfork 58/-, clone 56/220, execve 59/221, execveat 322/281, exit 60/93, exit_group 231/94,
        wait4 61/260, waitid 247/95, getpid 39/172, getppid 110/173, gettid 186/178, getpgrp 111/-, getpgid 121/155,
        setpgid 109/154, getsid 124/156, setsid 112/157, kill 62/129, tgkill 234/131, pidfd_open 434/434,
        pidfd_send_signal 424/424, prctl 157/167, arch_prctl 158/-
    """,
    "threads": """
        futex 202/98, set_tid_address 218/96, set_robust_list 273/99, rseq 334/293, sched_yield 24/124,
        sched_getaffinity 204/123, sched_setaffinity 203/122, sched_getparam 143/121, sched_getscheduler 145/120,
        sched_get_priority_max 146/125, sched_get_priority_min 147/126, sched_rr_get_interval 148/127, getcpu 309/168,
        getpriority 140/141, setpriority 141/140
    """,
    "signals": """
        rt_sigaction 13/134, rt_sigprocmask 14/135, rt_sigreturn 15/139, rt_sigpending 127/136, rt_sigsuspend 130/133,
        rt_sigtimedwait 128/137, sigaltstack 131/132, pause 34/-, restart_syscall 219/128
    """,
    "time": """
        clock_gettime 228/113, clock_getres 229/114, clock_nanosleep 230/115, nanosleep 35/101, gettimeofday 96/169,
        time 201/-, times 100/153, alarm 37/-, getitimer 36/102, setitimer 38/103, timerfd_create 283/85,
        timerfd_settime 286/86, timerfd_gettime 287/87
    """,
    "what a process is told of itself": """
        getuid 102/174, geteuid 107/175, getgid 104/176, getegid 108/177, getgroups 115/158, getresuid 118/148,
        getresgid 120/150, uname 63/160, sysinfo 99/179, getrusage 98/165, getrlimit 97/163, setrlimit 160/164,
        prlimit64 302/261, getrandom 318/278
    """,
}

# Name -> position of an argument -> the only values that it may have.
ONLY: dict[str, dict[int, tuple[int, ...]]] = {
    # Whether it is a terminal and of which size, what can be read, inheritance, blocking, FICLONE of `shutil` and
    # `pathlib`: no typing into terminals, and nothing that a device adds.
    "ioctl": {1: (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x40049409)},
    # Descriptors, flags, locks, the size of a pipe to be read. Not to be set: all pipes of a user share a bound.
    "fcntl": {1: (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)},
    # Dumpable or not, the name of a thread, the name of a mapping.
    "prctl": {0: (3, 4, 15, 16, 0x53564D41)},
    # AF_UNIX.
    "socketpair": {0: (1,)},
    # Itself; of others of its user, the jail's first process among them, it could take what they need.
    "prlimit64": {0: (0,)},
    "setpriority": {0: (0,), 1: (0,)},
}

# Name -> position of an argument -> the bits that it may not have.
WITHOUT: dict[str, dict[int, int]] = {
    # CLONE_NEW*: mounts, control groups, names, shared memory, users, processes, network.
    "clone": {0: 0x7E020000},
    # MAP_HUGETLB: the machine has so many, and set them aside for somebody.
    "mmap": {3: 0x40000},
}


def numbers(machine: str) -> dict[str, int]:
    """Return the allowed calls and their numbers.

    Args:
        machine: ``"x86_64"`` or ``"aarch64"``.

    Example:
        >>> numbers("x86_64")["openat"], numbers("aarch64")["openat"], "open" in numbers("aarch64")
        (257, 56, False)
    """
    entries = [entry.split() for group in ALLOWED.values() for entry in group.split(",")]
    column = ("x86_64", "aarch64").index(machine)
    found = {name: pair.split("/")[column] for name, pair in entries}
    return {name: int(number) for name, number in found.items() if number != "-"}
