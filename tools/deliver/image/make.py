#!/usr/bin/python3
"""Makes the container image: an OCI layout in a tar, and its bill of materials, without a daemon, a network or root.

    make.py PROGRAM CHANGELOG WORKSPACE BORINGSSL.bzl IMAGE.tar SBOM.json

PROGRAM goes in, stripped, with the libraries that it needs, certificates of CAs, time zones and public suffixes: files of
Debian packages that are installed here, each compared with what its package says it is. CHANGELOG is Debian's, whose newest
entry gives version and time; WORKSPACE and BORINGSSL.bzl say what is linked statically. The same inputs give the same bytes.

Owns: what is in the image, and how it is started.
Must never know: what the program does.
"""

import email.utils
import re
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import oci
import sbom
from debian import Mistake, Package, find_library

USER = 65532
PROGRAM = "usr/bin/sallyport"
CONFIG = "/etc/sallyport/sallyport.yaml"
# What is taken of a package beside its libraries: patterns of paths, and what is left out of these.
DATA = {
    "base-files": (r"usr/lib/os-release|usr/share/common-licenses/.*", None),
    "ca-certificates": (r"usr/share/ca-certificates/mozilla/.*\.crt", None),
    "publicsuffix": (r"usr/share/publicsuffix/.*\.dafsa", None),
    "tzdata": (r"usr/share/zoneinfo/.*", r"usr/share/zoneinfo/(posix|right)(/.*)?|.*/(posixrules|localtime)"),
}
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
# Folders that the program writes to. With a read-only root the runtime mounts something there.
OWN_FOLDERS = {"run/sallyport": 0o750, "var/lib/sallyport": 0o750, "var/log/sallyport": 0o750}
CONFIG_FOLDER = "etc/sallyport"  # root's, so that the program cannot change who may go where
FOLDERS = {"proc": 0o755, "sys": 0o755, "dev": 0o755, "tmp": 0o1777}
LINKS = {"lib": "usr/lib", "lib64": "usr/lib64", "etc/os-release": "../usr/lib/os-release"}
ACCOUNTS = {
    "etc/passwd": f"root:x:0:0:root:/:/sbin/nologin\nsallyport:x:{USER}:{USER}:sallyport:/:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nsallyport:x:{USER}:\n",
}


def needed(path):
    """The names of the shared libraries that a program or library asks for, its loader among them."""
    said = subprocess.run(["readelf", "-d", "-l", path], check=True, capture_output=True, text=True).stdout
    names = set(re.findall(r"\(NEEDED\)\s+Shared library: \[(.*?)\]", said))
    return names | {Path(each).name for each in re.findall(r"program interpreter: (\S+?)\]", said)}


def libraries_of(program):
    """{package: paths} of all libraries that the program needs, and those that these need."""
    found, asked, waiting = {}, set(), needed(program)
    while waiting:
        name = waiting.pop()
        asked.add(name)
        package, paths = find_library(name)
        found.setdefault(package, set()).update(paths)
        waiting |= needed("/" + paths[-1]) - asked
    return found


def base_tree(packages):
    """What is Debian's: files, and the records by which scanners know the packages."""
    tree = oci.Tree()
    for path, mode in FOLDERS.items():
        tree.add_folder(path, mode)
    for path, target in LINKS.items():
        tree.add_link(path, target)
    for package in packages:
        for path in package.paths:
            package.add_to(tree, path)
        tree.add_file(f"var/lib/dpkg/status.d/{package.name}", package.control.encode())
    certificates = [text for path, text in tree.files() if path.endswith(".crt")]
    if not certificates:
        raise Mistake("ca-certificates has no certificates")
    tree.add_file(BUNDLE, b"".join(text.rstrip(b"\n") + b"\n" for text in certificates))
    for path, text in ACCOUNTS.items():
        tree.add_file(path, text.encode())
    return tree


def program_tree(program):
    """What is ours."""
    tree = oci.Tree()
    with tempfile.TemporaryDirectory() as folder:
        stripped = Path(folder, "sallyport")
        subprocess.run(
            ["strip", "--strip-unneeded", "--remove-section=.comment", "-o", stripped, program], check=True
        )
        tree.add_file(PROGRAM, stripped.read_bytes(), 0o755)
    tree.add_folder(CONFIG_FOLDER, 0o755)
    for path, mode in OWN_FOLDERS.items():
        tree.add_folder(path, mode, USER)
    return tree


def image_config(version):
    """How it is started: what Docker, Podman and Kubernetes read."""
    return {
        "User": f"{USER}:{USER}",
        "Env": ["PATH=/usr/bin"],
        "Entrypoint": ["/" + PROGRAM],
        "Cmd": ["serve", "-c", CONFIG],
        "WorkingDir": "/",
        "ExposedPorts": {"8443/tcp": {}},
        "Volumes": {"/run/sallyport": {}, "/var/lib/sallyport": {}, "/var/log/sallyport": {}},
        "StopSignal": "SIGTERM",
        # Not of OCI's schema: Docker reads it, Kubernetes has probes.
        "Healthcheck": {
            "Test": ["CMD", "/" + PROGRAM, "status", "-c", CONFIG],
            "Interval": 30 * 10**9,
            "Timeout": 10 * 10**9,
            "StartPeriod": 10 * 10**9,
            "Retries": 3,
        },
        "Labels": {
            "org.opencontainers.image.title": "sallyport",
            "org.opencontainers.image.description": "Forward HTTPS proxy that knows its clients by certificate",
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.base.name": "scratch",
        },
    }


def newest(changelog):
    """Version and time of the newest entry."""
    match = re.match(r"sallyport \((.*)\).*?^ -- [^\n]*>  ([^\n]*)$", changelog, re.M | re.S)
    return match[1], email.utils.parsedate_to_datetime(match[2]).astimezone(timezone.utc)


def check_version(program, version):
    said = subprocess.run([program, "version"], check=True, capture_output=True, text=True).stdout
    if said.split()[:2] != ["sallyport", version]:
        raise Mistake(f"debian/changelog begins with {version}, and the program says: {said}")


def main(program, changelog, workspace, pins, origin, image_path, sbom_path):
    version, time = newest(Path(changelog).read_text(encoding="utf-8"))
    check_version(program, version)
    libraries = libraries_of(program)
    names = sorted({*libraries, *DATA})
    packages = [Package(name, libraries.get(name, ()), DATA.get(name)) for name in names]
    created = datetime.strftime(time, "%Y-%m-%dT%H:%M:%SZ")
    layers = [("Debian's files", base_tree(packages)), (f"sallyport {version}", program_tree(program))]
    digest = oci.write_image(image_path, f"sallyport:{version}", created, image_config(version), layers)
    linked = sbom.linked_statically(*(Path(each).read_text(encoding="utf-8") for each in (workspace, pins, origin)))
    sbom.write(sbom_path, version, created, digest, packages, linked)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Mistake, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"make.py: {error}")
