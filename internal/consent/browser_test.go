package consent_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/consent"
	"github.com/makeops/make-operator/internal/makesim"
)

// patience bounds one walk through the pages in a real browser, on a slow machine.
const patience = 2 * time.Minute

// chromium starts a headless Chromium with a profile of its own in dir, which speaks with this machine only. Without one installed the
// test is skipped.
func chromium(t *testing.T, dir string) (ctx context.Context, quit func()) {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		t.Skip("no Chromium is installed: apt-get install chromium")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(program), chromedp.UserDataDir(dir), chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true), chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"))
	ctx, cancelTime := context.WithTimeout(t.Context(), patience)
	ctx, cancelAllocator := chromedp.NewExecAllocator(ctx, options...)
	ctx, cancelBrowser := chromedp.NewContext(ctx)
	quit = sync.OnceFunc(func() {
		_ = chromedp.Cancel(ctx) // closes the browser and waits, so that its files are written
		cancelBrowser()
		cancelAllocator()
		cancelTime()
	})
	t.Cleanup(quit)
	walk(ctx, t, chromedp.Navigate("about:blank"))
	return ctx, quit
}

// serve makes the rig's pages reachable for a browser, under the name localhost.
func (r *rig) serve(tls bool) {
	r.t.Helper()
	server := httptest.NewUnstartedServer(r.http)
	scheme := "http"
	if tls {
		scheme = "https"
		server.StartTLS()
	} else {
		server.Start()
	}
	r.t.Cleanup(server.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, scheme+"://"), ":")
	r.public = scheme + "://localhost:" + port
	r.restart()
}

func (r *rig) startPage() string { return r.public + "/connect/sales/crm" }

type css = chromedp.CSS

// Elements of Make's page.
const (
	account = css("#user")
	allow   = css(`button[value="approve"]`)
	deny    = css(`button[value="deny"]`)
)

// Elements of our pages.
const (
	proceed = css("form button")
	again   = css("a.button")
	told    = css(`[role="status"]`)
	good    = css("h1.good")
)

