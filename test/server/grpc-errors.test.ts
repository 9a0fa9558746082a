import { expect, test } from 'vitest'
import { explain } from '../../cli/explain.js'
import { grpcFailure, isAway, ServerAway } from '../../server/grpc-errors.js'

const errorOf = (code: number, details: string) => Object.assign(new Error(details), { code, details, metadata: {} })
const again = 'Try again: finished work is kept.'
const log = 'See the server’s log, and check that its version is current.'
const at = 'The Temporal server at t:1'
const key = 'Check the API key (TEMPORAL_API_KEY, or api_key in temporal.toml) and its rights in the namespace "n".'

test.each([
  [1, 'Call cancelled', true, 'The connection to the Temporal server at t:1 was lost: Call cancelled', again],
  [2, 'panic', false, `${at} failed to handle a request: panic`, log],
  [3, 'bad query', false, `${at} refuses a request: bad query`, log],
  [4, 'Deadline exceeded', true, `${at} took too long to answer a request`, `It may be very busy. ${again}`],
  [
    5,
    'Namespace n is not found.',
    false,
    `${at} has no namespace "n"`,
    'Create it, or name another: TEMPORAL_NAMESPACE, or namespace in temporal.toml.',
  ],
  [
    5,
    'no such run',
    false,
    `${at} does not know what was requested: no such run`,
    'Check that it is the server of this run.',
  ],
  [6, 'is there', false, `${at} refuses a request: is there`, log],
  [7, 'no rights', false, `${at} refuses us: no rights`, key],
  [8, 'rate', false, `${at} is too busy, or has reached a limit: rate`, again],
  [9, 'closed', false, `${at} refuses a request: closed`, log],
  [
    12,
    'HTTP 404',
    false,
    'The server at t:1 is not a Temporal server, or is too old: HTTP 404',
    'Check the address: it must be that of Temporal’s frontend (gRPC), not of its UI.',
  ],
  [13, 'RST_STREAM', false, `${at} failed to handle a request: RST_STREAM`, log],
  [14, 'ECONNREFUSED', true, `${at} does not answer: ECONNREFUSED`, again],
  [16, 'no key', false, `${at} refuses us: no key`, key],
])('error %i (%s): is nobody there? %s', (code, details, away, message, remedy) => {
  const error = new Error('behind', { cause: errorOf(code, details) })
  expect(isAway(error)).toBe(away)
  expect(grpcFailure(error, { address: 't:1', namespace: 'n' })).toMatchObject({ kind: 'NoServer', message, remedy })
  expect(explain(error)).toMatchObject({ exitCode: 5, json: { kind: 'NoServer' } })
})

test.each([
  [3, 'Blob exceeds limit'],
  [8, 'Received message larger than max (9 vs 4)'],
])('error %i (%s) would come again: the search must change', (code, details) => {
  const error = errorOf(code, details)
  expect(isAway(error)).toBe(false)
  expect(grpcFailure(error, { address: 't:1' })).toMatchObject({
    kind: 'InvalidInput',
    message: `${at} refuses a message as too large: ${details}`,
    remedy: 'Make the search smaller (fewer variants, fewer stages, shorter names), or raise the server’s limit.',
  })
  expect(explain(error)).toMatchObject({ exitCode: 2 })
})

test('an error of something else says nothing of a server', () => {
  expect(grpcFailure(new Error('ours'))).toBeUndefined()
  expect(isAway(new TypeError('ours'))).toBe(false)
  expect(isAway(new ServerAway('NoServer', 'gone'))).toBe(true)
})
