import { afterEach, expect, test, vi } from 'vitest'
import { accessTo, ensureServer } from '../../server/index.js'
import { serverTimeout, testServer } from '../temporal.js'

const silent = { log: () => undefined }
afterEach(() => vi.unstubAllEnvs())

/** Settings of some server in production. */
function configure(settings: Readonly<Record<string, string>>): void {
  vi.stubEnv('TEMPORAL_CONFIG_FILE', '/nowhere/temporal.toml')
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(`TEMPORAL_${name}`, value)
}

test(
  'our own server is reached plainly, whatever the settings say of another',
  async () => {
    const { address, client } = await testServer()
    await client.connection.close()
    configure({ ADDRESS: 'temporal.example:7233', NAMESPACE: 'puzzle', TLS: 'true', API_KEY: 'secret' })
    for (const own of [address, address.replace('127.0.0.1', 'localhost')])
      expect(accessTo(own)).toMatchObject({ namespace: 'default', connection: { address: own } })
    expect(accessTo(address).connection).toEqual({ address, channelArgs: { 'grpc.enable_http_proxy': 0 } })
  },
  serverTimeout,
)

test('a server on loopback that is not ours is reached as the settings say: it may be the end of a tunnel', () => {
  configure({ NAMESPACE: 'puzzle', API_KEY: 'secret' })
  const address = '127.0.0.1:9'
  const access = accessTo(address)
  expect(access).toMatchObject({ namespace: 'puzzle', connection: { address, apiKey: 'secret' } })
  expect(access.connection.tls).toBeTruthy()
})

test(
  'a server without the namespace, and one without TLS, are told from one that is away',
  async () => {
    const { address, client } = await testServer()
    await client.connection.close()
    configure({ ADDRESS: address, NAMESPACE: 'nowhere' })
    await expect(ensureServer({ ...silent, address })).rejects.toMatchObject({
      kind: 'NoServer',
      message: `The Temporal server at ${address} has no namespace "nowhere"`,
      remedy: 'Create it, or name another: TEMPORAL_NAMESPACE, or namespace in temporal.toml.',
    })
    configure({ TLS: 'true' })
    await expect(ensureServer({ ...silent, address })).rejects.toMatchObject({
      kind: 'NoServer',
      message: `No Temporal server answers with TLS at ${address}`,
      remedy: 'Check the address, and the certificates that TEMPORAL_TLS_… or temporal.toml name.',
    })
  },
  serverTimeout,
)

test('settings that name a file that is not there are a mistake of the user', () => {
  configure({ ADDRESS: 'temporal.example:7233', TLS_SERVER_CA_CERT_PATH: '/nowhere/authority.pem' })
  expect(() => accessTo('temporal.example:7233')).toThrow(
    expect.objectContaining({
      kind: 'InvalidInput',
      message: expect.stringContaining("no such file or directory, open '/nowhere/authority.pem'") as string,
    }),
  )
})
