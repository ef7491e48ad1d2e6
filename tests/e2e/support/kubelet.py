"""A kubelet: the volumes of a pod written as it writes them, a container run as a manifest says, its probes and its hook.

Owns: what Kubernetes does with a Deployment, as far as those that are delivered need it. Secrets and ConfigMaps are
`objects`: {(kind, name): {key: bytes}}; what changes there reaches a pod by sync().
"""

import http.client
import os
import shutil

from support.container import Container
from support.scale import PATIENCE

# What `fsGroup` adds to the mode of each file of a volume that is mounted read-only.
GROUP_READS = 0o440


class AtomicFolder:
    """A folder as the kubelet and CSI drivers write it: files below a folder with a name of its own, `..data` a link to it that
    is renamed, and each file a link into `..data`."""

    def __init__(self, path):
        self.path = path
        self._count = 0
        path.mkdir(parents=True)

    def write(self, files, mode):
        """{name: bytes}, all at once."""
        old = os.readlink(self.path / "..data") if self._count else None
        self._count += 1
        fresh = self.path / f"..2026_11_30_{self._count}"
        fresh.mkdir(mode=0o755)
        for name, data in files.items():
            (fresh / name).parent.mkdir(exist_ok=True)
            (fresh / name).write_bytes(data)
            os.chmod(fresh / name, mode)
        os.symlink(fresh.name, self.path / "..data_tmp")
        os.rename(self.path / "..data_tmp", self.path / "..data")
        wanted = {name.split("/")[0] for name in files}
        for name in wanted:
            if not (self.path / name).is_symlink():
                os.symlink(f"..data/{name}", self.path / name)
        for each in self.path.iterdir():
            if not each.name.startswith("..") and each.name not in wanted:
                each.unlink()
        if old:
            shutil.rmtree(self.path / old)


def gathered(volume, objects):
    """What a volume's sources say, {name: bytes}."""
    files = {}
    for source in volume["projected"]["sources"] if "projected" in volume else [volume]:
        if "secret" in source:
            chosen, data = source["secret"], objects["Secret", source["secret"].get("name", source["secret"].get("secretName"))]
        else:
            chosen = source["configMap"]
            data = objects.get(("ConfigMap", chosen["name"])) if chosen.get("optional") else objects["ConfigMap", chosen["name"]]
            if data is None:
                continue
        pairs = [(each["key"], each["path"]) for each in chosen.get("items", [])] or [(key, key) for key in data]
        files.update({path: data[key] for key, path in pairs})
    return files


class Pod:
    """One container of a Deployment; `given` are folders for volumes that others write: {name of the volume: path}."""

    def __init__(self, image, root, deployment, container, objects, folder, given=(), hosts=()):
        spec = deployment["spec"]["template"]["spec"]
        every = spec.get("initContainers", []) + spec["containers"]
        [self.container] = [each for each in every if each["name"] == container]
        self._image, self._root, self._objects = image, root, objects
        self._volumes = {each["name"]: each for each in spec["volumes"]}
        self._written = {}
        places = dict(given)
        for mount in self.container["volumeMounts"]:
            name = mount["name"]
            if name not in places:
                places[name] = folder / name
                self._make(name, places[name])
        names = folder / "hosts"
        names.write_text("".join(f"127.0.0.1 {each}\n" for each in ("localhost", *hosts)))
        self._mounts = [(names, "/etc/hosts", False)]
        for mount in self.container["volumeMounts"]:
            self._mounts.append((places[mount["name"]], mount["mountPath"], not mount.get("readOnly", False)))
        self.sync()
        self.main = self._run(self.container["args"])

    def _make(self, name, path):
        if "emptyDir" in self._volumes[name]:
            path.mkdir()
        else:
            self._written[name] = AtomicFolder(path)

    def sync(self):
        """What has changed in the objects is written, as the kubelet does within a minute."""
        for name, folder in self._written.items():
            volume = self._volumes[name]
            [kind] = set(volume) - {"name"}
            mode = volume[kind].get("defaultMode", 0o644) | GROUP_READS
            folder.write(gathered(volume, self._objects), mode)

    def _run(self, arguments):
        return Container(self._image, self._root, arguments, self._mounts)

    def probe(self, name):
        """The status with which a probe is answered, None where nobody answers."""
        asked = self.container[name]["httpGet"]
        [port] = [each["containerPort"] for each in self.container["ports"] if each["name"] == asked["port"]]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", asked["path"])
            return connection.getresponse().status
        except ConnectionError:
            return None
        finally:
            connection.close()

    def exec(self, command):
        """Runs a command of the image beside the first one; the container."""
        assert [command[0]] == self._image.config["config"]["Entrypoint"], command
        return self._run(command[1:])

    def stop_begins(self):
        """The hook before the stop, running."""
        return self.exec(self.container["lifecycle"]["preStop"]["exec"]["command"])
