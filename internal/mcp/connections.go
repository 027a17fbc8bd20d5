package mcp

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// connections bounds how many connections are open. One more closes the one that has gone longest without an admitted request, so
// connections that only sit there, or send their headers byte by byte, keep nobody out.
type connections struct {
	max    int
	opened func(open int)

	mu      sync.Mutex
	open    map[net.Conn]*list.Element // nil: a request of a verified caller is under way
	waiting *list.List                 // of net.Conn, the longest waiting first
}

func newConnections(limit int, opened func(open int)) *connections {
	return &connections{max: limit, opened: opened, open: map[net.Conn]*list.Element{}, waiting: list.New()}
}

type connKey struct{}

// context lets admit find the connection of a request. It is an http.Server's ConnContext.
func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// changed is an http.Server's ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open[conn] = c.waiting.PushBack(conn)
		if len(c.open) > c.max {
			c.closeOne()
		}
	case http.StateIdle:
		if place, known := c.open[conn]; known {
			if place != nil {
				c.waiting.Remove(place)
			}
			c.open[conn] = c.waiting.PushBack(conn)
		}
	case http.StateClosed, http.StateHijacked:
		c.forget(conn)
	case http.StateActive: // somebody sent a byte, which is nobody's merit
	}
	c.opened(len(c.open))
}

// closeOne closes the connection that has waited longest, which may be the newest.
func (c *connections) closeOne() {
	first := c.waiting.Front()
	conn, _ := first.Value.(net.Conn)
	c.forget(conn)
	_ = conn.Close() // it is gone for us in any case
}

func (c *connections) forget(conn net.Conn) {
	if place := c.open[conn]; place != nil {
		c.waiting.Remove(place)
	}
	delete(c.open, conn)
}

// admit keeps the connection of a verified caller's request open until it is idle again.
func (c *connections) admit(ctx context.Context) {
	conn, _ := ctx.Value(connKey{}).(net.Conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	if place := c.open[conn]; place != nil {
		c.waiting.Remove(place)
		c.open[conn] = nil
	}
}
