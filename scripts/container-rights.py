#!/usr/bin/python3
"""Prints the flags of `ctr run` that give a container the rights which deploy/swiftlet.yaml gives it, one a line.

container-rights.py CONTAINER NETWORK-NAMESPACE

`hostNetwork` is the network namespace given, which stands for the node's; `hostPID` is that of who asks. A rule of the
manifest that is not known here is an error: nothing is tried with fewer rights, or more, than it says.
"""
import os
import sys

import yaml

MANIFEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../deploy/swiftlet.yaml")
# What ctr gives without being asked.
DEFAULT = """CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL
AUDIT_WRITE""".split()
KNOWN = {"runAsUser", "runAsGroup", "privileged", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"}


def pod():
    with open(MANIFEST, encoding="utf-8") as file:
        kinds = {document["kind"]: document for document in yaml.safe_load_all(file)}
    return kinds["DaemonSet"]["spec"]["template"]["spec"]


def flags(spec, name, network):
    containers = {each["name"]: each for each in spec["initContainers"] + spec["containers"]}
    if name not in containers:
        sys.exit(f"container-rights: the manifest has no container {name}")
    rights = containers[name]["securityContext"]
    if set(rights) - KNOWN or rights.get("runAsUser", 0) != 0 or rights.get("runAsGroup", 0) != 0:
        sys.exit(f"container-rights: {name} has rights that are not known here: {rights}")
    out = ["--with-ns", f"network:{network}"] if spec.get("hostNetwork") else []
    if spec.get("hostPID"):
        out += ["--with-ns", "pid:/proc/self/ns/pid"]
    if rights.get("readOnlyRootFilesystem"):
        out += ["--read-only"]
    if rights.get("privileged"):
        return out + ["--privileged"]
    if rights["capabilities"]["drop"] != ["ALL"]:
        sys.exit(f"container-rights: {name} does not drop all capabilities")
    for capability in DEFAULT:
        out += ["--cap-drop", f"CAP_{capability}"]
    for capability in rights["capabilities"]["add"]:
        out += ["--cap-add", f"CAP_{capability}"]
    # Kubernetes' default; CAP_SYS_ADMIN allows no other.
    if rights.get("allowPrivilegeEscalation", True):
        out += ["--allow-new-privs"]
    return out


print("\n".join(flags(pod(), *sys.argv[1:])))
