"""docs/reference is generated from the declarations and never stale."""
import pathlib

REFERENCE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reference"


def test_the_reference_is_not_stale(sluice):
    sluice("reference", "--out", REFERENCE, "--check")


def test_a_stale_reference_is_told(sluice):
    sluice("reference", "--out", "reference")
    sluice("reference", "--out", "reference", "--check")
    page = next((sluice.folder / "reference").rglob("*.md"))
    page.write_text(page.read_text() + "edited by hand\n")
    assert page.name in sluice.fails("reference", "--out", "reference", "--check")


def test_a_page_that_is_not_generated_any_more_is_told_and_removed(sluice):
    sluice("reference", "--out", "reference")
    page = next((sluice.folder / "reference").glob("connector-*.md"))
    gone = sluice.folder / "reference/connector-gone.md"
    gone.write_text(page.read_text())
    (sluice.folder / "reference/by-hand.md").write_text("# Somebody's own\n")
    assert "connector-gone.md" in sluice.fails("reference", "--out", "reference", "--check")
    sluice("reference", "--out", "reference")
    assert not gone.exists()
    assert (sluice.folder / "reference/by-hand.md").exists()
    sluice("reference", "--out", "reference", "--check")
