// Package s3store stands for the archiver of that name, which puzzleflow's server never has.
package s3store

import (
	"errors"

	"go.temporal.io/server/common/archiver"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence"
)

// URIScheme is the scheme of its addresses.
const URIScheme = "s3"

var errNotBuilt = errors.New("this server is built without archives in a cloud")

// NewHistoryArchiver refuses.
func NewHistoryArchiver(
	persistence.ExecutionManager, log.Logger, metrics.Handler, *config.S3Archiver,
) (archiver.HistoryArchiver, error) {
	return nil, errNotBuilt
}

// NewVisibilityArchiver refuses.
func NewVisibilityArchiver(log.Logger, metrics.Handler, *config.S3Archiver) (archiver.VisibilityArchiver, error) {
	return nil, errNotBuilt
}
