package scope

import (
	"regexp"
	"strings"
)

// maxLength bounds a scope's name, in bytes. The longest known one has 32.
const maxLength = 80

// form is what every scope looks like but those of OpenID Connect.
// Source: all names on Make's scope overview page and in its OpenAPI document.
var form = regexp.MustCompile(`^[a-z][a-z0-9-]*:(read|write|run|use)$`)

// accesses are the words people use for an access that Make calls otherwise.
var accesses = map[string]string{
	"get": "read", "list": "read", "view": "read", "ro": "read",
	"create": "write", "update": "write", "delete": "write", "edit": "write", "manage": "write", "rw": "write",
	"execute": "run", "exec": "run", "start": "run",
}

// FormError says why a name is no scope.
type FormError struct {
	// Scope is the name as it was given, cut to 80 bytes.
	Scope string
	// Wildcard is set when the name asks for several scopes at once.
	Wildcard bool
	// Reason completes a sentence that starts with "it".
	Reason string
	// Suggestion is the scope that was probably meant; "" when there is no guess.
	Suggestion string
}

// Error names the scope, the reason and the suggestion.
func (e *FormError) Error() string {
	text := "scope " + quote(e.Scope) + ": it " + e.Reason
	if e.Suggestion != "" {
		text += "; did you mean " + e.Suggestion + "?"
	}
	return text
}

// Parse reads one scope. A name of the right form that the catalogue does not
// have is Unlisted and High: Make adds scopes. Wildcards, documented misspellings
// and everything else are a *FormError.
func Parse(name string) (Info, error) {
	if info, ok := Lookup(name); ok {
		return info, nil
	}
	if len(name) > maxLength {
		return Info{}, &FormError{Scope: name[:maxLength], Reason: "is longer than any scope of Make"}
	}
	if strings.Contains(name, "*") {
		return Info{}, &FormError{
			Scope: name, Wildcard: true, Suggestion: suggest(name),
			Reason: "is a wildcard, which Make does not have and which would grow with every scope that Make adds",
		}
	}
	resource, access, _ := strings.Cut(name, ":")
	if right, ok := catalogue().Misspellings[resource]; ok && exists(right+":"+access) {
		return Info{}, &FormError{Scope: name, Reason: "is not how Make spells it", Suggestion: right + ":" + access}
	}
	if !form.MatchString(name) {
		return Info{}, &FormError{
			Scope: name, Suggestion: suggest(name),
			Reason: "does not have the form resource:read, resource:write, resource:run or resource:use",
		}
	}
	return Info{Name: name, Risk: High, Reason: "is not a scope that this version knows"}, nil
}

// suggest guesses what scope a malformed name stands for: lower case, the right
// word for the access, the right spelling of the resource. A wildcard becomes read.
func suggest(name string) string {
	resource, access, _ := strings.Cut(strings.ToLower(strings.TrimSpace(name)), ":")
	resource = strings.ReplaceAll(resource, "_", "-")
	access = strings.TrimSpace(access)
	if access == "*" || access == "" {
		access = "read"
	}
	if word, ok := accesses[access]; ok {
		access = word
	}
	if right, ok := catalogue().Misspellings[resource]; ok {
		resource = right
	}
	for _, candidate := range []string{resource, resource + "s", strings.TrimSuffix(resource, "s")} {
		if info, ok := Lookup(candidate + ":" + access); ok && info.Kind != Admin {
			return info.Name
		}
	}
	return ""
}
