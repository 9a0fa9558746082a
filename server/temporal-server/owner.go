package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
)

// ownListener takes connections of this user's programs alone: loopback is open to every user of the machine. The kernel's
// table of connections says who opened one.
type ownListener struct{ net.Listener }

// onlyOwn returns a listener for this user's programs; the same one where the kernel does not say who connects.
func onlyOwn(listener net.Listener) net.Listener {
	if !kernelTells() {
		return listener
	}
	return ownListener{listener}
}

func (l ownListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || isOwn(conn) {
			return conn, err
		}
		_ = conn.Close()
	}
}

// isOwn tells whether this user, or root, has opened a connection.
func isOwn(conn net.Conn) bool {
	uid, found := openedBy(conn)
	return found && (uid == os.Getuid() || uid == 0)
}

// openedBy finds the user who holds the other end of a connection.
func openedBy(conn net.Conn) (uid int, found bool) {
	there, ok := conn.RemoteAddr().(*net.TCPAddr)
	here, ok2 := conn.LocalAddr().(*net.TCPAddr)
	if !ok || !ok2 {
		return 0, false
	}
	for _, table := range []string{"tcp", "tcp6"} {
		if uid, found := ownerIn("/proc/net/"+table, inTable(there, table), inTable(here, table)); found {
			return uid, true
		}
	}
	return 0, false
}

// established is the state of a connection that its owner has not closed: one that is being closed may no longer have its owner.
const established = "01"

// ownerIn looks for a connection in a table of the kernel (proc_net_tcp(5)).
func ownerIn(file, from, to string) (uid int, found bool) {
	table, err := os.Open(file)
	if err != nil {
		return 0, false
	}
	defer table.Close()
	for lines := bufio.NewScanner(table); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || fields[1] != from || fields[2] != to || fields[3] != established {
			continue
		}
		uid, err := strconv.Atoi(fields[7])
		return uid, err == nil
	}
	return 0, false
}

// inTable writes an address as the kernel's tables do: words of 32 bits in the machine's order of bytes.
func inTable(address *net.TCPAddr, table string) string {
	ip := address.IP.To16()
	if table == "tcp" {
		ip = address.IP.To4()
	}
	words := ""
	for ; len(ip) >= 4; ip = ip[4:] {
		words += fmt.Sprintf("%08X", binary.NativeEndian.Uint32(ip))
	}
	return fmt.Sprintf("%s:%04X", words, address.Port)
}

// kernelTells tries whether the kernel says who opens connections: some sandboxes, and systems other than Linux, do not.
var kernelTells = sync.OnceValue(func() bool {
	listener, err := net.Listen("tcp", host+":0")
	if err != nil {
		return false
	}
	defer listener.Close()
	mine, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return false
	}
	defer mine.Close()
	conn, err := listener.Accept()
	if err != nil {
		return false
	}
	defer conn.Close()
	uid, found := openedBy(conn)
	return found && uid == os.Getuid()
})
