"""`make package`: what is in the .deb, and that it runs from where it was unpacked. `make test-package` installs it on a
new Debian; that takes root and a mirror, so it is no part of this."""
import configparser
import fnmatch
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest
from dockerfile import commands, stages

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", pathlib.Path(os.environ.get("SLUICE_BINARY", ROOT / "build" / "sluice")).parent))

pytestmark = pytest.mark.xdist_group("install")  # after, not while, the tests beside this one build


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    if shutil.which("dpkg-shlibdeps") is None:
        assert os.environ.get("CI") != "true", "dpkg-dev is not installed"
        pytest.skip("a .deb is made on Debian only")
    folder = tmp_path_factory.mktemp("package")
    printed = run(ROOT / "tools" / "package", BUILD, folder, env={**os.environ, "COMPRESSION": "none"})
    files = [path.name for path in folder.iterdir()]
    assert printed.splitlines() == [str(folder / files[0])] and len(files) == 1, printed
    return folder / files[0]


@pytest.fixture(scope="module")
def control(package):
    text = run("dpkg-deb", "--field", package)
    return dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(" "))


@pytest.fixture(scope="module")
def root(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    run("dpkg-deb", "--extract", package, folder)
    return folder


def needed(file):
    return re.findall(r"NEEDED\s+(\S+)", run("objdump", "-p", file))


def test_the_version_is_the_one_the_project_has(package, control):
    version = re.search(r"project\(sluice VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    architecture = run("dpkg", "--print-architecture").strip()
    assert package.name == f"sluice_{version}_{architecture}.deb"
    assert (control["Package"], control["Version"], control["Architecture"]) == ("sluice", version, architecture)


def test_it_depends_on_the_owner_of_every_library_it_needs(control, root):
    dependencies = {name.split()[0] for name in control["Depends"].split(", ")}
    private = {file.name: file for file in (root / "usr/lib/sluice").iterdir()}
    wanted = set(needed(root / "usr/bin/sluice")).union(*(needed(file) for file in private.values())) - set(private)
    missing = []
    for library in wanted - {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}:
        owners = {line.split(":")[0] for line in run("dpkg", "--search", f"*/{library}").splitlines()}
        missing += [] if owners & dependencies else [library]
    assert missing == []
    assert {"libc6", "libpq5", "libssl3", "libcurl4", "ca-certificates", "tzdata"} <= dependencies


def test_files_are_where_debian_has_them_and_belong_to_root(package, root):
    listed = [line.split() for line in run("dpkg-deb", "--contents", package).splitlines()]
    assert {owner for _, owner, *_ in listed} == {"root/root"}
    assert [path for mode, _, _, _, _, path in listed if "w" in mode[4:]] == []
    paths = {path[1:] for *_, path in listed}
    assert paths >= {
        "/usr/bin/sluice", "/usr/lib/sluice/libduckdb.so", "/etc/sluice/sluice.yaml", "/etc/sluice/pipelines/",
        "/lib/systemd/system/sluice.service", "/usr/share/man/man1/sluice.1.gz",
        "/usr/share/bash-completion/completions/sluice", "/usr/share/zsh/vendor-completions/_sluice",
        "/usr/share/fish/vendor_completions.d/sluice.fish", "/usr/share/doc/sluice/copyright",
        "/usr/share/doc/sluice/changelog.gz", "/usr/share/doc/sluice/guides/install.md",
        "/usr/share/doc/sluice/examples/quickstart.sql",
    }
    assert not [path for path in paths if "/include/" in path or path.endswith(".a")]
    run("md5sum", "--check", "--quiet", "-", cwd=root, input=run("dpkg-deb", "--info", package, "md5sums"))
    assert run("dpkg-deb", "--info", package, "conffiles") == "/etc/sluice/sluice.yaml\n"
    for script in ("postinst", "prerm", "postrm"):
        run("sh", "-n", input=run("dpkg-deb", "--info", package, script))


def test_the_unpacked_program_runs_with_the_libraries_beside_it(root, control, tmp_path):
    program = root / "usr/bin/sluice"
    assert run(program, "--version") == f"sluice {control['Version']}\n"
    assert re.findall(r"RUNPATH\s+(\S+)", run("objdump", "-p", program)) == ["$ORIGIN/../lib/sluice"]
    loaded = dict(re.findall(r"(\S+) => (\S+)", run("ldd", program)))
    private = {name: pathlib.Path(path).resolve().parent for name, path in loaded.items() if re.match("lib(arrow|parquet)", name)}
    assert private and set(private.values()) == {root / "usr/lib/sluice"}
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    run(program, "run", "-e", "CREATE TABLE sums AS SELECT sum(n) AS total FROM file('a.jsonl') INSERT INTO file('sums.parquet');",
        cwd=tmp_path)
    assert run(program, "run", "-e", "SELECT total FROM file('sums.parquet')", "--output", "csv", cwd=tmp_path).split() == ["total", "3"]


def test_bash_completes_commands_and_flags(root):
    script = root / "usr/share/bash-completion/completions/sluice"

    def completed(*words):
        typed = " ".join(words)
        return run("bash", "-c", f'source "$1"; COMP_WORDS=(sluice {typed}); COMP_CWORD={len(words)}; _sluice; echo "${{COMPREPLY[@]}}"',
                   "bash", script).split()

    assert completed("exp") == ["explain"]
    assert completed("serve", "--conf") == ["--config"]
    assert (root / "usr/share/zsh/vendor-completions/_sluice").read_text().startswith("#compdef sluice\n")
    assert "complete -c sluice" in (root / "usr/share/fish/vendor_completions.d/sluice.fish").read_text()


def test_the_man_page_has_every_command_with_its_flags(root):
    page = gzip.decompress((root / "usr/share/man/man1/sluice.1.gz").read_bytes()).decode().replace("\\-", "-")
    program = root / "usr/bin/sluice"
    names = re.findall(r"^  ([a-z][a-z-]*)  ", run(program, "--help"), re.MULTILINE)
    assert "run" in names and re.findall(r"^\.SS (\S+)$", page, re.MULTILINE) == names
    for name in names:
        section = page.split(f"\n.SS {name}\n")[1].split("\n.S")[0]
        own = run(program, name, "--help").split("flags of every command:")[0]
        for flag in re.findall(r"^  (--[a-z-]+)", own, re.MULTILINE):
            assert f"\n.B {flag}" in section, f"{name} {flag}"
    assert "\n.B --quiet\n" in page.split("\n.SH FLAGS OF EVERY COMMAND\n")[1]
    assert not re.search(r"^[.'](?!(TH|SH|SS|B|TP|PP|nf|fi)\b)", page, re.MULTILINE)


def test_the_service_starts_what_the_package_brings(root):
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read(root / "lib/systemd/system/sluice.service")
    service = unit["Service"]
    program, command, flag, config = service["ExecStart"].split()
    assert (root / program[1:]).is_file() and (root / config[1:]).is_file() and (command, flag) == ("serve", "--config")
    assert (service["Restart"], service["StateDirectory"], service["DynamicUser"]) == ("on-failure", "sluice", "yes")
    if shutil.which("systemd-analyze"):
        installed = root / "lib/systemd/system/sluice.service"
        said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(installed)],
                              capture_output=True, text=True)
        exposure = float(re.search(r"exposure level for sluice\.service: ([0-9.]+)", said.stdout)[1])
        assert exposure < 3, said.stdout


