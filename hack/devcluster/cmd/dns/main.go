// Command dns is CoreDNS with the few plugins that the node's cluster DNS uses.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"       // listen on the node's address only
	_ "github.com/coredns/coredns/plugin/errors"     // log failures
	_ "github.com/coredns/coredns/plugin/kubernetes" // answer for Services
)

func main() {
	// The order is the order in which plugins see a query.
	dnsserver.Directives = []string{"bind", "errors", "kubernetes"}
	coremain.Run()
}
