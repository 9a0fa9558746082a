/** With a key nothing that the server keeps can be read, and everything works as without. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import proto from '@temporalio/proto'
import { freePort } from '../../server/ports.js'
import { connect, keyFileVariable } from '../../server/index.js'
import { explain } from '../../cli/explain.js'
import { pendingTasks, troubles } from '../../cli/at-work.js'
import { Place } from '../cli/puzzleflow.js'
import { serverTimeout, testServer } from '../temporal.js'
import { rejection, Rig, type Handle } from './rig.js'

// Stopping a task takes a heartbeat or two, and machines that test may have much else to do.
vi.setConfig({ testTimeout: 240_000 })

let rig: Rig
let folder: string
const keyFile = (name: string) => join(folder, name)
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'puzzleflow-keys-'))
  for (const name of ['key', 'other']) writeFileSync(keyFile(name), `${randomBytes(32).toString('hex')}\n`)
  const { address } = await testServer()
  process.env[keyFileVariable] = keyFile('key')
  rig = await Rig.create({ address, client: await connect(address) })
  await rig.startWorker()
}, serverTimeout)
afterAll(async () => {
  Reflect.deleteProperty(process.env, keyFileVariable)
  await rig.close()
  rmSync(folder, { recursive: true, force: true })
})

const secrets = {
  note: 'classified-note',
  item: 'classified-item',
  failure: 'classified-failure',
  remedy: 'classified-remedy',
}
const spec = `
items: [${secrets.item}-1, ${secrets.item}-2]
pipeline:
  inputs: { items: { type: array } }
  stages:
    source: {}
    each: { needs: [source], with: { factor: 731955507319 } }
    step: { needs: [each], with: { note: ${secrets.note} }, onFailure: wait }
    last: { uses: step, needs: [step], with: { note: ${secrets.note}-last } }
`

/** All histories of a run, its groups' too, as they are kept: bytes. */
async function histories({ workflowId }: Handle): Promise<Buffer[]> {
  const { connection, options } = rig.client
  const { executions } = await connection.workflowService.listWorkflowExecutions({
    namespace: options.namespace,
    query: `WorkflowId STARTS_WITH '${workflowId}'`,
  })
  const found = executions.map(async ({ execution }) => {
    const answer = await connection.workflowService.getWorkflowExecutionHistory({
      namespace: options.namespace,
      execution: execution!,
    })
    return Buffer.from(proto.temporal.api.history.v1.History.encode(answer.history!).finish())
  })
  return Promise.all(found)
}

test('no history holds a digest of an artifact, a parameter, or a failure’s text', async () => {
  const run = await rig.run('secret', spec)
  await rig.steps.finish(2)
  ;(await rig.steps.nextCall()).fail(secrets.failure, 'NonFinite', secrets.remedy)
  await rig.until(run, ({ stages }) => stages[2]!.waiting.length === 1)
  // Whoever has the key can read it.
  expect(await rig.details(run)).toContain(`**step**: step: ${secrets.failure}. Remedy: ${secrets.remedy}`)
  await run.executeUpdate('retry', { args: [{ task: 'step/step' }] })
  await rig.steps.finish(1)
  ;(await rig.steps.nextCall()).fail(secrets.failure, 'NonFinite')
  expect(explain(await rejection(run.result())).json).toMatchObject({
    kind: 'NonFinite',
    message: secrets.failure,
  })

  const kept = await histories(run)
  expect(kept.length).toBe(2)
  const digests = readdirSync(join(rig.store.root, 'artifacts'), { recursive: true, encoding: 'utf8' })
    .map((path) => path.replace(/.*\//, ''))
    .filter((name) => /^[0-9a-f]{60,}$/.test(name))
  expect(digests.length).toBeGreaterThan(5)
  for (const history of kept) {
    for (const digest of digests) expect(history.includes(digest)).toBe(false)
    for (const text of [secrets.note, secrets.failure, secrets.remedy, '731955507319'])
      expect(history.includes(text)).toBe(false)
    expect(history.includes('binary/encrypted')).toBe(true)
  }
})

test('who follows a run with its key can read why a task is tried again', async () => {
  const run = await rig.run(
    'readable',
    `pipeline: { stages: { step: { with: { note: readable }, retry: { initialInterval: 1 h, maximumInterval: 1 h } } } }`,
  )
  ;(await rig.steps.nextCall()).fail(secrets.failure)
  for (;;) {
    const lines = troubles(await pendingTasks(rig.client, run.workflowId))
    if (lines.length === 0) continue
    expect(lines).toMatchObject([{ line: `step failed, attempt 2 follows: ${secrets.failure}` }])
    break
  }
  await run.cancel()
})

test('with another key, or none, a run cannot be followed, and it says why', async () => {
  await rig.run('locked', spec)
  const at = (key: string | undefined) => {
    const place = new Place(rig.folder, inject('stateHome'))
    if (key === undefined) delete place.environment[keyFileVariable]
    else place.environment[keyFileVariable] = keyFile(key)
    return place.run('status', 'locked')
  }
  expect(await at('key')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^locked\tRUNNING/) as string })
  const other = await at('other')
  expect(other.code).toBe(2)
  expect(other.stderr).toMatch(
    /^A payload was encrypted with the key \w{12}, not with \w{12}\nRemedy: Set PUZZLEFLOW_PAYLOAD_KEY_FILE to the file with the key of this search\.\n$/,
  )
  const none = await at(undefined)
  expect(none.code).toBe(2)
  expect(none.stderr).toMatch(
    /^A payload is encrypted, with the key \w{12}\nRemedy: Set PUZZLEFLOW_PAYLOAD_KEY_FILE to the file with that key\.\n$/,
  )
})

