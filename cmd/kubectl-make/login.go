package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/consent"
)

// login is kubectl make login.
type login struct {
	genericiooptions.IOStreams

	client client.WithWatch
	key    client.ObjectKey
	*waiter
	// forward leads the address of the consent pages to the operator until the context ends.
	forward func(ctx context.Context, to *url.URL, ready func()) error
	// open opens a browser; nil leaves that to the person.
	open  func(ctx context.Context, address string) error
	again bool
}

const loginHelp = `Authorize a MakeConnection that uses OAuth: open the operator's page in a browser, where you see what will be granted
before you go on to Make, and wait for the outcome.

Where the operator has no public URL, its pages are forwarded to this machine meanwhile; that needs the permissions
to get services, list pods and create pods/portforward in the operator's namespace.

Exit codes: 0 connected, 1 not connected, 130 stopped by Ctrl-C.`

func newLogin(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	l := &login{IOStreams: streams}
	var noBrowser bool
	var operator string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "login NAMESPACE/NAME", Short: "Authorize a connection that uses OAuth, in a browser", Long: loginHelp,
		Example: "  kubectl make login sales/crm\n  kubectl make login --no-browser sales/crm", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, config, err := connectTo(flags)
			if err != nil {
				return err
			}
			if l.key, err = keyFrom(flags, args[0]); err != nil {
				return err
			}
			l.client, l.waiter = c, newWaiter(c, l.key, l.ErrOut)
			if !noBrowser {
				l.open = openBrowser
			}
			l.forward = func(ctx context.Context, to *url.URL, ready func()) error {
				port, _ := strconv.Atoi(to.Port())
				f := &forwarder{
					client: c, config: config, namespace: operator, host: to.Hostname(), port: port, pause: time.Second, say: l.say,
				}
				return f.run(ctx, ready)
			}
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout, errTimeout)
			defer cancel()
			return l.run(ctx)
		},
	}
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "print the address instead of opening a browser")
	cmd.Flags().BoolVar(&l.again, "again", false, "ask for a consent although the connection has one that works, to connect another account")
	cmd.Flags().StringVar(&operator, "operator-namespace", "make-operator-system", "namespace of the operator, for port forwarding")
	cmd.Flags().DurationVar(&timeout, "timeout", 15*time.Minute, "how long to wait for the consent")
	return cmd
}

// run brings a person to the page and waits for the outcome.
func (l *login) run(asked context.Context) error {
	ctx, cancel := context.WithCancelCause(asked)
	defer cancel(nil)
	conn := &v1alpha1.MakeConnection{}
	if l.again {
		if err := l.askAgain(ctx); err != nil {
			return err
		}
	}
	if err := l.until(ctx, func(now *v1alpha1.MakeConnection) (bool, error) { *conn = *now; return l.mayStart(now) }); err != nil {
		return l.explain(asked, err, "")
	}
	address := conn.Status.Authorization.URL
	if address == "" {
		_, err := fmt.Fprintf(l.Out, "%s is connected%s already. To connect it anew: kubectl make login --again %s\n", l.key, as(conn), l.key)
		return err
	}
	if err := l.lead(ctx, cancel, address); err != nil {
		return l.explain(asked, err, address)
	}
	before, _ := condition(conn, v1alpha1.Authorized)
	err := l.until(ctx, func(now *v1alpha1.MakeConnection) (bool, error) { *conn = *now; return l.ended(now, before) })
	if err != nil {
		return l.explain(asked, err, address)
	}
	_, err = fmt.Fprintf(l.Out, "%s is connected%s.\n", l.key, as(conn))
	return err
}

// askAgain asks the operator for another consent to a connection that has one.
func (l *login) askAgain(ctx context.Context) error {
	conn := &v1alpha1.MakeConnection{}
	if err := l.client.Get(ctx, l.key, conn); err != nil {
		return err
	}
	before := conn.DeepCopy()
	if conn.Annotations == nil {
		conn.Annotations = map[string]string{}
	}
	conn.Annotations[v1alpha1.ConsentAnnotation] = time.Now().UTC().Format(time.RFC3339)
	if err := l.client.Patch(ctx, conn, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("ask for another consent: %w", err)
	}
	return nil
}

