"""A rank that ``rlframework doctor`` cannot meet, for test_doctor.py: ``torchrun doctor_ranks.py <what> <folder>``.

Rank 0 is the doctor. Rank 1 stays ``away``, or comes to the meeting and then ``hangs``.
"""

from __future__ import annotations

import os
import sys
import time

import torch.distributed as dist

from rlframework.cli import doctor

if __name__ == "__main__":
    if os.environ["RANK"] == "0":
        sys.exit(doctor.main(["--output", sys.argv[2]]))
    if sys.argv[1] == "hangs":
        dist.monitored_barrier = lambda **_: time.sleep(600.0)
        doctor.ranks()
    time.sleep(600.0)
