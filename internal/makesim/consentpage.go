package makesim

import "html/template"

// consentPage is a plain form, for people and for scripts. It has no form-action in its policy: browsers would
// apply that to the redirect to the client too.
var consentPage = template.Must(template.New("consent").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Client}} asks for access</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.4rem; }
select, button { font: inherit; padding: .4rem .8rem; }
small { color: #666; }
</style>
</head>
<body>
<main>
<h1>{{.Client}} asks for access</h1>
<p>It wants to use Make in your name, with these scopes:</p>
<ul>
{{range .Scopes}}<li><code>{{.}}</code></li>
{{else}}<li>none</li>
{{end}}</ul>
<form method="post" action="{{.Action}}">
{{range $name, $values := .Parameters}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<p><label for="user">Account</label>
<select id="user" name="user">
{{range .Users}}<option value="{{.ID}}">{{.Name}} ({{.Email}})</option>
{{end}}</select></p>
<p><button type="submit" name="decision" value="approve">Allow</button>
<button type="submit" name="decision" value="deny">Deny</button></p>
</form>
<p><small>Afterwards you are sent to {{.Redirect}}. This is a simulation of Make: no password is needed.</small></p>
</main>
</body>
</html>
`))
