"""`make soak`: ten million decisions through nginx, and the gate's memory before and after.

    python -m tests.bench.soak [REQUESTS]

Half of the questions are the same few again and again, half never come twice, under keys of which
most are unknown: what is remembered must stay bounded. Stops by itself; prints one line per
million, and fails if the gate grew by more than a twentieth once all it remembers was full.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import running
from tests.bench.running import Target

REQUESTS = 10_000_000
WARM = 100_000
"""By then everything that is remembered is full: 10,000 look-ups, 8,192 answers that stand."""
MOST_GROWTH = 1.05
_CONNECTIONS = 32


def grown(
    target: Target, gate_pid: int, requests: int, *, say: bool = False
) -> tuple[float, float]:
    """Megabytes resident of the gate when warm, and at the end."""
    warm = min(WARM, requests)
    _ask(target, warm)
    before = running.memory_mb(gate_pid)
    step, left = max(requests // 10, 1), requests - warm
    while left > 0:
        _ask(target, min(step, left))
        left -= step
        if say:
            done = requests - max(left, 0)
            print(f"{done:>11,} requests  {running.memory_mb(gate_pid):7.1f} MB", flush=True)
    return before, running.memory_mb(gate_pid)


def _ask(target: Target, count: int) -> None:
    (key,) = (field.partition(": ")[2] for field in target.fields)
    command = [sys.executable, "-m", "tests.bench.churn", str(target.port), str(_CONNECTIONS)]
    command += [str(count), key]
    done = subprocess.run(running.on_core(1, command), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr or done.stdout)
    answers = json.loads(done.stdout)
    if answers.get("200", 0) < count / 3:
        raise RuntimeError(f"too few were let through: {answers}")


def main() -> int:
    from tests.bench import gateway

    requests = int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS
    if not running.possible("soak"):
        return 1
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        market, _ = stack.enter_context(running.nginx(folder, "market", 0, running.MARKET, core=1))
        target = stack.enter_context(gateway.fronted(folder, market, core=1))["asked"]
        begun = time.monotonic()
        before, after = grown(target, target.processes[0].pid, requests, say=True)
    hours = (time.monotonic() - begun) / 3600
    print(
        f"{requests:,} requests in {hours:.2f} h: {before:.1f} MB warm, {after:.1f} MB at the end"
    )
    return 0 if after <= before * MOST_GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
