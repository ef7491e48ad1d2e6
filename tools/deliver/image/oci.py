"""An OCI image in a tar (image-spec 1.0, image-layout), which `docker load`, `podman load`, `skopeo` and `ctr` read.

Owns: the form: blobs by their SHA-256, layers, config, manifest, index; for older Docker a manifest.json beside them. The
same trees give the same bytes: names in order, one time, owners as they are said, gzip without name and time.
Must never know: what is in an image.
"""

import gzip
import hashlib
import io
import json
import tarfile

MEDIA = "application/vnd.oci.image."
EPOCH = 0


def as_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Tree:
    """Files, links and folders of one layer; folders above them are made, for root with mode 0755."""

    def __init__(self):
        self._entries = {}

    def files(self):
        """(path, bytes) in the order of the paths."""
        return [(path, data) for path, (info, data) in sorted(self._entries.items()) if info.isreg()]

    def add_file(self, path, data, mode=0o644):
        self._add(path, tarfile.REGTYPE, mode, data=data)

    def add_link(self, path, target):
        self._add(path, tarfile.SYMTYPE, 0o777, target=target)

    def add_folder(self, path, mode, owner=0):
        self._add(path, tarfile.DIRTYPE, mode, owner=owner)

    def _add(self, path, kind, mode, data=b"", target="", owner=0):
        parent = path.rpartition("/")[0]
        if parent and parent not in self._entries:
            self.add_folder(parent, 0o755)
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.linkname, info.size = kind, mode, target, len(data)
        info.uid = info.gid = owner
        info.mtime = EPOCH
        self._entries[path] = (info, data)

    def as_tar(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for _, (info, data) in sorted(self._entries.items()):
                tar.addfile(info, io.BytesIO(data))
        return out.getvalue()


def write_image(path, name, created, config, layers):
    """Writes an image of layers (title, Tree) as `name`; returns the digest of its manifest."""
    blobs = {}

    def keep(data, media):
        digest = digest_of(data)
        blobs[digest] = data
        return {"mediaType": MEDIA + media, "digest": digest, "size": len(data)}

    packed, plain, history = [], [], []
    for title, tree in layers:
        data = tree.as_tar()
        plain.append(digest_of(data))
        packed.append(keep(gzip.compress(data, 9, mtime=0), "layer.v1.tar+gzip"))
        history.append({"created": created, "created_by": title})
    # Of the platform: what Bazel's rules build for.
    described = keep(as_json({"architecture": "amd64", "os": "linux", "created": created, "config": config, "history": history,
                              "rootfs": {"type": "layers", "diff_ids": plain}}), "config.v1+json")
    manifest = keep(as_json({"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json", "config": described,
                             "layers": packed, "annotations": config.get("Labels", {})}), "manifest.v1+json")
    tag = name.rpartition(":")[2]
    index = {"schemaVersion": 2, "mediaType": MEDIA + "index.v1+json", "manifests": [
        {**manifest, "platform": {"architecture": "amd64", "os": "linux"},
         "annotations": {"org.opencontainers.image.ref.name": tag, "io.containerd.image.name": f"localhost/{name}"}}]}
    place = "blobs/sha256/{}".format
    older = [{"Config": place(described["digest"][7:]), "RepoTags": [f"localhost/{name}"],
              "Layers": [place(layer["digest"][7:]) for layer in packed]}]
    out = Tree()
    out.add_file("oci-layout", as_json({"imageLayoutVersion": "1.0.0"}))
    out.add_file("index.json", as_json(index))
    out.add_file("manifest.json", as_json(older))
    for digest, data in blobs.items():
        out.add_file(place(digest[7:]), data)
    with open(path, "wb") as file:
        file.write(out.as_tar())
    return manifest["digest"]
