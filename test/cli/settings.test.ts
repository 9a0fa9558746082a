import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { addressOf } from '../../cli/address.js'
import { allowedPlugins } from '../../cli/allowed-plugins.js'
import { openStore } from '../../cli/open-store.js'
import { readSettings, settingsPlaces } from '../../cli/settings.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'puzzleflow-settings-'))
  mkdirSync(join(folder, 'work'))
  mkdirSync(join(folder, 'config/puzzleflow'), { recursive: true })
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

const here = (text: string) => writeFileSync(join(folder, 'work/puzzleflow.config.yaml'), text)
const user = (text: string) => writeFileSync(join(folder, 'config/puzzleflow/puzzleflow.config.yaml'), text)
/** Lines that are told, from a state directory where nothing was told before. */
function told(): string[] {
  vi.stubEnv('XDG_STATE_HOME', join(folder, 'state'))
  vi.stubEnv('XDG_CONFIG_HOME', join(folder, 'config'))
  const lines: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => lines.push(String(text).trimEnd()) > 0)
  return lines
}
const read = () => readSettings(settingsPlaces(join(folder, 'work'), { XDG_CONFIG_HOME: join(folder, 'config') }))

test('without settings files nothing is set', () => {
  expect(read()).toEqual({ allowPlugins: [] })
})

test('what the current folder sets goes before what the user sets', () => {
  here('store: ./store\n')
  user('store: /other\naddress: temporal:7233\nallowPlugins: [packed]\n')
  expect(read()).toEqual({
    store: join(folder, 'work/store'),
    storeFile: join(folder, 'work/puzzleflow.config.yaml'),
    address: 'temporal:7233',
    addressFile: join(folder, 'config/puzzleflow/puzzleflow.config.yaml'),
    allowPlugins: [{ text: 'packed', folder: join(folder, 'config/puzzleflow') }],
  })
})

test('the current folder cannot allow plugins: the file may be a stranger’s', () => {
  here('store: ./store\nallowPlugins: [./mine]\n')
  expect(read).toThrow(
    `${join(folder, 'work/puzzleflow.config.yaml')}:2:1 not-allowed-here A settings file of the current folder cannot allow plugins: it may have come with somebody else’s files. ` +
      `(remove it here; if you trust them, write it to ${join(folder, 'config/puzzleflow/puzzleflow.config.yaml')} with whole paths, or use --allow-plugin)`,
  )
})

test('the current folder cannot allow itself to name other machines', () => {
  here('allowSettings: [.]\n')
  expect(read).toThrow('1:1 not-allowed-here A settings file of the current folder cannot allow settings')
})

test('a link to the user’s file does not move its paths to the current folder', () => {
  user('allowPlugins: [./mine]\n')
  symlinkSync(join(folder, 'config/puzzleflow/puzzleflow.config.yaml'), join(folder, 'work/puzzleflow.config.yaml'))
  expect(read()).toEqual({ allowPlugins: [{ text: './mine', folder: join(folder, 'config/puzzleflow') }] })
})

test('an address may be of IPv6', () => {
  here('address: "[::1]:7233"\n')
  expect(read().address).toBe('[::1]:7233')
})

test('a file of comments sets nothing', () => {
  here('# allowPlugins: []\n\n')
  expect(read()).toEqual({ allowPlugins: [] })
})

test.each([
  ['stor: x', '1:1 unknown-key Unknown key "stor". (did you mean "store"?)'],
  ['store: 3', "1:8 wrong-type store must be a string, not 3. (put it in quotes: '3')"],
  [
    'address: temporal',
    '1:10 wrong-value address: "temporal" has no port. (Write the port too: temporal:7233, for instance.)',
  ],
  [
    'address: http://temporal:7233/',
    '1:10 wrong-value address: "http://temporal:7233/" has a scheme (http://). (Write HOST:PORT alone: temporal:7233.)',
  ],
  ['store: [', '1:9 yaml-syntax '],
])('%s is refused at its place', (text, expected) => {
  here(text)
  expect(read).toThrow(expect.objectContaining({ kind: 'InvalidInput' }))
  expect(read).toThrow(`${join(folder, 'work/puzzleflow.config.yaml')}:${expected}`)
})

test('flags go before the environment, and the environment before files', async () => {
  here('store: ./filed\naddress: localhost:1\n')
  told()
  vi.spyOn(process, 'cwd').mockReturnValue(join(folder, 'work'))
  vi.stubEnv('PUZZLEFLOW_STORE', undefined)
  vi.stubEnv('TEMPORAL_ADDRESS', undefined)
  expect([(await openStore({})).root, addressOf({})]).toEqual([join(folder, 'work/filed'), 'localhost:1'])
  vi.stubEnv('PUZZLEFLOW_STORE', '/environment')
  vi.stubEnv('TEMPORAL_ADDRESS', 'environment:1')
  expect([(await openStore({})).root, addressOf({})]).toEqual(['/environment', 'environment:1'])
  expect([(await openStore({ store: '/flag' })).root, addressOf({ address: 'flag:1' })]).toEqual(['/flag', 'flag:1'])
})

