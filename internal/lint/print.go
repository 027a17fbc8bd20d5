package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
)

// Plain writes one line for each finding, as compilers do, and one with the sum.
func Plain(w io.Writer, findings []Finding, objects int) error {
	counts := map[Level]int{}
	for _, f := range findings {
		counts[f.Level]++
		if _, err := fmt.Fprintf(w, "%s:%d: %s: %s: %s\n", f.File, f.Line, f.Level, f.Object, f.Message); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d objects: %d errors, %d warnings, %d notes\n", objects, counts[Error], counts[Warning], counts[Note])
	return err
}

// sarif is the part of SARIF 2.1.0 that code hosts read.
// Source: docs.oasis-open.org/sarif/sarif/v2.1.0.
type sarif struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool    sarifTool     `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID               string    `json:"id"`
	ShortDescription sarifText `json:"shortDescription"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	Level     Level           `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations"`
}

type sarifLocation struct {
	PhysicalLocation sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	ArtifactLocation sarifArtifact `json:"artifactLocation"`
	Region           sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

// SARIF writes the findings for code hosts, which show them beside the lines. version is the tool's.
func SARIF(w io.Writer, findings []Finding, version string) error {
	run := sarifRun{Tool: sarifTool{Driver: sarifDriver{
		Name: "kubectl-make-lint", Version: version, InformationURI: "https://github.com/makeops/make-operator",
	}}, Results: []sarifResult{}}
	for _, r := range rules {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: r.id, ShortDescription: sarifText{r.text}})
	}
	for _, f := range findings {
		run.Results = append(run.Results, sarifResult{
			RuleID: f.Rule, Level: f.Level, Message: sarifText{f.Object + ": " + f.Message},
			Locations: []sarifLocation{{PhysicalLocation: sarifPhysical{
				ArtifactLocation: sarifArtifact{URI: filepath.ToSlash(f.File)}, Region: sarifRegion{StartLine: max(f.Line, 1)},
			}}},
		})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(sarif{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}
