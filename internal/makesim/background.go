package makesim

import (
	"context"
	"sync"
)

// background is work that outlives the request that it came with.
type background struct {
	mu   sync.Mutex // orders start and Close
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup
}

func newBackground() *background {
	ctx, stop := context.WithCancel(context.Background()) //nolint:forbidigo // outlives every request, until Close
	return &background{ctx: ctx, stop: stop}
}

// start runs do, which has to end with its context. After Close it does nothing.
func (b *background) start(do func(context.Context)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() == nil {
		b.work.Go(func() { do(b.ctx) })
	}
}

// Close ends what goes on in the background, such as callbacks of runs, and waits for it. Requests are answered
// as before.
func (s *Server) Close() {
	s.background.mu.Lock()
	s.background.stop()
	s.background.mu.Unlock()
	s.background.work.Wait()
}
