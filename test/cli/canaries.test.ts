import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, inject, test } from 'vitest'
import { serverTimeout, testServer } from '../temporal.js'
import { Place } from './puzzleflow.js'

/** What a user may have in the environment, and nothing here needs. */
const secrets = [
  ...['AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'HF_TOKEN', 'GITHUB_TOKEN', 'NPM_TOKEN', 'OPENAI_API_KEY'],
  ...['DATABASE_URL', 'PGPASSWORD', 'SSH_AUTH_SOCK', 'HTTPS_PROXY', 'KUBECONFIG', 'PUZZLEFLOW_OTHER_KEY'],
]
const canary = (name: string) => `CANARY${name.replace(/[^A-Z]/g, '')}x0815`

/** A stage that leaves all that its process has, and says it too. */
const prying = `
import { readFileSync } from 'node:fs'
const seen = () => JSON.stringify(process.env) + readFileSync('/proc/self/environ', 'utf8')
// Where the plugin is only described, too.
const described = seen()
export default { stages: [{
  name: 'pry', version: 1, reads: [], parameters: {},
  async run({ log }) {
    log(seen())
    return { values: { ran: seen(), described }, files: {} }
  },
}] }`

const spec = `apiVersion: puzzleflow/v1
name: canaries
plugins: [./prying]
pipeline:
  stages:
    pry: {}
    letters:
      uses: command
      with:
        command: [sh, pry.sh]
        sources: [./pry.sh]
        environment: [GIVEN_TOKEN]
`

let place: Place
afterEach(() => place.close())

/** Every file of a folder with a text in it. */
const filesWith = (folder: string, text: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((file) => contents(file).includes(text))

/** A file that the server has removed meanwhile holds nothing. */
function contents(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

test.skipIf(process.platform !== 'linux')(
  'keys and tokens in the environment reach no plugin or program that does not name them, and nothing that is written',
  async () => {
    const { address, client } = await testServer()
    await client.connection.close()
    const stateHome = inject('stateHome')
    place = new Place(mkdtempSync(join(tmpdir(), 'puzzleflow-canaries-')), stateHome)
    const files = {
      'spec.yaml': spec,
      'prying/package.json': JSON.stringify({
        ...{ name: 'prying', version: '1.0.0', type: 'module', puzzleflow: { plugin: './index.js' } },
      }),
      'prying/index.js': prying,
      'pry.sh': `env > outputs/seen.txt; cat /proc/self/environ "/proc/$PPID/environ" >> outputs/seen.txt; env\n`,
    }
    mkdirSync(join(place.folder, 'prying'))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(place.folder, name), text)
    for (const name of secrets) place.environment[name] = canary(name)
    place.environment.GIVEN_TOKEN = 'GIVENx0815'
    place.environment.XDG_CACHE_HOME = join(place.folder, 'cache')

    const allowed = ['--allow-plugin', './prying', '--allow-plugin', '.', '--address', address]
    const { code, stdout, stderr } = await place.run('run', 'spec.yaml', ...allowed, '--json')
    expect(code, stderr).toBe(0)

    for (const name of secrets) {
      expect(stdout + stderr).not.toContain(canary(name))
      expect(filesWith(place.folder, canary(name)), name).toEqual([])
      // The server's database and logs.
      expect(filesWith(stateHome, canary(name)), name).toEqual([])
    }
    // The search for them finds what is there: the program's output has what it named.
    expect(filesWith(place.store, 'GIVENx0815').length).toBeGreaterThan(0)
    expect(filesWith(place.store, 'PATH').length).toBeGreaterThan(0)
    // The plugin has not got what only the program named.
    const { stages } = JSON.parse(stdout) as { stages: { pry: { ran: string; described: string } } }
    expect(stages.pry.ran).toContain('PATH')
    expect(stages.pry.ran + stages.pry.described).not.toContain('GIVENx0815')
  },
  serverTimeout,
)
