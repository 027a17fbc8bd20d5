package node

import (
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
)

// serviceSubnet must be routed somewhere, else the node itself cannot reach Services: there is no
// default route. Packets are redirected before they leave.
const serviceSubnet = "10.96.0.0/16"

// setUpNetwork gives the empty network namespace a loopback and the node's address.
func setUpNetwork() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("set loopback up: %w", err)
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "node0"}}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("create bridge: %w", err)
	}
	address, err := netlink.ParseAddr(nodeSubnet)
	if err != nil {
		return fmt.Errorf("parse node address: %w", err)
	}
	if err := netlink.AddrAdd(bridge, address); err != nil {
		return fmt.Errorf("set node address: %w", err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("set bridge up: %w", err)
	}
	_, services, err := net.ParseCIDR(serviceSubnet)
	if err != nil {
		return fmt.Errorf("parse service subnet: %w", err)
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: bridge.Attrs().Index, Dst: services}); err != nil {
		return fmt.Errorf("route services: %w", err)
	}
	for _, name := range []string{"ip_forward", "conf/all/route_localnet"} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte("1"), 0o644); err != nil {
			return fmt.Errorf("set sysctl %s: %w", name, err)
		}
	}
	// Absent where the kernel filters bridges otherwise, or not at all.
	_ = os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("1"), 0o644)
	return nil
}