test('the bound of the cache reaches other processes, unless the environment sets another', async () => {
  here('cache: 50 GiB\n')
  vi.spyOn(process, 'cwd').mockReturnValue(join(folder, 'work'))
  vi.stubEnv('PUZZLEFLOW_CACHE_BYTES', undefined)
  await openStore({})
  expect(process.env.PUZZLEFLOW_CACHE_BYTES).toBe('53687091200')
  vi.stubEnv('PUZZLEFLOW_CACHE_BYTES', '1000')
  await openStore({})
  expect(process.env.PUZZLEFLOW_CACHE_BYTES).toBe('1000')
})

test('plugins are allowed by flags and by the user’s file', () => {
  user('allowPlugins: [packed, ./theirs]\n')
  vi.spyOn(process, 'cwd').mockReturnValue(join(folder, 'work'))
  vi.stubEnv('XDG_CONFIG_HOME', join(folder, 'config'))
  const { packages, folders } = allowedPlugins({ allowPlugin: ['flagged', './mine'] })
  expect([...packages]).toEqual(['flagged', 'packed'])
  expect([...folders]).toEqual([join(folder, 'work/mine'), join(folder, 'config/puzzleflow/theirs')])
})

test.each([
  ['TEMPORAL_API_KEY', 'secret'],
  ['TEMPORAL_TLS_CLIENT_CERT_DATA', 'certificate'],
  ['TEMPORAL_GRPC_META_AUTHORIZATION', 'Bearer secret'],
])('with %s, a server that only the file of the current folder names is refused', (name, value) => {
  vi.spyOn(process, 'cwd').mockReturnValue(join(folder, 'work'))
  vi.stubEnv('XDG_CONFIG_HOME', join(folder, 'config'))
  here('address: localhost:7233\n')
  told()
  expect(addressOf({})).toBe('localhost:7233')
  vi.stubEnv(name, value)
  expect(() => addressOf({})).toThrow(
    /names the server localhost:7233, but Temporal's settings hold a key or certificate/,
  )
  expect(addressOf({ address: 'filed:7233' })).toBe('filed:7233')
  rmSync(join(folder, 'work/puzzleflow.config.yaml'))
  user('address: filed:7233\n')
  expect(addressOf({})).toBe('filed:7233')
})

/** What a command uses and tells that runs in the folder with the settings files. */
const used = async () => {
  const lines = told()
  vi.spyOn(process, 'cwd').mockReturnValue(join(folder, 'work'))
  vi.stubEnv('PUZZLEFLOW_STORE', undefined)
  vi.stubEnv('TEMPORAL_ADDRESS', undefined)
  return { store: (await openStore({})).root, address: addressOf({}), lines }
}

test('a store and a server that the current folder names are told once, and again when it names others', async () => {
  here('store: ./filed\naddress: localhost:1\n')
  const file = join(folder, 'work/puzzleflow.config.yaml')
  const lines = [
    `The store is ${join(folder, 'work/filed')}: ${file} says so.`,
    `The server is localhost:1: ${file} says so.`,
  ]
  expect(await used()).toEqual({ store: join(folder, 'work/filed'), address: 'localhost:1', lines })
  expect((await used()).lines).toEqual([])
  here('store: ./other\naddress: localhost:1\n')
  expect((await used()).lines).toEqual([`The store is ${join(folder, 'work/other')}: ${file} says so.`])
})

test('nothing is told of what the user’s own file sets too, or of a folder that it allows', async () => {
  here('store: ./filed\naddress: localhost:1\n')
  user(`store: ${join(folder, 'work/filed')}\naddress: localhost:1\n`)
  expect((await used()).lines).toEqual([])
  user('allowSettings: [../../work]\n')
  expect(await used()).toMatchObject({ address: 'localhost:1', lines: [] })
})

test('a store in S3 that only the current folder names is refused', async () => {
  here('store: s3://theirs/prefix\n')
  const file = join(folder, 'work/puzzleflow.config.yaml')
  await expect(used()).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: `${file} names the store s3://theirs/prefix, to which plans and results would go, and your own settings do not`,
    remedy: `If you trust it: --store s3://theirs/prefix, PUZZLEFLOW_STORE=s3://theirs/prefix, or the line \`allowSettings: ['${join(folder, 'work')}']\` in ${join(folder, 'config/puzzleflow/puzzleflow.config.yaml')}.`,
  })
})

test.each(['temporal:7233', '10.0.0.1:7233', '"[2001:db8::1]:7233"'])(
  'a server at %s that only the current folder names is refused',
  async (address) => {
    here(`address: ${address}\n`)
    await expect(used()).rejects.toThrow(/names the server .*, to which plans and results would go/)
    const plain = address.replaceAll('"', '')
    expect(addressOf({ address: plain })).toBe(plain)
    user(`address: ${address}\n`)
    expect(await used()).toMatchObject({ address: plain, lines: [] })
    user(`allowSettings: ['${join(folder, 'work')}']\n`)
    expect(await used()).toMatchObject({ address: plain, lines: [] })
  },
)
