package makesim

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"

	"github.com/tailscale/hujson"
)

// section is a piece of an app or of one of its parts, kept as it was sent.
type section struct {
	media []string // the content types that a request may have; answers have the first
	empty string   // what a new one holds
	check func(body []byte) error
	kept  func(row object, body string) // notes what follows from a new one; nil for nothing
}

// The types of sections. Documents and lists are JSON with comments, as people write them in Make's editor.
var (
	emptyDocument = section{media: []string{"application/jsonc", "application/json"}, empty: "{}", check: checkJSONC}
	emptyList     = section{media: []string{"application/jsonc", "application/json"}, empty: "[]", check: checkJSONC}
	commonData    = section{media: []string{"application/json"}, empty: "{}", check: checkObject}
	markdown      = section{media: []string{"text/markdown", "text/plain"}, check: func([]byte) error { return nil }}
	javascript    = section{media: []string{"application/javascript", "text/javascript", "text/plain"}, check: checkJavaScript}
)

func checkJSONC(body []byte) error {
	_, err := hujson.Parse(append(slices.Clone(body), '\n')) // which would miss the end of a comment
	return err
}

func checkObject(body []byte) error {
	var into object
	return json.Unmarshal(body, &into)
}

func checkJavaScript(body []byte) error {
	_, err := declaredParameters(string(body))
	return err
}

// seedSections checks the sections that a seed gives to an app or a part of one.
func seedSections(row object, known map[string]section) error {
	hide(row, "sections")
	sections, _ := row["_sections"].(object)
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		sec, ok := known[name]
		body, isText := sections[name].(string)
		if !ok || !isText {
			return badRequest(fmt.Sprintf("Invalid section '%s': text of one of %s expected.", name, join(slices.Sorted(maps.Keys(known)))))
		}
		if err := sec.check([]byte(body)); err != nil {
			return badRequest(fmt.Sprintf("Invalid value of section '%s': %v.", name, err))
		}
	}
	return nil
}

// sectionOf is what a section holds.
func sectionOf(row object, name string, sec section) string {
	sections, _ := row["_sections"].(object)
	if body, ok := sections[name].(string); ok {
		return body
	}
	return sec.empty
}

// keepSection replaces a section and tells whether it is different now.
func keepSection(row object, name, body, before string) object {
	sections, _ := row["_sections"].(object)
	if sections == nil {
		sections = object{}
		row["_sections"] = sections
	}
	sections[name] = body
	return object{"changed": body != before}
}

// getSection answers plain JSON as such, everything else with the section's own content type.
func getSection(row object, name string, sec section) reply {
	body := sectionOf(row, name, sec)
	media := sec.media[0]
	if media == "application/jsonc" && json.Valid([]byte(body)) {
		media = "application/json"
	}
	header := map[string]string{"Content-Type": media + "; charset=utf-8"}
	return reply{status: http.StatusOK, header: header, body: []byte(body)}
}

// setSection takes the body as it is.
func setSection(c *call, row object, name string, sec section) (any, error) {
	if err := c.sends(sec.media); err != nil {
		return nil, err
	}
	if err := sec.check(c.body); err != nil {
		return nil, badRequest(fmt.Sprintf("Invalid value of section '%s': %v.", name, err))
	}
	if sec.kept != nil {
		sec.kept(row, string(c.body))
	}
	return keepSection(row, name, string(c.body), sectionOf(row, name, sec)), nil
}

// sends refuses a body whose content type is none of these.
func (c *call) sends(media []string) error {
	sent, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(media, sent) {
		return badRequest(fmt.Sprintf("Invalid content type: one of %s expected.", join(media)))
	}
	return nil
}
