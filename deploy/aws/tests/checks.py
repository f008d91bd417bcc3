"""What the checks of deploy/aws share: how one is declared, run and counted."""

import os
import subprocess
import time
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent.parent
REPO = DEPLOY.parent.parent
SCRIPTS = ["deploy", "deploy-infra", "check", "stop", "start", "delete", "quota", "prices"]


class Skip(Exception):
    """What a check needs is not here; the text says what."""


class Tally:
    """Runs checks and counts how they end."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def run(self, sentence, check):
        begun = time.monotonic()
        word, more = "ok  ", None
        try:
            more = check()
            self.passed += 1
        except Skip as reason:
            word, more = "skip", reason
            self.skipped += 1
        except Exception as fault:  # a check of any kind may fail in any way
            word, more = "FAIL", f"{type(fault).__name__}: {fault}"
            self.failed += 1
        print(f"{word} {time.monotonic() - begun:5.1f}s  {sentence}", flush=True)
        for line in str(more).splitlines() if more else []:
            print(f"              {line}", flush=True)

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0


def run(command, *, env=None, stdin=None, timeout=240):
    """Runs a command to its end; its text is stdout and stderr together."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **(env or {})},
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stdout


def same(found, wanted, what):
    assert found == wanted, f"{what}: found {found!r}, wanted {wanted!r}"


def has(text, *parts):
    for part in parts:
        assert part in text, f"{part!r} is not in:\n{text}"
    return text
