"""Mail with known outcomes through ZoneMTA and Haraka.

Every event must be captured, once and right: in each mode of the agent, undisturbed and with faults
in the middle (the agent killed, the server down, MongoDB stepped down and restarted), by a right
clock or one that is ahead or behind. The last lines of standard output are JSON, one per run. What
is reported must be right; what is inferred may be wrong, and is counted. The runs are
tests/system/e2e/real_mail.py.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

from build.stack.paths import ROOT
from build.stack.supervisor import leaving_no_child, python

RUNS = "tests/system/e2e/real_mail.py"
MODES = ("plugin", "stream", "stream-without-pre-images", "both", "haraka")
HARM = {"no": [False], "yes": [True], "both": [False, True]}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--messages", type=int, default=5000, help="of each mode")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=[*MODES])
    parser.add_argument("--harm", choices=HARM, default="both")
    parser.add_argument("--ahead", type=int, default=0, help="seconds, of the node's clock")
    parser.add_argument("--within", type=float, default=7200.0, help="seconds, of each run")


def run(options: argparse.Namespace) -> int:
    with tempfile.NamedTemporaryFile("r", prefix="verdicts-") as verdicts, leaving_no_child():
        chosen = {
            "messages": options.messages,
            "seed": options.seed,
            "ahead_s": options.ahead,
            "within_s": options.within,
            "runs": [(mode, harm) for harm in HARM[options.harm] for mode in options.modes],
            "verdicts": verdicts.name,
        }
        code = subprocess.run(
            [*python("pytest"), "-q", "-s", RUNS],
            cwd=ROOT,
            env={**os.environ, "REAL_MAIL": json.dumps(chosen)},
            stdout=sys.stderr,
            check=False,
        ).returncode
        print(verdicts.read(), end="", flush=True)
    return 1 if code else 0
