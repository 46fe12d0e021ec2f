"""`python -m build.stack exec`: a command beside private services."""

import os
import subprocess
import sys

from build.stack.paths import ROOT


def test_a_command_beside_services_gets_their_addresses_and_keeps_its_exit_code():
    environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
    script = "import os, sys; print(os.environ['REDIS_URL']); sys.exit(7)"

    done = subprocess.run(
        [sys.executable, "-m", "build.stack", "exec", "redis", "--", sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 7
    assert done.stdout.startswith("redis://127.0.0.1:")
