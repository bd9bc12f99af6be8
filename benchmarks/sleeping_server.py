"""A stand-in for servers that sample: HTTP, in a process of its own, with sleep in place of a device.

``python sleeping_server.py <seconds of the median row> <sigma> <longest> <slots>`` prints its port. Rows wait for a
slot in the order in which they come, and a slot is taken for as long as a row takes.
"""

from __future__ import annotations

import heapq
import json
import math
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import NormalDist

PUBLISH_S = 0.05


def row_seconds(median: float, sigma: float, longest: float, rows: int) -> list[float]:
    """Return how long each of some rows takes: quantiles of a lognormal law, so that every rollout is as much work.

    Args:
        median: Seconds.
        sigma: Of the logarithm; 0 makes all rows alike.
        longest: At most so many times the median.
        rows: Their number.
    """
    quantiles = [NormalDist().inv_cdf((row + 0.5) / rows) for row in range(rows)]
    return [median * min(longest, math.exp(sigma * quantile)) for quantile in quantiles]


class Device:
    """Slots that are free from some moment on."""

    def __init__(self, median: float, sigma: float, longest: float, *, slots: int) -> None:
        self.shape = median, sigma, longest
        self.free = [0.0] * slots
        self.lock = threading.Lock()

    def sample(self, step: int, rows: int) -> None:
        """Take as long as some rows do, which come in an order of their own in each rollout."""
        seconds = row_seconds(*self.shape, rows)
        random.Random(step).shuffle(seconds)
        with self.lock:
            now, done = time.monotonic(), 0.0
            for of_row in seconds:
                ends = max(now, heapq.heappop(self.free)) + of_row
                heapq.heappush(self.free, ends)
                done = max(done, ends)
        time.sleep(max(0.0, done - time.monotonic()))


class Handler(BaseHTTPRequestHandler):
    device: Device

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/publish":
            time.sleep(PUBLISH_S)
        else:
            self.device.sample(asked["step"], asked["rows"])
        answer = json.dumps({"version": asked["version"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        return


if __name__ == "__main__":
    Handler.device = Device(*map(float, sys.argv[1:4]), slots=int(sys.argv[4]))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
