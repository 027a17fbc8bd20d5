package fault

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
)

// skewedClock takes the place of the wall clock in a manager that is otherwise the same: a file says by how many seconds it is wrong.
// The monotonic clock goes on, as it does when somebody sets a machine's clock.
const skewedClock = `

type skewedClock struct{ clock.RealClock }

func (skewedClock) Now() time.Time {
	now := time.Now()
	text, _ := os.ReadFile(os.Getenv("FAULT_CLOCK"))
	seconds, _ := strconv.ParseInt(string(text), 10, 64)
	*(*uint64)(unsafe.Pointer(&now)) += uint64(seconds) << 30 // seconds of the wall clock, see package time
	return now
}

func (c skewedClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
`

// buildSkewed builds the manager with a clock that can be set, from the sources as they are.
func buildSkewed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	wiring, err := filepath.Abs(filepath.Join(root, "wiring.go"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(wiring)
	if err != nil {
		t.Fatal(err)
	}
	const ours = "clock: clock.RealClock{}"
	if strings.Count(string(source), ours) != 1 {
		t.Fatalf("wiring.go does not say %q once: there is no clock to replace", ours)
	}
	text := strings.Replace(string(source), ours, "clock: skewedClock{}", 1) + skewedClock
	text = strings.Replace(text, "import (", "import (\n\t\"strconv\"\n\t\"unsafe\"", 1)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{wiring: filepath.Join(dir, "wiring.go")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"wiring.go": []byte(text), "overlay.json": overlay} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "manager")
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build a manager whose clock can be set: %v\n%s", err, out)
	}
	return program
}

// The manager's clock jumps by an hour, either way, before a refresh, while it is announced and while it is answered. No token is
// presented twice or lost, and consumers' tokens go on being replaced in time.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	program := buildSkewed(t)
	for _, seconds := range []string{"3600", "-3600"} {
		for name, at := range map[string]string{
			"before": "", idle: "", "while announced": "api PUT /{operator}" + grantWrite + "{uid}", "while answered": tokenRefresh,
		} {
			t.Run(seconds+" s "+name, func(t *testing.T) {
				if !*full && (name != idle || seconds != "-3600") {
					t.Skip("with -full; the sample has the worst one")
				}
				t.Parallel()
				w := newWorld(t)
				file := filepath.Join(t.TempDir(), "seconds")
				w.manager.program, w.manager.env = program, []string{"FAULT_CLOCK=" + file}
				knobs := w.make.sim.Knobs()
				knobs.AccessTokenSeconds = 12
				if err := w.make.sim.SetKnobs(knobs); err != nil {
					t.Fatal(err)
				}
				if err := w.begin(scenario{prepare: (*world).prepareConsented}, makesim.ClassFamily); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				jump := func() {
					if err := os.WriteFile(file, []byte(seconds), 0o600); err != nil {
						t.Error(err)
					}
				}
				if at == "" {
					jump()
				}
				w.manager.inj.arm(fault{point{at, 1}, skewAfter}, jump)
				if name != idle {
					if err := w.rotate(); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.awaitConnection("the connection is Ready", isReady); err != nil {
					t.Fatal(err)
				}
				if err := w.awaitRefreshes(begun, 3); err != nil {
					t.Errorf("%v; see %s", err, w.manager.log())
				}
				w.checkOnePresentationEach(begun)
				for _, p := range w.takeProblems() {
					t.Error(p)
				}
			})
		}
	}
}

// idle is a jump that no refresh is near.
const idle = "while nothing is due"

// awaitRefreshes waits until that many refresh tokens were stored since a moment, with a living token published all the while.
func (w *world) awaitRefreshes(since time.Time, n int) error {
	key := client.ObjectKey{Namespace: w.user, Name: v1alpha1.ConsumerSecretName(connectionName, "agent")}
	expired := 0
	err := await(patience, "the token was refreshed some times", func() bool {
		secret := &corev1.Secret{}
		if err := cluster.Client.Get(context.Background(), key, secret); err != nil {
			return false
		}
		if alive, _ := w.token(string(secret.Data[v1alpha1.TokenKey])); !alive {
			expired++
		}
		return len(w.windows(since)) >= n
	})
	if expired > 0 {
		w.problem("P4: the published token had expired when it was looked at, %d times", expired)
	}
	return err
}
