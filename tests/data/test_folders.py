"""A folder of images: what Pillow reads, cropped and resized, labels from subfolders, and files that are broken."""

import os
import re

import numpy as np
import pytest
from PIL import Image

from vae_jax import data
from vae_jax.caching import cache_folder
from vae_jax.data.sources import folders
from vae_jax.errors import InputError


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path):
    """Forty pictures of different sizes and formats in two subfolders, each of one colour."""
    random = np.random.RandomState(0)
    for label, name in enumerate(("cats", "dogs")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(20):
            height, width = random.randint(9, 30, 2)
            suffix = ("png", "jpg", "webp", "bmp")[index % 4]
            color = (10 * index, 100 * label, 50)
            Image.new("RGB", (int(width), int(height)), color).save(
                tmp_path / "photos" / name / f"{index:02}.{suffix}", quality=95
            )
    return tmp_path / "photos"


def everything(found: data.Dataset) -> np.ndarray:
    return np.concatenate([part.x for part in found[1:4]])


def test_subfolders_are_labels_and_images_come_in_order(photos):
    found = data.load(str(photos), size=8)
    assert found.train.x.shape == (32, 8, 8, 3) and found.train.x.dtype == np.uint8 and found.classes == 2
    for part in found[1:4]:
        np.testing.assert_allclose(
            part.x[..., 1], np.broadcast_to(100 * part.y[:, None, None], (len(part.y), 8, 8)), atol=3
        )
    assert sorted(np.unique(np.round(everything(found)[:, 0, 0, 0] / 10))) == list(range(20))


def test_the_array_is_kept_and_made_anew_where_anything_changed(photos, monkeypatch, capsys):
    first = everything(data.load(str(photos), size=8))
    with monkeypatch.context() as patch:
        patch.setattr(folders, "pixels", None)  # nothing is decoded a second time
        np.testing.assert_array_equal(everything(data.load(str(photos), size=8)), first)
    (array,) = cache_folder("images").glob("*/x.npy")
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(content)
    np.testing.assert_array_equal(everything(data.load(str(photos), size=8)), first)
    assert "not as it was written: reading the images again" in capsys.readouterr().err
    Image.new("RGB", (9, 9)).save(photos / "cats" / "new.png")
    assert len(everything(data.load(str(photos), size=8))) == 41
    assert data.load(str(photos), size=4).train.x.shape[1:] == (4, 4, 3)


def test_a_broken_file_is_named_or_left_out(photos, capsys):
    (photos / "cats" / "text.png").write_text("no image")
    whole = (photos / "dogs" / "00.png").read_bytes()
    (photos / "dogs" / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cats/text\.png cannot be read .*skip_broken"):
        data.load(str(photos), size=8)
    found = data.load(str(photos), size=8, skip_broken=True)
    assert len(everything(found)) == 40 and found.classes == 2
    assert "2 broken files are left out, cats/text.png, dogs/cut.png" in capsys.readouterr().err
    for part in found[1:4]:
        np.testing.assert_allclose(part.x[:, 0, 0, 1], 100 * part.y, atol=3)


def save_ten(folder, image: Image.Image) -> None:
    folder.mkdir()
    for index in range(10):
        image.save(folder / f"{index}.png")


def test_what_becomes_of_modes(tmp_path):
    """16 bits lose the lower byte, what is transparent lies on white, and grey stays grey where all is grey."""
    deep = np.full((8, 8), 0xABCD, np.uint16)
    save_ten(tmp_path / "deep", Image.fromarray(deep))
    found = data.load(str(tmp_path / "deep"))
    assert found.train.x.shape == (8, 8, 8, 1) and (found.train.x == 0xAB).all()
    save_ten(tmp_path / "clear", Image.new("RGBA", (8, 8), (200, 0, 0, 51)))
    found = data.load(str(tmp_path / "clear"))
    np.testing.assert_allclose(found.train.x[0, 0, 0], 255 + (np.array([200, 0, 0]) - 255) * 51 / 255, atol=1)
    save_ten(tmp_path / "grey", Image.new("L", (8, 8), 77))
    assert (data.load(str(tmp_path / "grey")).train.x == 77).all()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "grey" / "red.png")
    assert data.load(str(tmp_path / "grey")).train.x.shape[-1] == 3
    save_ten(tmp_path / "bits", Image.fromarray(np.eye(8, dtype=bool)))
    np.testing.assert_array_equal(data.load(str(tmp_path / "bits")).train.x[0, ..., 0], 255 * np.eye(8))
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 9, 8, 7])
    save_ten(tmp_path / "palette", palette)
    assert data.load(str(tmp_path / "palette")).train.x[0, 0, 0].tolist() == [9, 8, 7]


