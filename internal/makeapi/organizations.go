package makeapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

// Organization is a Make tenant.
type Organization struct {
	// ID is unique within the zone.
	ID int64
	// Name is for people and may change.
	Name string
	// Zone is the host that the organization lives on; "" when Make does not say.
	Zone string
	// APILimit is the plan's number of API calls per minute; zero means that Make names none.
	APILimit int
}

// Organization reads one organization. It needs organizations:read. What it says of
// the limit counts for the organization's budget from then on.
// Source: GET /organizations/{id}.
func (z *Zone) Organization(ctx context.Context, id int64) (Organization, error) {
	var got organizationAnswer
	if err := z.call(ctx, organizationRequest(id), &got); err != nil {
		return Organization{}, err
	}
	o := got.Organization
	z.client.budget(tenant{z.host, id}).learn(o.License.APILimit, z.client.clock.Now())
	return Organization{ID: o.ID, Name: o.Name, Zone: o.Zone, APILimit: o.License.APILimit}, nil
}

// learnLimit asks Make for the organization's limit when its calls become so many that it matters. Where Make does not
// say, for want of a scope or a connection, nothing is held back until it answers 429.
func (z *Zone) learnLimit(ctx context.Context) {
	if !z.budget.wantsLimit(z.client.clock.Now()) {
		return
	}
	var got organizationAnswer
	if failed := z.try(ctx, organizationRequest(z.organizationID), &got); failed != nil {
		z.heed(failed)
		return
	}
	z.budget.learn(got.Organization.License.APILimit, z.client.clock.Now())
}

// organizationAnswer is GET /organizations/{id}.
type organizationAnswer struct {
	Organization struct {
		ID      int64  `json:"id"`
		Name    string `json:"name"`
		Zone    string `json:"zone"`
		License struct {
			APILimit int `json:"apiLimit"`
		} `json:"license"`
	} `json:"organization"`
}

func organizationRequest(id int64) request {
	path := "/organizations/" + strconv.FormatInt(id, 10)
	return request{op: "get organization", method: http.MethodGet, path: path, scope: "organizations:read"}
}

// Team is a group of users and scenarios inside an organization.
type Team struct {
	// ID is unique within the zone.
	ID int64 `json:"id"`
	// Name is for people and may change.
	Name string `json:"name"`
	// OrganizationID is the tenant that the team belongs to.
	OrganizationID int64 `json:"organizationId"`
}

// Teams lists the teams of an organization that the user may see. It needs teams:read.
// Source: GET /teams?organizationId=.
func (z *Zone) Teams(ctx context.Context, organizationID int64) ([]Team, error) {
	var all []Team
	r := request{
		op: "list teams", method: http.MethodGet, path: "/teams", scope: "teams:read",
		query: url.Values{"organizationId": {strconv.FormatInt(organizationID, 10)}},
	}
	err := z.list(ctx, r, func(raw []byte) (int, error) {
		var got struct {
			Teams []Team `json:"teams"`
		}
		err := json.Unmarshal(raw, &got)
		all = append(all, got.Teams...)
		return len(got.Teams), err
	})
	return all, err
}
