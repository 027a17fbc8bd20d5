package main

import (
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// quietest is the most verbose level that is ever logged. From 8 on client-go logs the bodies of its requests, and with them the
// values of Secrets.
const quietest = zapcore.Level(-7)

// withoutBodies is a level that --zap-log-level asks for, as far as no Secret's value comes to light.
type withoutBodies struct{ zapcore.LevelEnabler }

// Enabled implements zapcore.LevelEnabler.
func (w withoutBodies) Enabled(level zapcore.Level) bool {
	return level >= quietest && w.LevelEnabler.Enabled(level)
}

// bounded keeps the bodies of requests out of the log, whatever the flags say.
func bounded(o zap.Options) *zap.Options {
	if o.Level != nil {
		o.Level = withoutBodies{o.Level}
	}
	return &o
}
