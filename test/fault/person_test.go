package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/makeops/make-operator/internal/consent"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/person"
)

// consent lets a person consent who begins anew until it worked.
func (w *world) consent(connection string, patience time.Duration) error {
	browser, err := person.New(http.DefaultTransport)
	if err != nil {
		return err
	}
	var last error
	err = await(patience, "a person has consented", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
		defer cancel()
		page, err := browser.Consent(ctx, "http://"+w.manager.consent+consent.ConnectPath+w.user+"/"+connection, w.approve)
		last = err
		if err == nil {
			last = fmt.Errorf("the last page has status %d", page.Status)
		}
		return err == nil && page.Status == http.StatusOK && strings.Contains(page.Body, "Connected")
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

// approve says yes at Make, past the fronts: a browser is no manager.
func (w *world) approve(ctx context.Context, authorize string) (*url.URL, error) {
	asked, err := url.Parse(authorize)
	if err != nil {
		return nil, err
	}
	form := asked.Query()
	form.Set("decision", "approve")
	form.Set("user", fmt.Sprint(makesim.UserID))
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, asked.Path, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Host = w.make.zone()
	answer := httptest.NewRecorder()
	if w.make.authorization != nil {
		w.make.authorization.ServeHTTP(answer, request)
	} else {
		w.make.sim.ServeHTTP(answer, request)
	}
	response := answer.Result()
	defer response.Body.Close()
	return response.Location()
}
