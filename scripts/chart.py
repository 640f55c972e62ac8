#!/usr/bin/python3
"""Renders deploy/chart without Helm, as far as its templates go, and checks what comes out.

chart.py write   makes deploy/swiftlet.yaml anew from the chart's own values
chart.py check   compares that file with the chart, and tries the chart's values
"""
import copy
import json
import os
import re
import sys

import yaml

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
CHART = os.path.join(ROOT, "deploy/chart")
MANIFEST = os.path.join(ROOT, "deploy/swiftlet.yaml")
HEAD = """# swiftlet on every node of a cluster that kubeadm made, in place of kube-proxy: kubectl apply -f deploy/swiftlet.yaml
#
# Made by scripts/chart.py from deploy/chart and its values; elsewhere use the chart, and set k8sServiceHost.
"""


class Template:
    """Go's templates, as far as the chart's need them: if, else, range, pipes of a few functions."""

    def __init__(self, text, scope):
        # {{- trims white space before it.
        self.parts = re.split(r"(\{\{-?.*?\}\})", re.sub(r"\s*\{\{-", "{{-", text))
        self.scope = scope

    def render(self):
        out, _, _ = self.block(0, self.scope, True)
        return "".join(out)

    def block(self, at, scope, is_on):
        out = []
        while at < len(self.parts):
            part = self.parts[at]
            if not part.startswith("{{"):
                out += [part] if is_on else []
                at += 1
                continue
            word = part.strip("{}-").strip()
            if word in ("end", "else"):
                return out, at, word
            if word.startswith("if "):
                holds = is_on and bool(self.value(word[3:], scope))
                inner, at, how = self.block(at + 1, scope, holds)
                out += inner
                if how == "else":
                    inner, at, how = self.block(at + 1, scope, is_on and not holds)
                    out += inner
            elif word.startswith("range "):
                start = at + 1
                for item in (self.value(word[6:], scope) if is_on else []):
                    inner, at, _ = self.block(start, {"": item}, True)
                    out += inner
                _, at, _ = self.block(start, scope, False)
            elif is_on:
                out.append(self.text(self.value(word, scope)))
            at += 1
        return out, at, "end"

    @staticmethod
    def text(value):
        return {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else str(value)

    def value(self, expression, scope):
        first, *pipes = [stage.strip() for stage in expression.split("|")]
        words = re.findall(r'"[^"]*"|\S+', first)
        if words[0] in ("eq", "ne"):
            one, other = (self.atom(word, scope) for word in words[1:])
            return (one == other) == (words[0] == "eq")
        value = json.dumps(self.atom(words[1], scope)) if words[0] == "toJson" else self.atom(words[0], scope)
        for pipe in pipes:
            name, *arguments = pipe.split()
            if name == "quote":
                value = json.dumps(self.text(value))
            elif name == "default":
                value = value or self.atom(arguments[0], scope)
            else:
                sys.exit(f"chart: the renderer knows no function {name}")
        return value

    @staticmethod
    def atom(word, scope):
        if word.startswith('"'):
            return word[1:-1]
        if word == ".":
            return scope[""]
        value = scope
        for name in word.lstrip(".").split("."):
            if name not in value:
                sys.exit(f"chart: there is no value {word}")
            value = value[name]
        return value


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def rendered(changes=None):
    """All templates with the chart's values and these changes, each `a.b.c`."""
    values = yaml.safe_load(read(os.path.join(CHART, "values.yaml")))
    for path, value in (changes or {}).items():
        *parents, last = path.split(".")
        place = values
        for name in parents:
            place = place[name]
        if last not in place:
            sys.exit(f"chart: values.yaml has no {path}")
        place[last] = value
    chart = yaml.safe_load(read(os.path.join(CHART, "Chart.yaml")))
    scope = {"Values": copy.deepcopy(values), "Release": {"Namespace": "kube-system"},
             "Chart": {"AppVersion": chart["appVersion"]}}
    directory = os.path.join(CHART, "templates")
    texts = [Template(read(os.path.join(directory, name)), scope).render().strip() for name in
             ["rbac.yaml", "daemonset.yaml", "servicemonitor.yaml"]]
    return "\n---\n".join(text for text in texts if text) + "\n"


def objects(text):
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def expect(holds, message):
    if not holds:
        sys.exit(f"chart: {message}")


def check_values():
    plain = objects(rendered())
    container = plain["DaemonSet"]["spec"]["template"]["spec"]["containers"][0]
    expect([c["name"] for c in plain["DaemonSet"]["spec"]["template"]["spec"]["containers"]] == ["swiftlet", "namespaces"],
           "there are other containers than two")
    expect("ServiceMonitor" not in plain, "a monitor is made without being asked for")
    expect("--config=/var/lib/kube-proxy/config.conf" in container["args"], "kubeadm's settings are not read")
    expect([e["name"] for e in container["env"]] == ["NODE_NAME"], "an address of the API server is invented")

    other = objects(rendered({
        "k8sServiceHost": "192.0.2.9", "k8sServicePort": 443, "kubeProxyReplacement": False, "prometheus.enabled": True,
        "prometheus.serviceMonitor.enabled": True, "extraArgs": ["--devices=eth0"], "image.tag": "x",
        "namespaces.enabled": False}))
    pod = other["DaemonSet"]["spec"]["template"]
    container = pod["spec"]["containers"][0]
    expect(container["env"][1:] == [{"name": "KUBERNETES_SERVICE_HOST", "value": "192.0.2.9"},
                                    {"name": "KUBERNETES_SERVICE_PORT", "value": "443"}], "k8sServiceHost has no effect")
    expect(all("kube-proxy" != volume["name"] for volume in pod["spec"]["volumes"]), "kube-proxy's ConfigMap is asked for")
    expect(len(pod["spec"]["containers"]) == 1 and "hostPID" not in pod["spec"], "namespaces.enabled has no effect")
    for argument in ["--kube-proxy-replacement=false", "--metrics-bind-address=0.0.0.0:10249", "--devices=eth0"]:
        expect(argument in container["args"], f"there is no {argument}")
    expect(container["image"].endswith(":x"), "image.tag has no effect")
    expect(container["ports"][0]["name"] == other["Service"]["spec"]["ports"][0]["targetPort"],
           "the monitor's Service names another port than the pod")
    expect(other["ServiceMonitor"]["spec"]["selector"]["matchLabels"] == other["Service"]["metadata"]["labels"],
           "the monitor selects another Service")


def check_agreement():
    """What the role grants is what the code asks for and the documentation says."""
    rules = objects(rendered())["ClusterRole"]["rules"]
    granted = {resource: set(rule["verbs"]) for rule in rules for resource in rule["resources"]}
    code = read(os.path.join(ROOT, "Sources/KubernetesAPI/APIRequest.swift"))
    asked = set(re.findall(r'plural: "(\w+)"', code))
    expect(asked == set(granted), f"the code asks for {asked}, and the role grants {set(granted)}")
    verbs = set(re.search(r"case (.*)", code).group(1).split(", "))
    expect(verbs == set().union(*granted.values()), f"the code's verbs are {verbs}, and the role's others")
    docs = read(os.path.join(ROOT, "docs/configure.md"))
    for resource, verbs in granted.items():
        expect(f"`{resource}`" in docs, f"docs/configure.md does not name the right to {resource}")
        for verb in verbs:
            expect(f"`{verb}`" in docs, f"docs/configure.md does not name the verb {verb}")
    version = re.search(r'swiftlet = "(.*)"', read(os.path.join(ROOT, "Sources/SwiftletDaemon/Version.swift"))).group(1)
    chart = yaml.safe_load(read(os.path.join(CHART, "Chart.yaml")))
    expect(chart["appVersion"] == version, f"Chart.yaml says {chart['appVersion']}, and the program {version}")


def main():
    command = sys.argv[1:]
    if command == ["write"]:
        with open(MANIFEST, "w", encoding="utf-8") as file:
            file.write(HEAD + rendered())
    elif command == ["check"]:
        expect(read(MANIFEST) == HEAD + rendered(), "deploy/swiftlet.yaml is not the chart's; run scripts/chart.py write")
        check_values()
        check_agreement()
    else:
        sys.exit("chart: say write or check")


main()
