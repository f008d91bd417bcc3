# shellcheck shell=bash
# What every script here does alike: common options, credentials, calls to AWS,
# facts about the stack, prices. It changes nothing by itself.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
me=$(basename "$0")
profile='' region='' stack=tanso dry_run='' yes='' wait=yes
export AWS_PAGER=''

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$me" "$*" >&2; }
refuse() { warn "$1"; exit "${2:-1}"; }

common_options='  --profile NAME      profile of the AWS CLI
  --region REGION     AWS region; else AWS_REGION, else the profile'\''s
  --stack-name NAME   name of the stack (default: tanso)
  --dry-run           say what would be done, change nothing
  -h, --help          this text'

# No value begins with a hyphen: `--images --dry-run` would take the safeguard for a
# registry, and make what was only to be looked at.
has_value() {
  (($# > 1)) && [[ -n $2 && $2 != -* ]] || refuse "$1 needs a value${2:+, and \"$2\" is an option}; see $me --help" 2
}

# Reads the options; what is not common goes to the script's own `option NAME VALUE`,
# which answers 0 (took both), 1 (unknown) or 10 (took the name alone).
options() {
  local took
  while (($#)); do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --dry-run) dry_run=yes; shift; continue ;;
      --profile | --region | --stack-name)
        has_value "$@"
        case $1 in --profile) profile=$2 ;; --region) region=$2 ;; *) stack=$2 ;; esac
        shift 2; continue ;;
    esac
    took=0; option "$1" "${2-}" || took=$?
    case $took in
      0) has_value "$@"; shift 2 ;;
      10) shift ;;
      *) refuse "unknown option \"$1\"; see $me --help" 2 ;;
    esac
  done
  [[ $stack =~ ^[A-Za-z][A-Za-z0-9-]{0,127}$ ]] || refuse "stack name \"$stack\": letters, digits and hyphens, a letter first" 2
}

# Asks AWS; changes nothing.
ask() { aws ${profile:+--profile "$profile"} --region "$region" --output text "$@"; }

# Changes something; a dry run prints the command instead.
change() {
  if [[ -n $dry_run ]]; then
    { printf 'would run: aws --region %s' "$region"; printf ' %q' "$@"; echo; } | cut -c1-400
  else
    aws ${profile:+--profile "$profile"} --region "$region" --output text "$@"
  fi
}

# Ends politely where the AWS CLI, a region or credentials are missing.
connect() {
  local said
  command -v aws >/dev/null || refuse 'the AWS CLI (aws) is not installed; see https://aws.amazon.com/cli' 3
  [[ -n $region ]] || region=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws ${profile:+--profile "$profile"} configure get region 2>/dev/null || true)}}
  [[ -n $region ]] || refuse 'no region is known: name one by --region, for example --region us-east-1' 3
  said=$(ask sts get-caller-identity --query Account 2>&1) ||
    refuse "no valid AWS credentials. Sign in by \"aws sso login${profile:+ --profile $profile}\" or \"aws configure\", or name a profile by --profile. The AWS CLI said: $(tail -n1 <<<"$said")" 3
  say "account $said, region $region, stack $stack${dry_run:+ (dry run: nothing is changed)}"
}

confirm() {
  [[ -z $yes && -z $dry_run ]] || return 0
  [[ -t 0 ]] || refuse "$1 Nobody can be asked here: confirm by --yes."
  local answer
  read -r -p "$1 Go on? [y/N] " answer
  [[ $answer == [yY]* ]] || refuse 'nothing was changed'
}

# --- the stack ---

