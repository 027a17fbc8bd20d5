package strictjson_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/mcp/strictjson"
)

func TestObject(t *testing.T) {
	tests := []struct {
		name, raw string
		want      map[string]string // nil: an error
		ambiguous bool
	}{
		{name: "plain", raw: `{"aud":"a","n":{"aud":1}} `, want: map[string]string{"aud": `"a"`, "n": `{"aud":1}`}},
		{name: "empty object", raw: `{}`, want: map[string]string{}},
		{name: "repeated key", raw: `{"a":1,"a":2}`, ambiguous: true},
		{name: "repeated by escape", raw: `{"a":1,"\u0061":2}`, ambiguous: true},
		{name: "case variant of a known key alone", raw: `{"Aud":"a"}`, ambiguous: true},
		{name: "case variants of an unknown key", raw: `{"x":1,"X":2}`, ambiguous: true},
		{name: "Kelvin sign folds to k", raw: `{"k":1,"\u212a":2}`, ambiguous: true},
		{name: "long s folds to s", raw: `{"s":1,"\u017f":2}`, ambiguous: true},
		{name: "trailing data", raw: `{} {}`},
		{name: "array", raw: `[]`},
		{name: "string", raw: `"a"`},
		{name: "cut off", raw: `{"a":1`},
		{name: "empty", raw: ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := strictjson.Object([]byte(tt.raw), "aud", "exp")
			if errors.Is(err, strictjson.ErrAmbiguous) != tt.ambiguous {
				t.Fatalf("error %v, want ambiguous %v", err, tt.ambiguous)
			}
			if tt.want == nil {
				if err == nil {
					t.Fatalf("accepted as %v", got)
				}
				return
			}
			have := map[string]string{}
			for k, v := range got {
				have[k] = string(v)
			}
			if diff := cmp.Diff(tt.want, have); diff != "" || err != nil {
				t.Errorf("error %v, members (-want +got):\n%s", err, diff)
			}
		})
	}
}