def test_the_middle_is_cropped_and_turned_as_exif_says(tmp_path):
    """A green square between red borders, which lie above and below once it is turned."""
    pixels = np.zeros((16, 48, 3), np.uint8)
    pixels[..., 0], pixels[:, 16:32] = 255, (0, 255, 0)
    pixels[:8, 16:32] = (0, 255, 255)  # blue is added in its upper half
    image, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    (tmp_path / "turned").mkdir()
    for index in range(10):
        image.save(tmp_path / "turned" / f"{index}.png", exif=exif)
    x = data.load(str(tmp_path / "turned"), size=16).train.x[0]
    assert (x[..., 0] == 0).all() and (x[..., 1] == 255).all()
    assert (x[:, 8:, 2] == 255).all() and (x[:, :8, 2] == 0).all()


def test_what_cannot_be_a_data_set_is_refused(photos, tmp_path):
    with pytest.raises(InputError, match=r"images of .* sizes, mostly .*`size=64`"):
        data.load(str(photos))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"holds no images; expected \.png"):
        data.load(str(tmp_path / "empty"))
    (tmp_path / "empty" / "a.png").write_text("")
    with pytest.raises(InputError, match="none of its 1 images can be read"):
        data.load(str(tmp_path / "empty"), skip_broken=True)
    Image.new("L", (4, 4)).save(tmp_path / "empty" / "a.png")
    with pytest.raises(InputError, match="too few"):
        data.load(str(tmp_path / "empty"))
    with pytest.raises(InputError, match="`size=8`: digits comes as it is"):
        data.load("digits", size=8)


def test_hidden_files_and_an_image_outside_the_subfolders(photos):
    (photos / ".trash").mkdir()
    Image.new("RGB", (9, 9)).save(photos / ".trash" / "a.png")
    Image.new("RGB", (9, 9)).save(photos / "cats" / "._a.png")
    assert len(everything(data.load(str(photos), size=4))) == 40
    Image.new("RGB", (9, 9)).save(photos / "loose.png")
    found = data.load(str(photos), size=4)
    assert len(everything(found)) == 41 and found.classes == 0


def test_folders_with_files_of_one_name_size_and_time_are_told_apart(tmp_path):
    for color in (10, 200):
        save_ten(tmp_path / str(color), Image.new("L", (4, 4), color))
        for path in (tmp_path / str(color)).iterdir():
            os.utime(path, (1, 1))
    assert [int(data.load(str(tmp_path / str(color))).train.x.max()) for color in (10, 200)] == [10, 200]


def test_turned_tiffs_and_grey_palettes(tmp_path):
    (tmp_path / "tiff").mkdir()
    for index in range(10):
        pixels = np.arange(6 * 9 * 3, dtype=np.uint8).reshape(6, 9, 3)
        Image.fromarray(pixels).save(tmp_path / "tiff" / f"{index}.tiff", tiffinfo={0x0112: 6 if index else 1})
    with pytest.raises(InputError, match="images of 2 sizes, mostly 9×6"):
        data.load(str(tmp_path / "tiff"))
    (tmp_path / "tiff" / "0.tiff").unlink()
    Image.fromarray(pixels).save(tmp_path / "tiff" / "more.tiff", tiffinfo={0x0112: 6})
    assert data.load(str(tmp_path / "tiff")).train.x.shape[1:] == (9, 6, 3)
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    save_ten(tmp_path / "palette", palette)
    assert data.load(str(tmp_path / "palette")).train.x.shape == (8, 4, 4, 1)


