"""Folders in the Hub's layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import nint
from nint.errors import UsageError
from nint.runs.model import Fit


def test_what_is_saved_is_loaded(fit: Fit, tmp_path: Path):
    fit.save_pretrained(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    back = nint.Fit.from_pretrained(tmp_path / "model")
    assert all(torch.equal(value, back.state_dict()[name]) for name, value in fit.state_dict().items())
    assert back.layout == fit.layout and back.spec == fit.spec and back.metrics == fit.metrics
    assert json.loads((tmp_path / "model" / "config.json").read_text())["library_name"] == "nint"


def test_the_card_says_what_it_is_and_how_to_use_it(fit: Fit, tmp_path: Path):
    fit.save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: nint\n") and "- image\n---" in card
    assert "40x40 RGB image" in card and "Fit.from_pretrained" in card and f"| psnr | {fit.metrics['psnr']:.4g} |" in card


def test_a_folder_is_saved_again_but_nothing_of_others_is_replaced(fit: Fit, tmp_path: Path):
    fit.save_pretrained(tmp_path / "a")
    fit.save_pretrained(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "README.md").write_text("mine")
    with pytest.raises(UsageError, match=r"has no config\.json"):
        fit.save_pretrained(tmp_path / "b")
    (tmp_path / "b" / "config.json").write_text('{"library_name": "other"}')
    with pytest.raises(UsageError, match="is not the configuration of a model of nint"):
        fit.save_pretrained(tmp_path / "b")
    assert (tmp_path / "b" / "README.md").read_text() == "mine"


def test_damaged_folders_give_one_sentence(fit: Fit, tmp_path: Path):
    with pytest.raises(UsageError, match=r"has no config\.json"):
        Fit.from_pretrained(tmp_path)
    fit.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for harmed in ("{", "[]", json.dumps(config | {"field": "siren:size=3x99"}), json.dumps(config | {"layout": {}})):
        (tmp_path / "config.json").write_text(harmed)
        with pytest.raises(UsageError):
            Fit.from_pretrained(tmp_path)
