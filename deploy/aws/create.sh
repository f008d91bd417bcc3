# shellcheck shell=bash
# What deploy and deploy-infra do: look before leaping, then make the stack.
# The callers set `set_up` (Automatic or ByHand) and show their own help.

instance_type=c5.metal image='' metrics_cidr='' volume_gib=50 certificate=SelfSigned budget='' keep=''
chart='' chart_version='' images=''

create_options='  --instance-type T   c5.metal (default), m5.metal, r5.metal: energy is measured; any other
                      x86-64 type, for example m5.large: energy is modelled, and says so
  --metrics-cidr C    who may read the metrics, for example 203.0.113.7/32 (default: nobody from outside)
  --volume-gib N      size of the encrypted disk (default: 50)
  --certificate C     SelfSigned (default) or CertManager
  --budget USD        what `check` counts down from
  --image AMI         an image of your own, for x86-64 and with its root at /dev/sda1, which is what
                      gets encrypted (default: the newest Ubuntu 24.04)
  --chart URL, --chart-version V, --images REGISTRY/PATH   where tanso comes from
  --keep-on-failure   leave a machine that failed for a look (it costs until deleted)
  --no-wait           return when AWS has accepted the stack
  --yes               do not ask'

option() {
  case $1 in
    --instance-type) instance_type=$2 ;;
    --image) image=$2 ;;
    --metrics-cidr) metrics_cidr=$2 ;;
    --volume-gib) volume_gib=$2 ;;
    --certificate) certificate=$2 ;;
    --budget) budget=$2 ;;
    --chart) chart=$2 ;;
    --chart-version) chart_version=$2 ;;
    --images) images=$2 ;;
    --keep-on-failure) keep=yes; return 10 ;;
    --no-wait) wait=''; return 10 ;;
    --yes) yes=yes; return 10 ;;
    *) return 1 ;;
  esac
}

