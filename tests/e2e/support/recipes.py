"""The recipes of docs/CLIENTS.md, run as they stand on the page."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from support.scale import PATIENCE
from support.web import clean_environment

PAGE_PATH = Path(__file__).resolve().parents[3] / "docs" / "CLIENTS.md"
RECIPE = re.compile(r"<!-- recipe: (\S+) -->\n```(\w*)\n(.*?)```\n", re.S)

# Recipes for a curl that is newer than Debian's, and where tools/test has unpacked one.
NEWER_CURL = {"curl-http2", "curl-pinned"}
NEWER = os.environ.get("SALLYPORT_NEWER")

# What a recipe has for the client's certificate: without it, the program shows none.
CERTIFICATE = re.compile(
    r"""[ ]--proxy-cert[ ]\S+[ ]--proxy-key[ ]\S+            # curl
    |[ ]--client-cert[ ]\S+[ ]--client-key[ ]\S+          # rclone
    |[ ]*-c[ ]http\.proxySSL(?:Cert|Key)="[^"]*"           # git
    |^.*::Ssl(?:Cert|Key)[ ].*\n                           # apt
    |^.*\.load_cert_chain\(.*\n                            # Python
    |^[ ]+(?:cert|key):[ ].*\n                             # Node
    |,[ ]Certificates:[ ][^}]*\}                           # Go
    """,
    re.M | re.X,
)


def without_certificate(text):
    """The recipe of somebody who has forgotten it."""
    left = CERTIFICATE.sub("", text)
    assert left != text
    return left.replace("cert, err := tls.", "_, err := tls.")  # what Go does not use, it refuses


# What runs a recipe, by the language of its block, and the name of the file that it becomes.
RUNNERS = {
    "sh": (["sh"], "recipe.sh"),
    "python": (["/usr/bin/python3"], "recipe.py"),
    "js": (["node"], "recipe.js"),
    "go": (["go", "run"], "recipe.go"),
    "squid": (["squid", "-N", "-f"], "recipe.conf"),
}


def recipes():
    """Name to (language, text)."""
    found = RECIPE.findall(PAGE_PATH.read_text(encoding="utf-8"))
    assert len(found) == len({name for name, _, _ in found})
    return {name: (language, text) for name, language, text in found}


class Kitchen:
    """A folder with the three files that the page names, and what else its recipes ask for."""

    def __init__(self, folder, proxy, origin_ca):
        self.folder = folder
        self.proxy_url = f"https://localhost:{proxy.address[1]}"
        self.origin_ca = origin_ca
        self.pin = proxy.pki.server.pin
        self.environment = {
            **clean_environment(folder),
            "NODE_PATH": os.environ.get("SALLYPORT_NODE_PATH", ""),
            "GOCACHE": os.environ.get("SALLYPORT_GOCACHE", str(folder / "go")),
            "GOFLAGS": "-mod=mod",
            "GO111MODULE": "off",
            "GOPATH": "/usr/share/gocode",  # of Debian's packages
        }
        if modules := self.environment["NODE_PATH"]:
            (folder / "node_modules").symlink_to(modules)  # import() does not look at NODE_PATH
        shutil.copy(proxy.pki.server_ca.path, folder / "ca.crt")
        self.show(proxy.pki.worker)

    def show(self, leaf):
        """This certificate from now on; None: one that the proxy's listener does not know of."""
        shutil.copy(leaf.chain, self.folder / "client.crt")
        shutil.copy(leaf.key, self.folder / "client.key")

    def prepare(self, name, change):
        """The command that runs the recipe, with this change."""
        language, text = recipes()[name]
        command, file = RUNNERS[language]
        (self.folder / file).write_text(change(text), encoding="utf-8")
        return [*command, file]

    def surroundings(self, **more):
        given = {"PROXY": self.proxy_url, "ORIGIN_CA": self.origin_ca, "PIN": self.pin}
        return {**self.environment, **given, **more}

    def newer(self, name):
        if not NEWER or name not in NEWER_CURL:
            return {}
        [libraries] = Path(NEWER).glob("usr/lib/*-linux-gnu")
        path = f"{NEWER}/usr/bin:{self.environment['PATH']}"
        return {"PATH": path, "LD_LIBRARY_PATH": str(libraries)}

    def cook(self, name, url, change=lambda text: text, patience=3 * PATIENCE, **more):
        """Runs the recipe, with this change; gives exit status, stdout and stderr."""
        command = self.prepare(name, change)
        shutil.rmtree(self.folder / "copy", ignore_errors=True)  # of git
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.surroundings(URL=url, **self.newer(name), **more),
            capture_output=True,
            check=False,
            timeout=patience,
        )
