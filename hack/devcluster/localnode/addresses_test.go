package localnode

import "testing"

func TestAddressPool(t *testing.T) {
	p := newAddressPool("127.20.30")
	seen := map[string]bool{p.node(): true}
	for range 250 {
		address, err := p.take()
		if err != nil || seen[address] {
			t.Fatalf("take() = %q, %v; taken before: %v", address, err, seen[address])
		}
		seen[address] = true
	}
	if address, err := p.take(); err == nil {
		t.Fatalf("take() from an empty pool = %q", address)
	}
	p.release("127.20.30.77")
	if address, err := p.take(); err != nil || address != "127.20.30.77" {
		t.Fatalf("take() after release = %q, %v", address, err)
	}
}

func TestSubnetsDiffer(t *testing.T) {
	if a, b := Subnet("devcluster-1"), Subnet("devcluster-2"); a != "" && a == b {
		t.Errorf("two clusters share %s", a)
	}
}
