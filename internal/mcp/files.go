package mcp

// watchedFile is something that is read from a folder, again and again.
type watchedFile struct {
	dir   string
	names []string
	load  func()
}

// files are the credential and the issuers' key files. Loading one logs and counts what came of it; a failure that lasts
// is logged once.
func (s *Server) files() []watchedFile {
	var files []watchedFile
	if dir := s.credentials.Path(); dir != "" {
		files = append(files, watchedFile{dir: dir, names: s.credentials.Names(), load: s.reporting("credential", s.credentials.Load)})
	}
	for _, keys := range s.keyFiles {
		files = append(files, watchedFile{dir: keys.Dir(), names: []string{keys.Name()}, load: s.reporting("issuer keys", keys.Load)})
	}
	return append(files, s.certificate.watched(s.reporting("certificate", s.loadCertificate))...)
}

// loadCertificate reads the server's own certificate, if it has one.
func (s *Server) loadCertificate() (changed bool, err error) { return s.certificate.load() }

// reporting returns load with its outcome logged and counted. It is for one goroutine.
func (s *Server) reporting(what string, load func() (changed bool, err error)) func() {
	var last string // the failure that was logged last
	return func() {
		changed, err := load()
		if err == nil {
			last = ""
			if changed {
				s.options.Log.Info("file was read", "file", what)
				s.metrics.reloaded(what, nil)
			}
			return
		}
		s.metrics.reloaded(what, err)
		if text := err.Error(); text != last {
			last = text
			s.options.Log.Warn("file was not read, what was read before stays", "file", what, "error", err)
		}
	}
}
