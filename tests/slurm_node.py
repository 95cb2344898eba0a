"""A real Slurm of one node, with two graphics cards that are none, in a temporary folder; for root on Debian."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ETC = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
MARK = "FIRSTSIGHT_TEST_SLURM"
SECONDS_TO_START = 30
SECONDS_TO_STOP = 20

SLURM_CONF = """
ClusterName=firstsight
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={state}/munge.socket
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/node
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
GresTypes=gpu
MinJobAge=3600
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=40000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
# A gres needs a file each, and jobs compute on the CPU where torch sees no GPU.
GRES_CONF = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n"
CGROUP_CONF = "CgroupPlugin=cgroup/v1\n"


def why_not() -> str | None:
    """Why no Slurm can be started here; None where one can."""
    if os.geteuid() != 0:
        return "starting Slurm takes root"
    for program in ("munged", "slurmctld", "slurmd", "sbatch"):
        if shutil.which(program, path=_search_path()) is None:
            return f"Slurm is not installed ({program}): apt-get install --no-install-recommends slurm-wlm munge"
    _remove_links_left_behind()
    if any((ETC / name).exists() or (ETC / name).is_symlink() for name in FILES):
        return f"this machine has a Slurm of its own ({ETC})"
    return None


@contextmanager
def slurm_node(state: Path) -> Iterator[dict[str, str]]:
    """Start it, give the environment for its commands, and leave nothing behind: no process, nothing in /etc/slurm."""
    environment = {**os.environ, "PATH": _search_path(), MARK: str(state)}
    with ExitStack() as cleanup:
        _write_files(state, cleanup)
        cleanup.callback(_kill_marked, state)
        munge = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        places = [f"--{option}={state}/munge.{suffix}" for option, suffix in munge.items()]
        for line in (["munged", "--foreground", "--force", *places], ["slurmctld", "-D"], ["slurmd", "-D"]):
            with open(state / f"{line[0]}.out", "wb") as out:
                process = subprocess.Popen(line, env=environment, stdout=out, stderr=out, start_new_session=True)
            cleanup.callback(_stop, process)
        cleanup.callback(_empty_queue, environment)
        _wait_for_node(state, environment)
        yield environment


def queue(environment: dict[str, str], *arguments: str) -> list[str]:
    """The lines that squeue prints, without its header."""
    return _output(["squeue", "--noheader", *arguments], environment).splitlines()


def _search_path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _write_files(state: Path, cleanup: ExitStack) -> None:
    for folder in ("controller", "node"):
        (state / folder).mkdir(parents=True)
    key = state / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    values = dict(host=socket.gethostname(), state=state, controller_port=_free_port(), node_port=_free_port())
    for name, text in zip(FILES, (SLURM_CONF.format(**values), GRES_CONF, CGROUP_CONF), strict=True):
        (state / name).write_text(text)
    if not ETC.exists():
        ETC.mkdir()
        cleanup.callback(ETC.rmdir)
    for name in FILES:
        # Jobs find the files here only: the executor takes SLURM_CONF from their environment.
        (ETC / name).symlink_to(state / name)
        cleanup.callback((ETC / name).unlink)


def _remove_links_left_behind() -> None:
    """Remove links of an earlier test that was killed: they lead to a folder of pytest, and its Slurm does not run."""
    for link in [ETC / name for name in FILES if (ETC / name).is_symlink()]:
        state = link.readlink().parent
        if any(part.startswith("pytest-of-") for part in state.parts) and not _marked(state):
            link.unlink()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for_node(state: Path, environment: dict[str, str]) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while _output(["sinfo", "--noheader", "--format=%T"], environment).strip() != "idle":
        if time.monotonic() > deadline:
            logs = "".join(path.read_text(errors="replace")[-2000:] for path in sorted(state.glob("*.log")))
            raise RuntimeError(f"Slurm did not start:\n{logs}")
        time.sleep(0.2)


def _empty_queue(environment: dict[str, str]) -> None:
    _output(["scancel", "--full", "--user=root"], environment)
    deadline = time.monotonic() + SECONDS_TO_STOP
    while queue(environment, "--states=RUNNING,PENDING,COMPLETING") and time.monotonic() < deadline:
        time.sleep(0.2)


def _output(line: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=30).stdout


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _marked(state: Path) -> list[int]:
    """The processes of this Slurm: whatever bears its mark in its environment, this process aside."""
    wanted = f"{MARK}={state}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            marked = wanted in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marked and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def _kill_marked(state: Path) -> None:
    """Kill what still runs of this Slurm."""
    for process in _marked(state):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
