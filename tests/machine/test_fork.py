"""A forked process in which PyTorch would hang refuses at once; each case runs in a process of its own, with a limit."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

PROGRAM = """
import multiprocessing, sys, torch, nint
import numpy as np

def fit():
    image = np.random.default_rng(0).random((8, 9, 3)).astype("float32")
    return nint.fit(image, field="siren:size=1x8", sampler="nint", total_steps=2, device="cpu")

def child(threads):
    if threads:
        torch.set_num_threads(threads)
    for call in (fit, lambda: teacher.next(), lambda: done(np.zeros((2, 2)))):
        try:
            call()
            print("done", flush=True)
        except nint.UsageError as error:
            print(error, flush=True)

torch.set_num_threads(int(sys.argv[1]))
done = fit()
coords = torch.rand(50, 2)
teacher = nint.Teacher(torch.nn.Linear(2, 1), coords, coords[:, :1], "nint", total_steps=5)
process = multiprocessing.get_context("fork").Process(target=child, args=(int(sys.argv[2]),))
process.start()
process.join(60)
alive = process.is_alive()
process.kill()
sys.exit(9 if alive else process.exitcode)
"""


def run(parent_threads, child_threads):
    arguments = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(parent_threads), str(child_threads)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "2"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_the_child_of_a_process_with_several_threads_is_told_to_spawn():
    lines = run(2, 0)
    assert len(lines) == 3
    assert all("This process was forked from one that has used several CPU threads" in line and "'spawn'" in line for line in lines)


@pytest.mark.parametrize(("parent", "child"), [(2, 1), (1, 0)])
def test_one_thread_in_either_process_is_fine(parent, child):
    assert run(parent, child) == ["done"] * 3
