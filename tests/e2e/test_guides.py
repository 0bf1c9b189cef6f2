"""What the guides show is what happens. Their code blocks say what they are:

```sh runnable P         bash, in the guide's own folder, has to end well; needs the program P, if one is named
```sql runnable F.sql    is written to F.sql and run
```sql refused F.sql     is written to F.sql; running it fails with one error
```sql file F.sql        is only written
```text output           each line stands in the output of the block before; … is anything
"""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
GUIDES = sorted((DOCS / "guides").glob("*.md"))
# What this one shows is compiled and run by tests/install.
RUNNABLE = [guide for guide in GUIDES if guide.stem != "cpp"]
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def need(program):
    if shutil.which(program) is None:
        assert os.environ.get("CI") != "true", f"{program} is not installed"
        pytest.skip(f"{program} is not installed")


class Reader:
    """Somebody who follows a guide from its beginning, in an empty folder."""

    def __init__(self, sluice):
        self.folder = sluice.folder / "guide"
        self.folder.mkdir()
        programs = sluice.folder / "programs"
        programs.mkdir()
        (programs / "sluice").symlink_to(pathlib.Path(sluice.binary).resolve())
        self.environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        self.environment.pop("SLUICE_STATE", None)
        self.output = ""

    def run(self, script, code=0):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
        self.output = done.stdout
        assert done.returncode == code, f"{script}\n{self.output}"

    def follow(self, language, words, text):
        if (language, words[0]) == ("sh", "runnable"):
            for program in words[1:]:
                need(program)
            self.run(text)
        elif language == "sql":
            how, name = words
            (self.folder / name).write_text(text)
            if how == "runnable":
                self.run(f"sluice run {name}")
            elif how == "refused":
                self.run(f"sluice run {name}", code=1)
            else:
                assert how == "file", words
        else:
            assert (language, words) == ("text", ["output"])
            for line in text.splitlines():
                pattern = ".*".join(map(re.escape, line.split("…")))
                assert re.search(pattern, self.output), f"the guide shows\n{line}\nand it printed\n{self.output}"


@pytest.fixture
def surroundings(request):
    """What a guide takes for granted: the one on S3 a bucket of that name, the one on changes a database."""

    def of(guide):
        if guide.stem in ("into-postgresql", "shared-state"):
            return {"SHOP": request.getfixturevalue("postgres").location()}
        if guide.stem in ("changes-of-postgresql", "from-postgresql"):
            database = request.getfixturevalue("postgres")
            database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, status text)")
            return {"SHOP": database.location()}
        if guide.stem in ("from-kafka", "into-kafka", "kafka-payloads"):
            return {"KAFKA": request.getfixturevalue("kafka").brokers}
        if guide.stem != "s3":
            return {}
        server = request.getfixturevalue("s3_servers")("versitygw")
        bucket = server.make_bucket("my-data-lake")
        return {**bucket.env, "AWS_ENDPOINT_URL_S3": bucket.endpoint}

    return of


@pytest.mark.parametrize("guide", RUNNABLE, ids=lambda path: path.stem)
def test_what_a_guide_shows_is_what_happens(guide, sluice, surroundings):
    blocks = [(language, words.split(), text) for language, words, text in BLOCK.findall(guide.read_text()) if words.strip()]
    assert any("runnable" in words for _, words, _ in blocks)
    reader = Reader(sluice)
    reader.environment.update(surroundings(guide))
    for block in blocks:
        reader.follow(*block)


def test_the_index_names_every_guide_and_links_lead_somewhere():
    index = (DOCS / "README.md").read_text()
    assert [guide.name for guide in GUIDES if f"guides/{guide.name}" not in index] == []
    for page in (DOCS / "README.md", *GUIDES):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"
