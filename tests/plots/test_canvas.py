"""The file that a picture becomes."""

import errno

import pytest

from vae_jax.plots.canvas import canvas, save


def test_a_picture_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = save(canvas(1, 1), tmp_path / "new" / "picture.png")
    before = path.read_bytes()
    assert before.startswith(b"\x89PNG")
    figure = canvas(2, 2)

    def half(file, **_):
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(figure, "savefig", half)
    with pytest.raises(OSError, match=r"disk full: '.*picture\.png'"):
        save(figure, path)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
