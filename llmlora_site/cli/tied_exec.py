"""Script: become another command that ends when its parent ends. Run as a file, so that it starts in milliseconds.

`python -I -S tied_exec.py PARENT_PID COMMAND...`

Setting the death signal here, and not between fork and exec in the parent, keeps the parent free to run threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent_pid, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        # The parent may have died before the line above, and then no signal will ever come.
        if os.getppid() != parent_pid:
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
