package makeapi

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every secret of this package prints as.
const redacted = "[redacted]"

// redactedJSON is redacted as a JSON string.
var redactedJSON = []byte(`"` + redacted + `"`)

// String never prints the value.
func (c Credential) String() string { return redacted }

// GoString never prints the value.
func (c Credential) GoString() string { return redacted }

// Format never prints the value, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { writeRedacted(f) }

// LogValue never shows the value.
func (c Credential) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON never writes the value.
func (c Credential) MarshalJSON() ([]byte, error) { return redactedJSON, nil }

// String never prints the value.
func (t MintedToken) String() string { return redacted }

// Format never prints the value, whatever the verb.
func (t MintedToken) Format(f fmt.State, _ rune) { writeRedacted(f) }

// LogValue never shows the value.
func (t MintedToken) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON never writes the value.
func (t MintedToken) MarshalJSON() ([]byte, error) { return redactedJSON, nil }

// String never prints the secret.
func (c OAuthClient) String() string { return redacted }

// Format never prints the secret, whatever the verb.
func (c OAuthClient) Format(f fmt.State, _ rune) { writeRedacted(f) }

// LogValue never shows the secret.
func (c OAuthClient) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON never writes the secret.
func (c OAuthClient) MarshalJSON() ([]byte, error) { return redactedJSON, nil }

// String never prints the tokens.
func (t TokenResponse) String() string { return redacted }

// Format never prints the tokens, whatever the verb.
func (t TokenResponse) Format(f fmt.State, _ rune) { writeRedacted(f) }

// LogValue never shows the tokens.
func (t TokenResponse) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON never writes the tokens; what a caller stores is Raw.
func (t TokenResponse) MarshalJSON() ([]byte, error) { return redactedJSON, nil }

func writeRedacted(w io.Writer) {
	// fmt.State has nowhere to report a write error to.
	_, _ = io.WriteString(w, redacted)
}
