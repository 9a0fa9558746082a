/** The same commands and workers against Temporal's own server on PostgreSQL, as an administrator sets it up. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { commandLine, keyFileVariable, pause } from '../../server/index.js'
import type { RunDocument } from '../../cli/runs.js'
import { Place } from '../cli/puzzleflow.js'
import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'
import { childrenOf, kill } from '../processes.js'
import { serverPrograms, type ServerPrograms } from './official-programs.js'
import { OfficialServer } from './official-server.js'
import { Postgres, postgresFolder } from './postgres.js'

const postgres = postgresFolder()
const programs = postgres === undefined ? { missing: 'PostgreSQL is not installed' } : await serverPrograms()
const why = 'missing' in programs ? ` (skipped: ${programs.missing})` : ''

// Whole searches, beside other tests.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 })

describe.skipIf(why !== '')(`a production server on PostgreSQL${why}`, () => {
  const namespace = 'puzzle'
  let server: OfficialServer
  let database: Postgres
  let folder: string
  const places: Place[] = []
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'puzzleflow-production-'))
    writeFileSync(join(folder, 'key'), randomBytes(32).toString('hex'))
    database = await Postgres.start(postgres!)
    server = await OfficialServer.start(programs as ServerPrograms, database)
    await server.makeNamespace(namespace, 3)
  })
  afterAll(async () => {
    for (const place of places) await place.close()
    for (const started of [server, database] as readonly ({ stop(): Promise<void> } | undefined)[])
      await started?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Short, and with costs that are given: nothing that is measured differs between two searches. */
  const spec = tinySpec
    .replace('  limits:', '  profile: ./costs.json\n  limits:')
    .replace('tokens: 60k', 'tokens: 20k')
    .replace('tokens: 80k', 'tokens: 10k')
  /** A tiny search with a store of its own. */
  async function makePlace(settings: Readonly<Record<string, string>>): Promise<Place> {
    const place = new Place(await writeTinySearch(spec), join(folder, 'state'))
    // Node warns of servers with TLS that are named by a number.
    Object.assign(place.environment, settings, { NODE_NO_WARNINGS: '1' })
    places.push(place)
    return place
  }
  const encrypted = () => ({ [keyFileVariable]: join(folder, 'key') })
  const key = (right: string) => server.keys.for(`${namespace}:${right}`)
  const command = ['run', 'search.yaml', '--heartbeat', '5', '--json'] as const
  const digestOf = (stdout: string) => (JSON.parse(stdout) as { solutionDigest: string }).solutionDigest
  const documentOf = ({ store }: Place, run: string) =>
    JSON.parse(readFileSync(join(store, `documents/runs/${run}.json`), 'utf8')) as RunDocument

  /** What the databases hold of texts, as text or as bytes. */
  async function found(texts: readonly string[]): Promise<string[]> {
    const dump = `${await database.dump('temporal')}${await database.dump('temporal_visibility')}`
    return texts.filter((text) => dump.includes(text) || dump.includes(Buffer.from(text).toString('hex')))
  }

  let expected: string

  test('a namespace without our search attributes gets them and a long retention, and a search runs to its end', async () => {
    const place = await makePlace({ ...server.environment(namespace, key('admin')), ...encrypted() })
    const { code, stdout, stderr } = await place.run(...command)
    expect(code, stderr).toBe(0)
    expected = digestOf(stdout)
    const connection = await server.connectAsAdministrator()
    const { config } = await connection.workflowService.describeNamespace({ namespace })
    await connection.close()
    expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBeGreaterThan(365 * 86_400)
  })

  test('after a kill of server, worker and command the same command finds the same solution, with a profile and a key that may write', async () => {
    const settings = server.environment(namespace, key('write'))
    writeFileSync(join(folder, 'temporal.toml'), profile(settings))
    const place = await makePlace({
      TEMPORAL_CONFIG_FILE: join(folder, 'temporal.toml'),
      TEMPORAL_PROFILE: 'production',
      ...encrypted(),
    })
    const run = place.start(...command, '--verbose')
    await run.says(/running: .*distill/)
    const worker = place.worker!
    const victims = [run.process.pid!, worker, ...childrenOf(worker)]
    for (const pid of victims) kill(pid)
    await server.crash()
    // A process that is no child of this one says nothing when it ends: it is looked for.
    while (victims.some((pid) => commandLine(pid) !== '')) await pause(5)
    await server.resume()

    const { code, stdout, stderr } = await place.run(...command)
    expect(code, stderr).toBe(0)
    expect(stderr).toMatch(/^Continuing run tiny/)
    expect(digestOf(stdout)).toBe(expected)
  })

  test('with a key the database holds no reference in the clear', async () => {
    const { workflowId, plan, specDigest, outputs } = documentOf(places[0]!, 'tiny')
    const references = [plan.digest, specDigest, ...Object.values(outputs!).map(({ digest }) => digest)]
    // Names stay readable.
    expect(await found([workflowId, ...references])).toEqual([workflowId])
  })

  test('a run is paused, resumed and cancelled; without a key the database holds its references', async () => {
    const { TEMPORAL_ADDRESS: address, ...settings } = server.environment(namespace, key('write'))
    const place = await makePlace(settings)
    const says = async (...args: readonly string[]) => {
      // The address alone is said by flag: TLS and key are the settings'.
      const { code, stdout, stderr } = await place.run(...args, '--address', address!, '--json')
      expect(code, stderr).toBe(0)
      return JSON.parse(stdout) as unknown
    }
    await says('run', 'search.yaml', '--run', 'plain', '--detach')
    // Without a worker no update is answered: it is there when this one is.
    await says('pause', 'plain')
    expect(await says('status', 'plain')).toMatchObject({ state: 'RUNNING', progress: { paused: true } })
    await says('resume', 'plain')
    expect(await says('list')).toMatchObject([{ run: 'plain', state: 'RUNNING', progress: { paused: false } }])
    await says('cancel', 'plain')
    expect((await place.run('watch', 'plain', '--address', address!)).code).toBe(130)
    expect(await says('list')).toMatchObject([{ run: 'plain', state: 'CANCELLED' }])

    const { workflowId, plan, specDigest } = documentOf(place, 'plain')
    expect(await found([workflowId, plan.digest, specDigest])).toHaveLength(3)
  })

  test('what keeps a user out is said', async () => {
    const settings = server.environment(namespace, key('read'))
    const refused = async (change: Readonly<Record<string, string>>, ...args: readonly string[]) => {
      const place = await makePlace({ ...settings, ...change })
      const { code, stderr } = await place.run(...args)
      return { code, message: stderr.split('\n')[0] }
    }
    const { address } = server
    expect(await refused({ TEMPORAL_API_KEY: 'nonsense' }, 'server', 'start')).toEqual({
      code: 5,
      message: `The Temporal server at ${address} refuses us: Request unauthorized.`,
    })
    expect(await refused({}, 'run', 'search.yaml')).toEqual({
      code: 5,
      message: 'The Temporal server refuses us: Request unauthorized.',
    })
    expect(
      await refused({ TEMPORAL_TLS_SERVER_CA_CERT_PATH: server.certificates.client.certificate }, 'server', 'start'),
    ).toEqual({
      code: 5,
      message: `No Temporal server answers with TLS at ${address}`,
    })
  })
})

/** A profile file with the settings of environment variables. */
function profile(settings: Readonly<Record<string, string>>): string {
  const line = (key: string, name: string) => `${key} = ${JSON.stringify(settings[`TEMPORAL_${name}`])}\n`
  return `[profile.production]
${line('address', 'ADDRESS')}${line('namespace', 'NAMESPACE')}${line('api_key', 'API_KEY')}
[profile.production.tls]
${line('server_ca_cert_path', 'TLS_SERVER_CA_CERT_PATH')}${line('client_cert_path', 'TLS_CLIENT_CERT_PATH')}${line('client_key_path', 'TLS_CLIENT_KEY_PATH')}`
}
