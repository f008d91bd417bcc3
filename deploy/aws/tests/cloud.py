"""The scripts against a stand-in of AWS: moto's server, the real AWS CLI.

What moto does not serve (quotas, Canonical's image parameter, the price list)
is answered from replies/ by a server of a few lines.
"""

import base64
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import yaml
from checks import DEPLOY, has, run, same

HERE = Path(__file__).resolve().parent
REGION = "us-east-1"


class Asked:
    """What was asked of the recorded replies, and what they say."""

    def __init__(self):
        self.operations = []
        self.pending = []
        self.quota = 128.0


class Replies(http.server.BaseHTTPRequestHandler):
    """Answers by the operation's name."""

    files = {
        "GetServiceQuota": "quota.json",
        "RequestServiceQuotaIncrease": "quota-request.json",
        "GetParameter": "ubuntu.json",
        "GetProducts": "price.json",
    }

    def do_POST(self):
        asked = self.server.asked
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        asked.operations.append((operation, body))
        if operation == "ListRequestedServiceQuotaChangeHistoryByQuota":
            reply = {"RequestedQuotas": asked.pending}
        else:
            reply = json.loads((HERE / "replies" / self.files[operation]).read_text())
        if operation == "GetServiceQuota":
            reply["Quota"]["Value"] = asked.quota
        if operation == "RequestServiceQuotaIncrease":
            asked.pending = [reply["RequestedQuota"]]
        text = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Silent."""


class Cloud:
    """The stand-in, from start to stop."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tanso-aws-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.log = open(self.folder / "moto.log", "w", encoding="utf-8")
        self.moto = subprocess.Popen(
            [sys.executable, HERE / "cloud_server.py", str(port)], stdout=self.log, stderr=subprocess.STDOUT
        )
        self.url = f"http://127.0.0.1:{port}"
        self.replies = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Replies)
        self.replies.asked = self.asked = Asked()
        threading.Thread(target=self.replies.serve_forever, daemon=True).start()
        replies = f"http://127.0.0.1:{self.replies.server_address[1]}"
        self.nobody = {
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.url,
            **{f"AWS_ENDPOINT_URL_{name}": replies for name in ["SERVICE_QUOTAS", "SSM", "PRICING"]},
        }
        self.somebody = {**self.nobody, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

    def __enter__(self):
        self.await_ready()
        return self

    def __exit__(self, *_):
        self.close()

    def await_ready(self):
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.url}/moto-api/data.json", timeout=5).close()
                return
            except OSError:
                if self.moto.poll() is not None:
                    break
                time.sleep(0.3)
        raise RuntimeError(f"moto's server did not start: {(self.folder / 'moto.log').read_text()[-2000:]}")

    def client(self, service):
        import boto3  # noqa: PLC0415 - a slow import that not every run needs

        return boto3.client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
        )

    def script(self, name, *options, wanted=0, env=None, at=DEPLOY):
        code, text = run([at / name, *options], env={**self.somebody, **(env or {})})
        assert code == wanted, f"{name} {' '.join(options)} ended with {code}, wanted {wanted}:\n{text}"
        return text

    def user_data(self, stack):
        reply = self.client("ec2").describe_instance_attribute(InstanceId=self.instance(stack), Attribute="userData")
        return base64.b64decode(reply["UserData"]["Value"]).decode()

    def resource(self, stack, name):
        found = self.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=name)
        return found["StackResourceDetail"]["PhysicalResourceId"]

    def instance(self, stack):
        return self.resource(stack, "Instance")

    def open_ports(self, stack):
        group = self.client("ec2").describe_security_groups(GroupIds=[self.resource(stack, "Firewall")])["SecurityGroups"][0]
        return [(rule["FromPort"], rule["ToPort"], [each["CidrIp"] for each in rule["IpRanges"]]) for rule in group["IpPermissions"]]

    def described(self, instance):
        return self.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]

    def close(self):
        self.replies.shutdown()
        self.moto.terminate()
        self.moto.wait()
        self.log.close()
        shutil.rmtree(self.folder)


