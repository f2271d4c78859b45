"""What a NIfTI header says beside shape and type: both of its transforms, and the parts that are said not to be kept; against nibabel."""

import json

import numpy as np
import pytest
import torch

from nint.signals.grid.nifti import Nifti
from nint.signals.grid.volume import VolumeSignal, load_volume
from nint.signals.open import layout_from_json

nibabel = pytest.importorskip("nibabel", reason="nibabel is the extra 'volume'")

SHAPE = (5, 6, 7)
MNI = np.array([[-1.9, 0.3, 0.1, 90.5], [0.2, 0.1, 2.4, -126.0], [0.4, 2.1, -0.2, 12.25], [0, 0, 0, 1]])


def turned(degrees, zooms=(2.0, 2.5, 3.0), offset=(-40.0, 12.5, 7.0)):
    """A rotation about z of voxels of these sizes."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) * zooms
    matrix[:3, 3] = offset
    return matrix


def save(path, sform=MNI, qform=None, codes=(4, 1), change=lambda image: None, image_class=nibabel.Nifti1Image):
    image = image_class(np.random.default_rng(0).integers(0, 99, SHAPE).astype(np.int16), sform)
    image.set_sform(sform, codes[0])
    image.set_qform(turned(20) if qform is None else qform, codes[1])
    change(image)
    nibabel.save(image, path)
    return nibabel.load(path)


def by_heart(signal):
    def predict(coords):
        index = [((coords[:, i].double() + 1) / 2 * (n - 1)).round().long().numpy() for i, n in enumerate(signal.layout.grid)]
        return signal.values[torch.from_numpy(np.ravel_multi_index(index, signal.layout.grid))]

    return predict


def written(signal, path, **options):
    layout = layout_from_json(json.loads(json.dumps(signal.layout.to_json())))
    assert layout == signal.layout
    layout.write(layout.decode(by_heart(signal), **options), path)
    return nibabel.load(path)


@pytest.mark.parametrize("image_class", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("degrees", [0, 20, 90, 180, -135])
def test_both_transforms_are_kept_each_with_its_code(tmp_path, degrees, image_class):
    before = save(tmp_path / "a.nii", qform=turned(degrees), image_class=image_class)
    after = written(load_volume(tmp_path / "a.nii"), tmp_path / "b.nii.gz")
    for form in ("get_sform", "get_qform"):
        (old, old_code), (new, new_code) = (getattr(image, form)(coded=True) for image in (before, after))
        assert old_code == new_code and np.allclose(old, new, rtol=1e-5, atol=1e-4)
    assert np.allclose(before.header["pixdim"][:4], after.header["pixdim"][:4])
    assert not np.allclose(after.get_sform(), after.get_qform(), atol=0.1)


def test_both_lie_where_they_lay_at_another_size(tmp_path):
    before, size = save(tmp_path / "a.nii"), (9, 3, 14)
    after = written(load_volume(tmp_path / "a.nii"), tmp_path / "b.nii", shape=size)
    for corner in np.ndindex(2, 2, 2):
        old, new = ([*(np.array(corner) * (np.array(shape) - 1)), 1] for shape in (SHAPE, size))
        for form in ("get_sform", "get_qform"):
            assert np.allclose(getattr(before, form)() @ old, getattr(after, form)() @ new, atol=1e-3)


@pytest.mark.parametrize("codes", [(4, 0), (0, 1), (0, 0), (2, 1)])
def test_one_transform_is_stored_where_the_other_has_no_code_or_is_the_same(tmp_path, codes):
    before = save(tmp_path / "a.nii", sform=turned(20), codes=codes)
    signal = load_volume(tmp_path / "a.nii")
    assert signal.layout.nifti.qform is None
    after = written(signal, tmp_path / "b.nii")
    assert np.allclose(before.affine, after.affine, atol=1e-5) and before.header["qform_code"] == after.header["qform_code"]


def test_models_of_before_load_and_a_damaged_transform_is_refused(tmp_path):
    save(tmp_path / "a.nii")
    stored = load_volume(tmp_path / "a.nii").layout.to_json()
    old = json.loads(json.dumps(stored))
    del old["nifti"]["qform"]
    assert layout_from_json(old).nifti == Nifti(**{**stored["nifti"], "qform": None})
    with pytest.raises(ValueError, match="The qform of a NIfTI volume must be 4x4 finite numbers"):
        layout_from_json({**stored, "nifti": {**stored["nifti"], "qform": [[1.0]]}})


def test_a_quaternion_that_is_none_does_not_hide_a_volume(tmp_path):
    save(tmp_path / "a.nii", change=lambda image: image.header.__setitem__("quatern_b", 7.0))
    assert load_volume(tmp_path / "a.nii").layout.nifti.qform is None


CHANGES = {
    "intent": lambda image: image.header.set_intent("t test", (12.0,), name="contrast"),
    "descrip": lambda image: image.header.__setitem__("descrip", b"TE=30ms"),
    "aux_file": lambda image: image.header.__setitem__("aux_file", b"lut.txt"),
    "cal_min and cal_max": lambda image: image.header.__setitem__("cal_max", 80.0),
    "toffset": lambda image: image.header.__setitem__("toffset", 1.5),
    "slice timing": lambda image: image.header.__setitem__("slice_duration", 0.05),
    "dim_info": lambda image: image.header.set_dim_info(slice=2),
    "extensions": lambda image: image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"hello")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_part_of_the_header_that_is_not_kept_is_said(tmp_path, name):
    save(tmp_path / "a.nii.gz", change=CHANGES[name])
    assert f"The model does not keep these parts of the NIfTI header: {name}." in load_volume(tmp_path / "a.nii.gz").report()


def test_all_parts_are_said_in_one_line_and_none_where_there_is_none(tmp_path):
    save(tmp_path / "a.nii", change=lambda image: [change(image) for change in CHANGES.values()])
    said = [line for line in load_volume(tmp_path / "a.nii").report() if "does not keep" in line]
    assert said == [f"The model does not keep these parts of the NIfTI header: {', '.join(CHANGES)}."]
    save(tmp_path / "b.nii")
    assert not any("does not keep" in line for line in load_volume(tmp_path / "b.nii").report())


def test_that_other_formats_do_not_keep_the_place_is_said(tmp_path):
    save(tmp_path / "a.nii")
    layout = load_volume(tmp_path / "a.nii").layout
    assert layout.losses(".nii") == layout.losses(".nii.gz") == ()
    assert layout.losses(".npy") == ("Where the volume lies in space (the affine) is not kept; .nii and .nii.gz keep it.",)
    assert "(the affine) is not kept, only the distance of its voxels" in layout.losses(".tif")[0]
    assert VolumeSignal(np.arange(60).reshape(3, 4, 5)).layout.losses(".npy") == ()