def test_links_to_nowhere_and_what_is_no_file_are_broken(photos, capsys):
    (photos / "cats" / "nowhere.png").symlink_to(photos / "missing.png")
    (photos / "cats" / "round.png").symlink_to(photos / "cats" / "round.png")
    os.mkfifo(photos / "cats" / "pipe.png")
    with pytest.raises(InputError, match=r"cats/nowhere\.png cannot be read"):
        data.load(str(photos), size=8)
    assert len(everything(data.load(str(photos), size=8, skip_broken=True))) == 40
    assert "3 broken files are left out" in capsys.readouterr().err


def test_any_error_of_a_format_is_a_broken_file(photos, monkeypatch):
    read = folders.shape_of

    def fails(path):
        if path.name == "03.bmp":
            raise RuntimeError("failed to decode frame 0")
        return read(path)

    monkeypatch.setattr(folders, "shape_of", fails)
    with pytest.raises(InputError, match=r"03\.bmp cannot be read \(failed to decode frame 0\)"):
        data.load(str(photos), size=8)
    assert len(everything(data.load(str(photos), size=8, skip_broken=True))) == 38


@pytest.mark.parametrize("shape", [(5, 5), (1, 8)])
def test_a_file_that_changes_while_it_is_read_is_no_other_image(shape, tmp_path, monkeypatch):
    save_ten(tmp_path / "ten", Image.new("L", (8, 8), 7))
    read = folders.shape_of

    def replaced(path):
        found = read(path)
        if path.name == "9.png":
            Image.new("L", shape, 9).save(path)
        return found

    monkeypatch.setattr(folders, "shape_of", replaced)
    with pytest.raises(InputError, match="changed while it was read"):
        data.load(str(tmp_path / "ten"))
    assert not list(cache_folder("images").glob("*/about.json"))


def pictures(folder, count, level=0):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.new("L", (4, 4), level + index).save(folder / f"{index:03}.png")


def test_outer_folders_that_are_parts_are_parts_and_the_classes_lie_below(tmp_path):
    pets = tmp_path / "pets"
    for place, (part, count) in enumerate({"Train": 12, "val": 3, "test": 4}.items()):
        for label, name in enumerate(("cat", "dog")):
            pictures(pets / part / name, count, 100 * label + 30 * place)
    found = data.load(str(pets))
    assert [len(part.x) for part in found[1:4]] == [24, 6, 8] and found.class_names == ("cat", "dog")
    for place, part in enumerate(found[1:4]):
        np.testing.assert_array_equal(part.x[:, 0, 0, 0] >= 100, part.y == 1)
        np.testing.assert_array_equal(part.x[:, 0, 0, 0] % 100 // 30, place)


@pytest.mark.parametrize("there", [{"train"}, {"train", "test"}, {"train", "valid"}])
def test_parts_that_are_missing_are_a_random_tenth_of_the_training_part(there, tmp_path):
    pets = tmp_path / "pets"
    for part in there:
        pictures(pets / part, 40)
    found = data.load(str(pets))
    tests, held = ("test" in there), ("valid" in there)
    assert len(found.test.x) == (40 if tests else 4) and len(found.validation.x) == (40 if held else 4)
    assert len(found.train.x) == 40 - 4 * (not tests) - 4 * (not held) and found.classes == 0


def test_a_class_called_test_among_others_is_a_class(tmp_path):
    for name in ("test", "cat", "dog"):
        pictures(tmp_path / "x" / name, 10)
    assert data.load(str(tmp_path / "x")).class_names == ("cat", "dog", "test")


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (["train/a", "test/a", "extra/a"], "holds test, train, which are parts of a data set, and beside them extra"),
        (["train/a", "test/a", "."], "and beside them 000.png, 001.png, 002.png, 003.png, 004.png and 7 more"),
        (["train", "."], "holds train, which are parts of a data set, and beside them 000.png"),
        (["val/a", "test/a"], "holds test, val, which are parts of a data set, and no folder called train"),
        (["set/train/a", "set/test/a"], "set holds test, train, parts of a data set; give"),
        (["a/train", "a/val", "b/train"], "a holds train, val, parts of a data set; expected train/a in place of"),
    ],
)
def test_parts_that_would_be_taken_for_classes_are_refused(layout, said, tmp_path):
    for folder in layout:
        pictures(tmp_path / "x" / folder, 12)
    with pytest.raises(InputError, match=re.escape(said)):
        data.load(str(tmp_path / "x"))


