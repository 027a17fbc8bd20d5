package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/agent"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// leadTool runs the sample scenario of makesim's seed.
const leadTool = "scenarios_run"

// showRotation lets an agent call a tool before, during and after a rotation.
func (d *demo) showRotation(ctx context.Context) error {
	if d.Kubeconfig != "" {
		d.say("skipped: pods of your cluster cannot reach the simulated Make on this machine")
		return nil
	}
	mcp := &v1alpha1.MakeMCPServer{}
	if err := d.awaitReady(ctx, server, mcp); err != nil {
		return err
	}
	d.verify(true, "MakeMCPServer %s is Ready: %s %s speaks MCP %s", server, mcp.Status.ServerInfo.Name, mcp.Status.ServerInfo.Version,
		strings.Join(mcp.Status.ProtocolVersions, ", "))
	var err error
	if d.serverAddress, err = d.ServiceAddress(ctx, server); err != nil {
		return err
	}
	caller, err := d.newAgent(ctx, mcp.Status.URL, "sales-agent")
	if err != nil {
		return err
	}
	var tools []string
	err = d.eventually(ctx, "the Service leads to the server", 15*time.Second, func(ctx context.Context) (bool, error) {
		var err error
		tools, err = caller.Tools(ctx)
		return err == nil, nil
	})
	if err != nil {
		return err
	}
	d.verify(len(tools) > 0, "ServiceAccount sales-agent is offered the tools %s", strings.Join(tools, ", "))
	if err := d.showStranger(ctx, mcp.Status.URL); err != nil {
		return err
	}
	before, err := d.runLead(ctx, caller)
	d.verify(err == nil, "before the rotation the tool answers: %s", resultOr(before, err))
	return d.rotateUnderLoad(ctx, caller)
}

// showStranger calls with an identity that no rule names.
func (d *demo) showStranger(ctx context.Context, url string) error {
	stranger, err := d.newAgent(ctx, url, "default")
	if err != nil {
		return err
	}
	_, err = stranger.Tools(ctx)
	d.verify(err != nil, "ServiceAccount default, which no rule names, is refused")
	return nil
}

// rotateUnderLoad bumps spec.rotation.generation while the agent calls all the time.
func (d *demo) rotateUnderLoad(ctx context.Context, caller agent.Agent) error {
	name := v1alpha1.ServerSecretName(crm.Name, server.Name)
	secret, err := d.secret(ctx, name)
	if err != nil {
		return err
	}
	old := string(secret.Data[v1alpha1.TokenKey])
	load := d.startLoad(ctx, caller)
	d.say("$ kubectl -n %s patch mkc %s --type=merge -p '{\"spec\":{\"rotation\":{\"generation\":1}}}'", crm.Namespace, crm.Name)
	if err := d.bumpGeneration(ctx, crm, 1); err != nil {
		load.stop()
		return err
	}
	err = d.eventually(ctx, "the old token is dead at Make, after the overlap", time.Minute, func(ctx context.Context) (bool, error) {
		alive, err := d.TokenAlive(ctx, old)
		return !alive, err
	})
	load.stop()
	if err != nil {
		return err
	}
	if secret, err = d.secret(ctx, name); err != nil {
		return err
	}
	alive, err := d.TokenAlive(ctx, string(secret.Data[v1alpha1.TokenKey]))
	if err != nil {
		return err
	}
	d.verify(alive && string(secret.Data[v1alpha1.TokenKey]) != old, "after the rotation the old token is dead at Make and the new one is alive")
	d.verify(load.failed == 0 && load.calls > 0, "during the rotation %d tool calls were made and %d failed%s", load.calls, load.failed, load.why)
	after, err := d.runLead(ctx, caller)
	d.verify(err == nil, "after the rotation the tool answers: %s", resultOr(after, err))
	return nil
}

func (d *demo) newAgent(ctx context.Context, url, account string) (agent.Agent, error) {
	token, err := agent.TokenFor(ctx, d.Client, client.ObjectKey{Namespace: namespace, Name: account}, url)
	return agent.Agent{URL: url, Address: d.serverAddress, Token: token}, err
}

// runLead runs the scenario that makesim's seed has for this.
func (d *demo) runLead(ctx context.Context, caller agent.Agent) (string, error) {
	return caller.Call(ctx, leadTool, map[string]any{
		"scenarioId": makesim.LeadScenarioID, "data": map[string]any{"email": "ada@example.com", "name": "Ada Example"}, "responsive": true,
	})
}

