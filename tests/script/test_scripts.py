"""Every *.test file of this folder is a test; script.py tells what is in them."""
import pathlib

import pytest
from script import run_script

FOLDER = pathlib.Path(__file__).parent


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.test")), ids=lambda path: path.relative_to(FOLDER).stem)
def test_script(sluice, path):
    run_script(sluice, path)
