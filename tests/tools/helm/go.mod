module tanso.dev/tests/tools/helm

go 1.26

tool helm.sh/helm/v4/cmd/helm

require helm.sh/helm/v4 v4.2.4
