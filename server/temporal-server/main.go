// Command temporal-server runs a Temporal server with its web UI in one process, on loopback, over one SQLite file. It is
// what puzzleflow starts when no other Temporal server can be had.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/common/rpc"
	"go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
	"google.golang.org/protobuf/types/known/durationpb"
)

const host = "127.0.0.1"

// Searches may last for days, and their history is evidence for years.
const retention = 10 * 365 * 24 * time.Hour

var attributeTypes = map[string]enumspb.IndexedValueType{
	"keyword": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"double":  enumspb.INDEXED_VALUE_TYPE_DOUBLE,
}

func main() {
	file := flag.String("db", "", "SQLite file; made when it is not there")
	port := flag.Int("port", 7233, "gRPC port")
	uiPort := flag.Int("ui-port", 8233, "port of the web UI")
	namespace := flag.String("namespace", "default", "namespace to create")
	attributes := flag.String("attributes", "", "search attributes of the namespace: Name=keyword,Other=double")
	flag.Parse()
	if err := run(*file, *port, *uiPort, *namespace, *attributes); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file string, port, uiPort int, namespace, attributes string) error {
	if file == "" {
		return fmt.Errorf("--db is missing")
	}
	types, err := parseAttributes(attributes)
	if err != nil {
		return err
	}
	sql := &config.SQL{
		PluginName:        sqliteplugin.PluginName,
		DatabaseName:      escaped(file),
		ConnectAttributes: map[string]string{"mode": "rwc", "_journal_mode": "wal", "_synchronous": "2"},
	}
	if _, err := os.Stat(file); os.IsNotExist(err) {
		// Under another name until it is whole, so that a kill leaves no half of a schema.
		temporary := *sql
		temporary.DatabaseName = escaped(file + ".new")
		_ = os.Remove(file + ".new")
		if err := sqlite.SetupSchema(&temporary); err != nil {
			return fmt.Errorf("schema: %w", err)
		}
		details, err := sqlite.NewNamespaceConfig("active", namespace, false, types)
		if err != nil {
			return err
		}
		details.Detail.Config.Retention = durationpb.New(retention)
		if err := sqlite.CreateNamespaces(&temporary, details); err != nil {
			return err
		}
		if err := os.Rename(file+".new", file); err != nil {
			return err
		}
	}
	free, err := freePorts(4)
	if err != nil {
		return err
	}
	service := func(rpc, membership int) config.Service {
		return config.Service{RPC: config.RPC{GRPCPort: rpc, MembershipPort: membership, BindOnIP: host}}
	}
	address := fmt.Sprintf("%s:%d", host, port)
	memberPorts, err := freePorts(4)
	if err != nil {
		return err
	}
	settings := &config.Config{
		Global: config.Global{Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: host}},
		Persistence: config.Persistence{
			DefaultStore:     sqliteplugin.PluginName,
			VisibilityStore:  sqliteplugin.PluginName,
			NumHistoryShards: 1,
			DataStores:       map[string]config.DataStore{sqliteplugin.PluginName: {SQL: sql}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        "active",
			CurrentClusterName:       "active",
			ClusterInformation: map[string]cluster.ClusterInformation{
				"active": {Enabled: true, InitialFailoverVersion: 1, RPCAddress: address},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services: map[string]config.Service{
			"frontend": service(port, memberPorts[0]),
			"history":  service(free[0], memberPorts[1]),
			"matching": service(free[1], memberPorts[2]),
			"worker":   service(free[2], memberPorts[3]),
		},
		Archival: config.Archival{
			History:    config.HistoryArchival{State: "disabled"},
			Visibility: config.VisibilityArchival{State: "disabled"},
		},
		PublicClient: config.PublicClient{HostPort: address},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
	}
	rpc.WrapListener = onlyOwn
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Stdout: true, Level: "warn"}))
	authorizer, err := authorization.GetAuthorizerFromConfig(&settings.Global.Authorization)
	if err != nil {
		return err
	}
	claims, err := authorization.GetClaimMapperFromConfig(&settings.Global.Authorization, logger)
	if err != nil {
		return err
	}
	server, err := temporal.NewServer(
		temporal.WithConfig(settings),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(map[primitives.ServiceName]static.Hosts{
			primitives.FrontendService: static.SingleLocalHost(address),
			primitives.HistoryService:  static.SingleLocalHost(fmt.Sprintf("%s:%d", host, free[0])),
			primitives.MatchingService: static.SingleLocalHost(fmt.Sprintf("%s:%d", host, free[1])),
			primitives.WorkerService:   static.SingleLocalHost(fmt.Sprintf("%s:%d", host, free[2])),
		}),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithDynamicConfigClient(dynamicconfig.StaticClient{
			// Nothing is told to anybody, and nobody is asked for newer versions.
			dynamicconfig.EnableServerVersionCheck.Key(): false,
			// A new search attribute can be used at once.
			dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): true,
			// A search with thousands of tasks does not starve one with ten.
			dynamicconfig.MatchingEnableFairness.Key(): true,
			// Turns are taken within a partition: of the four of the default each would have its own. All are still read,
			// for what an older server left there.
			dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
			// Runs that are over need no memory: the defaults keep the states of 128,000 for an hour.
			dynamicconfig.HistoryCacheHostLevelMaxSize.Key(): 1000,
			dynamicconfig.HistoryCacheTTL.Key():              10 * time.Minute,
			dynamicconfig.EventsCacheTTL.Key():               10 * time.Minute,
		}),
	)
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	ui := uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		TemporalGRPCAddress: address,
		Host:                host,
		Port:                uiPort,
		EnableUI:            true,
		DefaultNamespace:    namespace,
		DisableNewsFetch:    true,
		HideLogs:            true,
	}))
	if err := guard(ui, fmt.Sprintf("%s:%d", host, uiPort)); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- ui.Start() }()

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	select {
	case <-stop:
	case err = <-failed:
	}
	ui.Stop()
	if stopError := server.Stop(); err == nil {
		err = stopError
	}
	return err
}

// escaped makes a path of the URI with which SQLite is asked for a file: `#` and `?` would end it, `%` begin something else.
func escaped(file string) string {
	return (&url.URL{Path: file}).EscapedPath()
}

func parseAttributes(text string) (map[string]enumspb.IndexedValueType, error) {
	types := map[string]enumspb.IndexedValueType{}
	for _, pair := range strings.Split(text, ",") {
		if pair == "" {
			continue
		}
		name, kind, _ := strings.Cut(pair, "=")
		value, known := attributeTypes[kind]
		if !known {
			return nil, fmt.Errorf("search attribute %q: the type must be keyword or double", pair)
		}
		types[name] = value
	}
	return types, nil
}

// freePorts asks the system for ports that nobody uses now.
func freePorts(count int) ([]int, error) {
	ports := make([]int, count)
	for i := range ports {
		listener, err := net.Listen("tcp", host+":0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
