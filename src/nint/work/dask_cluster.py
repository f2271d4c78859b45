"""Workers of a running Dask cluster. What a task makes comes back with its result, since they may share no files with this machine.

Tasks are independent jobs on Dask's own executor. Inputs that are files must lie under the same path for the workers.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from nint.errors import UsageError

_CONNECT_S = 10


class DaskCluster:
    """Workers of a running cluster. Dask itself moves the tasks of a worker that has died to another.

    Args:
        address: Of the scheduler, such as "tcp://127.0.0.1:8786".
        threads: CPU threads of PyTorch in each task. A worker process runs one at a time, whatever its number of threads.

    Attributes:
        slots: Tasks at a time.
        died: What a future raises when Dask gives a task up, because several workers have died with it.
        shares_files: Whether workers see this machine's files: not known, so no.

    Raises:
        UsageError: where Dask is not installed, nothing answers, or the cluster has no workers.
    """

    shares_files = False

    def __init__(self, address: str, threads: int) -> None:
        try:
            from distributed import Client, KilledWorker
        except ImportError:
            raise UsageError("--scheduler needs the package distributed; pip install 'nint[cluster]'.") from None
        untyped_client: Any = Client
        self._threads = threads
        self.died: tuple[type[BaseException], ...] = (KilledWorker,)
        try:
            self._client: Any = untyped_client(address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(f"No Dask scheduler answers at {address}; start one with 'dask scheduler' and give its address.") from error
        try:
            self.slots = len(self._client.nthreads())
            if not self.slots:
                raise UsageError(f"The Dask scheduler at {address} has no workers; start some with 'dask worker {address}'.")
            self._executor = self._client.get_executor(pure=False)
        except BaseException:
            self._client.close()
            raise

    def submit(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Future[Any]:
        """Starts a task; see `nint.work.tasks.Workers`."""
        started: Future[Any] = self._executor.submit(function, *arguments, threads=self._threads, **options)
        return started

    def close(self) -> None:
        """Takes back the tasks that have not begun. The cluster ends those that have; what they give is dropped."""
        self._executor.shutdown(wait=False)
        self._client.close()
