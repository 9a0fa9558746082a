import { describe, expect, test } from 'vitest'
import { isLoopback, parseAddress } from '../../server/address.js'
import { proxyOf } from '../../server/proxy.js'

test.each([
  ['127.0.0.1:7233', '127.0.0.1', 7233],
  ['localhost:1', 'localhost', 1],
  ['[::1]:7233', '::1', 7233],
  ['[2001:db8::1]:65535', '2001:db8::1', 65_535],
  ['[::ffff:127.0.0.1]:7233', '::ffff:127.0.0.1', 7233],
  ['temporal-frontend.name_space.svc:7233', 'temporal-frontend.name_space.svc', 7233],
])('%s is an address', (text, host, port) => expect(parseAddress(text)).toEqual({ host, port }))

test.each([
  ['', 'is empty', 'Write HOST:PORT, as in 127.0.0.1:7233 or [::1]:7233.'],
  [' \n', 'is empty', 'Write HOST:PORT, as in 127.0.0.1:7233 or [::1]:7233.'],
  ['127.0.0.1:7233 ', 'contains white space', 'Write 127.0.0.1:7233.'],
  ['temporal', 'has no port', 'Write the port too: temporal:7233, for instance.'],
  ['temporal:', 'has no port', 'Write the port too: temporal:7233, for instance.'],
  ['[::1]', 'has no port', 'Write the port too: [::1]:7233, for instance.'],
  [':7233', 'has no host', 'Write a host before the port: 127.0.0.1:7233.'],
  ['::1:7233', 'is an IPv6 address without brackets', 'Write [ADDRESS]:PORT, as in [::1]:7233.'],
  ['2001:db8::1', 'is an IPv6 address without brackets', 'Write [ADDRESS]:PORT, as in [::1]:7233.'],
  ['http://temporal:7233', 'has a scheme (http://)', 'Write HOST:PORT alone: temporal:7233.'],
  ['https://temporal', 'has a scheme (https://)', 'Write HOST:PORT alone: temporal:7233.'],
  ['temporal://[::1]:7233/', 'has a scheme (temporal://)', 'Write HOST:PORT alone: [::1]:7233.'],
  ['temporal:7233/ui', 'has a path', 'Write HOST:PORT alone: temporal:7233.'],
  ['me@temporal:7233', 'has a user name', 'Write HOST:PORT alone: temporal:7233.'],
  ['temporal:0', 'has an invalid port: "0"', 'A port is a whole number from 1 to 65535.'],
  ['temporal:65536', 'has an invalid port: "65536"', 'A port is a whole number from 1 to 65535.'],
  ['temporal:http', 'has an invalid port: "http"', 'A port is a whole number from 1 to 65535.'],
  ['[::g]:7233', 'has an invalid host: "[::g]"', 'Write HOST:PORT, as in 127.0.0.1:7233 or [::1]:7233.'],
  ['a..b:7233', 'has an invalid host: "a..b"', 'Write HOST:PORT, as in 127.0.0.1:7233 or [::1]:7233.'],
])('%j is not an address, and is told why', (text, problem, remedy) =>
  expect(parseAddress(text)).toEqual({ problem, remedy }),
)

test.each([
  ['127.0.0.1:7233', true],
  ['127.8.9.1:7233', true],
  ['127.1:7233', true],
  ['LOCALHOST:7233', true],
  ['localhost.:7233', true],
  ['temporal.localhost:7233', true],
  ['[::1]:7233', true],
  ['[0:0:0:0:0:0:0:1]:7233', true],
  ['[::ffff:127.0.0.1]:7233', true],
  ['0.0.0.0:7233', true],
  ['128.0.0.1:7233', false],
  ['10.0.0.1:7233', false],
  ['[2001:db8::1]:7233', false],
  ['localhost.example:7233', false],
  ['127.example:7233', false],
])('%s is of this machine: %s', (address, own) => expect(isLoopback(address)).toBe(own))

describe('the proxy for a server', () => {
  const address = 'proxy.example:3128'
  const proxy = `http://${address}`
  const server = 'temporal.example:7233'
  test.each<[string, string, NodeJS.ProcessEnv, object | undefined]>([
    ['none is set', server, {}, undefined],
    ['one is set', server, { http_proxy: proxy }, { address, variable: 'http_proxy' }],
    [
      'several are set',
      server,
      { http_proxy: 'http://other', https_proxy: proxy },
      { address, variable: 'https_proxy' },
    ],
    ['one is of gRPC', server, { https_proxy: 'http://other', grpc_proxy: proxy }, { address, variable: 'grpc_proxy' }],
    ['it has no port', server, { https_proxy: 'http://p' }, { address: 'p:80', variable: 'https_proxy' }],
    [
      'it wants a name',
      server,
      { https_proxy: 'http://me:a%40b@p:1' },
      { address: 'p:1', variable: 'https_proxy', user: { name: 'me', password: 'a@b' } },
    ],
    ['it is not of HTTP', server, { https_proxy: 'socks5://p:1' }, undefined],
    ['it is not a URL', server, { https_proxy: 'p' }, undefined],
    ['the server is left out by name', server, { https_proxy: proxy, no_proxy: '.example' }, undefined],
    ['the server is left out by number', '10.1.2.3:1', { https_proxy: proxy, no_proxy: 'x,10.1.0.0/16' }, undefined],
    ['another is left out', server, { https_proxy: proxy, no_proxy: 'other' }, { address, variable: 'https_proxy' }],
    [
      'gRPC leaves out another',
      server,
      { https_proxy: proxy, no_proxy: server, no_grpc_proxy: 'x' },
      { address, variable: 'https_proxy' },
    ],
    ['the server is here', 'localhost:7233', { grpc_proxy: proxy, https_proxy: proxy, http_proxy: proxy }, undefined],
    ['the server is here by IPv6', '[::1]:7233', { grpc_proxy: proxy }, undefined],
  ])('where %s', (_, to, environment, expected) => expect(proxyOf(to, environment)).toEqual(expected))
})