def refuses_without_credentials(cloud):
    for name in ["deploy", "deploy-infra", "check", "stop", "start", "delete", "quota", "prices"]:
        code, text = run([DEPLOY / name, "--region", REGION], env=cloud.nobody)
        same(code, 3, f"{name} without credentials: {text}")
        has(text, "no valid AWS credentials", "aws sso login")
    has(cloud.script("check", wanted=3), "no region is known", "--region")
    code, text = run([DEPLOY / "check", "--region", REGION], env={**cloud.nobody, "PATH": "/usr/bin:/bin"})
    if not any(os.access(folder + "/aws", os.X_OK) for folder in ["/usr/bin", "/bin"]):
        same(code, 3, f"check without the AWS CLI: {text}")
        has(text, "is not installed")


def a_dry_run_changes_nothing(cloud):
    text = cloud.script("deploy", "--region", REGION, "--dry-run", "--metrics-cidr", "203.0.113.0/24")
    has(text, "measured by RAPL", "$4.08 an hour", "would run:", "create-stack", "nothing is changed")
    same(cloud.client("cloudformation").describe_stacks()["Stacks"], [], "stacks after a dry run")


def asks_before_it_costs(cloud):
    has(cloud.script("deploy", "--region", REGION, wanted=1), "--yes")
    has(cloud.script("deploy", "--region", REGION, "--metrics-cidr", "anybody", wanted=2), '"anybody"')
    has(cloud.script("deploy", "--region", REGION, "--instance-type", "t4g.large", wanted=1), "arm64")
    cloud.asked.quota = 32.0
    has(cloud.script("deploy", "--region", REGION, wanted=1), "needs 96 vCPUs", "your quota in us-east-1 is 32", "--request")
    cloud.asked.quota = 128.0
    same(cloud.client("cloudformation").describe_stacks()["Stacks"], [], "stacks after refusals")


def looks_at_an_image(cloud):
    plan = ["deploy", "--region", REGION, "--dry-run", "--image"]
    # Of moto's images: an Ubuntu; then one of Amazon Linux, whose root has another
    # name, one without a disk of its own, one for arm64, and one that is not there.
    has(cloud.script(*plan, "ami-785db401"), "image ami-785db401", "would run:")
    for image, parts in {
        "ami-076f415166b04f5fe": ["at /dev/xvda", "unencrypted", "/dev/sda1"],
        "ami-04681a1dbd79675b6": ["instance-store", "unencrypted"],
        "ami-0e9271c829888680e": ["is for arm64", "x86_64"],
        "ami-0123456789abcdef0": ["is not known in us-east-1"],
    }.items():
        text = has(cloud.script(*plan, image, wanted=1), f'"{image}"', *parts)
        assert "would run:" not in text, text


def numbers_are_decimal(cloud):
    cloud.asked.quota = 32.0
    for need in ["096", "08", "0", "9999999"]:
        has(cloud.script("quota", "--region", REGION, "--need", need, wanted=2), f'--need "{need}"')
    cloud.asked.quota = 128.0
    for option, value in [
        ("--volume-gib", "08"),
        ("--volume-gib", "050"),
        ("--volume-gib", "19"),
        ("--volume-gib", "1001"),
        ("--volume-gib", "18446744073709551666"),
        ("--budget", "0100"),
        ("--metrics-cidr", "300.1.1.1/40"),
        ("--metrics-cidr", "203.0.113.256/32"),
        ("--metrics-cidr", "203.0.113.7/33"),
        ("--metrics-cidr", "203.0.113.07/32"),
    ]:
        has(cloud.script("deploy", "--region", REGION, "--dry-run", option, value, wanted=2), f'{option} "{value}"')
    has(cloud.script("check", "--region", REGION, "--price", "010", wanted=2), '--price "010"')