def test_dev_is_a_validation_part_and_train_alone_among_others_a_class(tmp_path):
    for name in ("train/a", "dev/a"):
        pictures(tmp_path / "parts" / name, 20)
    assert [len(part.x) for part in data.load(str(tmp_path / "parts"))[1:4]] == [18, 20, 2]
    for name in ("train", "plane"):
        pictures(tmp_path / "vehicles" / name, 20)
    assert data.load(str(tmp_path / "vehicles")).class_names == ("plane", "train")


@pytest.mark.parametrize("loose", ["test", "train"])
def test_labels_that_some_images_lack_are_left_out_and_that_is_said(loose, tmp_path, capsys):
    for name in ("train/a", "train/b", "test/a", loose):
        pictures(tmp_path / "x" / name, 11)
    assert data.load(str(tmp_path / "x")).classes == 0
    assert f"left out the labels, since 11 images ({loose}/000.png) are in no class's folder" in capsys.readouterr().err


@pytest.mark.parametrize(("broken", "said"), [("test", "part test"), ("train/b", "class b")])
def test_a_part_or_a_class_of_which_nothing_can_be_read_is_refused(broken, said, tmp_path):
    for name in ("train/a", "train/b", "test/a"):
        pictures(tmp_path / "x" / name, 12)
    for file in (tmp_path / "x" / broken).rglob("*.png"):
        file.write_bytes(b"no image")
    with pytest.raises(InputError, match=f"no image of the {said} can be read"):
        data.load(str(tmp_path / "x"), skip_broken=True)


def test_what_is_left_out_is_said(tmp_path, capsys):
    """Runs, links to folders, and files that are no images."""
    own = tmp_path / "own"
    pictures(own / "a", 10)
    pictures(own / "b", 10)
    pictures(own / "runs" / "one" / "samples", 5)
    (own / "runs" / "one" / "config.json").write_text("{}")
    (own / "runs" / "one" / "metrics.jsonl").write_text("")
    pictures(tmp_path / "elsewhere", 5)
    (own / "c").symlink_to(tmp_path / "elsewhere")
    (own / "notes.txt").write_text("x")
    pictures(own / ".secret", 2)
    found = data.load(str(own))
    assert len(everything(found)) == 20 and found.class_names == ("a", "b")
    said = capsys.readouterr().err
    for words in (
        "runs/one, a folder of results",
        ".secret, a hidden folder",
        "c, a link to a folder",
        "1 file of other kinds (.txt)",
    ):
        assert words in said


@pytest.mark.parametrize("skip", [False, True])
def test_a_subfolder_that_cannot_be_read_is_named(skip, tmp_path, monkeypatch, capsys):
    for name in ("a", "b", "c"):
        pictures(tmp_path / "x" / name, 10)
    scan = os.scandir

    def closed(path):
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    if not skip:
        with pytest.raises(
            InputError, match=r"/b cannot be read \(Permission denied\); mend that, or pass `skip_broken`"
        ):
            data.load(str(tmp_path / "x"))
        return
    assert data.load(str(tmp_path / "x"), skip_broken=True).class_names == ("a", "c")
    assert "left out b (Permission denied)" in capsys.readouterr().err
