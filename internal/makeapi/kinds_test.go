package makeapi_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	number    = regexp.MustCompile(`^[0-9]+$`)
	timeStamp = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$`)
	uuid      = regexp.MustCompile(`^[0-9a-f*]{8}-([0-9a-f*]{4}-){3}[0-9a-f*]{12}$`)
)

// vocabulary are the members whose values are Make's words rather than an account's.
var vocabulary = []string{"authUsed", "category", "code", "message", "sortBy", "sortDir", "type", "typeName"}

// kindsOfPath is a URL's path and query with identifiers replaced.
func kindsOfPath(u *url.URL) string {
	segments := strings.Split(u.EscapedPath(), "/")
	for i, segment := range segments {
		if text, err := url.PathUnescape(segment); err == nil && i > 3 && number.MatchString(text) || timeStamp.MatchString(text) {
			segments[i] = "{id}"
		}
	}
	query := u.Query()
	for name, values := range query {
		if strings.HasSuffix(name, "Id") {
			values[0] = "{id}"
		}
	}
	path := strings.Join(segments, "/")
	if encoded := query.Encode(); encoded != "" {
		path += "?" + strings.NewReplacer("%5B", "[", "%5D", "]", "%7B", "{", "%7D", "}", "%2A", "*").Replace(encoded)
	}
	return path
}

// kindsOfBody is JSON with each value replaced by what kind of value it is, and each list by one element that has all that
// any element has. What is not JSON is said to be text.
func kindsOfBody(body []byte) string {
	var value any
	if json.Unmarshal(body, &value) != nil {
		return "<text>"
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(kindOf("", value)); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(out.String())
}

func kindOf(member string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		kinds := map[string]any{}
		for name, inner := range value {
			kinds[name] = kindOf(name, inner)
		}
		return kinds
	case []any:
		return kindOfList(member, value)
	case string:
		return kindOfText(member, value)
	case float64:
		return "<number>"
	case bool:
		return "<boolean>"
	default:
		return nil
	}
}

func kindOfText(member, text string) any {
	var document map[string]any
	switch {
	case slices.Contains(vocabulary, member):
		return text
	case timeStamp.MatchString(text):
		return "<time>"
	case uuid.MatchString(text):
		return "<uuid>"
	case json.Unmarshal([]byte(text), &document) == nil:
		return map[string]any{"<JSON in a string>": kindOf("", document)}
	default:
		return "<text>"
	}
}

func kindOfList(member string, list []any) any {
	var all any
	for _, element := range list {
		all = united(all, kindOf(member, element))
	}
	if all == nil {
		return []any{}
	}
	return []any{all}
}

// united has all that one of two kinds has.
func united(a, b any) any {
	first, isObject := a.(map[string]any)
	second, both := b.(map[string]any)
	switch {
	case a == nil:
		return b
	case !isObject || !both:
		return a
	}
	for name, kind := range second {
		first[name] = united(first[name], kind)
	}
	return first
}

func TestKindsOfBody(t *testing.T) {
	const body = `{"n":7,"ok":true,"none":null,"at":"2026-03-01T12:00:00.123Z","id":"3b9e6c10-8a47-4d25-b1f0-95d7e2a8c302",` +
		`"code":"SC404","rows":[{"a":1},{"a":2,"b":"x"}],"empty":[]}`
	const want = `{
  "at": "<time>",
  "code": "SC404",
  "empty": [],
  "id": "<uuid>",
  "n": "<number>",
  "none": null,
  "ok": "<boolean>",
  "rows": [
    {
      "a": "<number>",
      "b": "<text>"
    }
  ]
}`
	if got := kindsOfBody([]byte(body)); got != want {
		t.Errorf("kinds are %s", got)
	}
	if got := kindsOfBody([]byte("error code: 1010")); got != "<text>" {
		t.Errorf("kinds of text are %s", got)
	}
	if got := kindsOfPath(&url.URL{Path: "/api/v2/scenarios/501/logs", RawQuery: "teamId=7&pg%5Blimit%5D=200"}); got != "/api/v2/scenarios/{id}/logs?pg[limit]=200&teamId={id}" {
		t.Errorf("path is %s", got)
	}
}
