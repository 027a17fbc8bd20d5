package localnode

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync"
)

// Subnet chooses loopback addresses for the cluster called name: on Linux every address of
// 127.0.0.0/8 works without setting anything up, so each Pod has its own and two clusters do not
// meet. Elsewhere there is 127.0.0.1 only, and the result is empty.
func Subnet(name string) string {
	if runtime.GOOS != "linux" {
		return ""
	}
	sum := sha256.Sum256([]byte(name))
	return fmt.Sprintf("127.%d.%d", 16+int(sum[0])%224, sum[1])
}

// NodeAddress is the node's own address in a subnet.
func NodeAddress(subnet string) string {
	if subnet == "" {
		return "127.0.0.1"
	}
	return subnet + ".1"
}

// addressPool hands out the addresses of a subnet.
type addressPool struct {
	subnet string
	mu     sync.Mutex
	next   int
	used   map[string]bool
}

func newAddressPool(subnet string) *addressPool {
	return &addressPool{subnet: subnet, used: map[string]bool{}}
}

func (p *addressPool) node() string { return NodeAddress(p.subnet) }

// take returns an address that no other Pod has; the least recently used, so that a client that
// still knows an old Pod does not reach a new one.
func (p *addressPool) take() (string, error) {
	if p.subnet == "" {
		return p.node(), nil
	}
	const first, count = 2, 250
	p.mu.Lock()
	defer p.mu.Unlock()
	for range count {
		address := fmt.Sprintf("%s.%d", p.subnet, first+p.next%count)
		p.next++
		if !p.used[address] {
			p.used[address] = true
			return address, nil
		}
	}
	return "", fmt.Errorf("choose a pod address: all are in use")
}

func (p *addressPool) release(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, address)
}
