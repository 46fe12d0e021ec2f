"""A Debian machine of its own: booted with systemd, reached by SSH, gone without a trace."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from build.deadline import Deadline
from build.stack.errors import StackError
from build.stack.paths import LOGS

LOG = LOGS / "ansible" / "plays.log"
BOOT = Path(__file__).with_name("boot.sh")
BOOT_WITHIN_SECONDS = 60
COMMAND_TIMEOUT_SECONDS = 120
PLAY_TIMEOUT_SECONDS = 900
POLL_SECONDS = 0.1
SHOWN_LINES = 60


@dataclass(frozen=True)
class Play:
    """The result of one run of ansible-playbook. `text`: all it printed."""

    code: int
    text: str
    changed: int
    failed: int

    @property
    def changes(self) -> list[str]:
        """The names of tasks that changed something."""
        names: list[str] = []
        task = ""
        for line in self.text.splitlines():
            if line.startswith(("TASK [", "RUNNING HANDLER [")):
                task = line.partition("[")[2].rpartition("]")[0]
            elif line.startswith("changed:") and task not in names:
                names.append(task)
        return names


class Machine:
    """One that runs. `home`: where its disk, its key and its log lie, outside of it."""

    def __init__(self, home: Path, process: "subprocess.Popen[bytes]", ansible: Path) -> None:
        self.home = home
        self._process = process
        self._ansible = ansible
        self._spawned: list[subprocess.Popen[bytes]] = []

    @property
    def init_pid(self) -> int:
        """The machine's first process, by this machine's number."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        pids = children.read_text().split()
        if not pids:
            raise StackError(f"The machine has ended; see {self.home / 'console.log'}.")
        return int(pids[0])

    def enter(self) -> list[str]:
        """Return the beginning of a command that runs in the machine."""
        return ["nsenter", "--target", str(self.init_pid), "--all", "--"]

    def run(self, *argv: str, check: bool = True, text: str | None = None) -> str:
        """Return the output of a command there. With `check` a failure raises StackError."""
        done = subprocess.run(
            [*self.enter(), *argv],
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        )
        if check and done.returncode:
            raise StackError(
                f"{' '.join(argv)}: code {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def put(self, path: str, content: bytes) -> None:
        """Write a file there."""
        subprocess.run(
            [*self.enter(), "tee", path],
            input=content,
            stdout=subprocess.DEVNULL,
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=True,
        )

    @contextlib.contextmanager
    def serving(self, files: Mapping[str, bytes], *, port: int = 18081) -> Iterator[str]:
        """Serve files over HTTP on the machine's loopback for the length of the block."""
        address = f"http://127.0.0.1:{port}"
        for name, content in files.items():
            path = f"/srv/files/{name}"
            self.run("mkdir", "-p", str(PurePosixPath(path).parent))
            self.put(path, content)
        server = ("/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", str(port))
        self.run(
            "systemd-run", "--quiet", "--unit=files", "--working-directory=/srv/files", *server
        )
        request = f"import urllib.request; urllib.request.urlopen('{address}/')"
        try:
            self.wait_until("the server of files", "/usr/bin/python3", "-c", request)
            yield address
        finally:
            self.run("systemctl", "stop", "files.service")

    def spawn(self, *argv: str) -> None:
        """Start a command there that goes on; it ends with the machine."""
        self._spawned.append(
            subprocess.Popen(
                [*self.enter(), *argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def end(self) -> None:
        """Take its power away."""
        for process in (self._process, *self._spawned):
            process.kill()
            process.wait()

    def file(self, path: str) -> str:
        """Return a text file's content."""
        return self.run("cat", path)

    def journal(self, unit: str) -> str:
        """Return the log of a unit."""
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit", unit, check=False)

    def wait_until(self, name: str, *argv: str, within_s: float = 30) -> None:
        """Wait until a command succeeds there. Raise StackError naming it when it does not."""
        deadline = Deadline(within_s)
        while not deadline.is_over:
            with contextlib.suppress(StackError):
                self.run(*argv)
                return
            time.sleep(POLL_SECONDS)
        raise StackError(f"{name}: not within {within_s:g} s")

    def play(self, playbook: Path, inventory: Path, *options: str) -> Play:
        """Run a playbook against this machine over SSH."""
        done = subprocess.run(
            [
                str(self._ansible / "bin" / "ansible-playbook"),
                *("--inventory", str(inventory), str(playbook), *options),
            ],
            cwd=playbook.parents[1],
            env=self._play_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PLAY_TIMEOUT_SECONDS,
            check=False,
        )
        LOG.parent.mkdir(parents=True, exist_ok=True)
        with LOG.open("a") as log:
            log.write(f"\n--- {playbook.name} {' '.join(options)}\n{done.stdout}")
        recap = re.findall(r"changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", done.stdout)
        return Play(
            done.returncode,
            done.stdout,
            changed=sum(int(line[0]) for line in recap),
            failed=sum(int(line[1]) + int(line[2]) for line in recap),
        )

    def _play_environment(self) -> Mapping[str, str]:
        inherited = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
        }
        return inherited | {
            # The rest is of ansible/ansible.cfg, as for a person.
            "ANSIBLE_HOST_KEY_CHECKING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_LOCAL_TEMP": str(self.home / "ansible"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.home / "cp"),
            "LC_ALL": "C.UTF-8",
        }

    def host_variables(self) -> dict[str, str]:
        """Return how Ansible reaches the machine: SSH, without a port of this machine."""
        proxy = f"nsenter --target {self.init_pid} --all -- /usr/sbin/sshd -i"
        return {
            "ansible_host": "machine",
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.home / "key"),
            "ansible_ssh_common_args": (
                f"-o ProxyCommand='{proxy}' -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
            ),
            "ansible_python_interpreter": "/usr/bin/python3",
        }


@contextlib.contextmanager
def boot(root: Path, home: Path, *, ansible: Path) -> Iterator[Machine]:
    """Boot `root` for the length of the block. `home` is made anew and removed at the end."""
    shutil.rmtree(home, ignore_errors=True)
    (home / "upper" / "root" / ".ssh").mkdir(parents=True, mode=0o700)
    (home / "upper" / "root").chmod(0o700)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "key")],
        check=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
    )
    # The kernel is this machine's: no modules for it.
    masked = home / "upper" / "etc" / "systemd" / "system" / "systemd-modules-load.service"
    masked.parent.mkdir(parents=True)
    masked.symlink_to("/dev/null")
    shutil.copy(home / "key.pub", home / "upper" / "root" / ".ssh" / "authorized_keys")
    with (home / "console.log").open("wb") as console:
        process = subprocess.Popen(
            ["sh", str(BOOT), str(root), str(home)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        )
    machine = Machine(home, process, ansible)
    try:
        _wait_until_up(machine, process)
        # Ubuntu's SSH has it made when the first caller comes to its port, which is not our way in.
        machine.run("mkdir", "-p", "/run/sshd")
        yield machine
    finally:
        machine.end()
        _remove_control_groups(home)
        shutil.rmtree(home, ignore_errors=True)


def _wait_until_up(machine: Machine, process: "subprocess.Popen[bytes]") -> None:
    deadline = Deadline(BOOT_WITHIN_SECONDS)
    state = ""
    while not deadline.is_over and process.poll() is None:
        with contextlib.suppress(StackError, OSError):
            state = machine.run("systemctl", "is-system-running", check=False).strip()
            if state in ("running", "degraded"):
                return
        time.sleep(POLL_SECONDS)
    lines = (machine.home / "console.log").read_text(errors="replace").splitlines()[-SHOWN_LINES:]
    raise StackError("\n".join([f"The machine did not boot ({state or 'ended'}):", *lines]))


def _remove_control_groups(home: Path) -> None:
    with contextlib.suppress(OSError):
        top = Path((home / "cgroup").read_text().strip())
        deadline = Deadline(BOOT_WITHIN_SECONDS)
        # The kernel lets go of a killed process a moment later.
        while (top / "cgroup.procs").exists() and not deadline.is_over:
            for folder in sorted(top.rglob("*"), reverse=True):
                if folder.is_dir():
                    with contextlib.suppress(OSError):
                        folder.rmdir()
            with contextlib.suppress(OSError):
                top.rmdir()
            time.sleep(POLL_SECONDS)


def write_inventory(path: Path, groups: Mapping[str, Mapping[str, object]]) -> Path:
    """Write hosts of groups with their variables: JSON, which is YAML too. Return the path."""
    hosts = {
        group: {"hosts": {name: values}}
        for group, members in groups.items()
        for name, values in members.items()
    }
    path.write_text(json.dumps({"all": {"children": hosts}}, indent=2))
    return path
