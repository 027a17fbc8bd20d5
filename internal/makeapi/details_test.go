package makeapi

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseDetails(t *testing.T) {
	const secret = "11111111-2222-4333-8444-555555555555"
	texts := said(APIToken(secret), url.Values{"teamId": {"7"}, "name": {"Sales team"}},
		[]byte(`{"password":"hunter2","blueprint":"{\"flow\":[{\"key\":\"inner value\"}]}","n":12345}`))
	suberrors := func(messages ...string) string {
		var all []string
		for _, m := range messages {
			all = append(all, `{"message":"`+m+`","name":"Error"}`)
		}
		return `{"message":"Bad Request","code":"SC400","suberrors":[` + strings.Join(all, ",") + `]}`
	}
	tests := []struct {
		name, body string
		want       []string
	}{
		{"a parameter is missing", suberrors("Missing value of required parameter 'number'."), []string{"Missing value of required parameter 'number'."}},
		{"a long name", suberrors("customPropertyStructureItemId is required"), []string{"customPropertyStructureItemId is required"}},
		{"five of seven", suberrors("one", "two", "three", "four", "five", "six", "seven"), []string{"one", "two", "three", "four", "five"}},
		{"the token", suberrors("token "+secret+" is wrong", "fine"), []string{"fine"}},
		{"another token", suberrors("use 99999999-2222-4333-8444-555555555555"), nil},
		{"a JWT", suberrors("got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"), nil},
		{"a value of the body", suberrors("'hunter2' is too short"), nil},
		{"a value of the query", suberrors("name Sales team is taken"), nil},
		{"a value inside a string", suberrors("inner value is no module"), nil},
		{"a member's name", suberrors("password is too short"), []string{"password is too short"}},
		{"an address", suberrors("ask ada@example.com", "see https://example.com/x"), nil},
		{"another line", suberrors(`a\nb`, `\u001b[31mred`), nil},
		{"too long", suberrors(strings.Repeat("word ", 50)), nil},
		{"none", `{"message":"Bad Request","code":"SC400"}`, nil},
		{"another form", `{"suberrors":{"message":"m"}}`, nil},
		{"text", `error code: 1010`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, parseDetails([]byte(tt.body), texts)); diff != "" {
				t.Errorf("details (-want +got):\n%s", diff)
			}
		})
	}
}
