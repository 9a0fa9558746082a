import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { commandLine, ensureServer, stopServer, type ServerInfo } from '../../server/index.js'
import { makeStateHome } from '../state-home.js'
import { serverTimeout, testServer } from '../temporal.js'

const why =
  process.platform !== 'linux'
    ? ' (skipped: only Linux tells who connects)'
    : process.getuid?.() !== 0
      ? ' (skipped: only root can be another user)'
      : ''

/** Ports on which a process listens. */
function portsOf(pid: number): number[] {
  const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return '' // closed in between
    }
  })
  const rows = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n').slice(1)
  return rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode] = row.trim().split(/\s+/)
    return state === '0A' && fds.includes(`socket:[${inode}]`) ? [parseInt(local.split(':')[1]!, 16)] : []
  })
}

/** What a service of gRPC gets first, and a web server. */
const greetings = [
  String.raw`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00`,
  String.raw`GET / HTTP/1.0\r\nHost: localhost\r\n\r\n`,
]

/** Bytes that a user is answered at a port. */
async function answered(port: number, greeting: string, uid: number): Promise<number> {
  const script = `exec 3<>/dev/tcp/127.0.0.1/${port} && printf '${greeting}' >&3; timeout 5 head -c 9 <&3 | wc -c`
  const child = spawn('/bin/bash', ['-c', script], { uid, gid: uid, stdio: ['ignore', 'pipe', 'ignore'], cwd: '/' })
  let text = ''
  child.stdout.on('data', (data: Buffer) => (text += data.toString()))
  await new Promise((resolve) => child.once('close', resolve))
  return Number(text)
}

describe.skipIf(why !== '')(`other users of the machine${why}`, () => {
  let home: string
  let info: ServerInfo
  beforeAll(async () => {
    await (await testServer()).client.connection.close()
    home = await makeStateHome()
    process.env.XDG_STATE_HOME = home
    info = await ensureServer({ log: () => undefined })
  }, serverTimeout)
  afterAll(async () => {
    await stopServer()
    rmSync(home, { recursive: true, force: true })
    process.env.XDG_STATE_HOME = inject('stateHome')
  })

  test('get no answer at any port of our server, and its own user does', async () => {
    // The official program lets everybody in.
    if (!commandLine(info.pid!).includes(' --db ')) return
    const ports = portsOf(info.pid!)
    expect(ports.length).toBeGreaterThanOrEqual(5)
    const nobody = 65_534
    const open = createServer((socket) => socket.on('error', () => undefined).end('everybody'))
    await new Promise<void>((resolve) => open.listen(0, '127.0.0.1', resolve))
    expect(await answered((open.address() as AddressInfo).port, '', nobody)).toBe(9)
    open.close()
    for (const port of ports) {
      const [ours, theirs] = await Promise.all(
        [0, nobody].map(async (uid) =>
          (await Promise.all(greetings.map((own) => answered(port, own, uid)))).some((n) => n > 0),
        ),
      )
      expect([port, ours, theirs]).toEqual([port, true, false])
    }
  })
})
