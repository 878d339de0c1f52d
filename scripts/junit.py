#!/usr/bin/env python3
"""junit.py REPORT FAILURES: prints "passed failed skipped" of a JUnit report; what failed is added to the file FAILURES."""

import sys
import xml.etree.ElementTree as tree

LINES = 40
WIDTH = 400


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped"
    return "passed"


def said(case):
    """The end of what a failed test said: its message, and its output where the runner keeps it apart (CTest does)."""
    text = []
    for tag in ("failure", "error", "system-out"):
        for part in case.findall(tag):
            text += (part.get("message") or "").splitlines() + (part.text or "").splitlines()
    return [line[:WIDTH] for line in text[-LINES:]]


def main(report, failures):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with open(failures, "a", encoding="utf-8") as kept:
        for case in tree.parse(report).iter("testcase"):
            what = outcome(case)
            counts[what] += 1
            if what == "failed":
                print("---", case.get("classname"), case.get("name"), file=kept)
                print("\n".join(said(case)), file=kept)
    print(counts["passed"], counts["failed"], counts["skipped"])


main(*sys.argv[1:])
