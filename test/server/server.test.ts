import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { commandLine, ensureServer, serverStatus, stopServer } from '../../server/index.js'
import { makeStateHome } from '../state-home.js'
import { serverTimeout, testServer } from '../temporal.js'

// The first test here may have to build the server.
beforeEach(async () => void (await testServer()).client.connection.close(), serverTimeout)

let home: string
beforeEach(async () => {
  home = await makeStateHome()
  process.env.XDG_STATE_HOME = home
})
afterEach(async () => {
  await stopServer()
  rmSync(home, { recursive: true, force: true })
  process.env.XDG_STATE_HOME = inject('stateHome')
})
const stateFile = () => join(home, 'puzzleflow/server/server.json')
const silent = { log: () => undefined }

/** Takes a port of loopback. */
function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

test('the next command finds the server that runs, also when its state file is damaged or lost', async () => {
  const started = await ensureServer(silent)
  const found = { address: started.address, uiAddress: started.uiAddress, pid: started.pid, source: 'already running' }
  expect(await ensureServer(silent)).toEqual(found)
  for (const garbage of ['', 'null', '{"address": 7', '{"address": "127.0.0.1:1", "pid": 1}', '[]']) {
    writeFileSync(stateFile(), garbage)
    expect(await serverStatus(), `state file ${garbage}`).toEqual(found)
  }
  rmSync(stateFile())
  expect(await ensureServer(silent)).toEqual(found)
})

test('a server whose port is taken while it is away starts on another', async () => {
  const first = await ensureServer(silent)
  expect(await stopServer()).toBe(true)
  expect(commandLine(first.pid!)).toBe('')
  const port = Number(first.address.split(':')[1])
  const other = await listen(port)
  const lines: string[] = []
  try {
    const second = await ensureServer({ log: (line) => lines.push(line) })
    expect(second.address).not.toBe(first.address)
    expect(lines.at(-1)).toContain(`at ${second.address}, UI at ${second.uiAddress} (the usual ports are taken)`)
  } finally {
    other.close()
  }
})

test('a process that only has the number of our server is left alone', async () => {
  const sleeper = execFileSync('sh', ['-c', 'sleep 60 >/dev/null 2>&1 & echo $!'], { encoding: 'utf8' }).trim()
  try {
    const { address } = await testServer()
    process.env.XDG_STATE_HOME = home
    // After a restart of the machine: the number is another process's, and a server of somebody else answers there.
    writeFileSync(stateFile(), JSON.stringify({ address, pid: Number(sleeper) }))
    expect(await serverStatus()).toBeUndefined()
    expect(await stopServer()).toBe(false)
    expect(commandLine(Number(sleeper))).toBe('sleep 60')
  } finally {
    process.kill(Number(sleeper), 'SIGKILL')
  }
})

test('an address that does not answer is a failure of its own, and no other server is started instead', async () => {
  const taken = await listen(0)
  const { port } = taken.address() as { port: number }
  taken.close()
  await expect(ensureServer({ ...silent, address: `127.0.0.1:${port}` })).rejects.toMatchObject({
    kind: 'NoServer',
    message: `No Temporal server answers at 127.0.0.1:${port}`,
    remedy: 'Start it, or omit the address: puzzleflow then starts its own server.',
  })
  expect(await serverStatus()).toBeUndefined()
})

test('a server of the user at an address is used as it is', async () => {
  const { address } = await testServer()
  process.env.XDG_STATE_HOME = home
  expect(await ensureServer({ ...silent, address })).toEqual({ address, source: 'the address you gave' })
  expect(await serverStatus()).toBeUndefined()
})

test('two commands at the same time start one server', async () => {
  const [one, other] = await Promise.all([ensureServer(silent), ensureServer(silent)])
  expect(other.pid).toBe(one.pid)
  expect(JSON.parse(readFileSync(stateFile(), 'utf8'))).toMatchObject({ pid: one.pid, address: one.address })
})

test('nobody else can read what the server writes, nor enter a state folder that an older version left open', async () => {
  mkdirSync(join(home, 'puzzleflow'), { recursive: true })
  chmodSync(join(home, 'puzzleflow'), 0o755)
  await ensureServer(silent)
  const written = [
    'puzzleflow',
    ...(readdirSync(join(home, 'puzzleflow'), { recursive: true }) as string[]).map((name) => join('puzzleflow', name)),
  ]
  expect(written.length).toBeGreaterThan(4)
  expect(written.filter((name) => (statSync(join(home, name)).mode & 0o077) !== 0)).toEqual([])
})

/** Asks the UI for the list of workflows. @returns the answer's status */
const askUi = (uiAddress: string, headers: Readonly<Record<string, string>>) =>
  new Promise<number | undefined>((resolve, reject) => {
    request(`${uiAddress}/api/v1/namespaces/default/workflows`, { headers }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
      .on('error', reject)
      .end()
  })

test('the UI answers its own pages, whatever port they come through, and none of another host', async () => {
  const { uiAddress } = await ensureServer(silent)
  const { host, port } = new URL(uiAddress!)
  for (const name of [host, `localhost:${port}`, 'localhost:9999', '[::1]:80', '192.168.1.5'])
    expect(await askUi(uiAddress!, { Host: name }), name).toBe(200)
  for (const name of ['evil.example', `evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example'])
    expect(await askUi(uiAddress!, { Host: name }), name).toBe(403)
  expect(await askUi(uiAddress!, { Host: host, Origin: `http://${host}` })).toBe(200)
  for (const origin of ['http://evil.example', 'null', `http://localhost:${port}`])
    expect(await askUi(uiAddress!, { Host: host, Origin: origin }), origin).toBe(403)
})
