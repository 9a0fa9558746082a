import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { commandLine, ensureServer, look, serverStatus } from '../../server/index.js'
import { withServer } from '../../cli/with-server.js'
import { makeStateHome } from '../state-home.js'
import { serverTimeout, testServer } from '../temporal.js'

let listening: Server | undefined
afterEach(() => {
  listening?.close()
  vi.unstubAllEnvs()
})

/** Listens on loopback, and says nothing. */
async function silentPort(): Promise<number> {
  listening = createServer()
  await new Promise<void>((resolve) => listening!.listen(0, '127.0.0.1', resolve))
  return (listening.address() as AddressInfo).port
}

/** As at a workplace where everything goes through a proxy: here one that nobody can reach. */
function behindProxy(): void {
  const names = ['http_proxy', 'https_proxy', 'grpc_proxy', 'all_proxy']
  for (const name of names.flatMap((own) => [own, own.toUpperCase()])) vi.stubEnv(name, 'http://127.0.0.1:9')
  for (const name of ['no_proxy', 'no_grpc_proxy']) for (const own of [name, name.toUpperCase()]) vi.stubEnv(own, '')
}

test(
  'our server is seen whatever proxy, namespace and key the settings name, and one command finds that of another',
  async () => {
    const { address, client } = await testServer()
    await client.connection.close()
    behindProxy()
    const { pid } = (await serverStatus())!
    expect(await ensureServer({ log: () => undefined })).toMatchObject({ address, pid })
    vi.stubEnv('TEMPORAL_ADDRESS', address)
    vi.stubEnv('TEMPORAL_NAMESPACE', 'nowhere')
    expect(await look(address)).toEqual({ state: 'serves' })
    expect(await look(address.replace('127.0.0.1', 'localhost'))).toEqual({ state: 'serves' })
  },
  serverTimeout,
)

test('a port that nobody listens on is told from one that says nothing, and from what cannot be seen', async () => {
  const port = await silentPort()
  expect(await look(`127.0.0.1:${port}`, 200)).toEqual({ state: 'silent' })
  listening!.close()
  expect(await look(`127.0.0.1:${port}`, 200)).toEqual({ state: 'closed' })
  expect(await look('nowhere.invalid:7233', 5000)).toMatchObject({
    state: 'unknown',
    why: expect.any(String) as string,
  })
})

test(
  'a command that is refused ends the server that was started for it alone, and no other',
  async () => {
    await (await testServer()).client.connection.close()
    vi.stubEnv('XDG_STATE_HOME', await makeStateHome())
    const refused = async () => {
      let pid = 0
      const work = withServer({}, (server) => {
        pid = server.pid!
        return Promise.reject(new Error('refused'))
      })
      await expect(work).rejects.toThrow('refused')
      return pid
    }
    expect(commandLine(await refused())).toBe('')
    expect(await serverStatus()).toBeUndefined()
    const { pid } = await ensureServer({ log: () => undefined })
    expect(await refused()).toBe(pid)
    expect((await serverStatus())?.pid).toBe(pid)
    process.kill(pid!)
  },
  serverTimeout,
)
