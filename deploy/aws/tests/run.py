"""Runs every check of deploy/aws and tells what was exercised.

Three strands at once: what needs no stack, the life of a stack on a stand-in of
AWS, and, as soon as that has rendered user data, machines that boot it.
"""

import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import boot
import cloud
import lint
import proxy
from checks import Skip, Tally


def linted(tally):
    tally.run("tanso.yaml is what stack.yaml and setup make", lint.template_is_current)
    tally.run("each script has --help and names an option that it does not know", lint.help_explains)
    tally.run("every price has its date", lint.prices_have_dates)
    tally.run("the Helm that setup installs is the one that tests the chart", lint.helm_is_the_tested_one)
    tally.run("only t2 is spared the word EbsOptimized, which AWS refuses of it", lint.only_t2_is_spared_the_word_ebs_optimized)
    tally.run("the template takes the addresses that the scripts take", lint.addresses_are_addresses)
    tally.run("shellcheck finds nothing", lint.shellcheck_is_clean)
    tally.run("cfn-lint finds nothing", lint.cfn_lint_is_clean)
    tally.run("checkov fails nothing of the template", lint.checkov_is_clean)


def without_a_stack(tally):
    with cloud.Cloud() as stand_in:
        for sentence, check in [
            ("every script refuses politely without credentials, a region or the AWS CLI", cloud.refuses_without_credentials),
            ("deploy --dry-run makes nothing", cloud.a_dry_run_changes_nothing),
            ("deploy refuses unasked costs, bad options, arm64 and a low quota", cloud.asks_before_it_costs),
            ("deploy refuses images whose root would not be encrypted or that are not x86-64", cloud.looks_at_an_image),
            ("numbers with zeros in front and addresses that are none are refused", cloud.numbers_are_decimal),
            ("types, charts and registries that AWS or Helm would refuse later are refused at once", cloud.texts_are_looked_at),
            ("no option is taken for the value of the one before it", cloud.an_option_is_no_value),
            ("quota tells, and asks for more once and only on demand", cloud.quotas),
            ("prices renews the table", cloud.prices_are_renewed),
        ]:
            tally.run(sentence, lambda check=check: check(stand_in))


def life_of_a_stack(tally, user_data):
    with cloud.Cloud() as stand_in:
        tally.run("deploy makes the stack; its outputs are read", lambda: cloud.deploys(stand_in))
        tally.run(
            "m5.large is deployed too: modelled, and nothing open", lambda: cloud.other_types_model_and_stay_closed(stand_in)
        )
        try:
            user_data.set_result({name: stand_in.user_data(name) for name in ["tanso", "small"]})
        except Exception as fault:  # the machines say that there is nothing to boot
            user_data.set_exception(fault)
        for sentence, check in [
            ("the machine is encrypted, closed but for the named addresses, IMDSv2 only, of least rights", cloud.the_machine_is_closed_and_encrypted),
            ("deploy-infra makes the machine and installs nothing", cloud.infrastructure_alone),
            ("check reckons age, cost and what is left of a budget", cloud.check_reckons),
            ("stop stops, start starts, each once; what ran is remembered", cloud.stops_and_starts),
            ("a stop in the console is booked by start", cloud.a_stop_in_the_console_is_booked),
            ("what does not stop, start or go is told with what to look at", cloud.what_does_not_come_is_told),
            ("delete asks, then nothing is left", cloud.deletes),
        ]:  # fmt: skip
            tally.run(sentence, lambda check=check: check(stand_in))


def booted(tally, user_data, cache):
    machines = None

    def metal():
        nonlocal machines
        rendered = user_data.result()
        machines = boot.Machines()
        return boot.metal_measures(machines, rendered["tanso"])

    def by_hand():
        text = user_data.result()["tanso"]
        signal = next(line for line in text.splitlines() if line.startswith("SIGNAL_URL="))
        text = text.replace("SET_UP='Automatic'", "SET_UP='ByHand'").replace(signal, "SIGNAL_URL=''")
        return boot.by_hand_waits_for_a_hand(machines, text)

    def needs_machines(check):
        if machines is None:
            raise Skip("no machine could be booted; see above")
        return check()

    tally.run("user data of c5.metal sets up K3s, tanso and HTTPS, and signals", metal)
    for sentence, check in [
        ("run again, it changes nothing", lambda: boot.a_second_run_changes_nothing(machines)),
        ("user data of m5.large says that energy is modelled; cert-manager", lambda: boot.guests_model(machines, user_data.result()["small"])),
        ("by hand: nothing runs before /opt/tanso/setup is called", by_hand),
        ("a failure of any step is signalled with its name; logs alone may fail", lambda: boot.failures_are_told(machines, user_data.result()["tanso"])),
        ("a run that was cut off while Helm installed is gone on with", lambda: boot.a_run_that_was_cut_off_is_gone_on_with(machines, user_data.result()["tanso"])),
        ("a second run at the same time leaves the first alone", lambda: boot.a_second_run_leaves_the_first_alone(machines, user_data.result()["tanso"])),
        ("the chart takes the values", lambda: boot.values_fit_the_chart(machines, cache)),
        ("a real nginx takes the configuration and guards the metrics", lambda: proxy.nginx_guards(machines.folder / "metal", boot.manifest(machines), cache)),
        ("checkov fails nothing of the metrics proxy", lambda: lint.checkov_accepts_the_proxy(boot.manifest(machines))),
    ]:  # fmt: skip
        tally.run(sentence, lambda check=check: needs_machines(check))
    if machines:
        machines.close()


def main():
    cache = Path(sys.argv[1])
    tally, user_data = Tally(), Future()
    with ThreadPoolExecutor() as strands:
        running = [
            strands.submit(life_of_a_stack, tally, user_data),
            strands.submit(without_a_stack, tally),
            strands.submit(linted, tally),
            strands.submit(booted, tally, user_data, cache),
        ]
        for strand in running:
            # A strand that breaks off is a failure too.
            if fault := strand.exception():
                user_data.cancel()
                tally.run("a strand of checks ends", lambda fault=fault: (_ for _ in ()).throw(fault))
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