def test_the_packaged_configuration_is_served(root, tmp_path):
    """As packaged but for its port and its two absolute paths."""
    (tmp_path / "pipelines").mkdir()
    server = subprocess.Popen(
        [root / "usr/bin/sluice", "serve", "--config", root / "etc/sluice/sluice.yaml", "--port", "0", "--pipelines", "pipelines",
         "--state", "sqlite:state.db"],
        cwd=tmp_path, stderr=(tmp_path / "log").open("w"))
    end = time.monotonic() + 20
    while " serving " not in (tmp_path / "log").read_text() and time.monotonic() < end and server.poll() is None:
        time.sleep(0.05)
    server.terminate()
    assert server.wait(20) == 0, (tmp_path / "log").read_text()
    assert " serving url=http://127.0.0.1:" in (tmp_path / "log").read_text()


def test_without_a_build_it_says_what_to_do(tmp_path):
    done = subprocess.run([ROOT / "tools" / "package", tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f"package: {tmp_path}/sluice does not exist; run 'make' first\n")


def test_the_dockerfile_names_what_there_is(package):
    build, slim = stages((ROOT / "Dockerfile").read_text())
    workdir = dict(build)["WORKDIR"]
    ignored = (ROOT / ".dockerignore").read_text().split()
    for sources in (rest.split()[:-1] for instruction, rest in build if instruction == "COPY"):
        for source in sources:
            assert (ROOT / source).exists() and not any(fnmatch.fnmatch(source, pattern) for pattern in ignored), source
    for command, _ in commands(build):
        for step in command.split(" && "):
            program, *arguments = step.split()
            if program == "make":
                assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for target in arguments)
            elif program == "apt-get":
                run("dpkg-query", "--show", *[word for word in arguments if not word.startswith("-") and word not in ("update", "install")], "dpkg")
            else:
                assert os.access(ROOT / program, os.X_OK), step
    command, mount = commands(slim)[0]
    assert (mount["from"], mount["source"]) == ("build", f"{workdir}/build")
    pattern = re.search(rf"{mount['target']}/(\S+)", command)[1]
    assert fnmatch.fnmatch(package.name, pattern)
    assert dict(slim)["ENTRYPOINT"] == '["sluice"]' and "/etc/sluice/sluice.yaml" in dict(slim)["CMD"]