# Sets status (empty where there is no such stack), created, budget_tag and the
# outputs id, address, metrics, energy and shell; what is not there is None.
read_stack() {
  local said output='' name
  for name in InstanceId PublicIp MetricsUrl Energy Shell; do
    output+=", Outputs[?OutputKey=='$name'].OutputValue | [0]"
  done
  if said=$(ask cloudformation describe-stacks --stack-name "$stack" \
    --query "Stacks[0].[StackStatus, CreationTime, Tags[?Key=='tanso:budget-usd'].Value | [0]$output]" 2>&1); then
    # shellcheck disable=SC2034 # read by the scripts
    IFS=$'\t' read -r status created budget_tag id address metrics energy shell <<<"$said"
    # The data of the wait condition: {"setup":"measured by …"}.
    energy=${energy#*:\"} energy=${energy%\"\}}
  elif [[ $said == *'does not exist'* ]]; then
    status=''
  else
    refuse "the stack could not be read: $(tail -n1 <<<"$said")"
  fi
}

need_stack() {
  read_stack
  [[ -n $status ]] || refuse "there is no stack \"$stack\" in $region; name another by --stack-name, or run deploy" 4
}

# Sets instance, state, type, launched, hours and booked (see below) and why (the
# stop's reason). A stack that failed has a machine too, but no outputs.
need_instance() {
  instance=$id
  [[ $instance == i-* ]] || instance=$(ask cloudformation describe-stack-resource --stack-name "$stack" \
    --logical-resource-id Instance --query StackResourceDetail.PhysicalResourceId 2>/dev/null || true)
  [[ $instance == i-* ]] || refuse "stack \"$stack\" ($status) has no machine; its events: aws cloudformation describe-stack-events --region $region --stack-name $stack" 4
  # shellcheck disable=SC2016,SC2034 # a JMESPath literal; read by the scripts
  IFS=$'\t' read -r state type launched hours booked why < <(ask ec2 describe-instances --instance-ids "$instance" \
    --query 'Reservations[0].Instances[0].[State.Name, InstanceType, LaunchTime, Tags[?Key==`tanso:hours`].Value | [0], Tags[?Key==`tanso:booked`].Value | [0], StateTransitionReason || `-`]')
  [[ $hours != None ]] || hours=0
  [[ $hours =~ $decimal ]] || { warn "the tag tanso:hours of $instance says \"$hours\", which is no number: earlier runs are not counted"; hours=0; }
}

# --- time and money ---

# Seconds since 1970 of a time as AWS writes it (GNU date, else BSD's).
epoch() {
  local time=${1%%.*}
  time=${time%%+*}; time=${time%Z}; time=${time/ [GU][MT][TC]/}; time=${time/ /T}
  date -u -d "$time" +%s 2>/dev/null || date -u -j -f %Y-%m-%dT%H:%M:%S "$time" +%s
}

# A format and a sum of checked numbers: calc %.2f "1 + 2 * 3".
calc() { awk "BEGIN { printf \"$1\", ($2) }"; }
# Without zeros in front: some awks take a number of a program that begins so as octal.
decimal='^(0|[1-9][0-9]*)(\.[0-9]+)?$'
number() { [[ $2 =~ $decimal ]] || refuse "$1 \"$2\": a number without leading zeros, as in 50 or 49.90" 2; }

# Price of an item here, by the newest row; nothing where none is known.
price() { awk -F, -v region="$region" -v item="$1" '$1 == region && $2 == item && $5 >= as_of { as_of = $5; usd = $4 } END { if (as_of) print usd }' "$here/prices.csv"; }
price_date() { awk -F, -v region="$region" -v item="$1" '$1 == region && $2 == item && $5 >= d { d = $5 } END { print d }' "$here/prices.csv"; }

# Hours of the runs that are over are kept in tags of the machine, each run once
# (by its launch time), since AWS forgets when a machine was started before.
book_run() {
  [[ $booked != "$launched" ]] || return 0
  change ec2 create-tags --resources "$instance" --tags \
    "Key=tanso:hours,Value=$(calc %.4f "$hours + ($1 - $(epoch "$launched")) / 3600")" "Key=tanso:booked,Value=$launched"
}

# When a stopped machine stopped, as AWS tells it: "User initiated (2026-11-21 16:20:31 GMT)".
stopped_at() {
  local time=${why#*(}
  if [[ $why == *\(*\)* ]]; then epoch "${time%)*}"; else date +%s; fi
}
