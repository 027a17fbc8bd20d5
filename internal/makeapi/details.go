package makeapi

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxDetails      = 5
	maxDetailLength = 200 // in characters
)

// parseDetails reads the suberrors of an error answer, which say which parameter is wrong and why. They are Make's words,
// so only what cannot be a secret is kept: short and printable, without anything that was said in the request (which Make
// likes to quote), without addresses and without long opaque values. Nil when there are none.
// Source: the error examples of Make's OpenAPI document, {suberrors: [{message, name}]}.
func parseDetails(body []byte, said []string) []string {
	var members struct {
		Suberrors []struct {
			Message string `json:"message"`
		} `json:"suberrors"`
	}
	if json.Unmarshal(body, &members) != nil {
		return nil
	}
	var details []string
	for _, s := range members.Suberrors {
		if len(details) < maxDetails && isHarmless(s.Message, said) {
			details = append(details, s.Message)
		}
	}
	return details
}

// run is what may be part of an opaque value: a key, a token, an encoded blob.
var run = regexp.MustCompile(`[A-Za-z0-9+/_=-]+`)

func isHarmless(message string, said []string) bool {
	if message == "" || utf8.RuneCountInString(message) > maxDetailLength || strings.ContainsAny(message, "@") || strings.Contains(message, "://") {
		return false
	}
	for _, r := range message {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return false
		}
	}
	for _, word := range run.FindAllString(message, -1) {
		if len(word) >= 32 || len(word) >= 16 && strings.ContainsAny(word, "0123456789") {
			return false
		}
	}
	for _, text := range said {
		if strings.Contains(message, text) {
			return false
		}
	}
	return true
}

// said are the texts of a request that Make could quote: the credential, and every string of query and body. Very short
// ones are left out, since they are part of any sentence.
func said(cred Credential, query url.Values, body []byte) []string {
	var texts []string
	add := func(text string) {
		if len(text) > 3 {
			texts = append(texts, text)
		}
	}
	_, token, _ := strings.Cut(cred.Header(), " ")
	add(token)
	for _, values := range query {
		for _, text := range values {
			add(text)
		}
	}
	walkStrings(body, add)
	return texts
}

// walkStrings finds every string in a JSON document, and in the JSON inside its strings. What is no JSON is one string.
func walkStrings(document []byte, found func(string)) {
	var value any
	if json.Unmarshal(document, &value) != nil {
		found(string(document))
		return
	}
	var walk func(any)
	walk = func(value any) {
		switch value := value.(type) {
		case string:
			found(value)
			if strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[") {
				walkStrings([]byte(value), found)
			}
		case []any:
			for _, element := range value {
				walk(element)
			}
		case map[string]any:
			for _, member := range value {
				walk(member)
			}
		}
	}
	walk(value)
}
