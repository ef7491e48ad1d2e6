"""The bill of materials of an image: SPDX 2.3 as JSON.

Owns: what is said about each part: name, version, where it is from, how it is linked. Licences are not guessed: each package's
copyright is in the image, and is named here.
Must never know: how the image is made.
"""

import json
import re
from pathlib import Path

from debian import query

# In the program, and of no -dev package: what it is says a header that its build writes.
BORINGSSL = "boringssl"
DEBIAN = "Organization: Debian"
SPDX_ID = re.compile(r"[^A-Za-z0-9.-]")


def boringssl_linked(pins, origin):
    """(name, version, link, supplier) of BoringSSL: of Debian's source package, of its own release, or a checkout."""
    name, commit = (re.search(rf'^#define BORINGSSL_ORIGIN_{word} "(.*?)"', origin, re.M)[1] for word in ("NAME", "COMMIT"))
    kind, _, version = name.partition(" ")
    if kind == "Debian":
        package = re.search(r'^_PACKAGE = "(.*?)"', pins, re.M)[1]
        return BORINGSSL, version, purl(package, version, "source"), DEBIAN
    if kind != "upstream":
        version = commit or "unknown"
    return BORINGSSL, version, f"pkg:github/google/boringssl@{version}", "Organization: Google"


def linked_statically(workspace, pins, origin):
    """[(name, version, link, supplier)] of what the program has taken in, as the build's own files say."""
    found = []
    for rule in re.findall(r"debian_library\((.*?)\n\)", workspace, re.S):
        values = dict(re.findall(r'(\w+) = "(.*?)"', rule))
        if "archive" not in values:
            continue
        version, source = query("${Version}\n${source:Package} ${source:Version}", values["package"]).split("\n")
        found.append((values["name"], version, purl(*source.split(" "), "source"), DEBIAN))
    found.append(boringssl_linked(pins, origin))
    return sorted(found)


def purl(name, version, architecture):
    """A package of the Debian that is here, as package-url writes it."""
    release = re.search(r"^VERSION_ID=\"?(\d+)", Path("/usr/lib/os-release").read_text(encoding="utf-8"), re.M)[1]
    return f"pkg:deb/debian/{name}@{version.replace('+', '%2B').replace(':', '%3A')}?arch={architecture}&distro=debian-{release}"


def part(name, version, purpose="LIBRARY", link=None, **more):
    """A package in SPDX's words."""
    said = {"SPDXID": "SPDXRef-" + SPDX_ID.sub("-", name), "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION", "primaryPackagePurpose": purpose, **more}
    if link:
        said["externalRefs"] = [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": link}]
    return said


def relation(one, kind, other):
    return {"spdxElementId": one["SPDXID"], "relationshipType": kind, "relatedSpdxElement": other["SPDXID"]}


def write(path, version, created, digest, packages, linked):
    """Writes the bill of the image with this digest."""
    image = part("sallyport-image", version, "CONTAINER", f"pkg:oci/sallyport@{digest.replace(':', '%3A')}?arch=amd64",
                 checksums=[{"algorithm": "SHA256", "checksumValue": digest[7:]}])
    program = part("sallyport", version, "APPLICATION", licenseDeclared="Apache-2.0")
    parts, relations = [image, program], [relation(image, "CONTAINS", program)]
    for package in packages:
        source = "built from " + package.source
        parts.append(part("deb-" + package.name, package.version, "LIBRARY" if package.is_library else "FILE",
                          purl(package.name, package.version, package.architecture), sourceInfo=source,
                          supplier=DEBIAN, comment=f"only some of its files; its copyright: /{package.copyright}"))
        relations.append(relation(image, "CONTAINS", parts[-1]))
        if package.is_library:
            relations.append(relation(program, "DYNAMIC_LINK", parts[-1]))
    for name, its_version, link, supplier in linked:
        parts.append(part("static-" + name, its_version, "LIBRARY", link, supplier=supplier, comment="in the program"))
        relations.append(relation(program, "STATIC_LINK", parts[-1]))
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"sallyport-{version}",
        "documentNamespace": f"https://sallyport.example/spdx/{digest[7:]}",
        "creationInfo": {"created": created, "creators": [f"Tool: sallyport-release-{version}"]},
        "packages": parts,
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                           "relatedSpdxElement": image["SPDXID"]}, *relations],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, sort_keys=True)
        file.write("\n")
