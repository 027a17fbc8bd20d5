package main

import (
	"os"
	_ "time/tzdata" // the scheduler of CronJobs needs zones where the machine has none

	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl's credential plugins
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics, as the components register them
	_ "k8s.io/component-base/metrics/prometheus/version"  // build info metric
	kubectlcmd "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// componentRoles are the upstream programs, unchanged. Each builds its command only when chosen:
// building one installs a process-wide signal handler.
func componentRoles() []command {
	return []command{
		{name: "etcd", run: func([]string) int { etcdmain.Main(os.Args); return 0 }},
		{name: "kube-apiserver", run: func([]string) int { return cli.Run(apiserver.NewAPIServerCommand()) }},
		{name: "kube-controller-manager", run: func([]string) int { return cli.Run(controllermanager.NewControllerManagerCommand()) }},
		{name: "kube-scheduler", run: func([]string) int { return cli.Run(scheduler.NewSchedulerCommand()) }},
		{name: "kubectl", run: kubectl},
	}
}

func kubectl([]string) int {
	// The level is set before the command parses its flags, as kubectl's own main does.
	_, _ = logs.GlogSetter(kubectlcmd.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(kubectlcmd.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
	return 0
}