check_options() {
  local octet='(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
  # A zero in front would make it octal to bash.
  [[ $volume_gib =~ ^[1-9][0-9]{1,3}$ ]] && ((volume_gib >= 20 && volume_gib <= 1000)) || refuse "--volume-gib \"$volume_gib\": accepted are 20 to 1000" 2
  [[ $certificate == SelfSigned || $certificate == CertManager ]] || refuse "--certificate \"$certificate\": accepted are SelfSigned and CertManager" 2
  [[ -z $budget ]] || number --budget "$budget"
  # As in the template, which AWS would hold against it once costs were agreed to.
  [[ $instance_type =~ ^[a-z0-9-]+\.[a-z0-9-]+$ ]] || refuse "--instance-type \"$instance_type\": accepted is a type as AWS writes it, as in c5.metal" 2
  [[ -z $chart || $chart =~ ^(oci|https)://[A-Za-z0-9./_:-]+$ ]] || refuse "--chart \"$chart\": accepted is oci://… or https://…, as in oci://ghcr.io/you/charts/tanso" 2
  [[ -z $chart_version || $chart_version =~ ^[0-9A-Za-z.+-]+$ ]] || refuse "--chart-version \"$chart_version\": accepted is a version, as in 0.1.0" 2
  [[ -z $images || $images =~ ^[a-z0-9]([a-z0-9./_:-]*[a-z0-9])?$ ]] || refuse "--images \"$images\": accepted is registry/path in small letters, without a slash at its end, as in ghcr.io/you/tanso" 2
  [[ -z $metrics_cidr || $metrics_cidr =~ ^($octet\.){3}$octet/(3[0-2]|[12]?[0-9])$ ]] || refuse "--metrics-cidr \"$metrics_cidr\": accepted is an IPv4 address/bits, as in 203.0.113.7/32" 2
  [[ $metrics_cidr != */0 ]] || warn 'metrics will be open to the whole world; a token is all that guards them'
}

# Sets vcpus and refuses what tanso's images cannot run on.
check_type() {
  local arch
  read -r vcpus arch < <(ask ec2 describe-instance-types --instance-types "$instance_type" \
    --query 'InstanceTypes[0].[VCpuInfo.DefaultVCpus, ProcessorInfo.SupportedArchitectures[-1]]' 2>/dev/null) ||
    refuse "instance type \"$instance_type\" is not known in $region"
  [[ $arch == x86_64 ]] || refuse "\"$instance_type\" is $arch; tanso's images are built for x86-64"
}

check_quota() {
  local allowed
  [[ $instance_type == [acdhimrtz][0-9]* ]] || return 0
  allowed=$(ask service-quotas get-service-quota --service-code ec2 --quota-code L-1216C47A --query Quota.Value 2>/dev/null) ||
    { warn 'the vCPU quota could not be read; if AWS refuses the machine, see quota'; return 0; }
  allowed=${allowed%.*}
  ((allowed >= vcpus)) || refuse "$instance_type needs $vcpus vCPUs, your quota in $region is $allowed; ask for more by: quota --region $region --need $vcpus --request"
}

# Sets zone: bare metal is not offered everywhere.
find_zone() {
  zone=$(ask ec2 describe-instance-type-offerings --location-type availability-zone \
    --filters "Name=instance-type,Values=$instance_type" --query 'sort(InstanceTypeOfferings[].Location) | [0]')
  [[ $zone != None ]] || refuse "no zone of $region offers $instance_type"
}

find_image() {
  [[ -z $image ]] || { check_image; return; }
  image=$(ask ssm get-parameter --name /aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id \
    --query Parameter.Value) || refuse 'the newest Ubuntu 24.04 could not be found; name an image by --image'
}

# The template makes the disk at /dev/sda1 an encrypted one: an image with its root
# elsewhere would get that as a second disk and keep its root as it is.
check_image() {
  local arch kind root
  read -r arch kind root < <(ask ec2 describe-images --image-ids "$image" \
    --query 'Images[0].[Architecture, RootDeviceType, RootDeviceName]' 2>/dev/null) || arch=None
  [[ $arch != None ]] || refuse "image \"$image\" is not known in $region, or is not yours to use"
  [[ $arch == x86_64 ]] || refuse "image \"$image\" is for $arch; $instance_type and tanso's images are x86_64"
  [[ $kind == ebs && $root == /dev/sda1 ]] || refuse "image \"$image\" has its root on $kind at $root and it would stay unencrypted; accepted are images with their root on ebs at /dev/sda1, as Ubuntu's are"
}

say_plan() {
  local hourly where='modelled from CPU use: a virtual machine has no power meter'
  [[ $instance_type != *.metal* ]] || where='measured by RAPL'
  hourly=$(price "$instance_type")
  say "machine $instance_type ($vcpus vCPUs) in $zone, image $image, $volume_gib GiB encrypted"
  say "energy: $where"
  say "metrics: $([[ -n $metrics_cidr ]] && echo "port 30443 for $metrics_cidr" || echo 'closed to the outside (--metrics-cidr opens them)')"
  [[ -n $chart ]] || say "chart and images: those of this project, which are not published yet: name yours by --chart and --images"
  say "cost while running: $([[ -n $hourly ]] && echo "\$$hourly an hour (as of $(price_date "$instance_type"))" || echo "no price for $instance_type in $region; run prices")"
}

create() {
  local parameters=("SetUp=$set_up" "InstanceType=$instance_type" "ImageId=$image" "AvailabilityZone=$zone"
    "VolumeGiB=$volume_gib" "MetricsCidr=$metrics_cidr" "Certificate=$certificate") pairs=() pair
  [[ -z $chart ]] || parameters+=("Chart=$chart")
  [[ -z $chart_version ]] || parameters+=("ChartVersion=$chart_version")
  [[ -z $images ]] || parameters+=("Images=$images")
  for pair in "${parameters[@]}"; do pairs+=("ParameterKey=${pair%%=*},ParameterValue=${pair#*=}"); done
  change cloudformation create-stack --stack-name "$stack" --template-body "file://$here/tanso.yaml" \
    --capabilities CAPABILITY_IAM --on-failure "$([[ -n $keep ]] && echo DO_NOTHING || echo ROLLBACK)" \
    --tags Key=project,Value=tanso "Key=tanso:budget-usd,Value=${budget:-none}" --parameters "${pairs[@]}" >&2
}

await() {
  say 'waiting for the stack (bare metal boots for about 10 minutes, setting up takes about 10 more) ...'
  ask cloudformation wait stack-create-complete --stack-name "$stack" && return 0
  warn "the stack failed; what AWS says:"
  # shellcheck disable=SC2016 # a JMESPath literal
  ask cloudformation describe-stack-events --stack-name "$stack" \
    --query 'StackEvents[?ends_with(ResourceStatus, `FAILED`)].[LogicalResourceId, ResourceStatusReason]' >&2 || true
  refuse "delete what is left by: delete --region $region --stack-name $stack"
}

next_steps() {
  read_stack
  say "machine   $id at $address"
  say "shell     $shell"
  if [[ $set_up == ByHand ]]; then
    say 'next      in that shell: sudo /opt/tanso/setup   (run again, it completes what is missing)'
  else
    say "energy    $energy"
    say "metrics   $metrics"
    say 'token     in that shell: sudo cat /etc/tanso/metrics-token'
  fi
  say "cost      check --region $region --stack-name $stack; stop and delete end it"
}

run_create() {
  options "$@"
  check_options
  connect
  read_stack
  [[ -z $status ]] || refuse "stack \"$stack\" is there already ($status): check shows it, delete removes it, --stack-name makes another"
  check_type
  check_quota
  find_zone
  find_image
  say_plan
  confirm 'This machine costs money from now on.'
  create
  [[ -z $dry_run ]] || return 0
  [[ -n $wait ]] || { say "accepted; follow it by: check --region $region --stack-name $stack"; return 0; }
  await
  next_steps
}
