#!/usr/bin/env python3
"""Proves that a .deb installs and runs where nothing of ours has been: a new Debian (debootstrap, minbase) in a folder.

  clean_debian.py PACKAGE.deb      as root; SLUICE_KEEP=FOLDER keeps what it made there, to look at
  clean_debian.py                  makes the package first, by the Dockerfile's build stage in a Debian of its own

It is installed by the Dockerfile's last stage, step by step. That takes a minute and 700 MB; building takes what a build
takes, and 8 GB.
"""
import fnmatch
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from dockerfile import commands, stages

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKS = r"""
say() { echo "== $*"; }
cd "$(mktemp -d)"
say "the program and its libraries"
sluice --version
ldd /usr/bin/sluice >libraries
if grep 'not found' libraries; then exit 1; fi
grep lib/sluice/ libraries
say "the quickstart, as a user without rights; twice, the second time there is nothing left to do"
cp -r /usr/share/doc/sluice/examples .
chown -R sluice .
chmod 755 .
for turn in 1 2; do runuser -u sluice -- env -u SLUICE_STATE sluice run examples/quickstart.sql; done
find lake -name '*.parquet' | wc -l
say "libcurl is found: what fails is the connection"
sluice schema 's3://bucket/a.parquet?endpoint_url=http://127.0.0.1:9&access_key_id=a&secret_access_key=b&region=us-east-1&max_retries=0' 2>&1 | tee error || true
grep -q '^error: .*cannot connect to' error
say "the packaged configuration is served and stopped"
SLUICE_PORT=0 sluice serve --config /etc/sluice/sluice.yaml 2>log & server=$!
for _ in $(seq 50); do grep -q serving log && break; sleep 0.1; done
kill -TERM $server
wait $server
cat log
say "completion"
COMP_WORDS=(sluice exp) COMP_CWORD=1
source /usr/share/bash-completion/completions/sluice
_sluice
echo "${COMPREPLY[@]}"
[[ ${COMPREPLY[*]} == explain ]]
say "man page"
zcat /usr/share/man/man1/sluice.1.gz | head -1
say "removed and purged"
dpkg --purge sluice
[[ ! -e /usr/bin/sluice && ! -e /usr/lib/sluice && ! -e /etc/sluice ]]
"""


def say(text):
    print(f"clean_debian: {text}", flush=True)


def machine():
    """This machine's Debian release and the mirror it installs from."""
    release = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    codename = release["VERSION_CODENAME"].strip('"')
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages", "Component: main"],
        check=True, capture_output=True, text=True).stdout
    for uri, name in (line.split() for line in targets.splitlines()):
        if name == codename:
            return codename, uri
    sys.exit(f"clean_debian: apt knows no mirror of {codename}; run 'apt-get update'")


class Debian:
    """One in a folder, which steps of a Dockerfile change."""

    def __init__(self, folder):
        codename, mirror = machine()
        say(f"debootstrap {codename} into {folder}")
        subprocess.run(["debootstrap", "--variant=minbase", codename, folder, mirror], check=True, stdout=subprocess.DEVNULL)
        self.folder = folder
        self.workdir = "/"

    def path(self, inside):
        return self.folder / os.path.join(self.workdir, inside).lstrip("/")

    def run(self, command):
        """In a mount namespace of its own: /proc goes with it, whatever happens."""
        inside = 'mount -t proc proc "$1/proc" && exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root ' \
                 'DEBIAN_FRONTEND=noninteractive bash -euo pipefail -c "cd $2; $3"'
        done = subprocess.run(["unshare", "--mount", "bash", "-c", inside, "run", self.folder, self.workdir, command],
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"clean_debian: FAILED with exit code {done.returncode}; its last words are above")

    def copy(self, sources, target):
        """COPY: from the tree, without what .dockerignore names."""
        ignored = (ROOT / ".dockerignore").read_text().split()

        def left_out(folder, names):
            below = pathlib.Path(folder).relative_to(ROOT)
            return [name for name in names if any(
                fnmatch.fnmatch(name, pattern[3:]) if pattern.startswith("**/") else fnmatch.fnmatch(str(below / name), pattern)
                for pattern in ignored)]

        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, self.path(target), ignore=left_out, dirs_exist_ok=True, symlinks=True)
            else:
                self.path(target).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, self.path(target))

    def follow(self, stage, package=None):
        """The steps that change the file system; ENTRYPOINT and the like only describe a container."""
        for instruction, rest in stage:
            say(f"{instruction} {rest}")
            if instruction == "WORKDIR":
                self.workdir = rest
                self.path(".").mkdir(parents=True, exist_ok=True)
            elif instruction == "COPY":
                *sources, target = rest.split()
                self.copy(sources, target)
            elif instruction == "RUN":
                [(command, mount)] = commands([(instruction, rest)])
                if mount:
                    shutil.copy(package, self.path(mount["target"]))
                self.run(command)


def build(folder):
    debian = Debian(folder)
    debian.follow(stages((ROOT / "Dockerfile").read_text())[0])
    [package] = debian.path("build").glob("sluice_*.deb")
    return package


def main():
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    missing = [program for program in ("debootstrap", "unshare", "apt-get") if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        sys.exit(f"clean_debian: needs root and {', '.join(missing) or 'debootstrap'} (apt-get install debootstrap)")
    kept = os.environ.get("SLUICE_KEEP")
    folder = pathlib.Path(kept or tempfile.mkdtemp(prefix="sluice-debian-"))
    try:
        package = pathlib.Path(sys.argv[1]) if len(sys.argv) == 2 else build(folder / "build")
        debian = Debian(folder / "run")
        debian.follow(stages((ROOT / "Dockerfile").read_text())[-1], package)
        debian.workdir = "/"
        debian.run(CHECKS)
        say("all well")
    finally:
        if not kept:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