def texts_are_looked_at(cloud):
    """Before anybody is asked whether it may cost: AWS would refuse them afterwards, in words of its own."""
    for option, value, accepted in [
        ("--instance-type", "c5", "as in c5.metal"),
        ("--chart", "charts/tanso", "oci://"),
        ("--chart-version", "0.1.0'", "as in 0.1.0"),
        ("--images", "ghcr.io/You/tanso", "ghcr.io/you/tanso"),
        ("--images", "ghcr.io/you/tanso/", "without a slash"),
    ]:
        text = has(cloud.script("deploy", "--region", REGION, "--dry-run", option, value, wanted=2), f'{option} "{value}"', accepted)
        assert "would run:" not in text, text
    plan = cloud.script("deploy", "--region", REGION, "--dry-run", "--chart", "oci://ghcr.io/you/charts/tanso", "--images", "localhost:5000/tanso")
    has(plan, "would run:")


def an_option_is_no_value(cloud):
    """The one that was swallowed would have kept deploy from making a machine."""
    for option in ["--images", "--image", "--profile", "--region", "--chart"]:
        text = cloud.script("deploy", "--region", REGION, "--yes", option, "--dry-run", wanted=2)
        has(text, f'{option} needs a value, and "--dry-run" is an option', "--help")
    has(cloud.script("quota", "--region", REGION, "--need", wanted=2), "--need needs a value;")
    has(cloud.script("check", "--stack-name", "", wanted=2), "--stack-name needs a value;")
    same(cloud.client("cloudformation").describe_stacks()["Stacks"], [], "stacks after refusals")


def deploys(cloud):
    text = cloud.script(
        "deploy", "--region", REGION, "--yes", "--metrics-cidr", "203.0.113.0/24", "--budget", "100", "--images", "registry.example/tanso"
    )
    has(text, "https://", ":30443/metrics", "said by the machine when it was ready", "aws ssm start-session")
    has(cloud.script("deploy", "--region", REGION, "--yes", wanted=1), "is there already (CREATE_COMPLETE)")
    stack = cloud.client("cloudformation").describe_stacks(StackName="tanso")["Stacks"][0]
    same(stack["StackStatus"], "CREATE_COMPLETE", "the stack")
    names = sorted(output["OutputKey"] for output in stack["Outputs"])
    same(names, ["Energy", "InstanceId", "LogGroup", "MetricsUrl", "PublicIp", "Shell"], "outputs")
    kinds = cloud.client("cloudformation").list_stack_resources(StackName="tanso")["StackResourceSummaries"]
    return f"{len(kinds)} resources; outputs {', '.join(names)}"