test('the codec command decodes for the page that it was told, and for no other', async () => {
  const run = await rig.run('decoded', spec.replace('7319', '7320'))
  // The list of workflows is not up to date at once.
  await expect.poll(async () => (await histories(run)).length).toBeGreaterThan(0)
  const [history] = await histories(run)
  const { events } = proto.temporal.api.history.v1.History.decode(history!)
  const payloads = events[0]!.workflowExecutionStartedEventAttributes!.input!.payloads!
  const body = JSON.stringify({
    payloads: payloads.map(({ metadata, data }) => ({
      metadata: Object.fromEntries(Object.entries(metadata!).map(([k, v]) => [k, Buffer.from(v).toString('base64')])),
      data: Buffer.from(data!).toString('base64'),
    })),
  })
  const port = await freePort(21_000 + Math.floor(Math.random() * 5000))
  const place = new Place(rig.folder, inject('stateHome'))
  place.environment[keyFileVariable] = keyFile('key')
  const codec = place.start('codec', '--port', `${port}`, '--origin', 'http://ui.example')
  try {
    await codec.says(/^Codec at/)
    const ask = (origin: string, content = body) =>
      fetch(`http://127.0.0.1:${port}/decode`, {
        method: 'POST',
        body: content,
        headers: { origin, 'content-type': 'application/json' },
      })
    const allowed = await ask('http://ui.example')
    expect(allowed.status).toBe(200)
    expect(allowed.headers.get('access-control-allow-origin')).toBe('http://ui.example')
    const { payloads: decoded } = (await allowed.json()) as { payloads: { data: string }[] }
    expect(JSON.parse(Buffer.from(decoded[0]!.data, 'base64').toString())).toMatchObject({ run: 'decoded' })
    const other = await ask('http://elsewhere.example')
    expect({ status: other.status, body: await other.text() }).toEqual({ status: 403, body: '' })
    expect((await ask('http://ui.example', 'nonsense')).status).toBe(400)
    expect(await statusFor(port, `localhost:${port}`)).toBe(404)
    expect(await statusFor(port, `evil.example:${port}`)).toBe(403)
  } finally {
    codec.process.kill('SIGTERM')
    await codec.ended
  }
})

/** Asks for a page as a browser would that was told a name for this machine. */
const statusFor = (port: number, host: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: '/', headers: { host } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).on('error', reject)
  })

test('without a key the codec command says what is missing', async () => {
  const place = new Place(rig.folder, inject('stateHome'))
  delete place.environment[keyFileVariable]
  expect(await place.run('codec')).toEqual({
    code: 2,
    stdout: '',
    stderr: 'There is no key to decrypt with\nRemedy: Set PUZZLEFLOW_PAYLOAD_KEY_FILE to the file with the key.\n',
  })
})
