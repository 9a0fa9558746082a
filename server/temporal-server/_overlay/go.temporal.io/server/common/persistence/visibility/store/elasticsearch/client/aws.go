package client

import (
	"errors"
	"net/http"
)

// NewAwsHttpClient refuses: this server is built without Amazon's signatures.
func NewAwsHttpClient(config ESAWSRequestSigningConfig) (*http.Client, error) {
	if !config.Enabled {
		return nil, nil
	}
	return nil, errors.New("this server is built without signed requests to Amazon's Elasticsearch")
}
