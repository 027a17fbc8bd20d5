package makesim

import (
	"fmt"
	"unicode/utf8"
)

const folderKind = "folders"

// longestFolderName is in characters. Source: the API's OpenAPI document.
const longestFolderName = 100

// folderResource are the folders of a team's scenarios. They form a tree.
func folderResource() resource {
	return resource{
		kind: folderKind, path: "/api/v2/scenarios-folders", id: "folderId", one: "scenarioFolder", many: "scenariosFolders", tenant: ofTeam,
		fields:  []field{must("name", text), must("teamId", number), may("parentId", number)},
		changes: []field{may("name", text), may("parentId", number)},
		bare:    true,
		fresh: func(st *state, _ *call, folder object) error {
			fill(folder, object{"parentId": nil})
			return checkFolderChange(st, folder, folder)
		},
		changed: func(st *state, _ *call, folder, changes object) error { return checkFolderChange(st, folder, changes) },
		show:    showFolder,
		gone:    folderGone,
	}
}

func (s *Server) folderRoutes() []route {
	folders := s.serving(folderResource())
	list := folders.list("scenarios:read", "scenarios get")
	list.do = s.listFolders
	return []route{
		list,
		folders.create("scenarios:write", "scenario edit"),
		folders.update("scenarios:write", "scenario edit"),
		folders.delete("scenarios:write", "scenario delete", !confirmed),
	}
}

// listFolders answers the children of parentId, at the top without it, each with its own children: one level
// of them, or all with childrenDepth=all.
func (s *Server) listFolders(c *call) (any, error) {
	team, err := c.tenant(ofTeam, nil)
	if err != nil {
		return nil, err
	}
	if err := s.state.enter(c, ofTeam, team); err != nil {
		return nil, err
	}
	parent, err := c.queryID("parentId")
	if err != nil {
		return nil, err
	}
	if err := checkFolder(&s.state, team, nullable(parent)); err != nil {
		return nil, err
	}
	depth := 1
	switch all := c.query().Get("childrenDepth"); all {
	case "all":
		depth = -1
	case "":
	default:
		return nil, badRequest("Invalid value of parameter 'childrenDepth': one of all expected.")
	}
	rows, _, err := page(s.folderTree(c, team, nullable(parent), depth), c.query(), "name")
	return object{"scenariosFolders": rows}, err
}

// folderTree are the folders in one, with depth levels of children, all if it is negative.
func (s *Server) folderTree(c *call, team int64, parent any, depth int) []object {
	rows := []object{}
	for _, folder := range s.state.tables.of(folderKind).where("parentId", parent) {
		if integer(folder["teamId"]) != team {
			continue
		}
		row := folderResource().shown(&s.state, c, folder)
		row["position"] = int64(len(rows))
		if depth != 0 {
			row["children"] = s.folderTree(c, team, folder["id"], depth-1)
		}
		rows = append(rows, row)
	}
	return rows
}

// showFolder adds the place in the tree and how many scenarios there are.
func showFolder(st *state, _ *call, shown object) {
	name, _ := shown["name"].(string)
	shown["path"] = name
	for parent := st.tables.of(folderKind).find(shown["parentId"]); parent != nil; parent = st.tables.of(folderKind).find(parent["parentId"]) {
		shown["path"] = fmt.Sprintf("%s/%s", parent["name"], shown["path"])
	}
	delete(shown, "teamId")
	shown["position"] = nil
	shown["scenariosTotal"] = len(st.tables.of(scenarioKind).where("folderId", shown["id"]))
	shown["scenariosSubtreeTotal"] = st.scenariosBelow(shown["id"])
	shown["hasChildren"] = len(st.tables.of(folderKind).where("parentId", shown["id"])) > 0
}

func (st *state) scenariosBelow(folder any) int {
	total := len(st.tables.of(scenarioKind).where("folderId", folder))
	for _, child := range st.tables.of(folderKind).where("parentId", folder) {
		total += st.scenariosBelow(child["id"])
	}
	return total
}

// folderGone lifts what was in the folder into the one above.
func folderGone(st *state, folder object) {
	for _, child := range st.tables.of(folderKind).where("parentId", folder["id"]) {
		child["parentId"] = folder["parentId"]
	}
	for _, sc := range st.tables.of(scenarioKind).where("folderId", folder["id"]) {
		sc["folderId"] = folder["parentId"]
	}
}

func checkFolderChange(st *state, folder, changes object) error {
	if changes["name"] == nil {
		delete(changes, "name")
	}
	if name, _ := changes["name"].(string); utf8.RuneCountInString(name) > longestFolderName {
		return badRequest(fmt.Sprintf("Invalid value of parameter 'name': at most %d characters expected.", longestFolderName))
	}
	if err := checkFolder(st, folder["teamId"], changes["parentId"]); err != nil {
		return err
	}
	for above := changes["parentId"]; above != nil; {
		if above == folder["id"] {
			return invalidInput("A folder cannot be moved into itself.")
		}
		above = st.tables.of(folderKind).find(above)["parentId"]
	}
	return nil
}

// checkFolder accepts none, and a folder of the team.
func checkFolder(st *state, team, folder any) error {
	if folder == nil {
		return nil
	}
	row := st.tables.of(folderKind).find(folder)
	if row == nil || row["teamId"] != team {
		return invalidInput(fmt.Sprintf("Folder %v does not exist in the team.", folder))
	}
	return nil
}

// nullable is null in place of an id that is absent.
func nullable(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}
