package makesim

// license is what an organization's plan includes. The names are those of the answer; members without one
// are gates whose name is not documented.
type license struct {
	APILimit    int      `json:"apiLimit"`
	Apps        []string `json:"apps"`
	Users       int      `json:"users"`
	Operations  int64    `json:"operations"` // in a month
	Transfer    int64    `json:"transfer"`   // bytes in a month
	Interval    int      `json:"interval"`   // the shortest interval of a scenario, minutes
	DSLimit     int      `json:"dslimit"`    // data stores
	DSSLimit    int64    `json:"dsslimit"`   // bytes in all data stores
	FSLimit     int64    `json:"fslimit"`    // bytes of one file
	IOLimit     int      `json:"iolimit"`    // incomplete executions
	AdvSched    bool     `json:"advsched"`
	FullText    bool     `json:"fulltext"`
	CustomRoles bool     `json:"customRoles"`
	OnPremAgent bool     `json:"onPremAgent"`

	Teams            int  `json:"-"`
	ActiveScenarios  int  `json:"-"` // 0 means no limit
	AuditLogs        bool `json:"-"`
	Analytics        bool `json:"-"`
	PrivateSpaces    bool `json:"-"`
	CustomProperties bool `json:"-"`
	CustomFunctions  bool `json:"-"`
}

// licenseOf is what the plan of an organization includes. Which plan has which feature follows Make's price
// list; the numbers that it does not name are made up.
func licenseOf(o *Organization) license {
	const mega = 1 << 20
	paid, teams, enterprise := o.Plan != "free", o.Plan == "teams", o.Plan == "enterprise"
	l := license{
		APILimit: plans[o.Plan], Apps: []string{}, Users: 1, Operations: 1000, Transfer: 512 * mega, Interval: 15,
		DSLimit: 1, DSSLimit: mega, FSLimit: 5 * mega, IOLimit: 100, FullText: paid, AdvSched: paid, Teams: 1, ActiveScenarios: 2,
		CustomRoles: enterprise, OnPremAgent: enterprise, AuditLogs: enterprise, Analytics: enterprise,
		PrivateSpaces: enterprise, CustomProperties: enterprise, CustomFunctions: enterprise,
	}
	if paid {
		l.Users, l.Operations, l.Transfer, l.Interval = 100, 10_000, 5120*mega, 1
		l.DSLimit, l.DSSLimit, l.FSLimit, l.IOLimit, l.ActiveScenarios = 10, 10*mega, 100*mega, 1000, 0
	}
	if teams || enterprise {
		l.Teams, l.FSLimit, l.IOLimit = 100, 500*mega, 10_000
	}
	if enterprise {
		l.Operations, l.Transfer, l.DSLimit, l.DSSLimit, l.FSLimit = 800_000, 4096*mega, 100, 500*mega, 1000*mega
	}
	return l
}

// teamsLeft tells whether the organization may have another team.
func (o *Organization) teamsLeft() bool { return len(o.Teams) < licenseOf(o).Teams }
