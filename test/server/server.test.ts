import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
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
