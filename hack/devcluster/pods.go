package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/makeops/make-operator/hack/devcluster/localnode"
	"github.com/makeops/make-operator/hack/devcluster/state"
)

// imageFlag collects --image REF=PATH.
type imageFlag map[string]string

func (f imageFlag) String() string { return "" }

func (f imageFlag) Set(value string) error {
	i := strings.LastIndexByte(value, '=')
	if i < 1 {
		return errors.New("want REF=PATH")
	}
	info, err := os.Stat(value[i+1:])
	if err != nil {
		return err
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable file", value[i+1:])
	}
	f[value[:i]] = value[i+1:]
	return nil
}

// podsReady is the content of the file pods-ready.
type podsReady struct {
	Node string `json:"node"`
	PID  int    `json:"pid"`
	// HTTPProxy is the URL of a proxy that knows Services by their cluster names.
	HTTPProxy string `json:"httpProxy"`
}

// pods runs the cluster's Pods as local processes until stopped.
func pods(args []string) error {
	flags := flag.NewFlagSet("pods", flag.ContinueOnError)
	dir := dirFlag(flags)
	images := imageFlag{}
	flags.Var(images, "image", "run the binary PATH for image REF: `REF=PATH`; repeatable")
	parent := flags.Int("parent-pid", 0, "stop when process `PID` is gone")
	if err := parse(flags, args); err != nil {
		return err
	}
	d, err := openDir(*dir)
	if err != nil {
		return err
	}
	ready, err := d.ReadReady()
	if err != nil {
		return fmt.Errorf("%w: %s", err, d.Path())
	}
	if ready.Node != nil {
		return fmt.Errorf("the cluster in %s has a real node; local processes are for one without", d.Path())
	}
	lock, err := d.LockPods()
	if err != nil {
		return fmt.Errorf("%w with local processes: %s", err, d.Path())
	}
	defer lock.Close()
	return runPods(d, images, *parent, ready.PID)
}

// runPods ends when one of the processes does, on whose being there it depends.
func runPods(d state.Dir, images map[string]string, needed ...int) error {
	ctx, cancel := stopContext(needed...)
	defer cancel()
	say := speaker(os.Stdout)
	config, err := clientcmd.BuildConfigFromFlags("", d.Path("node.kubeconfig"))
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1
	config.UserAgent = "devcluster-local-node"
	quietClients(d.Path("log", "pods.log"))
	clean := func() {
		os.RemoveAll(d.Path("pods"))
		os.Remove(d.Path("pods-ready"))
	}
	clean() // of a run that was killed
	defer clean()
	node, err := localnode.Start(ctx, localnode.Options{
		Config: config, CAFile: d.Path("pki", "ca.crt"), CertFile: d.Path("pki", "node.crt"), KeyFile: d.Path("pki", "node.key"),
		Subnet: localnode.Subnet(d.Name()), PodDir: d.Path("pods"), LogDir: d.Path("log", "pods"), Images: images, Say: say,
	})
	if err != nil {
		return err
	}
	data, err := json.Marshal(podsReady{Node: localnode.Name, PID: os.Getpid(), HTTPProxy: node.HTTPProxy()})
	if err != nil {
		return fmt.Errorf("encode ready file: %w", err)
	}
	if err := d.WriteFile("pods-ready", append(data, '\n')); err != nil {
		return err
	}
	say("node %s runs Pods as local processes, without isolation; HTTP proxy for Services at %s", localnode.Name, node.HTTPProxy())
	node.Wait()
	return nil
}