// walk does one thing after the other.
func walk(ctx context.Context, t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// ask is what an action finds.
func ask[T any](ctx context.Context, t *testing.T, action chromedp.Action[T]) T {
	t.Helper()
	found, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// complaints are what the browser says of pages in its console: violations of the policy.
func complaints(ctx context.Context, t *testing.T) *[]string {
	t.Helper()
	var all []string
	err := chromedp.Listen(ctx, func(event any) {
		e, ok := event.(*cdplog.EventEntryAdded)
		if ok && (e.Entry.Source == "security" || strings.Contains(e.Entry.Text, "Content Security Policy")) {
			all = append(all, e.Entry.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return &all
}

// pressOn presses Tab until the focus is on an element, sees that it is outlined there if it is ours, and presses Enter.
func pressOn(element css, ours bool) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for range 20 {
			if _, err := chromedp.KeyEvent(kb.Tab)(ctx, target); err != nil {
				return err
			}
			there, err := chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.matches(%q)", element))(ctx, target)
			if err != nil {
				return err
			}
			if !there {
				continue
			}
			outline, err := chromedp.Evaluate[string]("getComputedStyle(document.activeElement).outline")(ctx, target)
			if err == nil && ours && !strings.Contains(outline, "solid 3px") {
				err = fmt.Errorf("the focus on %s is outlined %q", element, outline)
			}
			if err == nil {
				_, err = chromedp.KeyEvent(kb.Enter)(ctx, target)
			}
			return err
		}
		return fmt.Errorf("20 times Tab do not reach %s", element)
	})
}

// A person with a keyboard only gets from the start page through Make to the result, over plain http on this machine and over https.
func TestBrowserByKeyboard(t *testing.T) {
	for _, tls := range []bool{false, true} {
		t.Run(map[bool]string{false: "http", true: "https"}[tls], func(t *testing.T) {
			r := newRig(t)
			r.serve(tls)
			ctx, _ := chromium(t, t.TempDir())
			said := complaints(ctx, t)
			walk(ctx, t,
				chromedp.Navigate(r.startPage()), pressOn(proceed, true),
				chromedp.WaitVisible(allow), pressOn(allow, false), chromedp.WaitVisible(good))
			title, body := ask(ctx, t, chromedp.Title()), ask(ctx, t, chromedp.Text(css("main")))
			if title != "Connected: sales/crm" || !strings.Contains(body, "Ada Example allowed it") || r.granted() == nil {
				t.Errorf("title %q, stored %t:\n%s", title, r.granted() != nil, body)
			}
			if address := ask(ctx, t, chromedp.Location()); strings.Contains(address, "?") {
				t.Errorf("the result page is at %s", address)
			}
			if len(*said) > 0 {
				t.Errorf("the browser complains: %q", *said)
			}
		})
	}
}

// Another account, then a change of mind, then the right account, by the button of the page that says what was wrong.
func TestBrowserStartsAgain(t *testing.T) {
	r := newRig(t)
	r.serve(false)
	ctx, _ := chromium(t, t.TempDir())
	walk(ctx, t,
		chromedp.Navigate(r.startPage()), chromedp.Click(proceed),
		chromedp.WaitVisible(account), chromedp.SetValue(account, fmt.Sprint(makesim.OtherUserID)), chromedp.Click(allow),
		chromedp.WaitVisible(again))
	if says := ask(ctx, t, chromedp.Text(told)); !strings.Contains(says, "Otto Other") || r.granted() != nil {
		t.Errorf("stored %t:\n%s", r.granted() != nil, says)
	}
	walk(ctx, t,
		chromedp.Click(again), chromedp.WaitVisible(proceed), chromedp.Click(proceed),
		chromedp.WaitVisible(deny), chromedp.Click(deny),
		chromedp.WaitVisible(again), chromedp.Click(again), chromedp.WaitVisible(proceed), chromedp.Click(proceed),
		chromedp.WaitVisible(allow), chromedp.Click(allow),
		chromedp.WaitVisible(good), chromedp.Reload(), chromedp.WaitVisible(good))
	if r.granted() == nil || r.granted().AccountID != makesim.UserID {
		t.Error("the right account's consent is not stored")
	}
}

// A link to Make that somebody sends does not work in the browser of whoever gets it.
func TestBrowserOfSomebodyElse(t *testing.T) {
	for _, tls := range []bool{false, true} {
		r := newRig(t)
		r.serve(tls)
		ctx, _ := chromium(t, t.TempDir())
		walk(ctx, t, chromedp.Navigate(r.startPage()), chromedp.Click(proceed), chromedp.WaitVisible(allow))
		link := ask(ctx, t, chromedp.Location())
		other, cancel := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
		walk(other, t, chromedp.Navigate(link), chromedp.Click(allow), chromedp.WaitVisible(told))
		if says := ask(other, t, chromedp.Text(css("main"))); !strings.Contains(says, "begun in another browser") ||
			r.granted() != nil || r.exchanges() != 0 {
			t.Errorf("stored %t:\n%s", r.granted() != nil, says)
		}
		cancel()
	}
}

// heard is what a screen reader is told of a page: names by role.
func heard(ctx context.Context, t *testing.T) map[string][]string {
	t.Helper()
	if language := ask(ctx, t, chromedp.Evaluate[string]("document.documentElement.lang")); language != "en" {
		t.Errorf("language %q", language)
	}
	tree := ask(ctx, t, func(ctx context.Context, target *chromedp.Target) (accessibility.GetFullAXTreeResult, error) {
		return cdp.Call(ctx, target, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	})
	text := func(v *accessibility.Value) string {
		if v == nil {
			return ""
		}
		return strings.Trim(string(v.Value), `"`)
	}
	byRole := map[string][]string{}
	for _, n := range tree.Nodes {
		if !n.Ignored {
			byRole[text(n.Role)] = append(byRole[text(n.Role)], text(n.Name))
		}
	}
	for _, landmark := range []string{"banner", "main", "contentinfo"} {
		if len(byRole[landmark]) != 1 {
			t.Errorf("%d of %s", len(byRole[landmark]), landmark)
		}
	}
	if n := ask(ctx, t, chromedp.Evaluate[int](`document.querySelectorAll("h1").length`)); n != 1 {
		t.Errorf("%d headings of level 1", n)
	}
	return byRole
}

// The page's parts, its heading, the named list, the button, and what happened are there for a screen reader.
func TestBrowserLandmarks(t *testing.T) {
	r := newRig(t)
	r.serve(false)
	ctx, _ := chromium(t, t.TempDir())
	walk(ctx, t, chromedp.Navigate(r.startPage()))
	first := heard(ctx, t)
	if !slices.Contains(first["heading"], "Connect sales/crm to Make") {
		t.Errorf("headings %q", first["heading"])
	}
	if !slices.Contains(first["list"], "What it will be able to do") || len(first["listitem"]) != 2 {
		t.Errorf("lists %q with %d items", first["list"], len(first["listitem"]))
	}
	if !slices.Equal(first["button"], []string{"Continue to Make"}) {
		t.Errorf("buttons %q", first["button"])
	}
	walk(ctx, t, chromedp.Click(proceed), chromedp.WaitVisible(deny), chromedp.Click(deny), chromedp.WaitVisible(again))
	last := heard(ctx, t)
	if len(last["status"]) != 1 || !slices.Contains(last["link"], "Start again") || !slices.Contains(last["heading"], "Not connected") {
		t.Errorf("status %q, links %q, headings %q", last["status"], last["link"], last["heading"])
	}
}

// widest asks how wide a page is, and contrast for every text whose contrast with what is behind it is below 4.5 to 1 (WCAG 1.4.3).
const (
	widest   = "document.documentElement.scrollWidth"
	contrast = `(() => {
		const rgb = c => c.match(/[\d.]+/g).map(Number);
		const light = c => { const [r, g, b] = rgb(c).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
			return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
		const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
			const v = rgb(c); if (v.length < 4 || v[3] > 0) return c; } return "rgb(255, 255, 255)"; };
		const bad = []; let looked = 0;
		const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		while (texts.nextNode()) {
			const t = texts.currentNode; if (!t.data.trim()) continue;
			const a = light(getComputedStyle(t.parentElement).color), b = light(behind(t.parentElement));
			const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); looked++;
			if (ratio < 4.5) bad.push(t.data.trim() + ": " + ratio.toFixed(2));
		}
		return looked > 2 ? bad : ["only " + looked + " texts"];
	})()`
)

// Every page fits a screen 320 px wide, and can be read in light and dark. CONSENT_SCREENSHOTS names a folder to put pictures into.
func TestBrowserSizesAndColours(t *testing.T) {
	r := newRig(t)
	long := strings.Repeat("long-name-", 6) + "end"
	conn := r.connection("crm", uid)
	conn.Namespace, conn.Name, conn.Spec.Zone = long, long, "integrations.internal.example.eu1.make.celonis.com"
	conn.Spec.OrganizationID, conn.Spec.Scopes = 9007199254740991, consent.EveryScope()
	conn.Spec.Consumers = []v1alpha1.Consumer{{ServiceAccountName: long}, {ServiceAccountName: "reporting"}}
	pages, keys := r.server.Gallery(conn)
	server := httptest.NewServer(pages)
	defer server.Close()
	ctx, _ := chromium(t, t.TempDir())
	pictures := os.Getenv("CONSENT_SCREENSHOTS")
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{320, 1280} {
			walk(ctx, t, screen(width, scheme))
			backgrounds := map[string]bool{}
			for _, key := range keys {
				walk(ctx, t, chromedp.Navigate(server.URL+"/gallery/"+key), chromedp.WaitReady(css("footer")))
				backgrounds[ask(ctx, t, chromedp.Evaluate[string]("getComputedStyle(document.body).backgroundColor"))] = true
				got, unreadable := ask(ctx, t, chromedp.Evaluate[int64](widest)), ask(ctx, t, chromedp.Evaluate[[]string](contrast))
				if got > width || len(unreadable) > 0 {
					t.Errorf("%s, %s, %d px: %d px wide, hard to read: %q", key, scheme, width, got, unreadable)
				}
				if pictures != "" {
					shot := ask(ctx, t, chromedp.FullScreenshot(100))
					if err := os.WriteFile(filepath.Join(pictures, fmt.Sprintf("%s-%s-%d.png", key, scheme, width)), shot, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			if isDark := backgrounds["rgb(18, 21, 28)"]; len(backgrounds) != 1 || isDark != (scheme == "dark") {
				t.Errorf("%s: backgrounds %v", scheme, backgrounds)
			}
		}
	}
}

// screen sets the width of the window and whether the person likes dark pages.
func screen(width int64, scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: 800, DeviceScaleFactor: 1,
		})
		if err == nil {
			_, err = cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
		}
		return err
	})
}

// What the browser keeps on disk, its history above all, holds no token, and what it shows of its history no code.
func TestBrowserHistory(t *testing.T) {
	r := newRig(t)
	r.serve(false)
	dir := t.TempDir()
	ctx, quit := chromium(t, dir)
	walk(ctx, t, chromedp.Navigate(r.startPage()), chromedp.Click(proceed),
		chromedp.WaitVisible(allow), chromedp.Click(allow), chromedp.WaitVisible(good))
	entries := ask(ctx, t, chromedp.NavigationEntries()).Entries
	quit()
	for _, entry := range entries {
		if strings.Contains(entry.URL, "code=") {
			t.Errorf("the history shows %s", strings.Split(entry.URL, "?")[0])
		}
	}
	canaries := map[string]string{
		"access token": r.granted().AccessToken, "refresh token": r.granted().RefreshToken, "client secret": makesim.OAuthClientSecret,
	}
	remembered := false
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		for what, value := range canaries {
			if strings.Contains(string(data), value) {
				t.Errorf("%s holds the %s", d.Name(), what)
			}
		}
		remembered = remembered || d.Name() == "History" && strings.Contains(string(data), "/connect/sales/crm")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !remembered {
		t.Error("the browser kept no history, so this test shows nothing")
	}
}
