package main

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"unsafe"

	"github.com/labstack/echo/v4"
	uiserver "github.com/temporalio/ui-server/v2/server"
)

// guard makes the UI answer this user's programs alone, and of their requests only those for this machine: a page in the user's
// browser can give its own host name the address 127.0.0.1 (DNS rebinding) and would then be of the same origin as the UI.
func guard(ui *uiserver.Server, address string) error {
	// The package offers no way to add a check that concerns every request.
	field := reflect.ValueOf(ui).Elem().FieldByName("httpServer")
	if !field.IsValid() || field.Type() != reflect.TypeOf(&echo.Echo{}) {
		return fmt.Errorf("the UI has no HTTP server of a known type")
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := *(**echo.Echo)(unsafe.Pointer(field.UnsafeAddr()))
	server.Listener = onlyOwn(listener)
	server.Pre(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if reason := foreign(c.Request()); reason != "" {
				return c.String(http.StatusForbidden, reason+"\n")
			}
			return next(c)
		}
	})
	return nil
}

// foreign says why a request is refused; nothing where it is not.
func foreign(request *http.Request) string {
	if !isHere(request.Host) {
		return "The UI only answers requests for localhost or an IP address"
	}
	if origin := request.Header.Get("Origin"); origin != "" {
		if from, err := url.Parse(origin); err != nil || from.Host != request.Host {
			return "The UI only answers requests of its own pages"
		}
	}
	return ""
}

// isHere tells hosts that no other machine's name can stand for: the port may be another where it is forwarded.
func isHere(host string) bool {
	name := host
	if split, _, err := net.SplitHostPort(host); err == nil {
		name = split
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || net.ParseIP(name) != nil
}
