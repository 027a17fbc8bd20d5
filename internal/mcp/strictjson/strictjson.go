// Package strictjson reads one level of a JSON object the way a security check must: a key that occurs twice, or that
// differs from a known key only in case, is an error. Decoders disagree on such input (the first wins, the last wins,
// case counts or does not), and whoever can make two readers disagree can pass a check with one and act through the
// other. It knows neither tokens nor MCP.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrAmbiguous is returned for input that two JSON decoders could read differently.
var ErrAmbiguous = errors.New("ambiguous JSON object")

// Object returns the members of the one JSON object in raw, values undecoded. A repeated key, a key that equals another
// or one of known except for case, and anything after the object are errors.
func Object(raw []byte, known ...string) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := openObject(dec); err != nil {
		return nil, err
	}
	members := map[string]json.RawMessage{}
	spelling := make(map[string]string, len(known)) // folded → the one accepted spelling
	for _, k := range known {
		spelling[fold(k)] = k
	}
	for dec.More() {
		key, err := readKey(dec)
		if err != nil {
			return nil, err
		}
		folded := fold(key)
		if accepted, ok := spelling[folded]; ok && accepted != key {
			return nil, fmt.Errorf("read JSON object: %w", ErrAmbiguous)
		}
		if _, twice := members[key]; twice {
			return nil, fmt.Errorf("read JSON object: %w", ErrAmbiguous)
		}
		spelling[folded] = key
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("read JSON value: %w", err)
		}
		members[key] = value
	}
	return members, closeObject(dec)
}

// fold maps keys that a case-insensitive decoder takes for equal to one string, the odd ones (ſ, K) too.
func fold(key string) string { return strings.ToLower(strings.ToUpper(key)) }

func openObject(dec *json.Decoder) error {
	tok, err := dec.Token()
	if err != nil {
		return fmt.Errorf("read JSON object: %w", err)
	}
	if tok != json.Delim('{') {
		return errors.New("read JSON object: not an object")
	}
	return nil
}

func readKey(dec *json.Decoder) (string, error) {
	tok, err := dec.Token()
	if err != nil {
		return "", fmt.Errorf("read JSON key: %w", err)
	}
	key, ok := tok.(string)
	if !ok {
		return "", errors.New("read JSON key: not a string")
	}
	return key, nil
}

// closeObject reads the closing brace and checks that nothing follows it.
func closeObject(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("read JSON object: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read JSON object: data after the object")
	}
	return nil
}
