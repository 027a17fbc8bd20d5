package stack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/internal/consent"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/person"
)

// simClient speaks HTTPS with makesim and follows no redirect.
func (s *Stack) simClient() (*http.Client, error) {
	pem, err := os.ReadFile(s.SimCA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", s.SimCA)
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// TokenAlive asks makesim, past its API, whether a token works.
func (s *Stack) TokenAlive(ctx context.Context, value string) (bool, error) {
	var state struct {
		Alive bool `json:"alive"`
	}
	err := s.control(ctx, http.MethodGet, "/_sim/tokens/"+makesim.Fingerprint(value), nil, &state)
	return state.Alive, err
}

// SetKnobs changes makesim's behaviour; knobs are those fields of makesim.Knobs that are to change.
func (s *Stack) SetKnobs(ctx context.Context, knobs map[string]any) error {
	return s.control(ctx, http.MethodPatch, "/_sim/knobs", knobs, nil)
}

func (s *Stack) control(ctx context.Context, method, path string, body, into any) error {
	c, err := s.simClient()
	if err != nil {
		return err
	}
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, s.SimURL+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: makesim answered %s", method, path, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// ReadLedger reads all that makesim has recorded.
func (s *Stack) ReadLedger() ([]makesim.Entry, error) {
	f, err := os.Open(s.Ledger)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var entries []makesim.Entry
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return entries, nil // a line without an end is still being written
		}
		if err != nil {
			return nil, err
		}
		var e makesim.Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		entries = append(entries, e)
	}
}

// Consent does what a person does in a browser: it leaves the operator's start page for Make, allows the request there as a user,
// and comes back. It returns the status of the last page.
func (s *Stack) Consent(ctx context.Context, conn client.ObjectKey, userID int64) (int, error) {
	c, err := s.simClient()
	if err != nil {
		return 0, err
	}
	browser, err := person.New(http.DefaultTransport)
	if err != nil {
		return 0, err
	}
	start := s.ConsentURL + consent.ConnectPath + conn.Namespace + "/" + conn.Name
	page, err := browser.Consent(ctx, start, func(ctx context.Context, authorize string) (*url.URL, error) {
		asked, err := url.Parse(authorize)
		if err != nil {
			return nil, err
		}
		form := asked.Query()
		form.Set("decision", "approve")
		form.Set("user", strconv.FormatInt(userID, 10))
		return submit(ctx, c, s.SimURL+asked.Path, form)
	})
	return page.Status, err
}

// submit posts a form and returns where the answer sends the browser.
func submit(ctx context.Context, c *http.Client, target string, form url.Values) (*url.URL, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := c.Do(request)
	if err != nil {
		return nil, err
	}
	if err := response.Body.Close(); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusSeeOther {
		return nil, fmt.Errorf("answered %s", response.Status)
	}
	return response.Location()
}
