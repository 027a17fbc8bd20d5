package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
)

// options are the flags.
type options struct {
	listen      string
	tlsDir      string
	seed        string
	ledger      string
	state       string
	knobs       map[string]json.RawMessage
	http        string
	addressFile string
	sans        []string
}

func readFlags(args []string, help io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("makesim", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are told once, by main
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8443", "`address` of the HTTPS listener, port 0 for a free one; empty for none")
	flags.StringVar(&o.tlsDir, "tls-dir", "makesim-tls", "`directory` for ca.pem, server.pem and their keys; a CA that is there is used again")
	flags.StringVar(&o.seed, "seed", "", "YAML `file` with the state to start from; empty for the built-in one")
	flags.StringVar(&o.ledger, "ledger", "", "`file` to append the ledger to, one JSON object per line; empty for none")
	flags.StringVar(&o.state, "state", "", "`file` that keeps the state across restarts; if it exists, the simulator goes on from it; empty for none")
	flags.Func("knob", "`name=value` of a knob, for example refreshClass=E; lists are JSON; repeatable", o.addKnob)
	flags.StringVar(&o.http, "http", "", "loopback `address` of a plain HTTP listener; empty for none")
	flags.StringVar(&o.addressFile, "address-file", "", "`file` that gets the URL of each listener, one per line, once they listen")
	flags.Func("san", "host `name` or IP address to put into the server certificate; repeatable", func(name string) error {
		if name == "" || strings.ContainsAny(name, " /:") && net.ParseIP(name) == nil {
			return errors.New("neither a host name nor an IP address")
		}
		o.sans = append(o.sans, name)
		return nil
	})
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(help)
		_, _ = fmt.Fprintln(help, "makesim simulates Make: zone API, authorization server and control endpoints.")
		flags.PrintDefaults()
		return o, flag.ErrHelp
	}
	if err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: there are only flags", flags.Arg(0))
	}
	if o.listen == "" && o.http == "" {
		return o, errors.New("--listen and --http are both empty: nothing to serve")
	}
	return o, o.checkHTTP()
}

// addKnob takes a value as JSON, or as a text if it is none.
func (o *options) addKnob(pair string) error {
	name, value, ok := strings.Cut(pair, "=")
	if !ok || name == "" {
		return errors.New("want name=value")
	}
	knob := json.RawMessage(value)
	if !json.Valid(knob) {
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		knob = text
	}
	if o.knobs == nil {
		o.knobs = map[string]json.RawMessage{}
	}
	o.knobs[name] = knob
	return nil
}

// checkHTTP refuses tokens in plain text beyond this machine.
func (o options) checkHTTP() error {
	if o.http == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(o.http)
	if err != nil {
		return fmt.Errorf("--http %q: want host:port", o.http)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--http %q: plain HTTP is for loopback only", o.http)
	}
	return nil
}
