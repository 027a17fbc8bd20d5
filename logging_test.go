package main

import (
	"bytes"
	"flag"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// Whatever level is asked for, what client-go logs of bodies is not written.
func TestNoLevelShowsBodies(t *testing.T) {
	for _, level := range []string{"info", "debug", "1", "7", "8", "9", "10", "99"} {
		var out bytes.Buffer
		var o zap.Options
		fs := flag.NewFlagSet("manager", flag.ContinueOnError)
		o.BindFlags(fs)
		if err := fs.Parse([]string{"--zap-log-level=" + level}); err != nil {
			t.Fatal(err)
		}
		o.DestWriter = &out
		log := zap.New(zap.UseFlagOptions(bounded(o)))
		log.Info("said at 0")
		for v := range 12 {
			log.V(v).Info("body", "level", v)
		}
		for _, v := range []string{`"level":8`, `"level":9`, `"level":10`, `"level":11`} {
			if strings.Contains(out.String(), v) || strings.Contains(out.String(), strings.Replace(v, ":", ": ", 1)) {
				t.Errorf("--zap-log-level=%s writes %s", level, v)
			}
		}
		if !strings.Contains(out.String(), "said at 0") {
			t.Errorf("--zap-log-level=%s writes nothing", level)
		}
		if level == "9" && !strings.Contains(out.String(), `"level":7`) && !strings.Contains(out.String(), `"level": 7`) {
			t.Errorf("--zap-log-level=%s does not write level 7: %s", level, out.String())
		}
	}
}
