"""How a run begins in its folder: anew, in the place of another, or where an earlier one stopped."""

from __future__ import annotations

from nint.errors import UsageError
from nint.runs.contents import CHECKPOINT
from nint.runs.folder import OutputFolder
from nint.runs.places import shown


def check_start(folder: OutputFolder, *, resume: bool, force: bool) -> bool:
    """Whether there is a checkpoint to continue from; nothing is removed yet.

    A folder without model, checkpoint and record counts as fresh, and a run that was killed before its first checkpoint starts again.

    Args:
        folder: The output folder, open.
        resume: Continue the run in it.
        force: Replace the run in it.

    Raises:
        UsageError: for a folder that holds another run, or none to resume.
    """
    if resume and force:
        raise UsageError("--resume goes on with a run and --force replaces it; give one of them.")
    if resume:
        if (folder / CHECKPOINT).exists():
            return True
        if folder.fresh and folder.known:
            return False
        raise UsageError(f"There is no run to resume in {shown(folder.path)}: it has no {CHECKPOINT}.")
    if not folder.fresh and not force:
        raise UsageError(
            f"{shown(folder.path)} holds another run; choose another --out, or add --resume to go on with it or --force to replace it."
        )
    return False
