#!/usr/bin/python3
"""Fetches the original tarball of one Debian source package through apt, as any user.

    fetch_debian_source.py PACKAGE UPSTREAM_VERSION SUITE SHA256 DIR

Owns: talking to apt without touching the system's apt state. The mirror and the key are those of
the system's own configuration (*.sources and one-line *.list files), the lists and the cache are
private to DIR. apt checks the archive's signature, this script the SHA-256. Prints the tarball's
absolute path on stdout; talk goes to stderr. A tarball once fetched is kept in the user's cache
folder (~/.cache/sallyport/sources), so that a fresh clone needs no network for it.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

APT = Path("/etc/apt")


class Problem(Exception):
    """What went wrong, in words for the person at the terminal."""


def os_codename():
    """The name of this system's release: bookworm."""
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    match = re.search(r'^VERSION_CODENAME="?([a-z]+)"?$', text, re.MULTILINE)
    return match.group(1) if match else ""


def deb822_entries(text):
    """Yields (suites, components, uris, signed_by lines) of each deb entry of a .sources file."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields = {}
        name = None
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t") and name:
                fields[name].append(line.rstrip())
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = [value.strip()]
        words = {key: " ".join(value).split() for key, value in fields.items()}
        if "deb" not in words.get("types", []):
            continue
        if " ".join(words.get("enabled", ["yes"])).lower() in ("no", "false", "0", "off"):
            continue
        yield (words.get("suites", []), words.get("components", []), words.get("uris", []),
               fields.get("signed-by", []))


def one_line_entries(text):
    """The same for a one-line .list file."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if not match:
            continue
        options = dict(word.split("=", 1) for word in (match.group(1) or "").split() if "=" in word)
        signed_by = options.get("signed-by", "").replace(",", " ")
        yield ([match.group(3)], match.group(4).split(), [match.group(2)],
               [signed_by] if signed_by else [])


def entries():
    """Every deb entry of the system's apt configuration, in the order apt reads them."""
    main_list = APT / "sources.list"
    if main_list.is_file():
        yield from one_line_entries(main_list.read_text(encoding="utf-8"))
    parts = APT / "sources.list.d"
    for path in sorted(parts.iterdir()) if parts.is_dir() else []:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError:
            continue
        if path.suffix == ".sources":
            yield from deb822_entries(text)
        elif path.suffix == ".list":
            yield from one_line_entries(text)


def debian_mirror():
    """(uris, signed_by lines) of the entry that serves this system's own release."""
    wanted = {os_codename(), "stable", "oldstable"} - {""}
    for suites, components, uris, signed_by in entries():
        if "main" in components and uris and wanted.intersection(suites):
            return uris, signed_by
    raise Problem("no entry for %s/main in /etc/apt/sources.list or /etc/apt/sources.list.d"
                  % (os_codename() or "this release"))


def run(command):
    """Runs apt and returns what it said."""
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env=dict(os.environ, LC_ALL="C"), check=False, text=True)
    except FileNotFoundError as error:
        raise Problem("%s is not installed" % command[0]) from error
    if result.returncode != 0:
        words = [word for word in command[1:] if not word.startswith("-") and "::" not in word]
        raise Problem("%s %s failed:\n%s" % (command[0], " ".join(words), result.stdout.strip()))
    return result.stdout


def debian_version(options, package, version):
    """The full version (with Debian's revision) whose upstream part is version.

    Debian's revision may rise with the packaging; the tarball asked for stays the same.
    """
    text = run(["apt-cache", *options, "showsrc", "--only-source", package])
    known = re.findall(r"^Version: (\S+)$", text, re.MULTILINE)
    for full in known:
        if full.rpartition("-")[0] == version:
            return full
    raise Problem("the mirror has no %s %s (it has: %s)"
                  % (package, version, ", ".join(known) or "none"))


def fetch(package, version, suite, directory):
    """Fetches the tarball into directory and returns its path."""
    directory = directory.absolute()
    for name in ("lists/partial", "cache/archives/partial", "out"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    uris, signed_by = debian_mirror()
    lines = ["Types: deb-src", "URIs: " + " ".join(uris), "Suites: " + suite, "Components: main"]
    if signed_by:
        lines.append("Signed-By: " + "\n".join(signed_by))
    source_list = directory / "private.sources"
    source_list.write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = [
        "-o", "Dir::Etc::SourceList=%s" % source_list,
        "-o", "Dir::Etc::SourceParts=-",
        "-o", "Dir::State::Lists=%s" % (directory / "lists"),
        "-o", "Dir::Cache=%s" % (directory / "cache"),
        "-o", "APT::Sandbox::User=",
        "-o", "APT::Get::List-Cleanup=0",
        "-o", "APT::Update::Error-Mode=any",
        "-o", "Acquire::Languages=none",
        "-o", "Acquire::Retries=3",
    ]
    run(["apt-get", "-q", *options, "update"])
    full_version = debian_version(options, package, version)
    os.chdir(directory / "out")
    run(["apt-get", "-q", *options, "source", "--tar-only", "--download-only",
         "%s=%s" % (package, full_version)])
    found = [path for path in (directory / "out").iterdir() if ".orig.tar" in path.name
             and not path.name.endswith(".asc")]
    if len(found) != 1:
        raise Problem("apt-get source left %s" % (", ".join(p.name for p in found) or "nothing"))
    return found[0]


def sha256_of(path):
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def cached_path(sha256):
    """Where the user's cache folder would have the file, or None without a home."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "sallyport" / "sources" / sha256 if os.path.isabs(base) else None


def keep(path, cached):
    """Copies path into the cache; a cache that cannot be written is no reason to fail."""
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_name("%s.%d" % (cached.name, os.getpid()))
        shutil.copyfile(path, partial)
        os.replace(partial, cached)
    except OSError as error:
        print("fetch_debian_source: not kept: %s" % error, file=sys.stderr)


def main(argv):
    """The command."""
    if len(argv) != 6:
        print(__doc__, file=sys.stderr)
        return 2
    package, version, suite, sha256, directory = argv[1:]
    try:
        cached = cached_path(sha256)
        if cached and cached.is_file() and sha256_of(cached) == sha256:
            print(cached)
            return 0
        path = fetch(package, version, suite, Path(directory))
        found = sha256_of(path)
        if found != sha256:
            raise Problem("%s has the SHA-256 %s, expected %s" % (path.name, found, sha256))
        if cached:
            keep(path, cached)
        print(path)
    except (Problem, OSError) as problem:
        print("fetch_debian_source: %s" % problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