def the_machine_is_closed_and_encrypted(cloud):
    ec2 = cloud.client("ec2")
    machine = cloud.described(cloud.instance("tanso"))
    same(machine["InstanceType"], "c5.metal", "the type")
    volumes = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [machine["InstanceId"]]}])["Volumes"]
    same([(volume["Encrypted"], volume["Size"]) for volume in volumes], [(True, 50)], "volumes")
    same(cloud.open_ports("tanso"), [(30443, 30443, ["203.0.113.0/24"])], "what is open")
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=cloud.resource("tanso", "Launch"))
    options = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]["MetadataOptions"]
    same((options["HttpTokens"], options["HttpPutResponseHopLimit"]), ("required", 1), "IMDS")
    iam = cloud.client("iam")
    role = cloud.resource("tanso", "Role")
    same(iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"], [], "managed policies")
    actions = set()
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for statement in (yaml.safe_load(document) if isinstance(document, str) else document)["Statement"]:
            listed = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
            actions.update(listed)
            if any(action.startswith("logs:") for action in listed):
                assert all(":log-group:/tanso/tanso" in arn for arn in statement["Resource"]), statement
    assert not any("*" in action for action in actions), actions
    size = len(cloud.user_data("tanso"))
    assert size < 16384, f"user data has {size} bytes; 16384 are allowed"
    return f"{len(actions)} rights, none by wildcard; user data: {size} of 16384 bytes"


def other_types_model_and_stay_closed(cloud):
    text = cloud.script("deploy", "--region", REGION, "--stack-name", "small", "--instance-type", "m5.large", "--yes", "--certificate", "CertManager")
    has(text, "modelled from CPU use", "$0.096 an hour", "closed to the outside")
    same(cloud.open_ports("small"), [], "what is open")
    same(cloud.described(cloud.instance("small"))["InstanceType"], "m5.large", "the type")


def infrastructure_alone(cloud):
    text = cloud.script("deploy-infra", "--region", REGION, "--stack-name", "bare", "--instance-type", "m5.metal", "--yes")
    has(text, "sudo /opt/tanso/setup", "$4.61 an hour")
    user_data = has(cloud.user_data("bare"), "SET_UP='ByHand'", "SIGNAL_URL=''")
    assert "waitcondition" not in user_data.split("<<'SETUP'")[0]
    cloud.script("delete", "--region", REGION, "--stack-name", "bare", "--yes")
    return "and deleted again"


def moment(cloud, instance, hours):
    launched = cloud.described(instance)["LaunchTime"]
    return {"TANSO_NOW": str(int(launched.timestamp() + hours * 3600))}


def check_reckons(cloud):
    instance = cloud.instance("tanso")
    # 10 h x $4.08 = 40.80, and 10 h x (50 GiB x $0.08 / 730 + $0.005) = 0.10.
    text = cloud.script("check", "--region", REGION, env=moment(cloud, instance, 10))
    has(text, "CREATE_COMPLETE", "running", "$40.90 so far", "$59.10 of $100 left", "14.4 h more", "said by the machine")
    text = cloud.script("check", "--region", REGION, "--budget", "40", env=moment(cloud, instance, 10), wanted=5)
    has(text, "is used up")
    text = cloud.script("check", "--region", REGION, "--price", "1", env=moment(cloud, instance, 10))
    has(text, "$10.10 so far")
    has(cloud.script("check", "--region", REGION, "--stack-name", "none", wanted=4), 'no stack "none"')
    # A tag that somebody wrote by hand is no number to reckon with.
    tag = {"Key": "tanso:hours", "Value": "010"}
    cloud.client("ec2").create_tags(Resources=[instance], Tags=[tag])
    text = cloud.script("check", "--region", REGION, env=moment(cloud, instance, 10))
    has(text, '"010", which is no number', "$40.90 so far")
    cloud.client("ec2").delete_tags(Resources=[instance], Tags=[tag])
    return "10 h of c5.metal: $40.90; 14.4 h left of $100"


def stops_and_starts(cloud):
    instance = cloud.instance("tanso")
    has(cloud.script("stop", "--region", REGION, "--dry-run"), "would run:", "stop-instances")
    same(cloud.described(instance)["State"]["Name"], "running", "after a dry run")
    cloud.script("stop", "--region", REGION)
    same(cloud.described(instance)["State"]["Name"], "stopped", "after stop")
    has(cloud.script("stop", "--region", REGION), "nothing to stop")
    # A run of 20 hours that stop would have booked; only storage and address are paid since.
    cloud.client("ec2").create_tags(Resources=[instance], Tags=[{"Key": "tanso:hours", "Value": "20.0"}])
    text = cloud.script("check", "--region", REGION, env=moment(cloud, instance, 30))
    has(text, "stopped", "running for 20.0 h", "$81.91 so far", "more while stopped")
    cloud.script("start", "--region", REGION)
    same(cloud.described(instance)["State"]["Name"], "running", "after start")
    has(cloud.script("start", "--region", REGION), "is running")


def a_stop_in_the_console_is_booked(cloud):
    instance = cloud.instance("tanso")
    # AWS gives each run a launch time of its own; moto keeps the first, so the run booked before is named by another.
    cloud.client("ec2").create_tags(Resources=[instance], Tags=[{"Key": "tanso:booked", "Value": "2026-01-01T00:00:00+00:00"}])
    cloud.client("ec2").stop_instances(InstanceIds=[instance])
    cloud.script("start", "--region", REGION)
    tags = {tag["Key"]: tag["Value"] for tag in cloud.described(instance)["Tags"]}
    assert re.fullmatch(r"20\.\d{4}", tags["tanso:hours"]), tags
    launched = datetime.fromisoformat(tags["tanso:booked"].replace("Z", "+00:00"))
    assert launched <= datetime.now(timezone.utc), tags


def quotas(cloud):
    asked = cloud.asked
    has(cloud.script("quota", "--region", REGION), "128 vCPUs", "96 needed", "enough")
    asked.quota = 32.0
    has(cloud.script("quota", "--region", REGION, wanted=1), "not enough", "--request")
    has(cloud.script("quota", "--region", REGION, "--request", "--dry-run", wanted=1), "would run:", "--desired-value 96")
    assert "RequestServiceQuotaIncrease" not in [operation for operation, _ in asked.operations], asked.operations
    has(cloud.script("quota", "--region", REGION, "--request", wanted=1), "asked     for 96")
    has(cloud.script("quota", "--region", REGION, "--request", wanted=1), "for 96 already")
    requests = [body for operation, body in asked.operations if operation == "RequestServiceQuotaIncrease"]
    same([(body["QuotaCode"], body["DesiredValue"]) for body in requests], [("L-1216C47A", 96.0)], "requests")
    asked.quota = 128.0


def prices_are_renewed(cloud):
    copy = cloud.folder / "aws"
    shutil.copytree(DEPLOY, copy)
    before = (copy / "prices.csv").read_text()
    text = cloud.script("prices", "--region", REGION, "--dry-run", at=copy)
    same((copy / "prices.csv").read_text(), before, "the table after a dry run")
    has(text, "c5.metal $4.205 an hour")
    cloud.script("prices", "--region", REGION, at=copy)
    has((copy / "prices.csv").read_text(), f"us-east-1,c5.metal,hour,4.205,{datetime.now(timezone.utc):%Y-%m-%d},AWS Price List API")


def what_does_not_come_is_told(cloud):
    """AWS waits ten minutes to an hour, then the CLI says "Max attempts exceeded" and no more."""
    impatient = cloud.folder / "impatient"
    impatient.mkdir()
    (impatient / "aws").write_text(f'#!/bin/sh\ncase "$*" in *" wait "*) exit 255 ;; esac\nexec {shutil.which("aws")} "$@"\n')
    (impatient / "aws").chmod(0o755)
    env = {"PATH": f"{impatient}:{os.environ['PATH']}"}
    for script, words in [("stop", "has not stopped yet"), ("start", "does not run yet")]:
        text = cloud.script(script, "--region", REGION, "--stack-name", "small", wanted=1, env=env)
        has(text, words, "check --region us-east-1 --stack-name small")
    text = cloud.script("delete", "--region", REGION, "--stack-name", "small", "--yes", wanted=1, env=env)
    has(text, 'stack "small" is not gone', "describe-stack-events --region us-east-1 --stack-name small")


def deletes(cloud):
    instance = cloud.instance("tanso")
    has(cloud.script("delete", "--region", REGION, wanted=1), "energy ledger", "--yes")
    has(cloud.script("delete", "--region", REGION, "--dry-run"), "would run:", "delete-stack")
    same(cloud.described(instance)["State"]["Name"], "running", "after a dry run")
    has(cloud.script("delete", "--region", REGION, "--yes"), "is gone")
    same(cloud.described(instance)["State"]["Name"], "terminated", "the machine")
    has(cloud.script("delete", "--region", REGION, "--yes"), "nothing to delete")
