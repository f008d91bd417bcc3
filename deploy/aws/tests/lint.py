"""What can be told without running anything: scripts, template, policies."""

import json
import re

from checks import DEPLOY, SCRIPTS, has, run, same


def template_is_current():
    same(run([DEPLOY / "render", "--check"]), (0, ""), "render --check")
    size = (DEPLOY / "tanso.yaml").stat().st_size
    assert size < 51200, f"tanso.yaml has {size} bytes; a template sent inline may have 51200"
    return f"tanso.yaml: {size} of 51200 bytes"


def helm_is_the_tested_one():
    """The Helm that setup installs is the one that the chart's own tests run."""
    tested = re.search(r"helm\.sh/helm/v\d+ (v\S+)", (DEPLOY.parents[1] / "tests/tools/helm/go.mod").read_text())[1]
    installed = re.search(r"^helm_version=(\S+)$", (DEPLOY / "setup").read_text(), re.MULTILINE)[1]
    same(installed, tested, "setup's Helm")
    return installed


def only_t2_is_spared_the_word_ebs_optimized():
    """AWS refuses EbsOptimized of t2, and a stack of it would be rolled back."""
    text = (DEPLOY / "stack.yaml").read_text()
    has(text, "EbsOptimized: !If [KnowsEbsOptimized, true, !Ref AWS::NoValue]")
    has(text, 'KnowsEbsOptimized: !Not [!Equals [!Select [0, !Split [".", !Ref InstanceType]], t2]]')


def addresses_are_addresses():
    """A template that is given to AWS by hand refuses what the scripts refuse."""
    parameter = re.search(r"MetricsCidr:\n(?:    .*\n)*?    AllowedPattern: (\".*\")", (DEPLOY / "stack.yaml").read_text())
    pattern = re.compile(json.loads(parameter[1]))
    for taken in ["", "0.0.0.0/0", "203.0.113.7/32", "255.255.255.255/9"]:
        assert pattern.fullmatch(taken), taken
    for refused in ["300.1.1.1/40", "203.0.113.256/32", "203.0.113.7/33", "203.0.113.07/32", "203.0.113.7", "1.2.3/8"]:
        assert not pattern.fullmatch(refused), refused


def shellcheck_is_clean():
    files = [DEPLOY / name for name in [*SCRIPTS, "setup", "render", "test", "tests/machine"]]
    same(run(["shellcheck", "-x", "-P", DEPLOY, *files]), (0, ""), "shellcheck")
    return f"{len(files)} scripts, and what they source"


def cfn_lint_is_clean():
    same(run(["cfn-lint", DEPLOY / "tanso.yaml"]), (0, ""), "cfn-lint")


def checkov_is_clean():
    _, text = run(["checkov", "--skip-download", "--framework", "cloudformation", "-o", "json", "-f", DEPLOY / "tanso.yaml"])
    results = json.loads(text)["results"]
    failed = [f"{check['check_id']} {check['resource']}" for check in results["failed_checks"]]
    same(failed, [], "checkov's failed checks")
    skipped = [
        f"left out {check['check_id']}: {check['check_result']['suppress_comment']}" for check in results["skipped_checks"]
    ]
    return "\n".join([f"{len(results['passed_checks'])} passed", *skipped])


def checkov_accepts_the_proxy(manifest):
    """The pods that setup adds beside the chart's, judged as Kubernetes objects."""
    # Left out: images by digest and pulled always. A tag gets security fixes, and a
    # machine that is started again without its registry serves metrics all the same.
    skip = "CKV_K8S_43,CKV_K8S_15"
    _, text = run(["checkov", "--skip-download", "--framework", "kubernetes", "--skip-check", skip, "-o", "json", "-f", manifest])
    results = json.loads(text)["results"]
    same([f"{c['check_id']} {c['resource']}" for c in results["failed_checks"]], [], "checkov's failed checks")
    return f"{len(results['passed_checks'])} passed"


def help_explains():
    for name in SCRIPTS:
        for flag in ["--help", "-h"]:
            code, text = run([DEPLOY / name, flag])
            same(code, 0, f"{name} {flag}")
            has(text, f"usage: {name}", "--profile", "--region", "--stack-name", "--dry-run")
        code, text = run([DEPLOY / name, "--frobnicate", "1"])
        same(code, 2, f"{name} --frobnicate")
        has(text, '"--frobnicate"', "--help")
    return f"{len(SCRIPTS)} scripts: {', '.join(SCRIPTS)}"


def prices_have_dates():
    rows = [line.split(",") for line in (DEPLOY / "prices.csv").read_text().splitlines() if not line.startswith("#")]
    header, rows = rows[0], rows[1:]
    same(header, ["region", "item", "unit", "usd", "as_of", "source"], "the header")
    for row in rows:
        same(len(row), 6, f"fields of {row}")
        assert float(row[3]) > 0 and re.fullmatch(r"\d{4}-\d\d-\d\d", row[4]), row
    known = {row[1] for row in rows if row[0] == "us-east-1"}
    assert {"c5.metal", "m5.metal", "r5.metal", "gp3", "address"} <= known, known
    return f"{len(rows)} prices"
