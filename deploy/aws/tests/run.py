"""Runs every check of deploy/aws in order and tells what was exercised."""

import os
import sys
from pathlib import Path

import boot
import cloud
import lint
import proxy
from checks import Skip, Tally


def linted(tally):
    tally.run("tanso.yaml is what stack.yaml and setup make", lint.template_is_current)
    tally.run("shellcheck finds nothing", lint.shellcheck_is_clean)
    tally.run("cfn-lint finds nothing", lint.cfn_lint_is_clean)
    tally.run("checkov fails nothing of the template", lint.checkov_is_clean)
    tally.run("each script has --help and names an option that it does not know", lint.help_explains)
    tally.run("every price has its date", lint.prices_have_dates)


def on_the_cloud(tally, stand_in):
    stand_in.await_ready()
    for sentence, check in [
        ("every script refuses politely without credentials, a region or the AWS CLI", cloud.refuses_without_credentials),
        ("deploy --dry-run makes nothing", cloud.a_dry_run_changes_nothing),
        ("deploy refuses unasked costs, bad options, arm64 and a low quota", cloud.asks_before_it_costs),
        ("deploy makes the stack; its outputs are read", cloud.deploys),
        ("the machine is encrypted, closed but for the named addresses, IMDSv2 only, of least rights", cloud.the_machine_is_closed_and_encrypted),
        ("m5.large is deployed too: modelled, and nothing open", cloud.other_types_model_and_stay_closed),
        ("deploy-infra makes the machine and installs nothing", cloud.infrastructure_alone),
    ]:  # fmt: skip
        tally.run(sentence, lambda check=check: check(stand_in))


def afterwards(tally, stand_in):
    for sentence, check in [
        ("check reckons age, cost and what is left of a budget", cloud.check_reckons),
        ("stop stops, start starts, each once; what ran is remembered", cloud.stops_and_starts),
        ("a stop in the console is booked by start", cloud.a_stop_in_the_console_is_booked),
        ("quota tells, and asks for more once and only on demand", cloud.quotas),
        ("prices renews the table", cloud.prices_are_renewed),
        ("delete asks, then nothing is left", cloud.deletes),
    ]:
        tally.run(sentence, lambda check=check: check(stand_in))


def booted(tally, user_data, cache):
    try:
        machines = boot.Machines()
    except Skip as reason:
        print(f"skip         8 checks of what user data does: {reason}")
        tally.skipped += 8
        return
    try:
        metal, guest = user_data["tanso"], user_data["small"]
        by_hand = metal.replace("SET_UP='Automatic'", "SET_UP='ByHand'").replace(cloud_url(metal), "SIGNAL_URL=''")
        tally.run("user data of c5.metal sets up K3s, tanso and HTTPS, and signals", lambda: boot.metal_measures(machines, metal))
        tally.run("run again, it changes nothing", lambda: boot.a_second_run_changes_nothing(machines))
        tally.run("user data of m5.large says that energy is modelled; cert-manager", lambda: boot.guests_model(machines, guest))
        tally.run("by hand: nothing runs before /opt/tanso/setup is called", lambda: boot.by_hand_waits_for_a_hand(machines, by_hand))
        tally.run("a failure of any step is signalled with its name; logs alone may fail", lambda: boot.failures_are_told(machines, metal))
        tally.run("the chart takes the values", lambda: boot.values_fit_the_chart(machines))
        tally.run("checkov fails nothing of the metrics proxy", lambda: lint.checkov_accepts_the_proxy(boot.manifest(machines)))
        tally.run("a real nginx takes the configuration and guards the metrics", lambda: proxy.nginx_guards(machines.folder / "metal", boot.manifest(machines), cache))
    finally:
        machines.close()


def cloud_url(user_data):
    return next(line for line in user_data.splitlines() if line.startswith("SIGNAL_URL="))


def main():
    cache = Path(sys.argv[1])
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    tally = Tally()
    stand_in = cloud.Cloud()
    user_data = {}
    try:
        linted(tally)
        on_the_cloud(tally, stand_in)
        tally.run("user data is read back", lambda: user_data.update({name: stand_in.user_data(name) for name in ["tanso", "small"]}))
        if user_data:
            booted(tally, user_data, cache)
        afterwards(tally, stand_in)
    finally:
        stand_in.close()
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
