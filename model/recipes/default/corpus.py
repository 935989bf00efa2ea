#!/usr/bin/env python3
"""Fetches the training data of the default model and lays it out as directories for `foretype train`.

    python3 corpus.py INTO [--benchmarks FOLDER]
    python3 corpus.py INTO --held-out

Requires `apt-get` (with source packages of a Debian mirror enabled), `pip`, `npm`, and the crates that a build of this
repository has fetched. Files that share ten consecutive words with a benchmark problem in FOLDER are excluded. The name,
version, licence, hash, files and bytes of every source are written to `manifest.json` beside this script. With `--held-out`,
the script fetches the held-out sources instead and prints their manifest.
"""

import argparse
import bz2
import fnmatch
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
LARGEST_FILE = 100_000
WORD = re.compile(r"\w+|[^\w\s]")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("into", type=Path)
    parser.add_argument("--benchmarks", type=Path, help="directory of benchmark files (.jsonl, .jsonl.gz, .json)")
    parser.add_argument("--held-out", action="store_true", help="fetch the held-out sources")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "foretype-corpus")
    args = parser.parse_args()
    for folder in ("debian", "python", "npm"):
        (args.cache / folder).mkdir(parents=True, exist_ok=True)
    sources = chosen(tomllib.loads((HERE / "sources.toml").read_text()), args.held_out)
    taken = Taken(args.into, benchmark_grams(args.benchmarks) if args.benchmarks else set())
    for read in (crates, debian, python, npm):
        read(sources, args.cache, taken)
    print(json.dumps(taken.manifest, indent=1)) if args.held_out else taken.finish()


def chosen(sources, held_out):
    """The training sources, or the held-out ones."""
    sources["debian"] = [source for source in sources["debian"] if source.get("held_out", False) == held_out]
    if held_out:
        sources["crates"]["without"] = ["*"]
        for registry in ("python", "npm"):
            sources[registry]["packages"] = sources[registry]["held_out"]
    return sources


class Taken:
    """The collected corpus and its manifest."""

    def __init__(self, into, forbidden):
        self.into, self.forbidden, self.manifest, self.overlapping, self.seen = into, forbidden, [], [], set()
        shutil.rmtree(into, ignore_errors=True)

    def add(self, kind, name, version, licence, sha256, members, files, without=(), limit=1 << 40):
        """Adds the members that match the patterns, in hash order, up to `limit` bytes."""
        wanted = [path for path in members if matches(path, files) and not matches(path, without)]
        wanted.sort(key=lambda path: hashlib.sha256(path.encode()).digest())
        count = total = 0
        for path in wanted:
            data = members[path]()
            if not 200 <= len(data) <= LARGEST_FILE or total + len(data) > limit or not self.fits(f"{name}/{path}", data):
                continue
            inside = path.split("/", 1)[-1]
            target = self.into / name / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            count, total = count + 1, total + len(data)
        if count:
            entry = dict(kind=kind, name=name, version=version, licence=licence, sha256=sha256, files=count, bytes=total)
            self.manifest.append(entry)
        else:
            print(f"no files used from {name}", file=sys.stderr)

    def fits(self, name, data):
        """True if the data is new, is text, and shares no ten consecutive words with a benchmark."""
        digest = hashlib.sha256(data).digest()
        if digest in self.seen:
            return False
        self.seen.add(digest)
        try:
            words = WORD.findall(data.decode())
        except UnicodeDecodeError:
            return False
        if any(hash(gram) in self.forbidden for gram in zip(*(words[k:] for k in range(10)))):
            self.overlapping.append(name)
            return False
        return True

    def finish(self):
        total = sum(entry["bytes"] for entry in self.manifest)
        report = dict(bytes=total, overlapping=len(self.overlapping), sources=self.manifest)
        (HERE / "manifest.json").write_text(json.dumps(report, indent=1) + "\n")
        print(f"{len(self.manifest)} sources, {total / 1e6:.1f} MB; {len(self.overlapping)} files overlap with a benchmark")


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def crates(sources, _cache, taken):
    """The crates of Cargo.lock, from cargo's cache."""
    settings = sources["crates"]
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    for package in tomllib.loads((REPOSITORY / "Cargo.lock").read_text())["package"]:
        name, version = package["name"], package["version"]
        if "checksum" not in package or matches(name, settings["without"]):
            continue
        archive = next(iter(home.glob(f"registry/cache/*/{name}-{version}.crate")), None)
        if archive is None:
            continue
        sha256 = digest_of(archive)
        if sha256 != package["checksum"]:
            sys.exit(f"{archive} does not match the checksum in Cargo.lock")
        members = tar_members(archive)
        licence = tomllib.loads(members[f"{name}-{version}/Cargo.toml"]().decode())["package"].get("license", "")
        if permitted(licence, settings["licences"]):
            taken.add("crate", name, version, licence, sha256, members, ["*.rs"], ["*/generated/*"], settings["bytes"])


def permitted(licence, allowed):
    """True if one of the alternatives of an SPDX expression is allowed."""
    words = re.split(r"\s+OR\s+|\s*/\s*", licence.strip("()"))
    return any(all(part.strip("() ") in allowed for part in word.split(" AND ")) for word in words)


