"""The README's Python runs as it stands."""

import re
from pathlib import Path

import jax
import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_there_are_blocks():
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_block_runs(block):
    # A reader's interpreter is not as strict as the tests': rank promotion is jax's default there.
    with jax.numpy_rank_promotion("allow"):
        exec(compile(block, "README.md", "exec"), {})
