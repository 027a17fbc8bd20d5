package scope

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// Kind says who may hold a scope.
type Kind string

// The kinds.
const (
	User  Kind = "user"  // any user, within the user's roles
	Admin Kind = "admin" // administrators of white-label and on-premise installations
	OIDC  Kind = "oidc"  // asked of the authorization server; no API token carries it, and current-authorization leaves it out
)

// Status says how well a scope is known.
type Status string

// The statuses, from the best known to the least.
const (
	Documented Status = "documented"  // on Make's pages
	OpenAPI    Status = "openapi"     // in Make's OpenAPI document only
	SDK        Status = "sdk"         // in Make's SDK only
	Observed   Status = "observed"    // seen on a real token
	Legacy     Status = "legacy"      // in an old example only
	ThirdParty Status = "third-party" // in other people's code only
	Unlisted   Status = ""            // not in the catalogue
)

// Info is what is known of a scope.
type Info struct {
	// Name is the scope itself, as Make spells it: resource, colon, access.
	Name string `json:"name"`
	// Kind says who may hold it; "" when not in the catalogue.
	Kind Kind `json:"kind"`
	// Access is read (GET), write (all other methods), run or use; "" when not in the catalogue.
	Access string `json:"access"`
	// Status says how well it is known.
	Status Status `json:"status"`
	// Risk is its class. What is not in the catalogue is High.
	Risk Risk `json:"risk"`
	// Reason completes a sentence that starts with "it": what the holder can do.
	Reason string `json:"reason"`
}

// Combination is two scopes that can do more together than each of them alone.
type Combination struct {
	// Scopes are the two.
	Scopes []string `json:"scopes"`
	// Risk is the class of both together.
	Risk Risk `json:"risk"`
	// Reason is a clause: what their holder can do.
	Reason string `json:"reason"`
}

// in says whether a token with these scopes holds both.
func (c *Combination) in(names []string) bool {
	for _, name := range c.Scopes {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// worst is the risk of the riskier one alone.
func (c *Combination) worst() Risk {
	var worst Risk
	for _, name := range c.Scopes {
		info, _ := Lookup(name)
		worst = max(worst, info.Risk)
	}
	return worst
}

//go:embed catalogue.yaml
var catalogueYAML []byte

// catalogue is constant; it is read at first use.
var catalogue = sync.OnceValue(readCatalogue)

type catalogueData struct {
	Scopes       []Info            `json:"scopes"`
	Misspellings map[string]string `json:"misspellings"`
	Combinations []Combination     `json:"combinations"`

	byName map[string]int
}

func readCatalogue() *catalogueData {
	data := &catalogueData{byName: map[string]int{}}
	if err := yaml.UnmarshalStrict(catalogueYAML, data); err != nil {
		panic(fmt.Sprintf("read the built-in scope catalogue: %v", err)) // a mistake of the build, which every test finds
	}
	slices.SortFunc(data.Scopes, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	for i, s := range data.Scopes {
		data.byName[s.Name] = i
	}
	return data
}

// Lookup finds a scope in the catalogue.
func Lookup(name string) (Info, bool) {
	data := catalogue()
	i, ok := data.byName[name]
	if !ok {
		return Info{}, false
	}
	return data.Scopes[i], true
}

// All is the catalogue, sorted by name. The slice is the caller's.
func All() []Info { return slices.Clone(catalogue().Scopes) }

// Combinations are those that are known to be broad together. The slice is the caller's.
func Combinations() []Combination { return slices.Clone(catalogue().Combinations) }

// exists says whether name is in the catalogue.
func exists(name string) bool {
	_, ok := Lookup(name)
	return ok
}
