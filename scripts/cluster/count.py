#!/usr/bin/python3
"""Prints a line of the table of test-cluster.sh: count.py SCENARIO SERIES FILE. Exit code 1 when more failed than may.

FILE is what `swiftlet-lab load` or `swiftlet-lab call` printed.
"""
import json
import sys

# A kept socket that looks at no error may lose datagrams for about a second after its endpoint has gone: each costs 50 ms, or
# 250 ms where nobody answers. As long as this the endpoint of a rolled pod may be another one that goes too.
MOST_IN_A_ROW = 30
# What is under way to a process that is killed without a word fails: with kube-proxy, too. Of a thousand, rounded up.
MOST_BY_FORCE = 5


def judge(text, is_forced):
    """How much was sent and failed, a remark, and whether that is right."""
    lines = text.splitlines()
    reports = [line for line in lines if line.startswith('{"attempted"')]
    if reports:
        report = json.loads(reports[-1])
        failed = sum(report["failed"].values())
        said = ", ".join(f"{count} {name}" for name, count in sorted(report["failed"].items()))
        first = "".join(f"; {each['result']} at {each['stage']} of {each['target']}" for each in report["failures"][:1])
        remark = f"slowest {report['slowest'] // 1000} ms{'; ' + said if said else ''}{first}"
        most = -(-report["attempted"] * MOST_BY_FORCE // 1000) if is_forced else 0
        return report["attempted"], failed, remark, failed <= most
    calls = [line for line in lines if line.startswith('{"target"')]
    attempts = json.loads(calls[-1])["attempts"] if calls else []
    good = [each["result"] == "ok" for each in attempts]
    rows = [len(row) for row in "".join("." if each else "x" for each in good).split(".") if row]
    longest = max(rows, default=0)
    failed = sorted({each["result"] for each in attempts} - {"ok"})
    remark = f"{len(rows)} gaps, at most {longest} in a row: {', '.join(failed)}" if rows else ""
    return len(good), good.count(False), remark, longest <= MOST_IN_A_ROW and good[-1:] != [False]


scenario, series, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    sent, failed, remark, is_good = judge(
        file.read(), scenario == "force" and "stays" not in series and "probes" not in series)
if not sent:
    with open(path + ".errors", encoding="utf-8") as file:
        remark, is_good = "it said nothing; " + file.read().strip()[-200:], False
print(f"{scenario:8} {series:44} {sent:8} {failed:7}  {remark}{'' if is_good else '   FAILED'}")
sys.exit(not is_good)
