// Package person does what a person with a browser does to consent to a connection: open the start page, send its form, go where the
// page leads, come back, and read the last page. It keeps cookies and everything that it got to see.
package person

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
)

// Page is what the browser shows.
type Page struct {
	Status int
	Header http.Header
	Body   string
	// URL is the address after all redirects.
	URL *url.URL
}

// Browser is one browser with its cookies. Its zero value is not usable.
type Browser struct {
	client *http.Client
	seen   strings.Builder
}

// New makes a browser without cookies.
func New(transport http.RoundTripper) (*Browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	b := &Browser{client: &http.Client{Jar: jar}}
	b.client.Transport = watched{transport, &b.seen}
	return b, nil
}

// Seen is all that the browser got to see of answers: addresses, headers and pages.
func (b *Browser) Seen() string { return b.seen.String() }

// Open follows an address and its redirects.
func (b *Browser) Open(ctx context.Context, address string) (Page, error) {
	return b.do(ctx, http.MethodGet, address, nil)
}

// Send sends a form. Headers come in pairs.
func (b *Browser) Send(ctx context.Context, address string, form url.Values, headers ...string) (Page, error) {
	return b.do(ctx, http.MethodPost, address, form, headers...)
}

// hidden finds the one hidden field of the start page.
var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// Form is what the form of a page would send.
func (p Page) Form() url.Values {
	form := url.Values{}
	for _, field := range hidden.FindAllStringSubmatch(p.Body, -1) {
		form.Add(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
	return form
}

// Next is where a page leads by itself; empty if it stays.
func (p Page) Next() string {
	_, target, _ := strings.Cut(p.Header.Get("Refresh"), "url=")
	return target
}

// Begin opens a start page and leaves it for Make. It returns Make's address, or the page where the way ended before.
func (b *Browser) Begin(ctx context.Context, start string) (authorize string, page Page, err error) {
	page, err = b.Open(ctx, start)
	if err != nil || page.Status != http.StatusOK {
		return "", page, err
	}
	page, err = b.Send(ctx, page.URL.String(), page.Form(), "Sec-Fetch-Site", "same-origin")
	return page.Next(), page, err
}

// Consent goes the whole way and returns the last page. Approve says yes at Make and returns where the browser is sent.
func (b *Browser) Consent(ctx context.Context, start string, approve func(ctx context.Context, authorize string) (*url.URL, error)) (Page, error) {
	authorize, page, err := b.Begin(ctx, start)
	if err != nil || authorize == "" {
		return page, err
	}
	back, err := approve(ctx, authorize)
	if err != nil {
		return Page{}, fmt.Errorf("allow the request at Make: %w", err)
	}
	page, err = b.Open(ctx, back.String())
	if err != nil {
		return Page{}, errors.New("come back from Make: no answer") // the error would hold the code
	}
	return page, nil
}

func (b *Browser) do(ctx context.Context, method, address string, form url.Values, headers ...string) (Page, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return Page{}, err
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := b.client.Do(request)
	if err != nil {
		return Page{}, err
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return Page{}, err
	}
	b.seen.Write(body)
	return Page{Status: response.StatusCode, Header: response.Header, Body: string(body), URL: response.Request.URL}, nil
}

// watched writes down addresses and headers, those of redirects too.
type watched struct {
	http.RoundTripper
	seen *strings.Builder
}

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := w.RoundTripper.RoundTrip(r)
	fmt.Fprintf(w.seen, "\n%s %s\n", r.Method, r.URL)
	if err == nil {
		_ = response.Header.Write(w.seen)
	}
	return response, err
}

// InProcess answers requests by a handler, without a network.
func InProcess(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	asked := r.Clone(r.Context())
	asked.Host, asked.RequestURI = r.URL.Host, r.URL.RequestURI()
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	p.ServeHTTP(recorder, asked)
	response := recorder.Result()
	response.Request = r
	return response, nil
}
