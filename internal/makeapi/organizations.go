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

// Organization reads one organization. It needs organizations:read.
// Source: GET /organizations/{id}.
func (z *Zone) Organization(ctx context.Context, id int64) (Organization, error) {
	var got struct {
		Organization struct {
			ID      int64  `json:"id"`
			Name    string `json:"name"`
			Zone    string `json:"zone"`
			License struct {
				APILimit int `json:"apiLimit"`
			} `json:"license"`
		} `json:"organization"`
	}
	path := "/organizations/" + strconv.FormatInt(id, 10)
	r := request{op: "get organization", method: http.MethodGet, path: path, scope: "organizations:read"}
	if err := z.call(ctx, r, &got); err != nil {
		return Organization{}, err
	}
	o := got.Organization
	return Organization{ID: o.ID, Name: o.Name, Zone: o.Zone, APILimit: o.License.APILimit}, nil
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
