"""The image of the build, unpacked and run as a container: its own files read-only, its user, no capability, its own processes.

Owns: what a runtime does with an image; bubblewrap makes the namespaces. The network stays that of the test.
"""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

from support.proxy import Lines

ROOT = Path(__file__).parents[3]


def built(name):
    """What the build has made, also where pytest runs without Bazel."""
    for folder in ("", "bazel-bin"):
        path = ROOT / folder / "tools/deliver/image" / name
        if path.exists():
            return path
    raise FileNotFoundError(f"{name}: bazel build -c opt //tools/deliver/image")


class Image:
    """An OCI layout in a tar (the image specification), each blob compared with its name."""

    def __init__(self, path):
        with tarfile.open(path) as tar:
            self._files = {each.name: tar.extractfile(each).read() for each in tar if each.isreg()}
        assert json.loads(self._files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
        self.index = json.loads(self._files["index.json"])
        [described] = self.index["manifests"]
        self.digest = described["digest"]
        self.manifest = json.loads(self._blob(described))
        self.config = json.loads(self._blob(self.manifest["config"]))
        self.layers = [gzip.decompress(self._blob(each)) for each in self.manifest["layers"]]
        assert [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in self.layers] == self.config["rootfs"]["diff_ids"]

    @property
    def command(self):
        return self.config["config"]["Entrypoint"] + self.config["config"]["Cmd"]

    def _blob(self, described):
        data = self._files["blobs/" + described["digest"].replace(":", "/")]
        assert len(data) == described["size"]
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == described["digest"]
        return data

    def entries(self):
        """All that the layers have, the later ones last."""
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                yield from tar

    def unpack(self, folder):
        for layer in self.layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                for each in tar:
                    # Only root could give files to others: inside, this user is the image's.
                    each.uid, each.gid = os.getuid(), os.getgid()
                    tar.extract(each, folder, numeric_owner=True)


def make_place(place, here):
    """Where something is mounted there has to be something, as runtimes make it in the layer of the container."""
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir() if os.path.isdir(here) else place.touch()


class Container:
    """One process of an image. `mounts` are (path here, path there, may be written)."""

    def __init__(self, image, root, arguments=(), mounts=(), stdin=None):
        user, group = image.config["config"]["User"].split(":")
        command = ["bwrap", "--unshare-user", "--uid", user, "--gid", group, "--unshare-pid", "--as-pid-1", "--unshare-ipc"]
        command += ["--unshare-uts", "--cap-drop", "ALL", "--new-session", "--die-with-parent", "--clearenv"]
        for each in image.config["config"]["Env"]:
            command += ["--setenv", *each.split("=", 1)]
        command += ["--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/"]
        for here, there, may_write in mounts:
            make_place(Path(root, there.lstrip("/")), here)
            command += ["--bind" if may_write else "--ro-bind", str(here), there]
        said, says = os.pipe()
        command += ["--info-fd", str(says), "--", *image.config["config"]["Entrypoint"]]
        command += arguments or image.config["config"]["Cmd"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        entry = subprocess.DEVNULL if stdin is None else subprocess.PIPE
        self.process = subprocess.Popen(list(map(str, command)), stdin=entry, pass_fds=(says,), **pipes)
        os.close(says)
        if stdin is not None:
            self.process.stdin.write(stdin)
            self.process.stdin.close()
        self.stdout, self.stderr = Lines(self.process.stdout), Lines(self.process.stderr)
        with open(said, encoding="utf-8") as file:
            text = file.read()
        assert text, self.stderr.join() or self.stderr.text()
        self.pid = json.loads(text)["child-pid"]  # of the program, outside

    def wait(self, patience):
        """Its exit status."""
        code = self.process.wait(patience)
        self.stdout.join()
        self.stderr.join()
        return code

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
