package grant

import (
	"fmt"
	"io"
)

// redacted is what everything secret of this package prints as. JSON is not redacted: it is what Store seals.
const redacted = "[redacted]"

// Format never prints the grant, whatever the verb.
func (g Grant) Format(f fmt.State, _ rune) { writeRedacted(f) }

// MarshalLog never shows the grant to a logger.
func (g Grant) MarshalLog() any { return redacted }

// Format never prints the token, whatever the verb.
func (r Root) Format(f fmt.State, _ rune) { writeRedacted(f) }

// MarshalLog never shows the token to a logger.
func (r Root) MarshalLog() any { return redacted }

// Format never prints the token, whatever the verb.
func (f FormerRoot) Format(s fmt.State, _ rune) { writeRedacted(s) }

// MarshalLog never shows the token to a logger.
func (f FormerRoot) MarshalLog() any { return redacted }

// Format never prints the token, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { writeRedacted(f) }

// MarshalLog never shows the token to a logger.
func (t Token) MarshalLog() any { return redacted }

// Format never prints the tokens, whatever the verb.
func (o OAuth) Format(f fmt.State, _ rune) { writeRedacted(f) }

// MarshalLog never shows the tokens to a logger.
func (o OAuth) MarshalLog() any { return redacted }

// Format never prints the keys, whatever the verb.
func (k Keyring) Format(f fmt.State, _ rune) { writeRedacted(f) }

// MarshalLog never shows the keys to a logger.
func (k Keyring) MarshalLog() any { return redacted }

func writeRedacted(w io.Writer) {
	// fmt.State has nowhere to report a write error to.
	_, _ = io.WriteString(w, redacted)
}
