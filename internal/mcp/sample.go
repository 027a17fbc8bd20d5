package mcp

import _ "embed"

//go:embed config.sample.yaml
var sampleConfig string

// SampleConfig is a commented config file with every field. It is valid.
func SampleConfig() string { return sampleConfig }