def debian(sources, cache, taken):
    """Debian source packages, fetched with apt's configuration."""
    folder = cache / "debian"
    missing = [s["package"] for s in sources["debian"] if not archive_of(folder, s["package"])]
    if missing:
        fetch_debian(folder, missing)
    for source in sources["debian"]:
        archive = archive_of(folder, source["package"])
        if archive is None:
            print(f"{source['package']} is not available", file=sys.stderr)
            continue
        version = archive.name.split("_", 1)[1].split(".orig")[0]
        taken.add("debian", source["package"], version, source["licence"], digest_of(archive), tar_members(archive),
                  source["files"], source.get("without", ()), source.get("bytes", 1 << 40))


def fetch_debian(folder, packages):
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    parts = folder / "sources"
    parts.mkdir(exist_ok=True)
    for path in Path("/etc/apt/sources.list.d").glob("*.sources"):
        (parts / path.name).write_text(re.sub(r"(?m)^Types:.*$", "Types: deb-src", path.read_text()))
    options = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={parts}", "-o", f"Dir::State::lists={lists}"]
    subprocess.run(["apt-get", *options, "update"], check=False, stdout=subprocess.DEVNULL)
    for package in packages:  # a mirror may lack some archives of a package; the others are used
        subprocess.run(["apt-get", *options, "--download-only", "--only-source", "source", package], cwd=folder, check=False,
                       stdout=subprocess.DEVNULL)


def archive_of(folder, package):
    return next(iter(sorted(folder.glob(f"{package}_*.orig.tar.*[!c]"))), None)


def python(sources, cache, taken):
    """Wheels of the Python registry."""
    settings = sources["python"]
    for package in settings["packages"]:
        name, version = package.split("==")
        folder = cache / "python" / package
        if not folder.exists():
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(folder), package], check=False)
        for archive in folder.glob("*"):
            members = zip_members(archive) if archive.suffix == ".whl" else tar_members(archive)
            if archive.suffix == ".whl":
                members = {f"{name}/{path}": read for path, read in members.items()}
            taken.add("python", name, version, licence_of(members), digest_of(archive), members, ["*.py"], ["*/_vendor/*"], settings["bytes"])


def licence_of(members):
    """The licence in a Python package's metadata."""
    paths = [path for path in members if path.endswith((".dist-info/METADATA", "/PKG-INFO"))]
    head = members[paths[0]]().decode().split("\n\n")[0] if paths else ""
    classes = re.findall(r"(?m)^Classifier: License :: (?:OSI Approved :: )?(.+)$", head)
    named = re.findall(r"(?m)^License(?:-Expression)?: (.+)$", head)
    return (named or classes or ["not said"])[0][:80]


def npm(sources, cache, taken):
    """Packages of the npm registry."""
    settings = sources["npm"]
    for package in settings["packages"]:
        name, version = package.rsplit("@", 1)
        archive = cache / "npm" / f"{name.strip('@').replace('/', '-')}-{version}.tgz"
        if not archive.exists():
            subprocess.run(["npm", "pack", "--silent", package], cwd=archive.parent, check=False, stdout=subprocess.DEVNULL)
        if archive.exists():
            members = tar_members(archive)
            licence = json.loads(members["package/package.json"]())["license"]
            taken.add("npm", name, version, licence, digest_of(archive), members, settings["files"], settings["without"], settings["bytes"])


def tar_members(archive):
    """The regular files of a tar archive: a reader for each path."""
    opened = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}.get(archive.suffix, gzip.open)
    with opened(archive) as packed:  # decompressed as a whole, because files are not read in the order of the archive
        tar = tarfile.open(fileobj=io.BytesIO(packed.read()))
    read = lambda member: lambda: tar.extractfile(member).read()
    return {member.name.removeprefix("./"): read(member) for member in tar.getmembers() if member.isfile() and ".." not in member.name}


def zip_members(archive):
    whole = zipfile.ZipFile(archive)
    read = lambda name: lambda: whole.read(name)
    return {name: read(name) for name in whole.namelist() if not name.endswith("/") and ".." not in name}


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def benchmark_grams(folder):
    """Hashes of all runs of ten consecutive words in the problems."""
    grams = set()
    for path in folder.rglob("*"):
        if path.name.endswith((".jsonl", ".jsonl.gz", ".json")):
            text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text(errors="replace")
            for line in text.splitlines():
                for value in strings(line):
                    words = WORD.findall(value)
                    grams.update(hash(gram) for gram in zip(*(words[k:] for k in range(10))) if worth(gram))
    print(f"{len(grams)} distinct runs of ten words in the benchmarks")
    return grams


def strings(line):
    try:
        value = json.loads(line)
    except ValueError:
        return []
    values = value.values() if isinstance(value, dict) else [value]
    return [v for v in values if isinstance(v, str) and len(v) > 40]


def worth(gram):
    """False for runs of mostly punctuation and digits (`0 , 0 , 0 , 0`), which are not characteristic of a problem."""
    return sum(word[0].isalpha() and len(word) > 1 for word in gram) >= 3


if __name__ == "__main__":
    main()
