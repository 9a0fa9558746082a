import { request, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Metrics } from '../../activities/metrics.js'
import { pathOf } from '../../activities/request-path.js'

let server: Server
beforeAll(async () => void (server = await new Metrics(1, 'q', () => Promise.resolve(0)).serve('127.0.0.1', 0)))
afterAll(() => server.close())

const ask = (method: string, path: string) =>
  new Promise<{ status: number; allow: string | undefined; bytes: number }>((resolve, reject) => {
    const { port } = server.address() as AddressInfo
    request({ host: '127.0.0.1', port, path, method }, (response) => {
      let bytes = 0
      response.on('data', (data: Buffer) => (bytes += data.length))
      response.on('end', () => resolve({ status: response.statusCode!, allow: response.headers.allow, bytes }))
    })
      .once('error', reject)
      .end()
  })

test.each([
  ['GET', '/metrics', 200],
  ['GET', '/metrics?name%5B%5D=x', 200],
  ['GET', '/metrics?', 200],
  ['GET', '/metrics/', 200],
  ['GET', 'http://127.0.0.1/metrics?x=y', 200],
  ['GET', '/', 404],
  ['GET', '/other', 404],
  ['GET', '/metrics/more', 404],
  ['GET', '/?/metrics', 404],
  ['POST', '/other', 404],
])('%s %s is answered with %i', async (method, path, status) => {
  const { bytes, ...rest } = await ask(method, path)
  expect(rest).toEqual({ status, allow: undefined })
  expect(bytes > 0).toBe(status === 200)
})

test('HEAD is answered without a body', async () => {
  expect(await ask('HEAD', '/metrics?x=y')).toEqual({ status: 200, allow: undefined, bytes: 0 })
})

test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is not allowed there', async (method) => {
  expect(await ask(method, '/metrics')).toEqual({ status: 405, allow: 'GET, HEAD', bytes: 0 })
})

test.each([
  ['//decode', '/decode'],
  ['/decode/?namespace=default', '/decode'],
  ['/', '/'],
  ['', '/'],
  ['?x', '/'],
])('the path of %j is %s', (url, path) => expect(pathOf({ url } as IncomingMessage)).toBe(path))
