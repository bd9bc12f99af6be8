"""Attacks as programs. Each prints ``breach`` with what it got, or ends otherwise; names in capitals are put in."""

PREFIX = """
import ctypes, glob, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
"""

# These also run outside of the jail, where they have to succeed: reading what the test planted, reaching its listeners,
# killing its victim.
PROVEN = {
    "read a world-readable secret": "print('breach', open(SECRET).read())",
    "read it by a symbolic link": """
link = f'/tmp/link-{time.time_ns()}'
os.symlink(SECRET, link)
try:
    print('breach', open(link).read())
finally:
    os.unlink(link)
""",
    "read it by a hard link": """
link = SECRET + f'-{time.time_ns()}'
os.link(SECRET, link)
try:
    print('breach', open(link).read())
finally:
    os.unlink(link)
""",
    "write beside it": """
open(SECRET + '-planted', 'w').write('x')
print('breach')
""",
    "environment of other processes": """
for path in glob.glob('/proc/[0-9]*/environ'):
    try:
        if CANARY.encode()[::-1] in open(path, 'rb').read():
            print('breach')
    except OSError:
        pass
""",
    "arguments of other processes": """
for path in glob.glob('/proc/[0-9]*/cmdline'):
    try:
        if CANARY.encode()[::-1] in open(path, 'rb').read():
            print('breach')
    except OSError:
        pass
""",
    "connect by socket": "socket.create_connection(('127.0.0.1', PORT), 2); print('breach')",
    "connect by the C library": """
import struct
handle = libc.socket(2, 1, 0)
address = struct.pack('=H', 2) + struct.pack('!H4s8x', PORT, bytes([127, 0, 0, 1]))
print('breach' if handle >= 0 and libc.connect(handle, address, 16) == 0 else 'held')
""",
    "ask a name server": """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.sendto(b'who is', ('127.0.0.1', PORT))
print('breach', s.recv(99))
""",
    "connect to a unix socket": "socket.socket(socket.AF_UNIX).connect(SECRET + '-socket'); print('breach')",
    "connect to an abstract unix socket": "socket.socket(socket.AF_UNIX).connect('\\0' + CANARY); print('breach')",
    "signal another process": "os.kill(VICTIM, 0); print('breach')",
    "System V shared memory": """
handle = libc.shmget(0, 4096, 0o1600)
print('breach' if handle >= 0 else 'held')
libc.shmctl(handle, 0, None)
""",
    "memory in a nameless file": "print('breach', os.memfd_create('x'))",
    "many processes": """
children = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        time.sleep(1)
        os._exit(0)
    children.append(child)
print('breach')
""",
    "many threads": """
import threading
for _ in range(20):
    threading.Thread(target=time.sleep, args=(1,)).start()
print('breach')
""",
}

# As root only, outside.
PROVEN_AS_ROOT = {
    "read the password file": "print('breach', open('/etc/shadow').read()[:1])",
    "trace another process": """
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
print('breach' if libc.ptrace(0x4206, VICTIM, None, None) == 0 else 'held')
""",
    "a user namespace of its own": "print('breach' if libc.unshare(0x10000000) == 0 else 'held')",
}

