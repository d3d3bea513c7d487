"""Plays groups to both, compares, and says what was found."""

import collections
import pathlib
import tempfile
import time

from lab.director import weir_binary
from oracle import cases
from oracle.books import compare_books
from oracle.compare import compare_step, show_step, summary
from oracle.differences import TABLE, explanation
from oracle.guest import Guest
from oracle.joined import EVENTS, compare_joined
from oracle.matrix import PENDING, Matrix
from oracle.replay import replay

# Failed cases that are shown in full; of the others the names.
SHOWN = 12


class Report:
    """What the comparison has found so far."""

    def __init__(self):
        self.matrix = Matrix()
        self.cases = 0
        self.frames = 0
        self.by_row = collections.Counter()
        self.pending = 0
        self.failures = []

    def add(self, group, outcome):
        """Compares a group that both have played."""
        found = collections.defaultdict(list)
        for case in group.cases:
            joined = compare_joined(case, outcome) if case.event in EVENTS else None
            if joined is not None:
                found[id(case)] += [(difference, None) for difference in joined]
                continue
            for step in case.steps:
                sent = outcome.sent.get(step.time_ns, [])
                differences = compare_step(case, step, sent)
                found[id(case)] += [(difference, (step, sent)) for difference in differences]
        for case, difference in compare_books(group, outcome):
            found[id(case)].append((difference, None))
        for case in group.cases:
            self._judge(group, case, found[id(case)])
        for _, frame in outcome.unprompted:
            if not summary(frame).startswith(("ARP", "ND")):
                self.failures.append((f"{group.name}: unprompted", [summary(frame)], [frame.hex()]))

    def _judge(self, group, case, found):
        self.cases += 1
        self.frames += len(case.steps)
        rows = {explanation(difference) for difference, _ in found}
        alike = None not in rows
        self.matrix.count(case.cell, alike)
        if not alike and case.cell in PENDING:
            self.pending += 1
            return
        for row in rows - {None}:
            self.by_row[row.name] += 1
        if not alike:
            self.failures.append(_failure(group, case, found))

    def faults(self):
        """What is wrong, as lines; none where all is well."""
        lines = [f"{name}: {'; '.join(found)}" for name, found, _ in self.failures]
        lines += self.matrix.faults()
        unused = [row.name for row in TABLE if not self.by_row[row.name]]
        return lines + [f"the row {name} of differences.py explains nothing" for name in unused]

    def print(self):
        """Prints everything, the worst last."""
        print(self.matrix.table())
        print()
        for row in TABLE:
            print(f"{self.by_row[row.name]:6} cases differ by {row.name}: {row.what}")
        print(f"{self.pending:6} cases differ in pending cells")
        for name, found, steps in self.failures[:SHOWN]:
            print(f"\nFAILED {name}")
            for line in found:
                print(f"  {line}")
            for step in steps:
                print(step)


def _failure(group, case, found):
    unexplained = [(d, at) for d, at in found if explanation(d) is None]
    steps = {id(at[0]): show_step(*at) for _, at in unexplained if at}
    name = f"{group.name} | {' × '.join(case.cell)} | {case.name}"
    return (name, [str(difference) for difference, _ in unexplained], list(steps.values()))


def compare(names=()):
    """Compares the groups of these names, all without any. Returns the exit code."""
    begin = time.monotonic()
    groups = [group for group in cases.groups() if not names or group.name in names]
    report = Report()
    with tempfile.TemporaryDirectory(prefix="weir-oracle-") as name:
        folder = pathlib.Path(name)
        with Guest(folder) as guest:
            for group in groups:
                group.play(guest)
        for group in groups:
            report.add(group, replay(weir_binary(), group, folder))
    report.print()
    # Of some groups alone the matrix says nothing.
    faults = report.faults() if not names else [failure[0] for failure in report.failures]
    print()
    for fault in faults:
        print(f"FAULT {fault}")
    seconds = time.monotonic() - begin
    print(
        f"{report.cases} cases of {report.frames} frames compared in {seconds:.0f} s: "
        f"{len(faults)} faults"
    )
    return 1 if faults or not report.cases else 0
