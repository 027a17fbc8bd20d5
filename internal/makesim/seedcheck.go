package makesim

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

var (
	schedulings = []string{"immediately", "indefinitely", "once", "daily", "weekly", "monthly", "yearly", "on-demand"}
	fieldTypes  = []string{"text", "number", "boolean", "date", "json", "select", "collection", "array"}
)

func (s Seed) isZero() bool {
	return len(s.Organizations)+len(s.Users)+len(s.APITokens)+len(s.OAuthClients)+len(s.Scenarios)+len(s.Objects) == 0
}

// validate returns the first problem of each kind of object, naming the place.
func (s Seed) validate() error {
	if len(s.Organizations) == 0 {
		return errors.New("organizations: at least one is needed")
	}
	if len(s.Users) == 0 {
		return errors.New("users: at least one is needed")
	}
	seen := unique{}
	for _, check := range []func(unique) error{
		s.checkOrganizations, s.checkUsers, s.checkAPITokens, s.checkOAuthClients, s.checkScenarios, s.checkObjects,
	} {
		if err := check(seen); err != nil {
			return err
		}
	}
	_, err := newState(s, time.Time{})
	return err
}

// unique remembers identifiers by kind.
type unique map[string]bool

func (u unique) add(place, kind string, id any) error {
	if text := fmt.Sprint(id); text == "" || text == "0" || strings.HasPrefix(text, "-") {
		return fmt.Errorf("%s: %s is missing or not positive", place, kind)
	}
	key := fmt.Sprint(kind, " ", id)
	if u[key] {
		return fmt.Errorf("%s: another object has this %s", place, kind)
	}
	u[key] = true
	return nil
}

func (u unique) has(kind string, id any) bool { return u[fmt.Sprint(kind, " ", id)] }

func (s Seed) checkOrganizations(seen unique) error {
	for i, o := range s.Organizations {
		place := fmt.Sprintf("organizations[%d]", i)
		if err := seen.add(place, "organization id", o.ID); err != nil {
			return err
		}
		if _, ok := plans[o.Plan]; !ok {
			return fmt.Errorf("%s.plan: %q is none of %s", place, o.Plan, join(slices.Sorted(maps.Keys(plans))))
		}
		for j, team := range o.Teams {
			if err := seen.add(fmt.Sprintf("%s.teams[%d]", place, j), "team id", team.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s Seed) checkUsers(seen unique) error {
	for i, user := range s.Users {
		place := fmt.Sprintf("users[%d]", i)
		if err := seen.add(place, "user id", user.ID); err != nil {
			return err
		}
		for j, role := range user.Organizations {
			at := fmt.Sprintf("%s.organizations[%d]", place, j)
			if !seen.has("organization id", role.ID) {
				return fmt.Errorf("%s.id: no organization %d", at, role.ID)
			}
			if err := s.checkRole(at, role.Role, ofOrganization); err != nil {
				return err
			}
		}
		for j, role := range user.Teams {
			at := fmt.Sprintf("%s.teams[%d]", place, j)
			if !seen.has("team id", role.ID) {
				return fmt.Errorf("%s.id: no team %d", at, role.ID)
			}
			if err := s.checkRole(at, role.Role, ofTeam); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkRole accepts the built-in roles and the custom ones that the seed has.
func (s Seed) checkRole(place, role string, where tenant) error {
	roles := slices.Sorted(maps.Keys(rolesIn(where)))
	for _, custom := range s.Objects[customRoleKind] {
		if name, ok := custom["name"].(string); ok && custom["category"] == where.category() {
			roles = append(roles, name)
		}
	}
	if !slices.Contains(roles, role) {
		return fmt.Errorf("%s.role: %q is none of %s", place, role, join(roles))
	}
	return nil
}

func (s Seed) checkAPITokens(seen unique) error {
	for i, t := range s.APITokens {
		place := fmt.Sprintf("apiTokens[%d]", i)
		// The message must not repeat the value: seeds may hold tokens that somebody uses.
		if id, err := uuid.Parse(t.Value); err != nil || id.Version() != 4 || id.String() != t.Value {
			return fmt.Errorf("%s.value: not a UUID of version 4 in lower case with hyphens", place)
		}
		if err := seen.add(place, "token value", t.Value); err != nil {
			return err
		}
		if !seen.has("user id", t.UserID) {
			return fmt.Errorf("%s.userID: no user %d", place, t.UserID)
		}
		if t.EveryUserScope && len(t.Scopes) > 0 {
			return fmt.Errorf("%s: everyUserScope and scopes exclude each other", place)
		}
		if unknown := unknownScopes(t.Scopes); len(unknown) > 0 {
			return fmt.Errorf("%s.scopes: unknown scope %q", place, unknown[0])
		}
	}
	return nil
}

func (s Seed) checkOAuthClients(seen unique) error {
	for i, c := range s.OAuthClients {
		place := fmt.Sprintf("oauthClients[%d]", i)
		if err := seen.add(place, "client id", c.ID); err != nil {
			return err
		}
		if len(c.RedirectURIs) == 0 {
			return fmt.Errorf("%s.redirectURIs: at least one is needed", place)
		}
		for j, text := range c.RedirectURIs {
			if u, err := url.Parse(text); err != nil || u.Scheme == "" || u.Fragment != "" {
				return fmt.Errorf("%s.redirectURIs[%d]: not an absolute URI without fragment", place, j)
			}
		}
	}
	return nil
}

func (s Seed) checkScenarios(seen unique) error {
	for i, sc := range s.Scenarios {
		place := fmt.Sprintf("scenarios[%d]", i)
		if err := seen.add(place, "scenario id", sc.ID); err != nil {
			return err
		}
		if !seen.has("team id", sc.TeamID) {
			return fmt.Errorf("%s.teamID: no team %d", place, sc.TeamID)
		}
		if !slices.Contains(schedulings, sc.Scheduling.Type) {
			return fmt.Errorf("%s.scheduling.type: %q is none of %s", place, sc.Scheduling.Type, join(schedulings))
		}
		if sc.RunSeconds < 0 {
			return fmt.Errorf("%s.runSeconds: must not be negative", place)
		}
		for _, field := range slices.Concat(sc.Interface.Input, sc.Interface.Output) {
			if field.Name == "" || !slices.Contains(fieldTypes, field.Type) {
				return fmt.Errorf("%s.interface: field %q: type %q is none of %s", place, field.Name, field.Type, join(fieldTypes))
			}
		}
	}
	return nil
}

func join(words []string) string { return strings.Join(words, ", ") }
