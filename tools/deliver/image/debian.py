"""Files of Debian packages that are installed on this machine, as their packages say they are.

Owns: which package a file is of, and that it is the package's: compared with dpkg's list of sums, so that what somebody has
changed on this machine does not get into an image.
Must never know: what the files are for.
"""

import hashlib
import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path

# The first has the loader by the name that programs ask the kernel for.
LIBRARY_FOLDERS = ("usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib")


class Mistake(Exception):
    """A message for a person: what is wrong, and what to do."""


def merged(path):
    """The path below / where it is: Debian's packages still say /lib for /usr/lib."""
    return re.sub(r"^/?(lib|lib64|bin|sbin)/", r"usr/\1/", path.lstrip("/"))


def query(form, name):
    result = subprocess.run(["dpkg-query", "-W", "-f", form, name], check=False, capture_output=True, text=True)
    if result.returncode:
        raise Mistake(f"the Debian package {name} is not installed: apt-get install {name}")
    return result.stdout


@lru_cache(maxsize=None)
def listed(name):
    """The paths of a package."""
    result = subprocess.run(["dpkg", "-L", name], check=False, capture_output=True, text=True)
    if result.returncode:
        raise Mistake(f"the Debian package {name} is not installed: apt-get install {name}")
    return {merged(path) for path in result.stdout.split("\n") if path.startswith("/") and path != "/."}


@lru_cache(maxsize=None)
def sums(name):
    """{path: MD5} of a package: all that dpkg keeps. It finds accidents and edits, no forger; apt has checked the package."""
    result = subprocess.run(["dpkg-query", "--control-show", name, "md5sums"], check=False, capture_output=True, text=True)
    if result.returncode:
        raise Mistake(f"dpkg has no sums of the package {name}")
    rows = (line.split("  ", 1) for line in result.stdout.splitlines())
    return {merged(path): digest for digest, path in rows}


@lru_cache(maxsize=None)
def find_library(name):
    """The package of a shared library, and its paths there: links, and the file at last."""
    for folder in LIBRARY_FOLDERS:
        path = f"{folder}/{name}"
        if not os.path.exists("/" + path):
            continue
        paths = [path]
        while os.path.islink("/" + paths[-1]):
            target = os.readlink("/" + paths[-1])
            paths.append(merged(os.path.normpath(os.path.join(os.path.dirname("/" + paths[-1]), target))))
        return owner(paths[-1]), tuple(paths)
    raise Mistake(f"there is no library {name} below /usr/lib")


def owner(path):
    """The package of a file."""
    candidates = {path, re.sub(r"^usr/(lib|lib64)/", r"\1/", path)}
    for each in sorted(candidates):
        result = subprocess.run(["dpkg", "-S", "/" + each], check=False, capture_output=True, text=True)
        if not result.returncode:
            return result.stdout.split(":", 1)[0]
    raise Mistake(f"/{path} is of no Debian package")


class Package:
    """What an image takes of one package: libraries, what a pattern says, and its copyright."""

    def __init__(self, name, libraries=(), data=None):
        self.name = name
        self.version, self.architecture, self.source = query(
            "${Version}\n${Architecture}\n${source:Package} ${source:Version}", name
        ).split("\n")
        self.control = subprocess.run(["dpkg-query", "-s", name], check=True, capture_output=True, text=True).stdout
        self.is_library = bool(libraries)
        self.paths = sorted({*libraries, *self._matching(data), *self._copyright()})

    def _matching(self, data):
        if not data:
            return
        wanted, unwanted = (each and re.compile(each) for each in data)
        found = 0
        for path in listed(self.name):
            is_file = os.path.islink("/" + path) or os.path.isfile("/" + path)
            if is_file and wanted.fullmatch(path) and not (unwanted and unwanted.fullmatch(path)):
                found += 1
                yield path
        if not found:
            raise Mistake(f"the package {self.name} has nothing like {data[0]}")

    def _copyright(self):
        """Of a package whose folder of documents is a link to another's: that one's."""
        path = os.path.realpath(f"/usr/share/doc/{self.name}/copyright").lstrip("/")
        if not os.path.isfile("/" + path):
            raise Mistake(f"the package {self.name} has no copyright on this machine (dpkg's path-exclude?)")
        self.copyright = path
        return (path,)

    def add_to(self, tree, path):
        """Puts one file or link into a tree, after a look whether it is the package's."""
        if os.path.islink("/" + path):
            tree.add_link(path, os.readlink("/" + path))
            return
        data = Path("/" + path).read_bytes()
        package = self.name if path in listed(self.name) else owner(path)
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != sums(package).get(path):
            raise Mistake(f"/{path} is not as the package {package} has it: apt-get install --reinstall {package}")
        tree.add_file(path, data, 0o755 if os.access("/" + path, os.X_OK) else 0o644)
