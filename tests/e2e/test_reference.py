"""docs/reference is generated from the declarations and never stale."""
import pathlib

import pytest

REFERENCE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reference"


def test_the_reference_is_not_stale(sluice):
    if not REFERENCE.exists():
        pytest.skip("docs/reference does not exist yet: 'sluice reference --out docs/reference' writes it")
    sluice("reference", "--out", REFERENCE, "--check")


def test_a_stale_reference_is_told(sluice):
    sluice("reference", "--out", "reference")
    sluice("reference", "--out", "reference", "--check")
    page = next((sluice.folder / "reference").rglob("*.md"))
    page.write_text(page.read_text() + "edited by hand\n")
    assert page.name in sluice.fails("reference", "--out", "reference", "--check")
