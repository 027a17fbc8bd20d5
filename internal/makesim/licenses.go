package makesim

// license is what an organization's plan includes. Source of the names: the type Organization of Make's SDK.
type license struct {
	APILimit         int      `json:"apiLimit"` // requests per minute
	Apps             []string `json:"apps"`
	Users            int      `json:"users"`
	Teams            int      `json:"teams"`
	Operations       int64    `json:"operations"` // in a month
	Transfer         int64    `json:"transfer"`   // bytes in a month
	Interval         int      `json:"interval"`   // the shortest interval of a scenario, minutes
	DSLimit          int      `json:"dslimit"`    // data stores
	DSSLimit         int64    `json:"dsslimit"`   // bytes in all data stores
	FSLimit          int64    `json:"fslimit"`    // bytes of one file
	IOLimit          int      `json:"iolimit"`    // incomplete executions
	AdvSched         bool     `json:"advsched"`
	FullText         bool     `json:"fulltext"`
	AnalyticsAccess  bool     `json:"analyticsAccess"`
	AuditLogsDays    int      `json:"auditLogsDays"` // 0 without audit logs
	CustomFunctions  bool     `json:"customFunctions"`
	CustomProperties int      `json:"customProperties"` // items in a structure; 0 without custom properties
	CustomRoles      bool     `json:"customRoles"`
	CustomVariables  bool     `json:"customVariables"`
	OnPremAgent      bool     `json:"onPremAgent"`

	// Gates whose name is not documented.
	activeScenarios int // 0 means no limit
	privateSpaces   bool
}

// licenseOf is what the plan of an organization includes. Which plan has which feature follows Make's price
// list; the numbers that it does not name are made up.
func licenseOf(o *Organization) license {
	const mega = 1 << 20
	free := license{
		APILimit: plans[o.Plan], Apps: []string{}, Users: 1, Teams: 1, Operations: 1000, Transfer: 512 * mega, Interval: 15,
		DSLimit: 1, DSSLimit: mega, FSLimit: 5 * mega, IOLimit: 100, activeScenarios: 2,
	}
	if o.Plan == "free" {
		return free
	}
	paid := free
	paid.Users, paid.Operations, paid.Transfer, paid.Interval = 100, 10_000, 5120*mega, 1
	paid.DSLimit, paid.DSSLimit, paid.FSLimit, paid.IOLimit, paid.activeScenarios = 10, 10*mega, 100*mega, 1000, 0
	paid.AdvSched, paid.FullText, paid.CustomVariables = o.Plan != "core", o.Plan != "core", o.Plan != "core"
	if o.Plan == "teams" || o.Plan == "enterprise" {
		paid.Teams = 100
	}
	if o.Plan != "enterprise" {
		return paid
	}
	enterprise := paid
	enterprise.Operations, enterprise.Transfer, enterprise.IOLimit = 800_000, 800*1024*mega, 10_000
	enterprise.DSLimit, enterprise.DSSLimit, enterprise.FSLimit = 100, 500*mega, 1000*mega
	enterprise.AnalyticsAccess, enterprise.AuditLogsDays, enterprise.CustomFunctions = true, 365, true
	enterprise.CustomProperties, enterprise.CustomRoles, enterprise.OnPremAgent, enterprise.privateSpaces = 100, true, true, true
	return enterprise
}

// transferFor is the transfer in bytes that comes with a number of operations.
func (l license) transferFor(operations int64) int64 { return operations * l.Transfer / l.Operations }