# Too dangerous, or of no meaning, outside.
JAILED = {
    "be root": "print('breach' if 0 in (os.getuid(), os.geteuid(), os.getgid()) else 'held')",
    "capabilities": """
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print('breach' if any(int(status[name], 16) for name in ('CapEff', 'CapPrm', 'CapBnd', 'CapAmb')) else 'held')
""",
    "see other folders": """
found = set(os.listdir('/')) - {'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32', 'usr', 'proc', 'dev', 'tmp'}
found = {name for name in found if not sys.prefix.startswith('/' + name + '/')}
found |= set(glob.glob('/root/.ssh/*') + glob.glob('/home/*/.ssh/*') + glob.glob('/etc/*'))
print('breach' if found else 'held', found)
""",
    "import installed packages": """
sys.path += glob.glob(sys.prefix + '/lib/python3*/site-packages') + ['/usr/lib/python3/dist-packages']
import pip
print('breach')
""",
    "its environment": """
print('breach' if any(CANARY[::-1] in value for value in os.environ.values()) else 'held')
""",
    "write outside of /tmp": """
for folder in ('/', '/usr', '/usr/bin', '/dev', '/dev/shm', '/proc', os.path.dirname(os.__file__), '/usr/local'):
    try:
        open(os.path.join(folder, 'x'), 'w').write('x')
        print('breach', folder)
    except OSError:
        pass
""",
    "fill /tmp": """
written = 0
try:
    for number in range(8):
        with open(f'/tmp/{number}', 'wb', 0) as file:
            for _ in range(8):
                written += file.write(bytes(1 << 20))
except OSError:
    pass
print('breach' if written > 17 << 20 or not written else 'held', written)
""",
    "one large file": """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open('/tmp/x', 'wb') as file:
    file.truncate(1 << 30)
print('breach')
""",
    "grow its stdin": "os.write(os.open('/proc/self/fd/0', os.O_WRONLY), bytes(1 << 20)); print('breach')",
    "fork bomb": """
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    "memory of one process": "x = bytearray(200 << 20); print('breach')",
    "memory of many processes": """
read, write = os.pipe()
for _ in range(10):
    try:
        if os.fork() == 0:
            held = bytearray(60 << 20)
            os.write(write, b'x')
            time.sleep(1)
            os._exit(0)
    except OSError:
        break
time.sleep(0.7)
print('breach' if len(os.read(read, 99)) > 4 else 'held')
""",
    "kill everything": "os.kill(-1, signal.SIGKILL); time.sleep(0.2); print('held')",
    "kill the first process": "os.kill(1, signal.SIGKILL); os.kill(os.getppid(), signal.SIGKILL); print('held')",
    "mount": "print('breach' if libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0 else 'held')",
    "remount": "print('breach' if libc.mount(None, b'/', None, 0x1020, None) == 0 else 'held')",
    "clone into a user namespace": """
number = {'x86_64': 56, 'aarch64': 220}[os.uname().machine]
child = libc.syscall(number, 0x10000000 | 17, 0, 0, 0, 0)
if child == 0:
    os._exit(0)
print('breach' if child > 0 else 'held')
""",
    "raise its limits": """
import resource
for name in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
    try:
        resource.setrlimit(name, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print('breach')
    except (ValueError, OSError):
        pass
""",
    "sockets that know no network namespace": """
for family in (16, 38, 40):
    try:
        socket.socket(family, socket.SOCK_RAW if family == 16 else socket.SOCK_STREAM)
        print('breach', family)
    except OSError:
        pass
""",
    "the terminal": "print('breach', os.open('/dev/tty', os.O_RDWR))",
    "io_uring": "print('breach' if libc.syscall(425, 1, ctypes.create_string_buffer(120)) >= 0 else 'held')",
}

# Ended by a limit, whatever they do against it.
ENDLESS = {
    "loop": "while True: pass",
    "sleep": "time.sleep(60)",
    "ignored signals": """
for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True: time.sleep(60)
""",
    "regular expression": "import re; re.match('(a+)+$', 'a' * 64 + 'b')",
    "large numbers": "x = 3 ** (10 ** 7)\nwhile True: x * x",
    "closed pipes": "os.close(1); os.close(2)\nwhile True: pass",
    "stopped": "os.kill(os.getpid(), signal.SIGSTOP); time.sleep(60)",
    "a child holds the pipe": "os.fork() or time.sleep(60)\nwhile True: time.sleep(60)",
}

LOUD = {
    "stdout": "while True: print('x' * 1000)",
    "one line": "while True: sys.stdout.write('x' * 1000)",
    "binary": "while True: os.write(1, bytes(range(256)))",
    "stderr": "while True: os.write(2, bytes(1000))",
}
