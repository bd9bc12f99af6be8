"""What programs in a jail may attack, and which processes there are."""

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from tests.rewards.code import attacks

IS_ROOT = os.geteuid() == 0


class World:
    """What is there to be attacked: a secret, listeners, and a process of this user."""

    def __init__(self, folder):
        self.canary = secrets.token_hex(16)
        self.secret = folder / "secret"
        self.secret.write_text("treasure")
        self.secret.chmod(0o644)
        self.hits = Counter()
        self.sockets = [
            socket.create_server(("127.0.0.1", 0)),
            socket.socket(socket.AF_UNIX),
            socket.socket(socket.AF_UNIX),
        ]
        self.port = self.sockets[0].getsockname()[1]
        self.sockets[1].bind(f"{self.secret}-socket")
        self.sockets[2].bind("\0" + self.canary)
        for listener in self.sockets[1:]:
            listener.listen()
        os.chmod(f"{self.secret}-socket", 0o777)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        threading.Thread(target=self.answer, daemon=True).start()
        # Reversed, so that the text of a program that looks for it does not hold it.
        hidden = self.canary[::-1]
        self.victim = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(300)", hidden], env={"TOKEN": hidden}
        )

    def answer(self):
        while True:
            try:
                _, sender = self.udp.recvfrom(99)
                self.udp.sendto(b"it is", sender)
            except OSError:
                return

    def program(self, attack):
        names = {"SECRET": str(self.secret), "CANARY": self.canary, "PORT": self.port, "VICTIM": self.victim.pid}
        assignments = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        return attacks.PREFIX + assignments + attack

    def close(self):
        self.victim.kill()
        self.victim.wait()
        for listener in (*self.sockets, self.udp):
            listener.close()


def soon(condition, limit_s=5.0):
    """The kernel takes a namespace apart a moment after its first process has ended."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def processes_with(text):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found
