#!/usr/bin/env python3
"""Writes an OCI image of one static program, without a container engine, and the image's SBOM beside it.

package-image.py PROGRAM VERSION OUTPUT.tar

The same inputs give the same bytes. `ctr images import`, `podman load` and `skopeo copy oci-archive:` read the file.
"""
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

# Written by each build that resolves packages: `swift package resolve` does no more.
PINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../Package.resolved")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
MACHINES = {0x3E: "amd64", 0xB7: "arm64"}


def architecture(program):
    with open(program, "rb") as file:
        head = file.read(20)
    if head[:4] != b"\x7fELF" or head[18] not in MACHINES:
        sys.exit(f"image: {program} is no program for amd64 or arm64")
    return MACHINES[head[18]]


def entry(archive, name, content=None, mode=0o644):
    info = tarfile.TarInfo(name)
    info.mode = mode
    if content is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(info)
    else:
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))


def layer(program):
    """The root: the program, certificates, and the places where the node's directories are mounted."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for directory in ["etc", "etc/ssl", "etc/ssl/certs", "run", "run/swiftlet", "sys", "tmp", "usr", "usr/bin",
                          "usr/local", "usr/local/bin", "var", "var/lib", "var/lib/swiftlet"]:
            entry(archive, directory)
        entry(archive, "etc/passwd", b"root:x:0:0:root:/:/sbin/nologin\n")
        entry(archive, "etc/group", b"root:x:0:\n")
        entry(archive, "etc/ssl/certs/ca-certificates.crt", open(CERTIFICATES, "rb").read())
        entry(archive, "usr/local/bin/swiftlet", open(program, "rb").read(), 0o755)
    return out.getvalue()


def blob(blobs, content, kind, annotations=None):
    digest = hashlib.sha256(content).hexdigest()
    blobs[digest] = content
    descriptor = {"mediaType": kind, "digest": "sha256:" + digest, "size": len(content)}
    return {**descriptor, **({"annotations": annotations} if annotations else {})}


def image(program, version, created):
    root, machine, blobs = layer(program), architecture(program), {}
    packed = gzip.compress(root, 9, mtime=0)
    config = {
        "architecture": machine, "os": "linux", "created": created,
        "config": {"Entrypoint": ["/usr/local/bin/swiftlet"], "Cmd": ["run"], "Env": ["PATH=/usr/local/bin:/usr/bin"],
                   "Labels": {"org.opencontainers.image.title": "swiftlet", "org.opencontainers.image.version": version,
                              "org.opencontainers.image.licenses": "BSD-2-Clause"}},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(root).hexdigest()]},
        "history": [{"created": created, "created_by": "scripts/package-image.py"}],
    }
    as_json = lambda value: json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    manifest = {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(blobs, as_json(config), "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(blobs, packed, "application/vnd.oci.image.layer.v1.tar+gzip")],
    }
    name = "docker.io/library/swiftlet:" + version
    reference = blob(blobs, as_json(manifest), manifest["mediaType"],
                     {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": version})
    reference["platform"] = {"architecture": machine, "os": "linux"}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [reference]}
    files = {"oci-layout": as_json({"imageLayoutVersion": "1.0.0"}), "index.json": as_json(index)}
    files.update({"blobs/sha256/" + digest: content for digest, content in blobs.items()})
    return files


def sbom(program, version, created):
    """What is linked in, as SPDX 2.3: the Swift packages that are pinned, and the distribution's static libraries."""
    pins = json.load(open(PINS, encoding="utf-8"))["pins"]
    parts = [(pin["identity"], pin["state"].get("version", pin["state"]["revision"]),
              f"pkg:swift/{pin['location'].split('://')[-1].removesuffix('.git')}@"
              f"{pin['state'].get('version', pin['state']['revision'])}") for pin in pins]
    for library in ["libbpf-dev", "libelf-dev", "libzstd-dev", "zlib1g-dev", "libyaml-dev", "libc6-dev", "ca-certificates"]:
        said = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", library], capture_output=True, text=True)
        if said.returncode == 0:
            parts.append((library, said.stdout, f"pkg:deb/debian/{library}@{said.stdout}"))
    digest = hashlib.sha256(open(program, "rb").read()).hexdigest()
    package = lambda name, number, more: {
        "SPDXID": "SPDXRef-" + name, "name": name, "versionInfo": number, "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION", **more}
    packages = [package("swiftlet", version, {"checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
                                              "licenseDeclared": "BSD-2-Clause"})]
    for name, number, url in sorted(parts):
        packages.append(package(name, number, {"externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}]}))
    relation = lambda one, kind, other: {
        "spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"swiftlet-{version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/swiftlet-{version}-{digest[:16]}",
        "creationInfo": {"created": created, "creators": ["Tool: swiftlet-package-image"]}, "packages": packages,
        "relationships": [relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-swiftlet")]
        + [relation("SPDXRef-swiftlet", "STATIC_LINK" if p["name"] != "ca-certificates" else "CONTAINS", p["SPDXID"])
           for p in packages[1:]],
    }


def main():
    program, version, output = sys.argv[1:]
    import datetime
    moment = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)
    created = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    if not os.path.exists(PINS):
        sys.exit("image: there is no Package.resolved, which says what is linked in; run swift package resolve")
    files, parts = image(program, version, created), sbom(program, version, created)
    with tarfile.open(output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for directory in ["blobs", "blobs/sha256"]:
            entry(archive, directory)
        for name in sorted(files):
            entry(archive, name, files[name])
    with open(output.removesuffix(".tar") + ".spdx.json", "w", encoding="utf-8") as file:
        json.dump(parts, file, indent=1)
        file.write("\n")
    print(f"{output}: {os.path.getsize(output) >> 20} MiB, {architecture(program)}")


main()
