#!/usr/bin/python3
"""Writes an image of one program with the libraries that it needs, for `ctr images import`.

image.py PROGRAM NAME OUTPUT.tar [ARGUMENT…]: with arguments the image runs the program with them.

Unlike scripts/package-image.py it takes a program that is linked dynamically, as `make build` leaves it: such an image is for
tests on this machine.
"""
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile

DIRECTORIES = ["cgroup", "dev", "etc", "manifests", "proc", "run/swiftlet", "sys/fs/bpf", "tmp", "usr/local/bin",
               "var/lib/swiftlet"]


def libraries(program):
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [path for path in re.findall(r"(/\S+) \(0x", said) if os.path.exists(path)]


def layer(program):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        made = set()
        for path in DIRECTORIES + [os.path.dirname(each).strip("/") for each in libraries(program)]:
            parts = path.split("/")
            for depth in range(1, len(parts) + 1):
                name = "/".join(parts[:depth])
                if name not in made:
                    made.add(name)
                    info = tarfile.TarInfo(name)
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(info)
        archive.add(program, "usr/local/bin/" + os.path.basename(program))
        for path in libraries(program):
            archive.add(os.path.realpath(path), path.strip("/"))
    return out.getvalue()


def write(program, name, output, *arguments):
    content = layer(program)
    config = json.dumps({
        "architecture": "arm64" if os.uname().machine == "aarch64" else "amd64", "os": "linux",
        "config": {"Env": ["PATH=/usr/local/bin"],
                   **({"Entrypoint": [os.path.basename(program), *arguments]} if arguments else {})},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(content).hexdigest()]},
    }).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(output, "w") as archive:
        for file, data in [("config.json", config), ("layer.tar", content), ("manifest.json", manifest)]:
            info = tarfile.TarInfo(file)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


write(*sys.argv[1:])
