package mcp

import (
	"context"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"k8s.io/utils/clock"
)

// progressInterval is the time between two progress notifications.
const progressInterval = 5 * time.Second

// reportProgress tells a caller who asked for it how long a call has taken, in seconds, until stop is called. It keeps clients and proxies
// from giving up on a scenario that runs.
func reportProgress(ctx context.Context, req *sdk.CallToolRequest, timer clock.WithTicker) (stop func()) {
	token := req.Params.GetProgressToken()
	if token == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	ticker, begun := timer.NewTicker(progressInterval), timer.Now()
	go func() {
		defer close(ended)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C():
			}
			_ = req.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{ // a caller who left will not miss it
				ProgressToken: token, Progress: timer.Since(begun).Seconds(), Message: "Make is working on it",
			})
		}
	}()
	return func() { // the answer comes after the last notification
		cancel()
		<-ended
	}
}
