package computeprovider

// GCPImpersonationChainProvider is asked nothing: no provider of computers is built in.
type GCPImpersonationChainProvider interface{}

// NoopGCPImpersonationChainProvider is one.
type NoopGCPImpersonationChainProvider struct{}

// SetGCPImpersonationChainProvider does nothing.
func SetGCPImpersonationChainProvider(GCPImpersonationChainProvider) {}
