import subprocess
import sys

import pytest

from nint.heap import keep_freed_memory


def test_it_answers_the_same_twice():
    assert keep_freed_memory() == keep_freed_memory()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_memory_stays_in_the_process():
    code = (
        "import resource, torch; from nint.heap import keep_freed_memory; print(keep_freed_memory());"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def once(): blocks = [torch.empty(2**20).fill_(1.0) for _ in range(10)]\n"
        "once(); once(); before = faults()\n"
        "for _ in range(10): once()\n"
        "print(faults() - before)"
    )
    pages = {}
    for mode in ("auto", "default"):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"NINT_HEAP": mode})
        kept, faults = done.stdout.split()
        pages[mode] = int(faults)
        assert kept == str(mode == "auto")
    assert 2 * pages["auto"] < pages["default"]