// mayStart reports whether the connection awaits a consent, or needs none. The error says why it never will.
func (l *login) mayStart(conn *v1alpha1.MakeConnection) (bool, error) {
	if conn.Spec.Auth.OAuth == nil {
		return false, fmt.Errorf("MakeConnection %s uses an API token: there is nothing to consent to", l.key)
	}
	if conn.Spec.Suspend == v1alpha1.SuspendEnabled {
		return false, fmt.Errorf("MakeConnection %s is suspended: set spec.suspend to Disabled first", l.key)
	}
	authorized, known := condition(conn, v1alpha1.Authorized)
	switch {
	case !known:
		l.say("waiting for the operator to look at %s", l.key)
		return false, nil
	case conn.Status.Authorization.URL != "":
		return true, nil
	case l.again:
		l.say("waiting for the operator to ask for another consent")
		return false, nil
	case authorized:
		return true, nil
	}
	return false, l.stalled(conn)
}

// stalled is an error if somebody has to change something first, else nil.
func (l *login) stalled(conn *v1alpha1.MakeConnection) error {
	if !stalledNow(conn) {
		return nil
	}
	_, reason, message := readiness(conn.Status.Conditions)
	return fmt.Errorf("MakeConnection %s is not ready: %s: %s", l.key, reason, message)
}

// ended reports whether the consent was given and its tokens are published. before is whether there was one that worked.
func (l *login) ended(conn *v1alpha1.MakeConnection, before bool) (bool, error) {
	authorized, known := condition(conn, v1alpha1.Authorized)
	if !known || !authorized || before && conn.Status.Authorization.URL != "" {
		return false, nil
	}
	if ready, _ := condition(conn, v1alpha1.Ready); ready {
		return true, nil
	}
	l.say("Make gave the operator its tokens; waiting until they are published")
	return false, l.stalled(conn)
}

// lead brings a person to the page: by its public address, or by a port of this machine that leads to the operator.
func (l *login) lead(ctx context.Context, cancel context.CancelCauseFunc, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New("status.authorization.url is no web address: compare the operator's flag --consent-url")
	}
	if isThisMachine(u.Hostname()) && !answers(ctx, u) {
		l.say("forwarding %s to the operator", u.Host)
		ready := make(chan struct{})
		failed := make(chan error, 1)
		go func() {
			err := l.forward(ctx, u, func() { close(ready) })
			failed <- err
			if err != nil {
				cancel(err)
			}
		}()
		select {
		case <-ready:
		case err := <-failed:
			if err == nil {
				err = context.Cause(ctx)
			}
			return err
		}
	}
	if l.open == nil {
		_, err := fmt.Fprintf(l.Out, "Open this page in a browser: %s\n", address)
		l.say("waiting for your consent at Make")
		return err
	}
	if err := l.open(ctx, address); err != nil {
		_, err := fmt.Fprintf(l.Out, "No browser opens here (%v). Open this page: %s\n", err, address)
		l.say("waiting for your consent at Make")
		return err
	}
	_, err = fmt.Fprintf(l.Out, "Your browser opens %s\n", address)
	l.say("waiting for your consent at Make")
	return err
}

// explain says of an error what became of the consent and what to do. The context is the command's.
func (l *login) explain(asked context.Context, err error, address string) error {
	switch {
	case errors.Is(asked.Err(), context.Canceled):
		return fmt.Errorf("stopped; nothing was changed, and %s goes on waiting if it did", l.key)
	case !errors.Is(asked.Err(), context.DeadlineExceeded):
		return err
	case address == "":
		return errors.New("the operator did not look at the connection in time: does it run?")
	default:
		return fmt.Errorf("nobody consented in time; the page in the browser says what happened, and %s still waits", l.key)
	}
}

// as is the account of a connection, for a sentence.
func as(conn *v1alpha1.MakeConnection) string {
	if conn.Status.Account.Name == "" {
		return ""
	}
	return " as " + conn.Status.Account.Name
}

func isThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// answers reports whether the operator's pages are there already: it runs on this machine, or somebody forwards a port.
func answers(ctx context.Context, u *url.URL) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.Header.Get("Server") == consent.ServerHeader
}
