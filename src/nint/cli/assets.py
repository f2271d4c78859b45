"""`nint assets`: lists optional files, such as the weights of LPIPS, and downloads one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from nint.cli.parsing import flag, positional
from nint.errors import UsageError, nearest

if TYPE_CHECKING:
    from nint.metrics.assets import Asset


@dataclass(frozen=True)
class AssetsOptions:
    """Lists optional files that nint can use, or downloads one into the user's cache with pip (nothing is installed).

    Attributes:
        asset: file to download (lpips: weights of the image metric LPIPS); without it all are listed
        force: download it again where it exists
    """

    asset: Annotated[str, *positional("ASSET")] = ""
    force: Annotated[bool, *flag()] = False


def run(options: AssetsOptions) -> int:
    """Runs `nint assets`; returns the exit code.

    Raises:
        UsageError: for an unknown asset, --force without one, or a download that fails.
    """
    from nint.metrics.assets import ASSETS

    if options.asset and options.asset not in ASSETS:
        raise UsageError(f"There is no asset called '{options.asset}'.{nearest(options.asset, ASSETS)}")
    if options.force and not options.asset:
        raise UsageError(f"--force needs the name of an asset: {', '.join(ASSETS)}.")

    from nint.cli.show import Show

    show = Show()
    if not options.asset:
        show.table(("asset", "state", "file", ""), [(name, *_state(asset), asset.about) for name, asset in ASSETS.items()])
        return 0
    asset = ASSETS[options.asset]
    got = asset.fetch(options.force, show.line)
    show.line(f"{options.asset} is in {got}")
    used = asset.path()
    if used != got:
        show.line(f"{asset.variable} is set, so what is used is {used}")
    return 0


def _state(asset: Asset) -> tuple[str, str]:
    path = asset.path()
    if not path.exists():
        return "absent", str(path)
    return "ready" if asset.is_sound(path) else "unusable", str(path)
