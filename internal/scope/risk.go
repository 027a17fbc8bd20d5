package scope

import (
	"fmt"
	"slices"
)

// Risk says how much harm a scope can do. Greater is worse, so risks compare with < and >.
type Risk int

// The classes. The zero value is none of them: as a ceiling it means that there is no ceiling.
const (
	// Low reads metadata.
	Low Risk = iota + 1
	// Moderate reads business data, or writes what matters little.
	Moderate
	// High changes or runs business processes, reads sensitive data, or is not documented.
	High
	// Critical administers, mints tokens, or handles stored credentials of other systems.
	Critical
)

var riskNames = []string{"", "Low", "Moderate", "High", "Critical"}

// ParseRisk reads a class by its name, in exactly the case of String.
func ParseRisk(name string) (Risk, error) {
	i := slices.Index(riskNames, name)
	if i < int(Low) {
		return 0, fmt.Errorf("parse risk %q: not one of Low, Moderate, High, Critical", name)
	}
	return Risk(i), nil
}

// String is Low, Moderate, High or Critical, and "" for the zero value.
func (r Risk) String() string {
	if r < Low || r > Critical {
		return ""
	}
	return riskNames[r]
}

// MarshalText writes the name.
func (r Risk) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what ParseRisk reads.
func (r *Risk) UnmarshalText(text []byte) error {
	parsed, err := ParseRisk(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}
