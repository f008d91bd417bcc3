"""What the checks of deploy/aws share: how one is declared, run and counted."""

import os
import subprocess
import threading
import time
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent.parent
REPO = DEPLOY.parent.parent
SCRIPTS = ["deploy", "deploy-infra", "check", "stop", "start", "delete", "quota", "prices"]


class Skip(Exception):
    """What a check needs is not here; the text says what."""


class Tally:
    """Runs checks, from several threads at once, and counts how they end."""

    def __init__(self):
        self.counts = {"ok  ": 0, "FAIL": 0, "skip": 0}
        self.lock = threading.Lock()

    def run(self, sentence, check):
        begun = time.monotonic()
        word, more = "ok  ", None
        try:
            more = check()
        except Skip as reason:
            word, more = "skip", reason
        except Exception as fault:  # a check of any kind may fail in any way
            word, more = "FAIL", f"{type(fault).__name__}: {fault}"
        lines = [f"{word} {time.monotonic() - begun:5.1f}s  {sentence}"]
        lines += [f"              {line}" for line in (str(more).splitlines() if more else [])]
        with self.lock:
            self.counts[word] += 1
            print("\n".join(lines), flush=True)

    def close(self):
        passed, failed, skipped = self.counts.values()
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
        return 1 if failed or not passed else 0


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
