# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the stages that /t/plan.json names, and writes what came of each to /t/result.json."""

import importlib
import json
import sys
import time
import traceback


class Report:
    """Figures and failures of this boot."""

    def __init__(self, share):
        self.share = share
        self.figures, self.failures, self.stages = {}, [], {}
        self.stage = None

    def count(self, name, n=1):
        self.figures[name] = self.figures.get(name, 0) + n

    def fail(self, text):
        self.failures.append(f'{self.stage}: {text}')
        print(f'FAILED {self.stage}: {text}', flush=True)

    def check(self, good, text):
        """One statement that must hold; the test goes on either way."""
        self.count('checks')
        if not good:
            self.fail(text)
        return good

    def note(self, text):
        print(f'{self.stage}: {text}', flush=True)

    def write(self):
        with open(f'{self.share}/result.json', 'w', encoding='utf-8') as file:
            json.dump({'figures': self.figures, 'failures': self.failures, 'stages': self.stages}, file, indent=1)


def main():
    share = sys.argv[1]
    with open(f'{share}/plan.json', encoding='utf-8') as file:
        plan = json.load(file)
    report = Report(share)
    for name in plan['stages']:
        report.stage = name
        begun = time.monotonic()
        print(f'guest: stage {name}', flush=True)
        try:
            importlib.import_module('stage_' + name.replace('-', '_')).run(report, plan)
        except Exception:
            report.fail(traceback.format_exc())
        report.stages[name] = round(time.monotonic() - begun, 1)
        report.write()
    print(f'guest: {json.dumps(report.figures)} {json.dumps(report.stages)}', flush=True)
    return 1 if report.failures else 0


sys.exit(main())