func (d *demo) bumpGeneration(ctx context.Context, key client.ObjectKey, generation int64) error {
	conn := &v1alpha1.MakeConnection{}
	if err := d.Client.Get(ctx, key, conn); err != nil {
		return err
	}
	before := conn.DeepCopy()
	conn.Spec.Rotation.Generation = generation
	return d.Client.Patch(ctx, conn, client.MergeFrom(before))
}

// pause is the time between an agent's calls: with a shorter one it would use up its burst, a tenth of the calls of an hour.
const pause = 250 * time.Millisecond

// load is an agent that calls all the time.
type load struct {
	calls, failed int
	why           string

	cancel context.CancelFunc
	done   sync.WaitGroup
}

func (d *demo) startLoad(ctx context.Context, caller agent.Agent) *load {
	calling, cancel := context.WithCancel(ctx)
	l := &load{cancel: cancel}
	l.done.Go(func() {
		for range time.Tick(pause) {
			if calling.Err() != nil {
				return
			}
			_, err := d.runLead(ctx, caller)
			l.calls++
			if err != nil {
				l.failed++
				l.why = fmt.Sprintf(" (%v)", err)
			}
		}
	})
	return l
}

func (l *load) stop() {
	l.cancel()
	l.done.Wait()
}

func resultOr(result string, err error) string {
	if err != nil {
		return err.Error()
	}
	return shortened(result, 120)
}

// showCrash kills the manager in the middle of a refresh, and starts it again.
func (d *demo) showCrash(ctx context.Context) error {
	secretName := v1alpha1.ConsumerSecretName(oauth.Name, "reporting")
	secret, err := d.secret(ctx, secretName)
	if err != nil {
		return err
	}
	old := string(secret.Data[v1alpha1.TokenKey])
	presented, err := d.presentations()
	if err != nil {
		return err
	}
	// Make is slow for a moment, so that the kill meets a refresh that is under way, and takes a refresh token once more until its
	// successor was used. With a server that does not, the connection would ask for consent again: nobody has the successor then.
	if err := d.SetKnobs(ctx, map[string]any{"latencyMilliseconds": 600, "refreshClass": makesim.ClassUntilUsed}); err != nil {
		return err
	}
	since := time.Now()
	if err := d.bumpGeneration(ctx, oauth, 1); err != nil {
		return err
	}
	err = d.eventually(ctx, "a refresh is announced", 20*time.Second, func(context.Context) (bool, error) {
		if d.AuditLog == "" {
			return time.Since(since) > 300*time.Millisecond, nil // half of Make's latency
		}
		writes, err := d.Writes(since)
		return slices.ContainsFunc(writes, func(w stack.Request) bool { return strings.Contains(w.URI, "/make-grant-") }), err
	})
	if err != nil {
		return err
	}
	d.Manager.Kill()
	d.say("the refresh is announced in the grant, its answer is awaited: kill -9 of the manager, pid %d", d.Manager.PID)
	if err := d.SetKnobs(ctx, map[string]any{"latencyMilliseconds": 0}); err != nil {
		return err
	}
	if err := d.StartManager(ctx); err != nil { // later than Make needs to answer nobody
		return err
	}
	err = d.eventually(ctx, "the token is new", 30*time.Second, func(ctx context.Context) (bool, error) {
		secret, err := d.secret(ctx, secretName)
		return err == nil && string(secret.Data[v1alpha1.TokenKey]) != old, err
	})
	if err != nil {
		return err
	}
	if err := d.settle(ctx); err != nil { // Make may still be at the request that nobody waits for any more
		return err
	}
	return d.judgePresentations(presented)
}

// presentations counts how often a refresh token reached Make.
func (d *demo) presentations() (int, error) {
	entries, err := d.ReadLedger()
	n := 0
	for _, e := range entries {
		if e.Token != nil && e.Token.Event == makesim.TokenPresented && e.Token.Kind == makesim.KindRefreshToken {
			n++
		}
	}
	return n, err
}

func (d *demo) judgePresentations(before int) error {
	after, err := d.presentations()
	if err != nil {
		return err
	}
	entries, err := d.ReadLedger()
	if err != nil {
		return err
	}
	again := makesim.RepresentedAfterUse(entries)
	d.verify(len(again) == 0, "makesim's ledger: %d refresh tokens presented around the crash, %d presented again after their successor was in use",
		after-before, len(again))
	return nil
}
