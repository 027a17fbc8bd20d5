package makesim

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What is written to a file must come back as it was, down to the types of numbers.
func TestTablesSurviveJSON(t *testing.T) {
	st, err := newState(DefaultSeed(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	st.tables.of("numbers").add(object{"id": int64(9_007_199_254_740_993), "half": 0.5, "list": []any{int64(1), nil, true}})
	data, err := json.Marshal(st.tables)
	if err != nil {
		t.Fatal(err)
	}
	var read tables
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(st.tables, read); diff != "" {
		t.Error(diff)
	}
}

func TestTableRows(t *testing.T) {
	ts := tables{}
	first, seeded := ts.of("a").number(), ts.of("a").add(object{"id": 2000})
	if next := ts.of("a").number(); first != firstID || next != 2001 || seeded["id"] != int64(2000) {
		t.Errorf("numbers %d, then %d after %v", first, next, seeded["id"])
	}
	for id, found := range map[any]bool{int64(2000): true, "2000": true, 2000: true, "02000": false, "x": false, nil: false} {
		if row := ts.of("a").find(id); (row != nil) != found {
			t.Errorf("find %v: %v", id, row)
		}
	}
	if drawUUID("a", 1) != drawUUID("a", 1) || drawUUID("a", 1) == drawUUID("b", 1) || len(drawText("a", 1)) != 32 {
		t.Error("identifiers are drawn by kind and number")
	}
}

func TestEveryListThatIsBuiltIn(t *testing.T) {
	for name, list := range map[string]func() []object{
		"countries": countries, "timezones": timezones, "key types": keyTypes, "connection types": connectionTypes,
		"native apps": nativeApps, "system apps": systemApps,
	} {
		seen := map[any]bool{}
		for _, row := range list() {
			id := row["id"]
			if id == nil {
				id = row["name"]
			}
			if id == nil || seen[id] {
				t.Errorf("%s: %v is missing or twice", name, id)
			}
			seen[id] = true
		}
	}
}
