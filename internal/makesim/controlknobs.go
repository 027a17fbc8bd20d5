package makesim

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
)

// knobRoutes show and change the knobs, with ?credential=… those of one credential (see SetKnobsFor).
func (s *Server) knobRoutes() []route {
	return []route{
		{pattern: "GET /_sim/knobs", open: true, do: s.showKnobs},
		{pattern: "PUT /_sim/knobs", open: true, do: s.replaceKnobs},
		{pattern: "PATCH /_sim/knobs", open: true, do: s.changeKnobs},
		{pattern: "DELETE /_sim/knobs", open: true, do: s.resetKnobs},
	}
}

func credentialOf(c *call) string { return c.r.URL.Query().Get("credential") }

// showKnobs answers the global knobs, or what is set for one credential alone.
func (s *Server) showKnobs(c *call) (any, error) {
	credential := credentialOf(c)
	if credential == "" {
		return s.state.knobs.clone(), nil // encoded after the lock is gone
	}
	key, err := s.overrideKey(credential)
	if err != nil {
		return nil, controlError(http.StatusNotFound, err.Error())
	}
	named := override{}
	maps.Copy(named, s.state.overrides[key])
	return named, nil
}

// replaceKnobs sets what the body does not name to its default; of one credential, to the global value.
func (s *Server) replaceKnobs(c *call) (any, error) {
	if credentialOf(c) != "" {
		return s.overrideKnobs(c, override{})
	}
	return s.decodeKnobs(c, DefaultKnobs())
}

// changeKnobs keeps what the body does not name. Lists are replaced as a whole.
func (s *Server) changeKnobs(c *call) (any, error) {
	if credential := credentialOf(c); credential != "" {
		key, _ := s.overrideKey(credential) // an unknown credential is refused below
		named := override{}
		maps.Copy(named, s.state.overrides[key])
		return s.overrideKnobs(c, named)
	}
	return s.decodeKnobs(c, s.state.knobs.clone())
}

// resetKnobs puts all knobs back to their defaults, with those of single credentials; or one credential's.
func (s *Server) resetKnobs(c *call) (any, error) {
	if credentialOf(c) != "" {
		c.body = []byte("{}")
		return s.overrideKnobs(c, override{})
	}
	clear(s.state.overrides)
	s.setKnobs(DefaultKnobs())
	return s.showKnobs(c)
}

func (s *Server) decodeKnobs(c *call, from Knobs) (any, error) {
	next, err := ParseKnobs(from, c.body)
	if err != nil {
		return nil, controlError(http.StatusBadRequest, err.Error())
	}
	s.setKnobs(next)
	return s.showKnobs(c)
}

func (s *Server) overrideKnobs(c *call, named override) (any, error) {
	if err := strict(c.body, &named); err != nil {
		return nil, err
	}
	changes, err := json.Marshal(named)
	if err != nil {
		return nil, err
	}
	err = s.override(credentialOf(c), changes)
	switch {
	case errors.Is(err, errNoCredential):
		return nil, controlError(http.StatusNotFound, err.Error())
	case err != nil:
		return nil, controlError(http.StatusBadRequest, err.Error())
	}
	return s.showKnobs(c)
}
